#include "control/subscriber_names.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace portcullis {

SubscriberNames::SubscriberNames(const Policy& policy, SlotLayout layout)
    : layout_(std::move(layout))
    , regions_(layout_, regions_of(policy)) {
    names_.reserve(policy.subscribers.size());
    for (const Subscriber& subscriber : policy.subscribers) {
        const auto group = static_cast<std::uint32_t>(names_.size());
        // A name that reads as somebody else's address would be taken for it.
        names_.push_back(
            parse_prefix(subscriber.name) ? "subscriber " + subscriber.name : subscriber.name
        );
        for (const Prefix& prefix : subscriber.prefixes) {
            prefixes_.push_back({prefix, group});
        }
    }
    drop_nested_prefixes();
    for (const GroupPrefix& one : prefixes_) {
        regions_.for_each_within(one.prefix, [&](const SlotSpan& slots) {
            by_slot_.push_back({slots, one.group});
        });
    }
    drop_nested_slots();
    sort_by_group();
}

// Prefixes of one group may nest, those of two do not overlap: the widest ones tell all.
void SubscriberNames::drop_nested_prefixes() {
    std::sort(prefixes_.begin(), prefixes_.end(), [](const GroupPrefix& a, const GroupPrefix& b) {
        return a.prefix < b.prefix;
    });
    std::vector<GroupPrefix> widest;
    for (const GroupPrefix& one : prefixes_) {
        if (widest.empty() || !widest.back().prefix.contains(one.prefix)) {
            widest.push_back(one);
        }
    }
    prefixes_ = std::move(widest);
}

// Layouts keep ranges of pools that are gone, so two may cover the same addresses; slots are disjoint all the
// same, but for what one prefix names twice.
void SubscriberNames::drop_nested_slots() {
    std::sort(by_slot_.begin(), by_slot_.end(), [](const GroupSlots& a, const GroupSlots& b) {
        return std::tie(a.slots.first, b.slots.last) < std::tie(b.slots.first, a.slots.last);
    });
    std::vector<GroupSlots> disjoint;
    for (const GroupSlots& one : by_slot_) {
        if (disjoint.empty() || one.slots.first > disjoint.back().slots.last) {
            disjoint.push_back(one);
        }
    }
    by_slot_ = std::move(disjoint);
}

void SubscriberNames::sort_by_group() {
    by_group_ = by_slot_;
    std::stable_sort(
        by_group_.begin(),
        by_group_.end(),
        [](const GroupSlots& a, const GroupSlots& b) { return a.group < b.group; }
    );
    first_of_group_.resize(names_.size() + 1, by_group_.size());
    std::size_t at = 0;
    for (std::size_t group = 0; group < names_.size(); ++group) {
        first_of_group_[group] = at;
        while (at < by_group_.size() && by_group_[at].group == group) {
            ++at;
        }
    }
}

std::optional<std::uint32_t> SubscriberNames::group_of(SlotIndex slot) const noexcept {
    const auto after = std::upper_bound(
        by_slot_.begin(),
        by_slot_.end(),
        slot.value,
        [](std::uint32_t value, const GroupSlots& one) { return value < one.slots.first; }
    );
    if (after == by_slot_.begin() || slot.value > std::prev(after)->slots.last) {
        return std::nullopt;
    }
    return std::prev(after)->group;
}

std::optional<std::uint32_t> SubscriberNames::group_of(const Prefix& subscriber) const noexcept {
    const auto after = std::upper_bound(
        prefixes_.begin(),
        prefixes_.end(),
        subscriber,
        [](const Prefix& prefix, const GroupPrefix& one) { return prefix < one.prefix; }
    );
    if (after == prefixes_.begin() || !std::prev(after)->prefix.contains(subscriber)) {
        return std::nullopt;
    }
    return std::prev(after)->group;
}

std::span<const SubscriberNames::GroupSlots> SubscriberNames::slots_of(std::uint32_t group
) const noexcept {
    const std::size_t first = first_of_group_[group];
    return std::span(by_group_).subspan(first, first_of_group_[group + 1] - first);
}

std::string SubscriberNames::prefix_of(SlotIndex slot) const {
    const std::optional<Prefix> prefix = layout_.subscriber_of(slot);
    return prefix ? to_string(*prefix) : std::string();
}

SlotIndex SubscriberNames::home_of(SlotIndex slot) const {
    const std::optional<Prefix> subscriber = layout_.subscriber_of(slot);
    return subscriber ? slot_of(*subscriber).value_or(slot) : slot;
}

}  // namespace portcullis
