// The first stage of a burst: what its frames are, and of plain ones that no rule names everything that is to be
// known, without a branch that depends on the traffic. Runs on workers.
#pragma once

#include "dataplane/burst.h"
#include "dataplane/worker_state.h"
#include "rules/units.h"

namespace portcullis::dataplane {

// Sets the lengths of all frames, and pools and slots of plain ones; asks for the slots' cache lines.
// notes.closer then has the frames that a rule may name or that are not plain: only the pools and slots of
// plain ones among them are set. There is a policy.
void read_plain(WorkerState& state, Direction direction, const Burst& burst) noexcept;

}  // namespace portcullis::dataplane
