// What counting for random subscribers takes by itself: the least that any program pays that counts by subscriber in as much memory.
#pragma once

#include "rules/slot_counters.h"

#include <cstdint>

namespace portcullis::bench {

// TSC cycles for each, the drawing of the subscriber included.
struct RandomCountCycles {
    double everywhere = 0;
    // Of subscribers in one cache line of eight, in as many pages: an eighth of the memory, and as many addresses to translate.
    double in_some_lines = 0;
};

// Counts frames of the first `count` slots, at least 1: 64 are asked for, then counted, as a worker does it.
[[nodiscard]] RandomCountCycles time_random_counts(const Slots& slots, std::uint32_t count);

}  // namespace portcullis::bench
