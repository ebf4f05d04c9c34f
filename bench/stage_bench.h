// Cycles and instructions of the burst stages alone, on frames in memory: no port, no copy.
#pragma once

#include "bench/profile.h"
#include "dataplane/isa.h"

#include <cstdint>

namespace portcullis::bench {

struct StageResult {
    double cycles_per_frame = 0;  // of the TSC, median of the runs
    std::uint64_t dropped_frames = 0;
    std::uint64_t judged_frames = 0;
    bool in_huge_pages = false;  // reserved ones: the counters
};

// Judges every frame of `profile` `rounds` times in bursts of 64 and takes the median over `runs`. The
// counters lie where the product has them. EAL must be up. `isa`: runnable.
[[nodiscard]] StageResult
run_stages(const Profile& profile, dataplane::Isa isa, unsigned rounds, unsigned runs);

}  // namespace portcullis::bench
