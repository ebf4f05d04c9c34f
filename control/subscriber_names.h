// What subscribers are called where counters are shown: by their prefix, or by the name of the [[subscriber]]
// that their prefix belongs to. Made once for a policy, then only read; any thread.
#pragma once

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
    // Slots first to last, both included, of one named subscriber.
    struct Range {
        std::uint32_t first = 0;
        std::uint32_t last = 0;
        std::uint32_t group = 0;  // index into Policy::subscribers
    };

    SubscriberNames() = default;
    SubscriberNames(const std::vector<Subscriber>& subscribers, SlotLayout layout);

    // The named subscriber that counts `slot`, if any.
    [[nodiscard]] std::optional<std::uint32_t> group_of(SlotIndex slot) const noexcept;

    // The slots of a named subscriber.
    [[nodiscard]] std::span<const Range> slots_of(std::uint32_t group) const noexcept;

    [[nodiscard]] const std::string& name_of(std::uint32_t group) const { return names_[group]; }

    [[nodiscard]] std::size_t group_count() const noexcept { return names_.size(); }

    // The subscriber of `slot` alone, as text; empty for slots that count nobody.
    [[nodiscard]] std::string prefix_of(SlotIndex slot) const;

private:
    SlotLayout layout_;
    std::vector<std::string> names_;
    std::vector<Range> by_slot_;
    std::vector<Range> by_group_;
    std::vector<std::size_t> first_of_group_;  // into by_group_, one more than groups
};

}  // namespace portcullis
