// Finds the regions of a slot layout by address. Made once, then only read; any thread.
#pragma once

#include "rules/prefix.h"
#include "rules/slot_layout.h"
#include "rules/units.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace portcullis {

// Slots first to last, both included.
struct SlotSpan {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
};

class RegionFinder {
public:
    RegionFinder() = default;
    // `in_use`: the regions of the running policy. Others are kept from policies before.
    RegionFinder(const SlotLayout& layout, const std::vector<Region>& in_use);

    // Calls visit(SlotSpan) for the slots of all subscribers that lie in `prefix` whole, region by region.
    template <typename Visitor>
    void for_each_within(const Prefix& prefix, Visitor&& visit) const {
        for_each_overlapping(prefix, [&](const Place& place) {
            if (const auto slots = slots_within(place.range, prefix)) {
                visit(*slots);
            }
        });
    }

    // The slot where the books of exactly `subscriber` are kept, if any. After pools were widened or narrowed
    // a subscriber may have slots in several ranges: then it is that of a region in use, else the latest.
    [[nodiscard]] std::optional<SlotIndex> slot_of(const Prefix& subscriber) const;

    // Whether any subscriber has slots in several ranges.
    [[nodiscard]] bool overlap() const noexcept { return overlap_; }

    friend bool operator==(const RegionFinder& a, const RegionFinder& b) {
        return a.places_ == b.places_;
    }

private:
    struct Place {
        SlotRange range;
        bool in_use = false;

        friend bool operator==(const Place&, const Place&) = default;
    };

    [[nodiscard]] static std::optional<SlotSpan>
    slots_within(const SlotRange& range, const Prefix& prefix);

    template <typename Visitor>
    void for_each_overlapping(const Prefix& prefix, Visitor&& visit) const {
        for (const std::uint8_t length : lengths_) {  // the few that pools have
            if (length < prefix.length) {
                const Prefix around = make_prefix(prefix.address, length);
                for (auto at = first_of(around);
                     at != places_.end() && at->range.region.prefix == around;
                     ++at) {
                    visit(*at);
                }
            }
        }
        // All that lie inside stand together, from the prefix itself on.
        for (auto at = first_of(prefix);
             at != places_.end() && prefix.contains(at->range.region.prefix);
             ++at) {
            visit(*at);
        }
    }

    [[nodiscard]] std::vector<Place>::const_iterator first_of(const Prefix& prefix) const {
        return std::lower_bound(
            places_.begin(),
            places_.end(),
            Region{prefix, 0},
            [](const Place& place, const Region& region) { return place.range.region < region; }
        );
    }

    std::vector<Place> places_;       // by region
    std::set<std::uint8_t> lengths_;  // of their prefixes
    bool overlap_ = false;
};

}  // namespace portcullis
