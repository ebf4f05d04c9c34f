// `portcullis events`: drops of a running dataplane as JSON lines (drop_events.h).
#pragma once

#include "tools/cli/console.h"
#include "tools/cli/drop_events.h"
#include "tools/cli/exit_status.h"
#include "tools/cli/judged_frames.h"

namespace portcullis::cli {

struct EventOptions {
    FrameChoice choice;
    DropEventLimits limits;
    std::uint64_t window_s = 60;
};

[[nodiscard]] ExitStatus run_events(const EventOptions& options, Console& console);

}  // namespace portcullis::cli
