// Which counters are whose: a range of slots for every region of subscribers.
//
// A region is the widest pool of one family and one subscriber prefix length around a pool, so that a
// pool nested in another (to give some subscribers another class) keeps their slots. Ranges stay where
// they are from policy to policy: counters survive a change. Cold; any thread.
#pragma once

#include "rules/image.h"
#include "rules/policy.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace portcullis {

struct Region {
    Prefix prefix;
    std::uint8_t subscriber_prefix_length = 0;

    // Subscribers of dense regions have slots of their own.
    [[nodiscard]] bool is_dense() const noexcept;

    // log2 of the number of subscribers; may exceed 64.
    [[nodiscard]] unsigned subscriber_bits() const noexcept {
        return subscriber_prefix_length - unsigned{prefix.length};
    }

    friend auto operator<=>(const Region&, const Region&) noexcept = default;
};

struct SlotRange {
    Region region;
    std::uint32_t first_slot = 0;
    std::uint32_t slot_count = 0;

    friend bool operator==(const SlotRange&, const SlotRange&) noexcept = default;
};

class SlotLayout {
public:
    // The ranges that `policy` needs: those of this layout first, new ones behind them. Ranges of regions
    // that `policy` has no more are kept, so that they are found again when it comes back.
    [[nodiscard]] Result<SlotLayout> extended_for(const Policy& policy) const;

    // One past the highest slot in use; slot 0 is the unattributed one.
    [[nodiscard]] std::uint32_t slot_count() const noexcept;
    [[nodiscard]] const SlotRange* find(const Region& region) const noexcept;
    // The subscriber that `slot` counts; nothing for the unattributed slot and unused ones.
    [[nodiscard]] std::optional<Prefix> subscriber_of(SlotIndex slot) const noexcept;

    [[nodiscard]] const std::vector<SlotRange>& ranges() const noexcept { return ranges_; }

    // The ranges of a stored layout, in order of first_slot.
    [[nodiscard]] static SlotLayout from_ranges(std::vector<SlotRange> ranges);

private:
    std::vector<SlotRange> ranges_;  // by first_slot, without overlap
};

// The region of policy.pools[i], for each i.
[[nodiscard]] std::vector<Region> regions_of(const Policy& policy);

}  // namespace portcullis
