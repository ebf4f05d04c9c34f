// Slots of a worker, in memory of their own.
#pragma once

#include "rules/slot_counters.h"

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace portcullis::test {

class SlotMemory {
public:
    explicit SlotMemory(std::size_t count)
        : lines_(Slots::bytes_for(count) / sizeof(Line))
        , slots_(lines_.front().bytes.data(), count) {}

    SlotMemory(const SlotMemory&) = delete;
    SlotMemory& operator=(const SlotMemory&) = delete;
    SlotMemory(SlotMemory&&) = delete;
    SlotMemory& operator=(SlotMemory&&) = delete;
    ~SlotMemory() = default;

    [[nodiscard]] const Slots& slots() const noexcept { return slots_; }

    // All that is counted, as it lies in memory.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return std::as_bytes(std::span(lines_));
    }

private:
    struct alignas(64) Line {
        std::array<std::byte, 64> bytes{};
    };

    std::vector<Line> lines_;
    Slots slots_;
};

// As if `totals` had passed, frame by frame. No reader may look meanwhile.
inline void set_passed(const Slots::Slot& slot, unsigned side, const FrameTotals& totals) {
    const auto lower = [](std::uint64_t number) {
        return static_cast<std::uint32_t>(number);
    };
    const std::uint64_t above = totals.bytes + (totals.frames >> passed::kBytesShift);
    const std::uint64_t frames_changes = totals.frames >> passed::kFramesBit;
    const std::uint64_t bytes_changes = above >> (passed::kBytesBit - passed::kBytesShift);
    const passed::Changes of_sum{lower(frames_changes), lower(bytes_changes)};
    const passed::Changes of_changes{
        lower(frames_changes >> passed::Notes::kTopBit),
        lower(bytes_changes >> passed::Notes::kTopBit)};
    slot.sums[side].store(lower(totals.frames + (totals.bytes << passed::kBytesShift)));
    slot.notes.of_sum[side].store(of_sum.word());
    slot.notes.of_changes[side].store(of_changes.half_word());
}

// Adds to what passed, at once at most 2^9 frames and 2^19 bytes. A reader may look.
inline void
add_passed(const Slots::Slot& slot, unsigned side, std::uint32_t frames, std::uint32_t bytes) {
    slot.sums[side].store(
        slot.sums[side].load(std::memory_order_relaxed) + passed::step(frames, bytes),
        std::memory_order_release
    );
    slot.note_passed(side);
}

// As if rules had dropped `totals` in `column`, frame by frame. No reader may look meanwhile.
inline void set_dropped(const Slots::Slot& slot, unsigned column, const DropTotals& totals) {
    constexpr std::uint64_t kFramesMask = (std::uint64_t{1} << dropped::kFlowsShift) - 1;
    constexpr std::uint64_t kChangesMask = (std::uint64_t{1} << dropped::changes::kFlowsShift) - 1;
    constexpr unsigned kBytesBelow = dropped::kBytesBit - dropped::kBytesShift;
    const std::uint64_t sum = (totals.frames & kFramesMask)
                              | ((totals.flows & kFramesMask) << dropped::kFlowsShift)
                              | (totals.bytes << dropped::kBytesShift);
    const std::uint64_t noted =
        ((totals.frames >> dropped::kFramesBit) & kChangesMask)
        | (((totals.flows >> dropped::kFramesBit) & kChangesMask) << dropped::changes::kFlowsShift)
        | ((totals.bytes >> kBytesBelow) << dropped::changes::kBytesShift);
    slot.columns.sum(column).store(sum);
    slot.columns.noted(column).store(noted);
}

// The same of `more` than there is.
inline void add_dropped(const Slots::Slot& slot, unsigned column, const DropTotals& more) {
    const DropTotals before = slot.dropped(column);
    set_dropped(
        slot,
        column,
        {before.frames + more.frames, before.flows + more.flows, before.bytes + more.bytes}
    );
}

}  // namespace portcullis::test
