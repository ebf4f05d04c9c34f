// Frames as a capture file, for ports that replay one.
#pragma once

#include "bench/profile.h"
#include "rules/result.h"

#include <filesystem>
#include <vector>

namespace portcullis::bench {

// Writes `frames` to `path` in the classic pcap format, link type Ethernet. Nothing, or why not.
[[nodiscard]] Errors
write_capture(const std::filesystem::path& path, const std::vector<FrameData>& frames);

}  // namespace portcullis::bench
