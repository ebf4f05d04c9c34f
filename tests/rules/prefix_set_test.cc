// The hash tables of prefixes find what a look at every prefix finds.
#include "rules/prefix_set.h"

#include "rules/image_lookup.h"
#include "tests/rules/dice.h"
#include "tests/rules/frame_builder.h"

#include <catch2/catch.hpp>

#include <utility>
#include <vector>

namespace portcullis::test {

namespace {

RuleSet find(const PrefixSetTables<PrefixEntry4>& set, const Address& wanted) {
    return find_prefixes(ImageView::PrefixSet4{set.tables, set.entries.data()}, words_of(wanted));
}

RuleSet find(const PrefixSetTables<PrefixEntry6>& set, const Address& wanted) {
    return find_prefixes(ImageView::PrefixSet6{set.tables, set.entries.data()}, words_of(wanted));
}

RuleSet every_rule(const std::vector<PrefixRules>& prefixes, const Address& wanted) {
    unsigned out = 0;
    for (const PrefixRules& entry : prefixes) {
        out |= entry.prefix.contains(wanted) ? entry.rules : 0U;
    }
    return static_cast<RuleSet>(out);
}

Address random_address(Dice& dice, Family family, unsigned random_bytes) {
    Address out = address(family == Family::ipv4 ? "100.64.0.0" : "2001:db8::");
    const unsigned size = address_bits(family) / 8;
    for (unsigned i = size - random_bytes; i < size; ++i) {
        out.bytes[i] = dice.byte();
    }
    return out;
}

template <typename Build>
void check_random(Build build, Family family, std::uint64_t seed) {
    Dice dice(seed);
    const unsigned bits = address_bits(family);
    std::vector<PrefixRules> prefixes;
    for (unsigned count = dice.below(60); count > 0; --count) {
        const unsigned length = dice.one_in(2) ? bits : dice.below(bits + 1);
        const auto rules = static_cast<RuleSet>(1 + dice.below(7));
        prefixes.push_back({make_prefix(random_address(dice, family, 1), length), rules});
    }
    const auto set = build(prefixes);
    for (unsigned last = 0; last < 256; ++last) {
        Address wanted = random_address(dice, family, 0);
        wanted.bytes[bits / 8 - 1] = static_cast<std::uint8_t>(last);
        INFO("seed " << seed << " " << to_string(wanted));
        REQUIRE(find(set, wanted) == every_rule(prefixes, wanted));
    }
}

}  // namespace

TEST_CASE("an empty set holds nothing") {
    CHECK(find(build_prefix_set4({}), address("0.0.0.0")) == 0);
    CHECK(find(build_prefix_set6({}), address("::")) == 0);
}

TEST_CASE("every prefix that contains an address adds its rules") {
    const auto set = build_prefix_set4(
        {{prefix("0.0.0.0/0"), 1}, {prefix("10.0.0.0/8"), 2}, {prefix("10.1.2.3/32"), 4}}
    );
    CHECK(set.tables.size() == 3);
    CHECK(find(set, address("9.255.255.255")) == 1);
    CHECK(find(set, address("10.1.2.2")) == 3);
    CHECK(find(set, address("10.1.2.3")) == 7);
}

TEST_CASE("equal prefixes have their rules united") {
    const auto set = build_prefix_set6(
        {{prefix("2001:db8::/32"), 1}, {prefix("2001:db8::1/128"), 8}, {prefix("2001:db8::/32"), 4}}
    );
    CHECK(set.tables.size() == 2);
    CHECK(find(set, address("2001:db8:1::")) == 5);
    CHECK(find(set, address("2001:db8::1")) == 13);
    CHECK(find(set, address("2001:db9::")) == 0);
}

TEST_CASE("the address 0.0.0.0 and :: are members like any other") {
    CHECK(find(build_prefix_set4({{prefix("0.0.0.0/32"), 1}}), address("0.0.0.0")) == 1);
    CHECK(find(build_prefix_set4({{prefix("0.0.0.0/32"), 1}}), address("0.0.0.1")) == 0);
    CHECK(find(build_prefix_set6({{prefix("::/128"), 1}}), address("::")) == 1);
    CHECK(find(build_prefix_set6({{prefix("::/128"), 1}}), address("::1")) == 0);
}

TEST_CASE("a large set is found whole, and nothing beside it") {
    // Every second address of a /14, as an operator's exemptions may lie.
    constexpr std::uint32_t kCount = 100'000;
    const auto at = [](std::uint32_t number) {
        Address out = address("100.64.0.0");
        out.bytes[1] = static_cast<std::uint8_t>(64 + (number >> 16U));
        out.bytes[2] = static_cast<std::uint8_t>(number >> 8U);
        out.bytes[3] = static_cast<std::uint8_t>(number);
        return out;
    };
    std::vector<PrefixRules> prefixes;
    for (std::uint32_t i = 0; i < kCount; ++i) {
        prefixes.push_back({make_prefix(at(2 * i), 32), 1});
    }
    const auto set = build_prefix_set4(prefixes);
    CHECK(set.entries.size() < 3 * kCount);  // half full is enough, however many there are
    bool all = true;
    for (std::uint32_t i = 0; i < kCount; ++i) {
        all = all && find(set, at(2 * i)) == 1 && find(set, at(2 * i + 1)) == 0;
    }
    CHECK(all);
}

TEST_CASE("a table tells where each of its prefixes stands, behind the tables before it") {
    PrefixSetTables<PrefixEntry4> set;
    const std::vector<PrefixEntry4> hosts = {{0x6440'0001, 1, 0}, {0x6440'0002, 2, 0}};
    const std::vector<PrefixEntry4> nets = {{0x6440'0000, 4, 0}};
    for (const auto& [length, prefixes] : {std::pair(32U, hosts), std::pair(24U, nets)}) {
        const auto numbers = add_prefix_table<PrefixEntry4>(length, prefixes, set);
        REQUIRE(numbers.size() == prefixes.size());
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            CHECK(numbers[i] >= set.tables.back().first_entry);
            CHECK(set.entries.at(numbers[i]).address == prefixes[i].address);
            CHECK(set.entries.at(numbers[i]).rules == prefixes[i].rules);
        }
    }
    CHECK(find(set, address("100.64.0.2")) == 6);
}

TEST_CASE("the tables do not depend on the order of the prefixes") {
    std::vector<PrefixRules> prefixes;
    for (unsigned i = 0; i < 200; ++i) {
        Dice dice(i);
        prefixes.push_back({make_prefix(random_address(dice, Family::ipv4, 3), 24 + i % 9), 1});
    }
    const auto forwards = build_prefix_set4(prefixes);
    const auto backwards = build_prefix_set4({prefixes.rbegin(), prefixes.rend()});
    REQUIRE(forwards.entries.size() == backwards.entries.size());
    bool same = true;
    for (std::size_t i = 0; i < forwards.entries.size(); ++i) {
        same = same && forwards.entries[i].address == backwards.entries[i].address
               && forwards.entries[i].rules == backwards.entries[i].rules;
    }
    CHECK(same);
}

TEST_CASE("prefixes that were chosen to have one hash spread all the same") {
    // hash_of(high, low) depends on high ^ low * this only; without a seed, prefix_hash() adds the length to low.
    constexpr std::uint64_t kFactor = 0x9E37'79B9'7F4A'7C15ULL;
    constexpr unsigned kLength = 128;
    constexpr std::uint64_t kCount = 100 * kProbesMax;
    const auto chosen = [](std::uint64_t low) {
        return address_of(Family::ipv6, {(low + kLength) * kFactor, low});
    };
    std::vector<PrefixRules> prefixes;
    for (std::uint64_t low = 0; low < kCount; ++low) {
        prefixes.push_back({make_prefix(chosen(low), kLength), 1});
    }
    const auto set = build_prefix_set6(prefixes);
    REQUIRE(set.tables.size() == 1);
    CHECK(set.tables.front().seed != 0);
    CHECK(set.entries.size() < 4 * kCount);
    for (std::uint64_t low = 0; low < kCount; ++low) {
        REQUIRE(find(set, chosen(low)) == 1);
    }
    CHECK(find(set, chosen(kCount)) == 0);
}

TEST_CASE("IPv4 addresses that were chosen to have one hash spread, too") {
    constexpr std::size_t kCount = 4 * kProbesMax;
    constexpr std::uint64_t kMask = 64 * kCount - 1;  // of the largest table that would be tried
    PrefixTable without_seed;
    without_seed.length = 32;
    const auto home = [&](std::uint32_t number) {
        return prefix_hash(PrefixEntry4{number, 1, 0}, without_seed) & kMask;
    };
    std::vector<PrefixEntry4> chosen;
    for (std::uint32_t number = 0x0A00'0000; chosen.size() < kCount; ++number) {
        if (home(number) == home(0x0A00'0000)) {
            chosen.push_back({number, 1, 0});
        }
    }
    PrefixSetTables<PrefixEntry4> set;
    const auto numbers = add_prefix_table<PrefixEntry4>(32, chosen, set);
    CHECK(set.tables.front().seed != 0);
    CHECK(set.tables.front().slot_mask < 32 * kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
        REQUIRE(
            find(set, address_of(Family::ipv4, {std::uint64_t{chosen[i].address} << 32U, 0})) == 1
        );
        REQUIRE(set.entries[numbers[i]].address == chosen[i].address);
    }
}

TEST_CASE("entries that collide with every seed are refused, and take no memory for it") {
    // Such prefixes are not known; the same one again is one.
    const std::vector<PrefixEntry4> same(kProbesMax + 1, PrefixEntry4{0x6440'0001, 1, 0});
    PrefixSetTables<PrefixEntry4> set;
    CHECK_THROWS_AS(add_prefix_table<PrefixEntry4>(32, same, set), PrefixesCollide);
    CHECK(set.tables.empty());
    CHECK(set.entries.empty());
}

TEST_CASE("random sets agree with a look at every prefix") {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        check_random(build_prefix_set4, Family::ipv4, seed);
        check_random(build_prefix_set6, Family::ipv6, seed);
    }
}

}  // namespace portcullis::test
