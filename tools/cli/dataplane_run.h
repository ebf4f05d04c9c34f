// A capture judged by the real dataplane, in test mode, as a process of its own. One thread.
#pragma once

#include "control/counter_mapping.h"
#include "rules/result.h"
#include "tools/cli/compiled_policy.h"
#include "tools/cli/progress.h"
#include "tools/cli/temp_dir.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace portcullis::cli {

struct DataplaneJob {
    std::filesystem::path capture;  // of Ethernet frames
    std::uint64_t frames = 0;       // in it
    std::string direction;          // as in --direction
};

// What a dataplane that has ended leaves.
struct DataplaneResult {
    std::shared_ptr<const CounterMapping> counters;  // their final values
    std::filesystem::path records;                   // rules/verdict_record.h, one a frame
};

// $PORTCULLIS_DATAPLANE, else beside this program, else in $PATH.
[[nodiscard]] Result<std::filesystem::path> find_dataplane();

// Starts a dataplane, publishes the policy, and waits until all is judged. SIGINT and SIGTERM (see StopSignals)
// end both. What it leaves stands in `dir`.
[[nodiscard]] Result<DataplaneResult> run_dataplane(
    const CompiledPolicy& policy,
    const DataplaneJob& job,
    const TempDir& dir,
    Progress& progress
);

}  // namespace portcullis::cli
