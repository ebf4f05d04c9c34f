// portcullis check: a policy file is parsed and compiled; nothing is touched. One thread.
#pragma once

#include "tools/cli/console.h"

#include <filesystem>

namespace portcullis::cli {

struct CheckOptions {
    std::filesystem::path policy;
    bool json = false;
};

[[nodiscard]] ExitStatus run_check(const CheckOptions& options, Console& console);

}  // namespace portcullis::cli
