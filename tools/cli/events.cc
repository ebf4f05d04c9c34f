#include "tools/cli/events.h"

#include <optional>
#include <ostream>

namespace portcullis::cli {

ExitStatus run_events(const EventOptions& options, Console& console) {
    constexpr std::uint32_t kHeaderBytes = 256;  // addresses and ports stand there
    FrameChoice choice = options.choice;
    choice.snap_bytes = kHeaderBytes;
    DropEventLimits limits = options.limits;
    limits.window_ns = options.window_s * 1'000'000'000;
    DropEvents events(limits);
    const Result<JudgedFrameTotals> totals = follow_judged_frames(
        choice,
        [&](const JudgedFrame& frame) {
            if (const std::optional<Json> event = events.note(frame)) {
                console.out << event->dump() << '\n';
            }
            return true;
        },
        [&] {
            console.out.flush();
            return static_cast<bool>(console.out);
        }
    );
    if (!totals) {
        return could_not_run(console, totals.errors());
    }
    console.out.flush();
    console.err << totals.value().frames << " frames, " << events.untold() << " untold, "
                << totals.value().lost << " lost\n";
    if (totals.value().dataplane_gone) {
        return could_not_run(console, {*totals.value().dataplane_gone});
    }
    return ExitStatus::done;
}

}  // namespace portcullis::cli
