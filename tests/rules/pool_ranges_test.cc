// Ranges of pools say what the trie says, wherever they say anything.
#include "rules/pool_ranges.h"

#include "rules/image.h"
#include "rules/image_lookup.h"
#include "tests/rules/agreement.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/random_policy.h"
#include "tests/rules/sample_policy.h"

#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <vector>

using namespace portcullis;
using namespace portcullis::test;

namespace {

Pool pool_of(const char* text, unsigned subscriber_length) {
    Pool out;
    out.prefix = prefix(text);
    out.subscriber_prefix_length = static_cast<std::uint8_t>(subscriber_length);
    return out;
}

CompiledPolicy with_pools(const std::vector<Pool>& pools) {
    Policy policy = sample_policy();
    policy.pools = pools;
    policy.exemptions.clear();
    return {policy, kSampleNow};
}

std::uint32_t slot_by_trie(const ImageView& view, Family family, const AddressWords& address) {
    const PoolEntry& pool = view.pools[find_pool(view, family, address)];
    return pool.slot_base + subscriber_number(pool, address);
}

AddressWords words4(std::uint32_t address) {
    return {std::uint64_t{address} << 32U, 0};
}

void check4(const ImageView& view, const PoolRange4& range, std::uint32_t address) {
    INFO("IPv4 address " << std::hex << address);
    REQUIRE(range.contains(address));
    REQUIRE(find_pool(view, Family::ipv4, words4(address)) == range.numbering.pool);
    REQUIRE(range.numbering.slot_of(address) == slot_by_trie(view, Family::ipv4, words4(address)));
}

void check6(const ImageView& view, const PoolRange6& range, std::uint64_t half) {
    INFO("upper half " << std::hex << half);
    REQUIRE(range.contains(half));
    for (const std::uint64_t lower : {std::uint64_t{0}, ~std::uint64_t{0}}) {
        REQUIRE(find_pool(view, Family::ipv6, {half, lower}) == range.numbering.pool);
        REQUIRE(range.numbering.slot_of(half) == slot_by_trie(view, Family::ipv6, {half, lower}));
    }
}

struct Borders {
    std::uint32_t first;
    std::uint32_t last;
    std::uint32_t pool;

    friend bool operator==(const Borders&, const Borders&) = default;
};

std::vector<Borders> borders4(const CompiledPolicy& compiled) {
    std::vector<Borders> out;
    for (const PoolRange4& range : compiled.view().pool_ranges4.all()) {
        out.push_back({range.first, range.first + range.span, range.numbering.pool});
    }
    return out;
}

}  // namespace

TEST_CASE("a pool is a range, without what another pool has inside") {
    const CompiledPolicy compiled = with_pools(
        {pool_of("100.64.0.0/10", 32),
         pool_of("100.64.8.0/24", 32),
         pool_of("192.0.2.0/24", 32),
         pool_of("198.51.100.16/29", 32)}
    );
    // 8.0/24 cuts the first into two; the last one is less than 256 addresses, which the trie alone knows.
    CHECK(
        borders4(compiled)
        == std::vector<
            Borders>{{0x6440'0900, 0x647F'FFFF, 1}, {0x6440'0000, 0x6440'07FF, 1}, {0x6440'0800, 0x6440'08FF, 2}, {0xC000'0200, 0xC000'02FF, 3}}
    );
}

TEST_CASE("of more ranges than there is room for the largest stay") {
    std::vector<Pool> pools;
    for (const char* text :
         {"10.0.0.0/24",
          "10.2.0.0/17",
          "10.4.0.0/16",
          "10.6.0.0/18",
          "10.16.0.0/12",
          "10.32.0.0/23"}) {
        pools.push_back(pool_of(text, 32));
    }
    const std::vector<Borders> found = borders4(with_pools(pools));
    CHECK(
        found
        == std::vector<
            Borders>{{0x0A10'0000, 0x0A1F'FFFF, 5}, {0x0A04'0000, 0x0A04'FFFF, 3}, {0x0A02'0000, 0x0A02'7FFF, 2}, {0x0A06'0000, 0x0A06'3FFF, 4}}
    );
}

