// What a benchmark ran on, so that its figures can be compared with others.
#pragma once

#include "bench/dpdk_memory.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace portcullis::bench {

struct Machine {
    std::string processor;  // as /proc/cpuinfo names it
    unsigned processors = 0;
    std::string kernel;
    std::string dpdk;
    double tsc_hz = 0;  // EAL must be up
    double load = 0;    // runnable threads, mean of the last minute
};

[[nodiscard]] Machine this_machine();

[[nodiscard]] nlohmann::ordered_json to_json(const Machine& machine, const DpdkSetup& setup);

// Two lines for people, ended.
[[nodiscard]] std::string to_text(const Machine& machine, const DpdkSetup& setup);

}  // namespace portcullis::bench
