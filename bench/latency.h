// How long a frame stays in the dataplane, at several loads: from the ring that a worker receives from to the
// ring that it sends to, by time stamps in the frames.
#pragma once

#include "bench/histogram.h"
#include "bench/machine.h"
#include "bench/progress_line.h"
#include "rules/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace portcullis::bench {

struct LatencyOptions {
    std::uint32_t subscribers = 1'000'000;
    std::uint32_t exemptions = 0;
    double smtp_percent = 1;
    std::vector<double> load_percents = {1, 10, 50, 90};
    double seconds = 2;
    bool json = false;
};

struct LatencyRow {
    double load_percent = 0;
    double offered_per_second = 0;   // what was asked for
    double achieved_per_second = 0;  // what the sender managed
    std::uint64_t sent_frames = 0;
    std::uint64_t returned_frames = 0;
    std::uint64_t refused_frames = 0;  // the worker's ring was full
    Histogram cycles;                  // of the TSC
};

struct LatencyReport {
    Machine machine;
    DpdkSetup dpdk;
    double most_per_second = 0;  // that came through when the worker always found some
    std::vector<LatencyRow> rows;
};

[[nodiscard]] Result<LatencyReport>
run_latency(const LatencyOptions& options, ProgressLine& progress);

[[nodiscard]] std::string to_json_text(const LatencyOptions& options, const LatencyReport& report);
[[nodiscard]] std::string to_text(const LatencyReport& report, cli::TextStyle style);

}  // namespace portcullis::bench
