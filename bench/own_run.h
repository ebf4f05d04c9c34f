// Runs this program again with other words: DPDK can be started only once in a process, and a measurement
// shall begin with fresh memory.
#pragma once

#include "rules/result.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace portcullis::bench {

// What `portcullis-bench WORDS --json` printed. An error is what it said when it could not run.
[[nodiscard]] Result<nlohmann::ordered_json> run_own(const std::vector<std::string>& words);

}  // namespace portcullis::bench
