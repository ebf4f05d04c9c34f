// Judging a capture: a worker whose input ends. The same stages and doors as on a wire; DPDK's pcap port
// reads the file. Runs on a worker thread, but it may do what a worker must not: write a file, and sleep
// to keep a pace.
#pragma once

#include "dataplane/file_descriptor.h"
#include "dataplane/options.h"
#include "dataplane/verdict_recorder.h"
#include "dataplane/worker.h"
#include "rules/result.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>

namespace portcullis::dataplane {

// A capture that DPDK's pcap port can read, and the spec of that port. Keep it while the port is open.
struct CaptureFile {
    FileDescriptor file;
    std::string device;

    [[nodiscard]] static Result<CaptureFile> open(const std::filesystem::path& path);
};

struct ReplaySetup {
    std::uint16_t port = 0;
    ReplayDirection direction = ReplayDirection::outbound;
    std::uint64_t frames_per_second = 0;  // 0: as fast as it goes
};

// Judges everything that the port delivers, at the pace that `recorder`, an observer of `state`, tells; ends with the first empty burst, or when `stop` is set.
void run_replay(
    const ReplaySetup& setup,
    WorkerState& state,
    Housekeeping& housekeeping,
    const VerdictRecorder& recorder,
    const std::atomic<bool>& stop
) noexcept;

}  // namespace portcullis::dataplane
