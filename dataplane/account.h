// The last stage of a burst: every frame is counted, once. Runs on workers.
#pragma once

#include "dataplane/worker_state.h"
#include "rules/units.h"

namespace portcullis::dataplane {

// Counts the `count` frames that state.judged tells of. Those that are not in notes.closer passed because no rule
// names their port.
void account_all(WorkerState& state, Direction direction, unsigned count) noexcept;

}  // namespace portcullis::dataplane
