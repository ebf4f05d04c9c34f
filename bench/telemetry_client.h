// Asks a program of DPDK how many frames its ports have received, through its telemetry socket. One thread.
#pragma once

#include "dataplane/file_descriptor.h"
#include "rules/result.h"

#include <cstdint>
#include <filesystem>

namespace portcullis::bench {

class TelemetryClient {
public:
    // Connects to the one program that has its socket below `runtime_folder` (its RUNTIME_DIRECTORY).
    [[nodiscard]] static Result<TelemetryClient> connect(const std::filesystem::path& runtime_folder
    );

    // Of ports 0 and up, `ports` of them, since the program started them.
    [[nodiscard]] Result<std::uint64_t> received_frames(unsigned ports);

private:
    explicit TelemetryClient(dataplane::FileDescriptor socket)
        : socket_(std::move(socket)) {}

    [[nodiscard]] Result<std::uint64_t> received_frames_of(unsigned port);

    dataplane::FileDescriptor socket_;
};

}  // namespace portcullis::bench
