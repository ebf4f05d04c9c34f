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

}  // namespace portcullis::test