TEST_CASE("IPv6 pools are ranges of their first two words") {
    const CompiledPolicy compiled = with_pools(
        {pool_of("2001:db8::/29", 56),
         pool_of("2a00:1:4000::/34", 56),
         pool_of("2a00:2::/32", 64),
         pool_of("2a00:3::/104", 128)}
    );
    const auto all = compiled.view().pool_ranges6.all();
    REQUIRE(all.size() == 3);  // a pool within one upper half is looked up
    const auto has = [&](unsigned i,
                         std::array<std::uint32_t, 2> first,
                         std::array<std::uint32_t, 2> span,
                         std::uint32_t pool) {
        return all[i].first == first && all[i].span == span && all[i].numbering.pool == pool;
    };
    CHECK(has(0, {0x2001'0DB8, 0}, {7, 0xFFFF'FFFF}, 1));
    CHECK(has(1, {0x2A00'0002, 0}, {0, 0xFFFF'FFFF}, 3));
    CHECK(has(2, {0x2A00'0001, 0x4000'0000}, {0, 0x3FFF'FFFF}, 2));
}

TEST_CASE("a range over several first words keeps the whole ones") {
    const CompiledPolicy compiled =
        with_pools({pool_of("2001:db8::/30", 48), pool_of("2001:db8:8000::/34", 48)});
    const auto all = compiled.view().pool_ranges6.all();
    REQUIRE(all.size() == 3);
    CHECK(all[0].first == std::array<std::uint32_t, 2>{0x2001'0DB9, 0});
    CHECK(all[0].span == std::array<std::uint32_t, 2>{2, 0xFFFF'FFFF});
    CHECK(all[1].first == std::array<std::uint32_t, 2>{0x2001'0DB8, 0});
    CHECK(all[1].span == std::array<std::uint32_t, 2>{0, 0x7FFF'FFFF});
    CHECK(all[2].first == std::array<std::uint32_t, 2>{0x2001'0DB8, 0x8000'0000});
    CHECK(all[2].span == std::array<std::uint32_t, 2>{0, 0x3FFF'FFFF});
    for (const PoolRange6& range : all) {
        const std::uint64_t first = std::uint64_t{range.first[0]} << 32U | range.first[1];
        check6(compiled.view(), range, first);
    }
}

TEST_CASE("ranges of random policies say what the trie says") {
    unsigned ranges4 = 0;
    unsigned ranges6 = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        INFO("seed " << seed);
        Dice dice(seed);
        const CompiledPolicy compiled(random_policy(dice), kRandomPolicyNow);
        const ImageView& view = compiled.view();
        for (const PoolRange4& range : view.pool_ranges4.all()) {
            ++ranges4;
            check4(view, range, range.first);
            check4(view, range, range.first + range.span);
            for (unsigned i = 0; i < 200; ++i) {
                check4(view, range, range.first + dice.up_to(range.span));
            }
        }
        for (const PoolRange6& range : view.pool_ranges6.all()) {
            ++ranges6;
            const auto half = [&](std::uint32_t high, std::uint32_t low) {
                return std::uint64_t{range.first[0] + high} << 32U | (range.first[1] + low);
            };
            check6(view, range, half(0, 0));
            check6(view, range, half(range.span[0], range.span[1]));
            for (unsigned i = 0; i < 200; ++i) {
                const std::uint32_t high = dice.up_to(range.span[0]);
                const std::uint32_t low = dice.up_to(range.span[1]);
                check6(view, range, half(high, low));
            }
        }
    }
    CHECK(ranges4 > 100);
    CHECK(ranges6 > 50);
}

TEST_CASE("nodes behind many others do not keep a dataplane busy") {
    // Every entry of a level leads to the one node of the next: 256^7 ways to the last.
    std::vector<TrieNode> trie(8);
    for (std::size_t node = 0; node + 1 < trie.size(); ++node) {
        trie[node].entries.fill(TrieNode::kChild | static_cast<std::uint32_t>(node + 1));
    }
    trie.back().entries.fill(1);
    std::vector<PoolEntry> pools(2);
    pools[1].shift = 8;
    pools[1].number_mask = 1;
    const PoolRanges<PoolRange6> ranges = pool_ranges6(0, 0, trie, pools);
    REQUIRE(!ranges.all().empty());
    for (const PoolRange6& range : ranges.all()) {
        CHECK(range.numbering.pool == 1);
    }
}
