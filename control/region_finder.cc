#include "control/region_finder.h"

#include "rules/key.h"

namespace portcullis {

namespace {

// The number within `region` of the subscriber whose prefix begins at `address`.
std::uint32_t number_of(const Region& region, const Address& address) {
    const AddressWords words = words_of(address);
    const unsigned length = region.subscriber_prefix_length;
    const std::uint64_t number = length == 0   ? 0
                                 : length > 64 ? words.low >> (128U - length)
                                               : words.high >> (64U - length);
    const std::uint64_t mask = (std::uint64_t{1} << region.subscriber_bits()) - 1;
    return static_cast<std::uint32_t>(number & mask);
}

}  // namespace

RegionFinder::RegionFinder(const SlotLayout& layout, const std::vector<Region>& in_use) {
    const std::set<Region> used(in_use.begin(), in_use.end());
    for (const SlotRange& range : layout.ranges()) {
        places_.push_back({range, used.contains(range.region)});
        lengths_.insert(range.region.prefix.length);
    }
    std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) {
        return a.range.region < b.range.region;
    });
    for (const Place& inner : places_) {
        const unsigned subscriber_length = inner.range.region.subscriber_prefix_length;
        for_each_overlapping(inner.range.region.prefix, [&](const Place& other) {
            overlap_ |= other.range.region.subscriber_prefix_length == subscriber_length
                        && &other != &inner;
        });
    }
}

std::optional<SlotIndex> RegionFinder::slot_of(const Prefix& subscriber) const {
    std::optional<SlotIndex> out;
    bool in_use = false;
    for_each_overlapping(subscriber, [&](const Place& place) {
        const auto slots = slots_within(place.range, subscriber);
        if (place.range.region.subscriber_prefix_length != subscriber.length || !slots) {
            return;
        }
        if (!out || (place.in_use != in_use ? place.in_use : slots->first > out->value)) {
            out = SlotIndex{slots->first};
            in_use = place.in_use;
        }
    });
    return out;
}

std::optional<SlotSpan> RegionFinder::slots_within(const SlotRange& range, const Prefix& prefix) {
    const unsigned length = range.region.subscriber_prefix_length;
    if (prefix.length > length) {
        return std::nullopt;  // part of one subscriber: its slot counts others too
    }
    if (prefix.length <= range.region.prefix.length) {
        return SlotSpan{range.first_slot, range.first_slot + range.slot_count - 1};
    }
    const std::uint32_t count = std::uint32_t{1} << (length - prefix.length);
    const std::uint32_t first = range.first_slot + number_of(range.region, prefix.address);
    return SlotSpan{first, first + count - 1};
}

}  // namespace portcullis
