// The TCP segment in a plain frame, as payload signatures see it: Ethernet, at most two VLAN tags, IPv4 without
// fragments or IPv6 without extension headers. Other shapes have none. Runs on workers, on bytes from the wire: reads
// nothing outside of them.
#pragma once

#include "rules/key.h"
#include "rules/units.h"

#include <cstdint>
#include <span>

namespace portcullis {

// Near is the subscriber's end, far the other one.
struct TcpSegment {
    Family family = Family::none;
    AddressWords near_address;
    AddressWords far_address;
    std::uint16_t near_port = 0;
    std::uint16_t far_port = 0;
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgement = 0;
    std::uint8_t flags = 0;
    std::uint32_t payload_bytes = 0;        // that the segment has
    std::span<const std::uint8_t> payload;  // of these, the first that stand in one piece

    [[nodiscard]] bool has(std::uint8_t flag) const noexcept { return (flags & flag) != 0; }
};

// The segment of the frame of `length` bytes whose first ones are `here`. False if there is none, and `out` is of no
// use.
[[nodiscard]] bool read_tcp_segment(
    std::span<const std::uint8_t> here,
    std::uint32_t length,
    Direction direction,
    TcpSegment& out
) noexcept;

}  // namespace portcullis
