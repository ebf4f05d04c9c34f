// Whether every frame left by exactly one door: received = transmitted + dropped + refused. Any thread.
#pragma once

#include "control/counter_mapping.h"

#include <cstdint>

namespace portcullis {

// By how many frames the workers' books do not balance, over both directions; 0 when all is well. Frames that a
// worker owns at this moment are no error, and nor is the burst of one that stands still; to tell them from one takes
// up to 1 s.
[[nodiscard]] std::uint64_t conservation_error_frames(const CounterMapping& counters);

}  // namespace portcullis
