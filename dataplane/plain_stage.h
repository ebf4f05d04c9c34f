// The first stage of a burst: what its frames are, and of plain ones that no rule names everything that is to be
// known, without a branch that depends on the traffic. Runs on workers.
//
// plain_stage.cc is compiled for several instruction sets; isa.h chooses one.
#pragma once

#include "dataplane/burst.h"
#include "rules/units.h"

namespace portcullis::dataplane {

struct WorkerState;

// Sets the lengths of all frames, pools and slots of plain ones, and all notes (StageNotes); asks for the slots' cache lines.
// There is a policy.
using ReadPlain = void (*)(WorkerState& state, Direction direction, const Burst& burst) noexcept;

namespace baseline {
void read_plain(WorkerState& state, Direction direction, const Burst& burst) noexcept;
}  // namespace baseline

namespace avx2 {
void read_plain(WorkerState& state, Direction direction, const Burst& burst) noexcept;
}  // namespace avx2

namespace avx512 {
void read_plain(WorkerState& state, Direction direction, const Burst& burst) noexcept;
}  // namespace avx512

}  // namespace portcullis::dataplane
