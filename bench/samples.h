// Figures of several runs, as their median and how far they lie apart.
#pragma once

#include <algorithm>
#include <vector>

namespace portcullis::bench {

struct Summary {
    double median = 0;
    double least = 0;
    double most = 0;

    // (most - least) / median: 0 when all runs agree.
    [[nodiscard]] double spread() const noexcept {
        return median == 0 ? 0 : (most - least) / median;
    }
};

// Of an even number of runs the median is the mean of the two in the middle. No runs: all zero.
[[nodiscard]] inline Summary summary_of(std::vector<double> runs) {
    if (runs.empty()) {
        return {};
    }
    std::sort(runs.begin(), runs.end());
    const std::size_t middle = runs.size() / 2;
    const double median =
        runs.size() % 2 == 1 ? runs[middle] : (runs[middle - 1] + runs[middle]) / 2;
    return {median, runs.front(), runs.back()};
}

}  // namespace portcullis::bench
