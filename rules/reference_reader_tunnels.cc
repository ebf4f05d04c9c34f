// The tunnel half of the reference reader. What a tunnel's port or protocol promises and its bytes do not
// keep is no header at all; a tunnel header that ends early is a fault.
#include "rules/reference_reader.h"

namespace portcullis {

bool ReferenceReader::enabled(Tunnel tunnel) const {
    return (tunnels_ & tunnel_bit(tunnel)) != 0;
}

std::optional<Tunnel> ReferenceReader::tunnel_of(const ReferenceHeader& header) const {
    const bool in_ipv4 = header.family == Family::ipv4;
    std::optional<Tunnel> out;
    if (header.protocol == 4) {
        out = in_ipv4 ? Tunnel::ipip : Tunnel::four_in_six;
    } else if (header.protocol == 41) {
        out = in_ipv4 ? Tunnel::six_in_four : Tunnel::six_in_six;
    } else if (header.protocol == 47) {
        out = Tunnel::gre;
    } else if (header.protocol == 17 && header.ports) {
        const auto [source, destination] = *header.ports;
        if (destination == 4789 && enabled(Tunnel::vxlan)) {
            out = Tunnel::vxlan;
        } else if (source == 3544 || destination == 3544) {
            out = Tunnel::teredo;
        }
    }
    return out && enabled(*out) ? out : std::nullopt;
}

void ReferenceReader::read_tunnel(Tunnel tunnel, std::size_t at, std::size_t end) {
    constexpr std::size_t kUdpHeader = 8;
    switch (tunnel) {
    case Tunnel::ipip:
    case Tunnel::four_in_six: read_ipv4(at, end); break;
    case Tunnel::six_in_four:
    case Tunnel::six_in_six: read_ipv6(at, end); break;
    case Tunnel::gre: read_gre(at, end); break;
    case Tunnel::teredo: read_teredo(at + kUdpHeader, end); break;
    case Tunnel::vxlan: read_vxlan(at + kUdpHeader, end); break;
    }
}

// RFC 2784 and RFC 2890, with the source routes of RFC 1701.
void ReferenceReader::read_gre(std::size_t at, std::size_t end) {
    walked("GRE");
    if (!there_or_end(at, 4, end, Reason::truncated_transport)) {
        return;
    }
    const unsigned flags = u16(at);
    const unsigned type = u16(at + 2);
    if (flags % 8 != 0) {
        something_else(at);  // another version: PPTP's carries PPP
        return;
    }
    const bool checksum = (flags & 0x8000) != 0;
    const bool routing = (flags & 0x4000) != 0;
    const bool key = (flags & 0x2000) != 0;
    const bool sequence = (flags & 0x1000) != 0;
    at += 4;
    at += checksum || routing ? 4 : 0;
    at += key ? 4 : 0;
    at += sequence ? 4 : 0;
    bool more = routing;
    while (more) {
        if (!there_or_end(at, 4, end, Reason::truncated_transport)) {
            return;
        }
        const std::size_t entry_bytes = 4 + std::size_t{u8(at + 3)};
        if (!there_or_end(at, entry_bytes, end, Reason::truncated_transport)) {
            return;
        }
        more = u16(at) != 0 || entry_bytes > 4;
        at += entry_bytes;
    }
    if (!there_or_end(at, 0, end, Reason::truncated_transport)) {
        return;
    }
    if (type == 0x0800) {
        read_ipv4(at, end);
    } else if (type == 0x86DD) {
        read_ipv6(at, end);
    } else if (type == 0x8847 || type == 0x8848) {
        read_mpls(at, end);
    } else if (type == 0x6558) {
        read_ethernet(at, end);  // bridged, RFC 7637 section 3.2
    } else {
        something_else(at);
    }
}

// RFC 4380 section 5.1.1. Not everything on the port is Teredo.
void ReferenceReader::read_teredo(std::size_t at, std::size_t end) {
    walked("Teredo");
    if (look(at, 2, end) == Presence::there && u16(at) == 0x0001) {
        if (!there_or_end(at, 4, end, Reason::truncated_transport)) {
            return;
        }
        const std::size_t authentication_bytes = 13 + std::size_t{u8(at + 2)} + u8(at + 3);
        if (!there_or_end(at, authentication_bytes, end, Reason::truncated_transport)) {
            return;
        }
        at += authentication_bytes;
    }
    if (look(at, 2, end) == Presence::there && u16(at) == 0x0000) {
        if (!there_or_end(at, 8, end, Reason::truncated_transport)) {
            return;
        }
        at += 8;
    }
    if (!there_or_other(at, 2, end, Reason::truncated_transport)) {
        return;
    }
    if (u8(at) / 16 == 6) {
        read_ipv6(at, end);
    } else {
        something_else(at);
    }
}

// RFC 7348 section 5.
void ReferenceReader::read_vxlan(std::size_t at, std::size_t end) {
    walked("VXLAN");
    if (there_or_end(at, 8, end, Reason::truncated_transport)) {
        read_ethernet(at + 8, end);
    }
}

}  // namespace portcullis
