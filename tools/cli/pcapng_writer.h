// Writes pcapng (draft-ietf-opsawg-pcapng): Ethernet frames with a comment each, nanoseconds, one interface a side. One
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace portcullis::cli {

class PcapngWriter {
public:
    // Where bytes go.
    using Sink = std::function<void(std::string_view bytes)>;

    struct Frame {
        std::uint32_t interface = 0;  // index into the names below
        std::uint64_t unix_ns = 0;
        std::uint32_t length = 0;  // on the wire
        std::span<const std::uint8_t> bytes;
        std::string_view comment;
    };

    // Writes what stands before the frames: two interfaces, of which at most `snap_bytes` of a frame are kept.
    PcapngWriter(
        Sink sink,
        const std::array<std::string_view, 2>& interfaces,
        std::uint32_t snap_bytes
    );

    void write(const Frame& frame);

private:
    Sink sink_;
};

}  // namespace portcullis::cli
