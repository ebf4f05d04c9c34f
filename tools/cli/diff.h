// portcullis diff: what differs between two policy files, or between the policy in force and a file, entry by entry.
// One thread.
#pragma once

#include "tools/cli/api_client.h"
#include "tools/cli/console.h"

#include <filesystem>

namespace portcullis::cli {

struct DiffOptions {
    std::filesystem::path before;
    std::filesystem::path after;  // empty: `before` is what comes after the policy in force
    ApiAddress address;
    bool json = false;
};

[[nodiscard]] ExitStatus run_diff(const DiffOptions& options, Console& console);

}  // namespace portcullis::cli
