// What the first bytes of both directions of a TCP flow say about its protocol. Pure functions over bytes from the
// wire; run on workers.
//
// SMTP needs both sides where both are seen: a greeting (220) and, from the other side, HELO, EHLO or MAIL FROM. So FTP,
// which greets with 220 too, is none. Of a flow of which one side only is seen, the client's HELO or EHLO must be
// followed by another command, and the server's greeting must say SMTP and be followed by 250.
//
// All is compared at fixed places: 180 TSC cycles a payload, 213 by Hyperscan (bench/RESULTS.md), left for own patterns.
#pragma once

#include "rules/policy.h"

#include <array>
#include <cstdint>
#include <span>

namespace portcullis {

// Of each direction of a flow.
inline constexpr std::uint32_t kInspectedBytes = 256;

// Bit i stands for PayloadProtocol i.
using ProtocolSet = std::uint8_t;

[[nodiscard]] constexpr ProtocolSet protocol_bit(PayloadProtocol protocol) noexcept {
    return static_cast<ProtocolSet>(1U << static_cast<unsigned>(protocol));
}

inline constexpr ProtocolSet kBuiltInProtocols = protocol_bit(PayloadProtocol::smtp)
                                                 | protocol_bit(PayloadProtocol::smb)
                                                 | protocol_bit(PayloadProtocol::netbios_session);

// The first bytes of one direction, without a gap.
struct FlowSide {
    std::span<const std::uint8_t> bytes;
    bool closed = false;  // no more of it will be looked at

    [[nodiscard]] bool seen() const noexcept { return !bytes.empty(); }
};

struct ProtocolFindings {
    ProtocolSet found = 0;
    ProtocolSet possible = 0;  // not found, but more bytes may tell
    unsigned server = 0;       // where SMTP was found: the side that is the server
};

// Of the protocols in `wanted`.
[[nodiscard]] ProtocolFindings
find_protocols(const std::array<FlowSide, 2>& sides, ProtocolSet wanted) noexcept;

}  // namespace portcullis
