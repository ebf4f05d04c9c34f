// What a subscriber is told about a frame that a rule rejected: a TCP reset, or "administratively prohibited". Bytes
// in, bytes out; runs on workers, on bytes from the wire, for frames of the drop path only.
//
// Nobody is told who must not be (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e): no answer to a reset, to ICMP, to
// multicast or broadcast, to fragments whose whole is not known, to a source that is no host; nor where the way back
// is not the way here (MPLS labels, tunnels, source routes).
#pragma once

#include "rules/frame_parser.h"
#include "rules/key.h"

#include <cstdint>
#include <span>

namespace portcullis {

enum class AnswerKind : std::uint8_t {
    tcp_reset,
    icmp,
    icmp6,
    none
};
inline constexpr unsigned kAnswerKindCount = 3;  // without `none`

[[nodiscard]] constexpr const char* label(AnswerKind kind) noexcept {
    switch (kind) {
    case AnswerKind::tcp_reset: return "tcp-reset";
    case AnswerKind::icmp: return "icmp";
    case AnswerKind::icmp6: return "icmp6";
    case AnswerKind::none: break;
    }
    return "none";
}

// Ethernet, four tags or PPPoE, IPv6, ICMPv6, and what is quoted of the frame.
inline constexpr std::uint32_t kAnswerBytesMax = 1280;

struct Answer {
    AnswerKind kind = AnswerKind::none;
    std::uint16_t length = 0;  // bytes written; at least 60, as Ethernet wants it
};

// Writes the answer to `frame`, whose outermost IP header is `key`. It goes back the way that the frame came: to the
// address that sent it, with the same tags and the same PPPoE session.
[[nodiscard]] Answer
answer_to(FrameBytes frame, const Key& key, std::span<std::uint8_t, kAnswerBytesMax> out) noexcept;

}  // namespace portcullis
