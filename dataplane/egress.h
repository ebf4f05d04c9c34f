// The two doors that a judged frame leaves by: the other port, or the pool of free frames. Every frame is
// counted where it leaves. Runs on workers.
#pragma once

#include "dataplane/burst.h"
#include "dataplane/judged_burst.h"
#include "rules/counter_layout.h"
#include "rules/units.h"

#include <cstdint>

namespace portcullis::dataplane {

struct EgressQueue {
    std::uint16_t port = 0;
    std::uint16_t queue = 0;
};

// Lets every frame of a judged burst out: hands those that pass to the port, frees the others, which were counted as
// dropped when they were judged. Frees, and counts as refused, what the port does not take. `burst` is empty then.
void let_out(
    EgressQueue to,
    Direction direction,
    const JudgedBurst& judged,
    Burst& burst,
    WorkerCounters& counters
) noexcept;

}  // namespace portcullis::dataplane
