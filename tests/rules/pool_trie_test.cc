// The trie over pools finds what a look at every prefix finds.
#include "rules/pool_trie.h"

#include "rules/image_lookup.h"
#include "tests/rules/dice.h"
#include "tests/rules/frame_builder.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace portcullis::test {

namespace {

// A trie where find_pool looks for it.
class Lookup {
public:
    Lookup(const std::vector<TriePrefix>& prefixes, Family family, bool skip)
        : trie_(build_pool_trie(prefixes, skip))
        , family_(family) {
        header_.skip_bytes6 = trie_.skip_bytes;
        header_.skip_mask_high = trie_.skip_mask_high;
        header_.skip_value_high = trie_.skip_value_high;
        view_.header = &header_;
        view_.roots4 = roots_of(trie_.nodes);
        view_.trie4 = trie_.nodes.data();
        view_.trie6 = trie_.nodes.data();
    }

    Lookup(const Lookup&) = delete;
    Lookup& operator=(const Lookup&) = delete;

    [[nodiscard]] std::uint32_t pool_of(const Address& wanted) const {
        return find_pool(view_, family_, words_of(wanted));
    }

    [[nodiscard]] const PoolTrie& trie() const { return trie_; }

private:
    PoolTrie trie_;
    Family family_;
    ImageHeader header_;
    ImageView view_;
};

std::uint32_t longest(const std::vector<TriePrefix>& prefixes, const Address& wanted) {
    std::uint32_t pool = 0;
    int length = -1;
    for (const TriePrefix& entry : prefixes) {
        if (entry.prefix.contains(wanted) && entry.prefix.length > length) {
            pool = entry.pool;
            length = entry.prefix.length;
        }
    }
    return pool;
}

// `base` with some bits after the first `kept` changed.
Address near(Dice& dice, Address base, unsigned kept) {
    const unsigned bits = address_bits(base.family);
    for (unsigned flips = dice.below(4); flips > 0 && kept < bits; --flips) {
        const unsigned bit = kept + dice.below(bits - kept);
        base.bytes[bit / 8] = static_cast<std::uint8_t>(base.bytes[bit / 8] ^ (0x80U >> bit % 8));
    }
    return base;
}

void check_random(const char* text, unsigned shortest, bool skip, std::uint64_t seed) {
    Dice dice(seed);
    const Address base = address(text);
    const unsigned bits = address_bits(base.family);
    std::vector<TriePrefix> prefixes;
    for (std::uint32_t pool = 1; pool <= 1 + dice.below(40); ++pool) {
        const unsigned length = shortest + dice.below(bits + 1 - shortest);
        const Prefix made = make_prefix(near(dice, base, shortest), length);
        const auto is_made = [&](const TriePrefix& entry) {
            return entry.prefix == made;
        };
        if (std::none_of(prefixes.begin(), prefixes.end(), is_made)) {
            prefixes.push_back({made, pool});
        }
    }
    const Lookup lookup(prefixes, base.family, skip);
    for (int i = 0; i < 300; ++i) {
        Address wanted = near(dice, dice.pick(prefixes).prefix.address, 0);
        INFO("seed " << seed << " " << to_string(wanted));
        REQUIRE(lookup.pool_of(wanted) == longest(prefixes, wanted));
    }
}

}  // namespace

TEST_CASE("the longest prefix wins, and its first and last address belong to it") {
    const std::vector<TriePrefix> prefixes = {
        {prefix("100.64.0.0/10"), 1}, {prefix("100.64.8.0/24"), 2}, {prefix("100.64.8.9/32"), 3}};
    const Lookup lookup(prefixes, Family::ipv4, false);
    CHECK(lookup.pool_of(address("100.63.255.255")) == 0);
    CHECK(lookup.pool_of(address("100.64.0.0")) == 1);
    CHECK(lookup.pool_of(address("100.127.255.255")) == 1);
    CHECK(lookup.pool_of(address("100.128.0.0")) == 0);
    CHECK(lookup.pool_of(address("100.64.7.255")) == 1);
    CHECK(lookup.pool_of(address("100.64.8.0")) == 2);
    CHECK(lookup.pool_of(address("100.64.8.8")) == 2);
    CHECK(lookup.pool_of(address("100.64.8.9")) == 3);
    CHECK(lookup.pool_of(address("100.64.8.10")) == 2);
    CHECK(lookup.pool_of(address("100.64.9.0")) == 1);
}

TEST_CASE("a trie without prefixes finds nothing") {
    const Lookup ipv4({}, Family::ipv4, false);
    const Lookup ipv6({}, Family::ipv6, true);
    CHECK(ipv4.pool_of(address("0.0.0.0")) == 0);
    CHECK(ipv4.pool_of(address("255.255.255.255")) == 0);
    CHECK(ipv6.pool_of(address("::")) == 0);
    CHECK(ipv6.pool_of(address("ffff::")) == 0);
}

TEST_CASE("a prefix of length 0 takes everything that is left") {
    const Lookup ipv4({{prefix("0.0.0.0/0"), 1}, {prefix("10.0.0.0/8"), 2}}, Family::ipv4, false);
    CHECK(ipv4.pool_of(address("9.255.255.255")) == 1);
    CHECK(ipv4.pool_of(address("10.0.0.0")) == 2);
    const Lookup ipv6({{prefix("::/0"), 1}, {prefix("2001:db8::/32"), 2}}, Family::ipv6, true);
    CHECK(ipv6.trie().skip_bytes == 0);
    CHECK(ipv6.pool_of(address("2001:db7::")) == 1);
    CHECK(ipv6.pool_of(address("2001:db8::")) == 2);
}

TEST_CASE("leading bytes that all prefixes share are skipped, at most eight") {
    const std::vector<TriePrefix> narrow = {
        {prefix("2001:db8:1:2:3::/80"), 1}, {prefix("2001:db8:1:2:4::/80"), 2}};
    const Lookup skipping(narrow, Family::ipv6, true);
    CHECK(skipping.trie().skip_bytes == 8);
    CHECK(skipping.pool_of(address("2001:db8:1:2:3::ffff")) == 1);
    CHECK(skipping.pool_of(address("2001:db8:1:2:4::")) == 2);
    CHECK(skipping.pool_of(address("2001:db8:1:2:5::")) == 0);
    CHECK(skipping.pool_of(address("2001:db8:1:3:3::")) == 0);

    const Lookup one({{prefix("2001:db8::/32"), 1}}, Family::ipv6, true);
    CHECK(one.trie().skip_bytes == 4);
    CHECK(one.pool_of(address("2001:db8:ffff::")) == 1);
    CHECK(one.pool_of(address("2001:db9::")) == 0);
}

TEST_CASE("random tries agree with a look at every prefix") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        check_random("100.64.0.0", 0, false, seed);
        check_random("100.64.0.0", 16, false, seed);
        check_random("2001:db8::", 0, true, seed);
        check_random("2001:db8::", 28, true, seed);
        check_random("2001:db8:1:2::", 64, true, seed);
        check_random("2001:db8:1:2::", 100, true, seed);
    }
}

}  // namespace portcullis::test
