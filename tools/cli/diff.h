// portcullis diff: what differs between two policy files, entry by entry. One thread.
#pragma once

#include "tools/cli/console.h"

#include <filesystem>

namespace portcullis::cli {

struct DiffOptions {
    std::filesystem::path before;
    std::filesystem::path after;
    bool json = false;
};

[[nodiscard]] ExitStatus run_diff(const DiffOptions& options, Console& console);

}  // namespace portcullis::cli
