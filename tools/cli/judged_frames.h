// Judged frames of a running dataplane, as they come: asked for at its socket, read out of its rings
// (rules/capture_ring.h). What `portcullis capture` and `portcullis events` have in common. One thread.
#pragma once

#include "control/dataplane_client.h"
#include "rules/capture_ring.h"
#include "rules/result.h"
#include "tools/cli/api_client.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace portcullis::cli {

// Which frames, as the user says it.
struct FrameChoice {
    std::filesystem::path dataplane_socket = "/run/portcullis/dataplane.sock";
    ApiAddress control;  // knows what rules are called
    std::string verdict = "drop";
    std::string reason;
    std::string rule;
    std::string subscriber;
    std::uint32_t snap_bytes = kCaptureSnapMax;
    std::uint64_t count = 0;    // 0: without end
    std::uint64_t seconds = 0;  // 0: without end
};

struct JudgedFrame {
    const CaptureRecord& record;
    std::uint64_t unix_ns = 0;
    std::string rule;        // its name, or "rule N" where control does not say; empty: none
    std::string subscriber;  // the prefix of one customer, or "" when the address is in no pool
};

struct JudgedFrameTotals {
    std::uint64_t frames = 0;
    std::uint64_t lost = 0;  // not copied, because this reader was too slow
    std::optional<Error> dataplane_gone;
};

// Calls `take` with each frame, in the order of each worker, and `pause` when none waits, until the count or time is
// over, SIGINT or SIGTERM comes, the dataplane ends, or `take` or `pause` returns false.
[[nodiscard]] Result<JudgedFrameTotals> follow_judged_frames(
    const FrameChoice& choice,
    const std::function<bool(const JudgedFrame&)>& take,
    const std::function<bool()>& pause
);

}  // namespace portcullis::cli
