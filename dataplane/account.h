// The last stages of a burst: every frame is counted, once. Runs on workers.
#pragma once

#include "dataplane/worker_state.h"
#include "rules/units.h"

namespace portcullis::dataplane {

// Counts the `count` frames that state.judged tells of, but for the subscribers of judged.ordinary.
void account_notable(WorkerState& state, Direction direction, unsigned count) noexcept;

// Counts the frames in judged.ordinary for their subscribers. They may have left: meanwhile the counters have come into
// the cache.
void account_ordinary(WorkerState& state, Direction direction) noexcept;

}  // namespace portcullis::dataplane
