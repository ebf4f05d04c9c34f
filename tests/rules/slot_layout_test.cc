// Counters stay with their subscribers from policy to policy.
#include "rules/slot_layout.h"

#include "tests/rules/frame_builder.h"

#include <catch2/catch.hpp>

#include <vector>

namespace portcullis::test {

namespace {

Policy with_pools(const std::vector<std::pair<const char*, unsigned>>& pools) {
    Policy out;
    out.classes = {{"only", {}, {}}};
    for (const auto& [text, length] : pools) {
        Pool pool;
        pool.prefix = prefix(text);
        pool.subscriber_prefix_length = static_cast<std::uint8_t>(length);
        out.pools.push_back(pool);
    }
    return out;
}

SlotLayout extended(const SlotLayout& layout, const Policy& policy) {
    Result<SlotLayout> out = layout.extended_for(policy);
    REQUIRE(out);
    return out.value();
}

}  // namespace

TEST_CASE("without pools there is the unattributed slot alone") {
    const SlotLayout layout = extended({}, with_pools({}));
    CHECK(layout.slot_count() == 1);
    CHECK(!layout.subscriber_of({kUnattributedSlot}));
    CHECK(!layout.subscriber_of({1}));
}

TEST_CASE("every subscriber of a pool has a slot, in order") {
    const SlotLayout layout =
        extended({}, with_pools({{"100.64.8.0/24", 32}, {"2001:db8::/40", 56}}));
    CHECK(layout.slot_count() == 1 + 256 + 65'536);
    CHECK(layout.subscriber_of({1}) == prefix("100.64.8.0/32"));
    CHECK(layout.subscriber_of({256}) == prefix("100.64.8.255/32"));
    CHECK(layout.subscriber_of({257}) == prefix("2001:db8::/56"));
    CHECK(layout.subscriber_of({258}) == prefix("2001:db8:0:100::/56"));
    CHECK(layout.subscriber_of({256 + 65'536}) == prefix("2001:db8:ff:ff00::/56"));
    CHECK(!layout.subscriber_of({257 + 65'536}));
}

TEST_CASE("subscribers may be whole pools, or lie in the low half of an address") {
    const SlotLayout layout = extended(
        {}, with_pools({{"2001:db8::/56", 56}, {"2001:db8:1:2::/112", 120}, {"0.0.0.0/0", 0}})
    );
    CHECK(layout.subscriber_of({1}) == prefix("2001:db8::/56"));
    CHECK(layout.subscriber_of({2}) == prefix("2001:db8:1:2::/120"));
    CHECK(layout.subscriber_of({257}) == prefix("2001:db8:1:2::ff00/120"));
    CHECK(layout.subscriber_of({258}) == prefix("0.0.0.0/0"));
}

TEST_CASE("a pool inside another one of the same subscriber size is the same region") {
    const Policy policy = with_pools(
        {{"100.64.8.0/24", 32}, {"100.64.0.0/16", 32}, {"100.64.8.7/32", 32}, {"100.64.9.0/24", 28}}
    );
    const std::vector<Region> regions = regions_of(policy);
    CHECK(regions[0] == Region{prefix("100.64.0.0/16"), 32});
    CHECK(regions[1] == regions[0]);
    CHECK(regions[2] == regions[0]);
    CHECK(regions[3] == Region{prefix("100.64.9.0/24"), 28});
    CHECK(extended({}, policy).slot_count() == 1 + 65'536 + 16);
}

TEST_CASE("IPv4 and IPv6 pools with the same leading bytes are different regions") {
    const std::vector<Region> regions =
        regions_of(with_pools({{"0.0.0.0/0", 32}, {"::/0", 32}, {"10.0.0.0/8", 32}}));
    CHECK(regions[0].prefix.address.family == Family::ipv4);
    CHECK(regions[1].prefix.address.family == Family::ipv6);
    CHECK(regions[2] == regions[0]);
}

TEST_CASE("ranges stay where they are from policy to policy") {
    const SlotLayout first = extended({}, with_pools({{"10.0.0.0/24", 32}, {"10.0.1.0/24", 32}}));
    // 10.0.0.0/24 goes, another comes.
    const SlotLayout second =
        extended(first, with_pools({{"10.0.2.0/25", 32}, {"10.0.1.0/24", 32}}));
    CHECK(second.slot_count() == 1 + 256 + 256 + 128);
    CHECK(second.subscriber_of({257}) == prefix("10.0.1.0/32"));
    CHECK(second.subscriber_of({513}) == prefix("10.0.2.0/32"));
    // It comes back, and finds its slots.
    const SlotLayout third = extended(second, with_pools({{"10.0.0.0/24", 32}}));
    CHECK(third.ranges() == second.ranges());
    CHECK(third.subscriber_of({1}) == prefix("10.0.0.0/32"));
}

TEST_CASE("a new pool inside a known region needs no new slots") {
    const SlotLayout first = extended({}, with_pools({{"10.0.0.0/16", 32}}));
    const SlotLayout second =
        extended(first, with_pools({{"10.0.0.0/16", 32}, {"10.0.3.0/24", 32}}));
    CHECK(second.ranges() == first.ranges());
}

TEST_CASE("a stored layout goes on where it was") {
    const Policy policy = with_pools({{"10.0.0.0/24", 32}, {"2001:db8::/48", 56}});
    const SlotLayout stored = SlotLayout::from_ranges(extended({}, policy).ranges());
    CHECK(extended(stored, policy).ranges() == stored.ranges());
    CHECK(stored.find({prefix("2001:db8::/48"), 56})->first_slot == 257);
    CHECK(stored.find({prefix("2001:db8::/48"), 64}) == nullptr);
}

TEST_CASE("regions with too many subscribers, or astride the halves of an address, are not dense") {
    CHECK(Region{prefix("0.0.0.0/9"), 32}.is_dense());
    CHECK(!Region{prefix("0.0.0.0/8"), 32}.is_dense());
    CHECK(Region{prefix("2001:db8::/41"), 64}.is_dense());
    CHECK(!Region{prefix("2001:db8::/40"), 64}.is_dense());
    CHECK(!Region{prefix("2001:db8::/60"), 68}.is_dense());
    CHECK(Region{prefix("2001:db8::/64"), 72}.is_dense());
    const SlotLayout layout = extended({}, with_pools({{"10.0.0.0/8", 32}, {"2001:db8::/32", 64}}));
    CHECK(layout.slot_count() == 1);
}

TEST_CASE("2^31 slots are refused, with the pool that is too much") {
    Policy policy;
    for (unsigned i = 0; i < 256; ++i) {
        Pool pool;
        Address at = address("2001:db8::");
        at.bytes[4] = static_cast<std::uint8_t>(i);
        pool.prefix = make_prefix(at, 41);
        pool.subscriber_prefix_length = 64;
        pool.where.line = i + 1;
        policy.pools.push_back(pool);
    }
    const Result<SlotLayout> refused = SlotLayout{}.extended_for(policy);
    REQUIRE(!refused);
    CHECK(refused.errors()[0].where.line == 256);
    policy.pools.pop_back();
    CHECK(SlotLayout{}.extended_for(policy).has_value());
}

}  // namespace portcullis::test
