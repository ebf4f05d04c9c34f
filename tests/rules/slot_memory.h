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

}  // namespace portcullis::test
