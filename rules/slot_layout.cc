#include "rules/slot_layout.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace portcullis {

bool Region::is_dense() const noexcept {
    // A number that straddles the two words of an address is left to the table of active subscribers.
    const bool in_one_word = subscriber_prefix_length <= 64 || prefix.length >= 64;
    return in_one_word && subscriber_bits() <= kDensePoolBits;
}

std::vector<Region> regions_of(const Policy& policy) {
    // By length, so that a region is known before the pools inside it.
    std::vector<std::size_t> order(policy.pools.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return policy.pools[a].prefix.length < policy.pools[b].prefix.length;
    });
    std::vector<Region> out(policy.pools.size());
    std::map<std::uint8_t, std::map<Prefix, bool>> widest;  // by subscriber prefix length
    for (const std::size_t i : order) {
        const Pool& pool = policy.pools[i];
        auto& roots = widest[pool.subscriber_prefix_length];
        Prefix root = pool.prefix;
        for (unsigned length = 0; length < pool.prefix.length; ++length) {
            const Prefix candidate = make_prefix(pool.prefix.address, length);
            if (roots.contains(candidate)) {
                root = candidate;
                break;
            }
        }
        roots.emplace(root, true);
        out[i] = {root, pool.subscriber_prefix_length};
    }
    return out;
}

Result<SlotLayout> SlotLayout::extended_for(const Policy& policy) const {
    constexpr std::uint64_t kSlotsMax = std::uint64_t{1} << 31U;
    SlotLayout out = *this;
    std::uint64_t next = slot_count();
    const std::vector<Region> regions = regions_of(policy);
    std::map<Region, bool> known;
    for (const SlotRange& range : ranges_) {
        known.emplace(range.region, true);
    }
    for (std::size_t i = 0; i < regions.size(); ++i) {
        const Region& region = regions[i];
        if (!region.is_dense() || !known.emplace(region, true).second) {
            continue;
        }
        const std::uint64_t count = std::uint64_t{1} << region.subscriber_bits();
        if (next + count > kSlotsMax) {
            return Error{
                policy.pools[i].where,
                "pool " + to_string(region.prefix)
                    + " brings the subscribers with counters of their own above 2^31",
                "use fewer pools, or a shorter subscriber_prefix_length"};
        }
        out.ranges_.push_back(
            {region, static_cast<std::uint32_t>(next), static_cast<std::uint32_t>(count)}
        );
        next += count;
    }
    return out;
}

std::uint32_t SlotLayout::slot_count() const noexcept {
    return ranges_.empty() ? kUnattributedSlot + 1
                           : ranges_.back().first_slot + ranges_.back().slot_count;
}

const SlotRange* SlotLayout::find(const Region& region) const noexcept {
    const auto found = std::find_if(ranges_.begin(), ranges_.end(), [&](const SlotRange& range) {
        return range.region == region;
    });
    return found == ranges_.end() ? nullptr : &*found;
}

std::optional<Prefix> SlotLayout::subscriber_of(SlotIndex slot) const noexcept {
    const auto after = std::upper_bound(
        ranges_.begin(),
        ranges_.end(),
        slot.value,
        [](std::uint32_t value, const SlotRange& range) { return value < range.first_slot; }
    );
    if (after == ranges_.begin()) {
        return std::nullopt;
    }
    const SlotRange& range = *std::prev(after);
    const std::uint32_t number = slot.value - range.first_slot;
    if (number >= range.slot_count) {
        return std::nullopt;
    }
    AddressWords words = words_of(range.region.prefix.address);
    const unsigned length = range.region.subscriber_prefix_length;
    if (length > 64) {
        words.low |= std::uint64_t{number} << (128U - length);
    } else if (length > 0) {
        words.high |= std::uint64_t{number} << (64U - length);
    }
    return make_prefix(address_of(range.region.prefix.address.family, words), length);
}

SlotLayout SlotLayout::from_ranges(std::vector<SlotRange> ranges) {
    SlotLayout out;
    out.ranges_ = std::move(ranges);
    return out;
}

}  // namespace portcullis
