// Cycles and instructions of the burst stages alone, on frames in memory: no port, no copy.
#pragma once

#include "bench/profile.h"
#include "dataplane/isa.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace portcullis::bench {

// The stages of plain frames, in their order.
inline constexpr std::array<std::string_view, 4> kStageNames = {
    "read",      // headers, pools, slots, ports of interest
    "judge",     // those with ports of interest: by rules, smarthosts, exemptions
    "notable",   // counts those that a rule names, and notes suspects
    "ordinary",  // counts the others
};

struct StageResult {
    double cycles_per_frame = 0;  // of the TSC, median of the runs
    // Each of kStageNames alone, a frame of all; with two looks at the TSC a burst. Nothing where frames are not plain.
    std::optional<std::array<double, kStageNames.size()>> by_stage;
    std::uint64_t dropped_frames = 0;
    std::uint64_t judged_frames = 0;
    bool in_huge_pages = false;  // reserved ones: the counters
};

// Judges every frame of `profile` `rounds` times in bursts of 64 and takes the median over `runs`. The
// counters lie where the product has them. EAL must be up. `isa`: runnable. `each`: then once more, stage by stage.
[[nodiscard]] StageResult
run_stages(const Profile& profile, dataplane::Isa isa, unsigned rounds, unsigned runs, bool each);

}  // namespace portcullis::bench
