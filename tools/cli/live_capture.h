// `portcullis capture`: judged frames of a running dataplane as pcapng, each with its verdict in the comment.
#pragma once

#include "tools/cli/console.h"
#include "tools/cli/exit_status.h"
#include "tools/cli/judged_frames.h"

#include <filesystem>

namespace portcullis::cli {

struct LiveCaptureOptions {
    FrameChoice choice;
    std::filesystem::path file = "-";  // "-": standard output
};

[[nodiscard]] ExitStatus run_live_capture(const LiveCaptureOptions& options, Console& console);

}  // namespace portcullis::cli
