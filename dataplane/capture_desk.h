// Hands the rings of judged frames to one client at a time, and arms the workers' taps for it. The cold thread.
#pragma once

#include "dataplane/capture_tap.h"
#include "dataplane/file_descriptor.h"
#include "rules/capture_ring.h"
#include "rules/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace portcullis::dataplane {

class CaptureDesk {
public:
    CaptureDesk(unsigned workers, std::uint64_t tsc_hz);
    ~CaptureDesk();
    CaptureDesk(const CaptureDesk&) = delete;
    CaptureDesk& operator=(const CaptureDesk&) = delete;
    CaptureDesk(CaptureDesk&&) = delete;
    CaptureDesk& operator=(CaptureDesk&&) = delete;

    [[nodiscard]] CaptureTap& tap(unsigned worker) noexcept { return *taps_[worker]; }

    // Captures for `client` (a socket), instead of what it captured before. The memory with the rings, which is made
    // when it is first wanted and stays; or why not: another client captures.
    [[nodiscard]] Result<int> begin(int client, const CaptureFilter& filter);

    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

    // `client` has gone: nobody captures, if it did.
    void end(int client) noexcept;

private:
    [[nodiscard]] Errors make_memory();
    void arm(const CaptureFilter& filter) noexcept;

    std::vector<std::unique_ptr<CaptureTap>> taps_;
    std::uint64_t tsc_hz_;
    std::uint64_t bytes_;
    FileDescriptor memory_;  // a memfd that cannot change its size
    std::byte* base_ = nullptr;
    std::optional<int> client_;
};

}  // namespace portcullis::dataplane
