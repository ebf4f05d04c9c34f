// The stages of a burst between receiving and transmitting: read all, look closer at some, account all. Run by
// workers, on memory that only the worker writes; no allocation, lock, log or system call
// (tools/check_hot_path holds the object files to that).
#pragma once

#include "dataplane/burst.h"
#include "dataplane/judged_burst.h"
#include "dataplane/worker_state.h"
#include "rules/key.h"
#include "rules/units.h"

namespace portcullis::dataplane {

// Judges and counts the frames of `burst`, all received in `direction`: afterwards state.judged holds the
// outcome of each, and every frame is counted as received and under its verdict. Subscribers' frames that no rule names
// are counted by finish_burst, which must follow.
void judge_burst(WorkerState& state, Direction direction, const Burst& burst) noexcept;

// Counts what judge_burst left. The frames may have left.
void finish_burst(WorkerState& state, Direction direction) noexcept;

// The key of frame `i` of the burst that was judged last, whose frames have not left yet. It is read now if nobody
// has needed it so far. An empty key while there is no policy.
[[nodiscard]] const Key& key_of(WorkerState& state, const Burst& burst, unsigned i) noexcept;

// The direction of a frame whose port does not tell: outbound if its outermost source is in a pool.
[[nodiscard]] Direction direction_by_source(WorkerState& state, rte_mbuf* frame) noexcept;

}  // namespace portcullis::dataplane
