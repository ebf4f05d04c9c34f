// Bytes of a frame in, a Key out. Runs on workers, on bytes from the wire: reads nothing outside the
// frame, loops only as often as the budgets in key.h allow, and never fails; what it cannot classify it
// says as a fault of the key.
//
// A fault does not end the reading where a lenient receiver might read on: ports are reported wherever
// they can be, so that a policy which passes the fault still judges them.
#pragma once

#include "rules/key.h"

#include <cstdint>

namespace portcullis {

// A frame's bytes. At least min(length, kHeaderBytesMax) of them stand at `data`.
struct FrameBytes {
    const std::uint8_t* data = nullptr;
    std::uint32_t length = 0;  // <= kFrameBytesMax
};

// The outermost IP header of `frame`, from its first Ethernet byte on.
[[nodiscard]] Key parse_frame(FrameBytes frame, TunnelSet tunnels) noexcept;

// Goes on from a key with has_inner to the IP header inside: true and `key` is that one, or false when
// there is none (another protocol inside, or not that tunnel after all) and `key` is of no use.
[[nodiscard]] bool parse_inner(FrameBytes frame, TunnelSet tunnels, Key& key) noexcept;

}  // namespace portcullis
