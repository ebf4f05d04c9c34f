// What a replay has to know of a capture before it begins: that it is whole, and its frames as Ethernet frames,
// which is what the dataplane reads. One thread.
#pragma once

#include "rules/result.h"
#include "tools/cli/capture.h"

#include <cstdint>
#include <filesystem>
#include <functional>

namespace portcullis::cli {

// What one reading of the whole file found.
struct CaptureSummary {
    CaptureFormat format;
    std::uint64_t frames = 0;
    std::uint64_t cut_frames = 0;  // captured in part
};

struct PreparedCapture {
    CaptureSummary summary;
    std::filesystem::path path;  // as it was named
    std::filesystem::path
        ethernet;  // the same frames as Ethernet frames: `path`, or a converted copy
};

// Called with the number of frames done so far; false ends the work with an error.
using KeepGoing = std::function<bool(std::uint64_t frames)>;

// Reads the capture whole, so that a replay fails before it begins or not at all, and writes `converted` if the
// link layer is not Ethernet.
[[nodiscard]] Result<PreparedCapture> prepare_capture(
    const std::filesystem::path& path,
    const std::filesystem::path& converted,
    const KeepGoing& keep_going
);

}  // namespace portcullis::cli
