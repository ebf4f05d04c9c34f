// portcullis replay: a capture judged by a policy, by the real dataplane in test mode, and what came of it. One thread.
#pragma once

#include "tools/cli/console.h"

#include <cstdint>
#include <filesystem>
#include <string>

namespace portcullis::cli {

struct ReplayOptions {
    std::filesystem::path policy;
    std::filesystem::path capture;
    std::filesystem::path verdicts;  // these three: empty, nothing is written
    std::filesystem::path pass_out;
    std::filesystem::path drop_out;
    std::string direction = "outbound";  // or "inbound", "by-source"
    std::uint64_t top = 10;              // subscribers that are shown; 0: all
    bool json = false;
};

[[nodiscard]] ExitStatus run_replay(const ReplayOptions& options, Console& console);

}  // namespace portcullis::cli
