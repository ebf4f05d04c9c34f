// The hash tables of prefixes find what a look at every prefix finds.
#include "rules/prefix_set.h"

#include "rules/image_lookup.h"
#include "tests/rules/dice.h"
#include "tests/rules/frame_builder.h"

#include <catch2/catch.hpp>

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
    CHECK(set.entries.size() < 16 * kCount);
    bool all = true;
    for (std::uint32_t i = 0; i < kCount; ++i) {
        all = all && find(set, at(2 * i)) == 1 && find(set, at(2 * i + 1)) == 0;
    }
    CHECK(all);
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

TEST_CASE("random sets agree with a look at every prefix") {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        check_random(build_prefix_set4, Family::ipv4, seed);
        check_random(build_prefix_set6, Family::ipv6, seed);
    }
}

}  // namespace portcullis::test
