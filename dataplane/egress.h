// The two doors that a judged frame leaves by: the other port, or the pool of free frames. Every frame is
// counted where it leaves. Runs on workers.
#pragma once

#include "dataplane/burst.h"
#include "rules/counter_layout.h"
#include "rules/units.h"

#include <cstdint>

namespace portcullis::dataplane {

struct EgressQueue {
    std::uint16_t port = 0;
    std::uint16_t queue = 0;
};

// Hands `passed` to the port; frees, and counts as refused, what the port does not take.
void transmit(
    EgressQueue to,
    Direction direction,
    Burst& passed,
    WorkerCounters& counters
) noexcept;

// Frees frames that were counted as dropped when they were judged.
void discard(Burst& dropped) noexcept;

}  // namespace portcullis::dataplane
