// What a replay says at its end, for people and for programs. One thread.
#pragma once

#include "control/counter_mapping.h"
#include "tools/cli/compiled_policy.h"
#include "tools/cli/frame_owner.h"
#include "tools/cli/prepared_capture.h"
#include "tools/cli/replay.h"
#include "tools/cli/replay_tally.h"

namespace portcullis::cli {

struct ReplayAnswer {
    const ReplayOptions& options;
    const CompiledPolicy& compiled;
    const CaptureSummary& capture;
    const ReplayTally& tally;
    const CounterMapping& counters;
    const FrameOwners& names;
};

void print_replay_text(const ReplayAnswer& answer, Console& console);
void print_replay_json(const ReplayAnswer& answer, Console& console);

}  // namespace portcullis::cli
