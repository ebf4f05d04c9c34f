#include "control/layout_store.h"

#include "control/state_file.h"

#include <spdlog/spdlog.h>

#include <random>
#include <utility>
#include <vector>

namespace portcullis {

namespace {

constexpr StateFormat kLayoutFormat{0x3154'4F4C'5343'4350ULL, 1};  // "PCCSLOT1" in memory

struct StoredRange {
    std::array<std::uint8_t, 16> address{};
    std::uint32_t first_slot = 0;
    std::uint32_t slot_count = 0;
    std::uint8_t family = 0;
    std::uint8_t length = 0;
    std::uint8_t subscriber_prefix_length = 0;
    std::uint8_t reserved = 0;
};

StoredRange stored(const SlotRange& range) {
    const Prefix& prefix = range.region.prefix;
    return {
        prefix.address.bytes,
        range.first_slot,
        range.slot_count,
        static_cast<std::uint8_t>(prefix.address.family),
        prefix.length,
        range.region.subscriber_prefix_length,
        0};
}

SlotRange restored(const StoredRange& range) {
    const Address address{static_cast<Family>(range.family), range.address};
    return {
        {{address, range.length}, range.subscriber_prefix_length},
        range.first_slot,
        range.slot_count};
}

// The checksum says that the bytes are those we wrote; this, that they mean a layout.
bool is_sane(const SlotRange& range, std::uint64_t slots_before) {
    const Prefix& prefix = range.region.prefix;
    const unsigned bits = address_bits(prefix.address.family);
    return bits != 0 && prefix.length <= range.region.subscriber_prefix_length
           && range.region.subscriber_prefix_length <= bits && range.region.is_dense()
           && range.slot_count == std::uint32_t{1} << range.region.subscriber_bits()
           && range.first_slot == slots_before;
}

std::uint64_t random_id() {
    std::random_device source;
    return (std::uint64_t{source()} << 32U) | source();
}

}  // namespace

LayoutStore::LayoutStore(const std::filesystem::path& folder, Errors& problem)
    : id_(random_id()) {
    if (folder.empty()) {
        return;
    }
    path_ = folder / "slots.state";
    if (const auto loaded = load(); !loaded) {
        problem = loaded.errors();
    }
}

Result<std::monostate> LayoutStore::load() {
    const auto payload = read_state(path_, kLayoutFormat);
    if (!payload) {
        return payload.errors();
    }
    if (!payload.value()) {
        spdlog::info("no {} yet", path_.string());
        return std::monostate{};
    }
    StateReader reader(*payload.value());
    std::uint64_t id = 0;
    std::vector<SlotRange> ranges;
    bool sane = reader.take_value(id);
    std::uint64_t next = kUnattributedSlot + 1;
    while (sane && !reader.at_end()) {
        StoredRange range;
        sane = reader.take_value(range);
        ranges.push_back(restored(range));
        sane = sane && is_sane(ranges.back(), next);
        next += ranges.back().slot_count;
    }
    if (!sane) {
        return Error{{path_.string(), 0, 0}, "no slot layout", "it will be written anew"};
    }
    id_ = id;
    layout_ = SlotLayout::from_ranges(std::move(ranges));
    return std::monostate{};
}

Result<std::monostate> LayoutStore::keep(SlotLayout layout) {
    const bool changed = layout.ranges() != layout_.ranges();
    layout_ = std::move(layout);
    if (path_.empty() || !changed) {
        return std::monostate{};
    }
    StateWriter writer(path_, kLayoutFormat);
    writer.append_value(id_);
    for (const SlotRange& range : layout_.ranges()) {
        writer.append_value(stored(range));
    }
    return writer.commit();
}

}  // namespace portcullis
