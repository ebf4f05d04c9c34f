// Runs contestants in turns, A B A B, on the same processor, so that what else happens on the machine
// happens to all of them.
#pragma once

#include "bench/contestant.h"
#include "bench/progress_line.h"
#include "bench/samples.h"

#include <chrono>
#include <vector>

namespace portcullis::bench {

struct RaceSetup {
    std::chrono::milliseconds warm_up{300};  // of processor time; of every turn, not measured
    std::chrono::milliseconds window{1000};  // the same, measured
    unsigned runs = 5;                       // turns of each contestant
};

struct Standing {
    std::vector<Rate> runs;
    // Of the first contestant's rate in a turn to this one's in the same turn.
    std::vector<double> ratios;

    [[nodiscard]] Summary frames_per_second() const;

    [[nodiscard]] Summary ratio() const { return summary_of(ratios); }
};

// A standing for each contestant, in order. Errors: what the first one that failed said, or the signal
// that came.
[[nodiscard]] Result<std::vector<Standing>>
race(const std::vector<Contestant*>& contestants, const RaceSetup& setup, ProgressLine& progress);

}  // namespace portcullis::bench
