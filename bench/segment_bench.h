// Cycles that payload signatures take of a segment, part by part: what a payload is compared with, by hand and by
// Hyperscan, and the table of flows. In memory, no port.
#pragma once

#include "rules/result.h"

#include <string>
#include <vector>

namespace portcullis::bench {

struct SegmentRow {
    std::string name;
    double cycles_per_segment = 0;  // of the TSC, median of the runs
};

// Of each row `runs` runs. Errors: Hyperscan does not open its database, or does not find what the comparison finds.
[[nodiscard]] Result<std::vector<SegmentRow>> run_segments(unsigned runs);

}  // namespace portcullis::bench
