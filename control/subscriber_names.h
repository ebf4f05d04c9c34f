// What subscribers are called where counters are shown: by their prefix, or by the name of the [[subscriber]]
// that their prefix belongs to (a group). Made once for a policy, then only read; any thread.
#pragma once

#include "control/region_finder.h"
#include "rules/policy.h"
#include "rules/slot_layout.h"
#include "rules/units.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace portcullis {

class SubscriberNames {
public:
    struct GroupSlots {
        SlotSpan slots;
        std::uint32_t group = 0;  // index into Policy::subscribers
    };

    SubscriberNames() = default;
    // `layout` has been extended for `policy`.
    SubscriberNames(const Policy& policy, SlotLayout layout);

    [[nodiscard]] std::optional<std::uint32_t> group_of(SlotIndex slot) const noexcept;
    [[nodiscard]] std::optional<std::uint32_t> group_of(const Prefix& subscriber) const noexcept;

    // The slots of a group, in order; none if all its prefixes are in pools without slots.
    [[nodiscard]] std::span<const GroupSlots> slots_of(std::uint32_t group) const noexcept;

    [[nodiscard]] const std::string& name_of(std::uint32_t group) const { return names_[group]; }

    [[nodiscard]] std::size_t group_count() const noexcept { return names_.size(); }

    // The subscriber of `slot` alone, as text; empty for slots that count nobody.
    [[nodiscard]] std::string prefix_of(SlotIndex slot) const;

    // The slot where the books of exactly `subscriber` are kept, if any; see RegionFinder.
    [[nodiscard]] std::optional<SlotIndex> slot_of(const Prefix& subscriber) const {
        return regions_.slot_of(subscriber);
    }

    // The same for the subscriber of `slot`: another slot, when pools were widened or narrowed.
    [[nodiscard]] SlotIndex home_of(SlotIndex slot) const;

    // Whether subscribers have the same slots here and there.
    [[nodiscard]] bool same_slots_as(const SubscriberNames& other) const {
        return regions_ == other.regions_;
    }

    // Whether any subscriber has more slots than one.
    [[nodiscard]] bool subscribers_may_have_moved() const noexcept { return regions_.overlap(); }

private:
    struct GroupPrefix {
        Prefix prefix;
        std::uint32_t group = 0;
    };

    void drop_nested_prefixes();
    void drop_nested_slots();
    void sort_by_group();

    SlotLayout layout_;
    RegionFinder regions_;
    std::vector<std::string> names_;
    std::vector<GroupPrefix> prefixes_;  // disjoint, in order
    std::vector<GroupSlots> by_slot_;    // disjoint, in order
    std::vector<GroupSlots> by_group_;
    std::vector<std::size_t> first_of_group_;  // into by_group_, one more than groups
};

}  // namespace portcullis
