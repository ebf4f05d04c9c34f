#include "control/subscriber_names.h"

#include "rules/key.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace portcullis {

namespace {

// Finds the regions of a layout that share addresses with a prefix.
class RegionFinder {
public:
    explicit RegionFinder(const SlotLayout& layout)
        : ranges_(layout.ranges()) {
        std::sort(ranges_.begin(), ranges_.end(), [](const SlotRange& a, const SlotRange& b) {
            return a.region < b.region;
        });
        for (const SlotRange& range : ranges_) {
            lengths_.insert(range.region.prefix.length);
        }
    }

    template <typename Visitor>
    void for_each_overlapping(const Prefix& prefix, Visitor&& visit) const {
        for (const std::uint8_t length : lengths_) {  // the few that pools have
            if (length < prefix.length) {
                visit_regions(make_prefix(prefix.address, length), visit);
            }
        }
        // All that lie inside stand together, from the prefix itself on.
        const Region from{prefix, 0};
        for (auto at = std::lower_bound(ranges_.begin(), ranges_.end(), from, before);
             at != ranges_.end() && prefix.contains(at->region.prefix);
             ++at) {
            visit(*at);
        }
    }

private:
    static bool before(const SlotRange& range, const Region& region) {
        return range.region < region;
    }

    template <typename Visitor>
    void visit_regions(const Prefix& prefix, Visitor& visit) const {
        const Region from{prefix, 0};
        for (auto at = std::lower_bound(ranges_.begin(), ranges_.end(), from, before);
             at != ranges_.end() && at->region.prefix == prefix;
             ++at) {
            visit(*at);
        }
    }

    std::vector<SlotRange> ranges_;
    std::set<std::uint8_t> lengths_;
};

// The number of the subscriber of `region` whose prefix begins at `address`.
std::uint32_t number_of(const Region& region, const Address& address) {
    const AddressWords words = words_of(address);
    const unsigned length = region.subscriber_prefix_length;
    const std::uint64_t number = length == 0   ? 0
                                 : length > 64 ? words.low >> (128U - length)
                                               : words.high >> (64U - length);
    const std::uint64_t mask = (std::uint64_t{1} << region.subscriber_bits()) - 1;
    return static_cast<std::uint32_t>(number & mask);
}

// The slots of the subscribers of `range` that lie in `prefix` whole, if any.
std::optional<SubscriberNames::Range>
slots_within(const SlotRange& range, const Prefix& prefix, std::uint32_t group) {
    const unsigned length = range.region.subscriber_prefix_length;
    if (prefix.length > length) {
        return std::nullopt;  // part of one subscriber: its slot counts others too
    }
    if (prefix.length <= range.region.prefix.length) {
        return SubscriberNames::Range{
            range.first_slot, range.first_slot + range.slot_count - 1, group};
    }
    const std::uint32_t count = std::uint32_t{1} << (length - prefix.length);
    const std::uint32_t first = range.first_slot + number_of(range.region, prefix.address);
    return SubscriberNames::Range{first, first + count - 1, group};
}

}  // namespace

SubscriberNames::SubscriberNames(const std::vector<Subscriber>& subscribers, SlotLayout layout)
    : layout_(std::move(layout)) {
    const RegionFinder regions(layout_);
    names_.reserve(subscribers.size());
    for (const Subscriber& subscriber : subscribers) {
        const auto group = static_cast<std::uint32_t>(names_.size());
        // A name that reads as somebody else's address would be taken for it.
        names_.push_back(
            parse_prefix(subscriber.name) ? "subscriber " + subscriber.name : subscriber.name
        );
        for (const Prefix& prefix : subscriber.prefixes) {
            regions.for_each_overlapping(prefix, [&](const SlotRange& range) {
                if (const auto slots = slots_within(range, prefix, group)) {
                    by_slot_.push_back(*slots);
                }
            });
        }
    }
    std::sort(by_slot_.begin(), by_slot_.end(), [](const Range& a, const Range& b) {
        return std::tie(a.first, b.last) < std::tie(b.first, a.last);
    });
    // Prefixes of one subscriber may nest, those of two do not overlap: what lies inside the range before
    // is the same subscriber's, and counted already.
    std::vector<Range> disjoint;
    for (const Range& range : by_slot_) {
        if (disjoint.empty() || range.first > disjoint.back().last) {
            disjoint.push_back(range);
        }
    }
    by_slot_ = std::move(disjoint);
    by_group_ = by_slot_;
    std::stable_sort(by_group_.begin(), by_group_.end(), [](const Range& a, const Range& b) {
        return a.group < b.group;
    });
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
        [](std::uint32_t value, const Range& range) { return value < range.first; }
    );
    if (after == by_slot_.begin() || slot.value > std::prev(after)->last) {
        return std::nullopt;
    }
    return std::prev(after)->group;
}

std::span<const SubscriberNames::Range> SubscriberNames::slots_of(std::uint32_t group
) const noexcept {
    const std::size_t first = first_of_group_[group];
    return std::span(by_group_).subspan(first, first_of_group_[group + 1] - first);
}

std::string SubscriberNames::prefix_of(SlotIndex slot) const {
    const std::optional<Prefix> prefix = layout_.subscriber_of(slot);
    return prefix ? to_string(*prefix) : std::string();
}

}  // namespace portcullis
