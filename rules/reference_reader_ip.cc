// The IP half of the reference reader: RFC 791, RFC 8200, and the first bytes of TCP and UDP.
#include "rules/reference_reader.h"

#include <algorithm>

namespace portcullis {

namespace {

bool is_extension_header(unsigned next) {
    return next == 0 || next == 43 || next == 44 || next == 51 || next == 60 || next == 135
           || next == 139 || next == 140;
}

std::size_t extension_header_bytes(unsigned type, unsigned length_byte) {
    if (type == 44) {
        return 8;
    }
    if (type == 51) {
        return (std::size_t{length_byte} + 2) * 4;  // RFC 4302 section 2.2
    }
    return (std::size_t{length_byte} + 1) * 8;
}

void note_routing(ReferenceHeader& header, unsigned type, unsigned segments_left) {
    if (type == 0 || type == 1 || type == 3) {
        header.faults.insert(Reason::routing_header);
    }
    if (segments_left > 0) {
        header.source_routed = true;
    }
}

// Whether a datagram starts behind the fragment header. At offset 0 without M it is atomic (RFC 6946): a
// whole packet.
bool note_fragment(ReferenceHeader& header, unsigned offset_and_flags) {
    const unsigned offset_bytes = offset_and_flags / 8 * 8;
    if (offset_bytes > 0) {
        header.fragment = Fragment::later;
        if (offset_bytes < kFragmentFloorBytes) {
            header.faults.insert(Reason::overlapping_fragment);
        }
        return false;
    }
    if (offset_and_flags % 2 == 1) {
        header.fragment = Fragment::first;
    }
    return true;
}

}  // namespace

void ReferenceReader::read_ipv4(std::size_t at, std::size_t end) {
    if (!there_or_end(at, 20, end, Reason::malformed_ip)) {
        return;
    }
    const std::size_t header_bytes = std::size_t{u8(at) % 16} * 4;
    if (u8(at) / 16 != 4 || header_bytes < 20) {
        no_ip_header(Reason::malformed_ip);
        return;
    }
    if (!there_or_end(at, header_bytes, end, Reason::malformed_ip)) {
        return;
    }
    walked("IPv4");
    ReferenceHeader header;
    if (at + header_bytes > rewritable_from_) {
        header.faults.insert(Reason::encapsulation_depth);
    }
    header.family = Family::ipv4;
    header.source = address(at + 12, Family::ipv4);
    header.destination = address(at + 16, Family::ipv4);
    header.protocol = frame_[at + 9];

    const std::size_t total = u16(at + 2);
    if (total < header_bytes) {
        header.faults.insert(Reason::malformed_ip);
    } else if (at + total <= end) {
        end = at + total;
    } else if (!in_first_fragment_) {
        header.faults.insert(Reason::malformed_ip);
    }
    read_options(header, at + 20, at + header_bytes);

    const unsigned flags_and_offset = u16(at + 6);
    const unsigned offset = flags_and_offset % 0x2000;
    const bool more_fragments = (flags_and_offset & 0x2000) != 0;
    if (offset > 0) {
        header.fragment = Fragment::later;
        if (rewrites_headers(header, std::size_t{offset} * 8)) {
            header.faults.insert(Reason::overlapping_fragment);
        }
        found(header);
        return;
    }
    header.fragment = more_fragments ? Fragment::first : Fragment::whole;
    at += header_bytes;
    if (more_fragments) {
        begin_fragmented_part(at);
    }
    if (skip_authentication(header, at, end)) {
        read_payload(header, at, end);
    } else {
        found(header);
    }
}

// Where overlapping fragments are put together, one can rewrite what the first showed behind `offset`: TCP's flags
// (RFC 1858 section 4), or headers that the IPv4 header does not end with. UDP's ports lie before any offset.
bool ReferenceReader::rewrites_headers(const ReferenceHeader& header, std::size_t offset) const {
    if (header.protocol == 6) {
        return offset == 8;
    }
    const bool over_udp =
        header.protocol == 17 && (enabled(Tunnel::teredo) || enabled(Tunnel::vxlan));
    const bool more_headers = header.protocol == 51 || over_udp || tunnel_of(header).has_value();
    return more_headers && offset < kFragmentFloorBytes;
}

// The rest of the headers of a first fragment lies where no later fragment may start.
void ReferenceReader::begin_fragmented_part(std::size_t at) {
    rewritable_from_ = std::min(rewritable_from_, at + kFragmentFloorBytes);
}

// RFC 791 section 3.1. `end` is the end of the header.
void ReferenceReader::read_options(ReferenceHeader& header, std::size_t at, std::size_t end) const {
    while (at < end && u8(at) != 0) {
        const unsigned type = u8(at);
        if (type == 1) {
            at += 1;
            continue;
        }
        if (at + 2 > end || u8(at + 1) < 2 || at + u8(at + 1) > end) {
            header.faults.insert(Reason::malformed_ip);
            return;
        }
        const unsigned length = u8(at + 1);
        if (type == 131 || type == 137) {
            header.faults.insert(Reason::source_route);
            if (length >= 3 && u8(at + 2) <= length) {
                header.source_routed = true;
            }
        }
        at += length;
    }
}

// The authentication header is the only one between IPv4 and its payload that is not opaque.
bool ReferenceReader::skip_authentication(
    ReferenceHeader& header,
    std::size_t& at,
    std::size_t end
) {
    while (header.protocol == 51) {
        if (extension_headers_ == kExtensionHeadersMax) {
            header.faults.insert(Reason::encapsulation_depth);
            return false;
        }
        ++extension_headers_;
        Presence presence = look(at, 8, end);
        std::size_t bytes = 0;
        if (presence == Presence::there) {
            bytes = extension_header_bytes(51, u8(at + 1));
            presence = look(at, bytes, end);
        }
        if (presence == Presence::cut) {
            header.faults.insert(Reason::truncated_transport);
            return false;
        }
        if (presence == Presence::too_far) {
            header.faults.insert(Reason::encapsulation_depth);
            return false;
        }
        header.protocol = frame_[at];
        at += bytes;
        if (at > rewritable_from_) {
            header.faults.insert(Reason::encapsulation_depth);
        }
    }
    return true;
}

void ReferenceReader::read_ipv6(std::size_t at, std::size_t end) {
    if (!there_or_end(at, 40, end, Reason::malformed_ip)) {
        return;
    }
    if (u8(at) / 16 != 6) {
        no_ip_header(Reason::malformed_ip);
        return;
    }
    walked("IPv6");
    ReferenceHeader header;
    if (at + 40 > rewritable_from_) {
        header.faults.insert(Reason::encapsulation_depth);
    }
    header.family = Family::ipv6;
    header.source = address(at + 8, Family::ipv6);
    header.destination = address(at + 24, Family::ipv6);
    header.protocol = frame_[at + 6];

    const std::size_t payload = u16(at + 4);
    at += 40;
    if (payload == 0 && header.protocol == 0) {
        // A jumbogram's shape (RFC 2675). Some receivers read on.
        header.faults.insert(Reason::malformed_ip);
    } else if (at + payload <= end) {
        end = at + payload;
    } else if (!in_first_fragment_) {
        header.faults.insert(Reason::malformed_ip);
    }
    if (skip_extension_headers(header, at, end)) {
        read_payload(header, at, end);
    } else {
        found(header);
    }
}

// RFC 8200 section 4.
bool ReferenceReader::skip_extension_headers(
    ReferenceHeader& header,
    std::size_t& at,
    std::size_t end
) {
    while (is_extension_header(header.protocol)) {
        const unsigned type = header.protocol;
        if (extension_headers_ == kExtensionHeadersMax || look(at, 8, end) != Presence::there) {
            header.faults.insert(Reason::ipv6_header_chain);
            return false;
        }
        ++extension_headers_;
        const std::size_t bytes = extension_header_bytes(type, u8(at + 1));
        if (look(at, bytes, end) != Presence::there) {
            header.faults.insert(Reason::ipv6_header_chain);
            return false;
        }
        if (at + bytes > rewritable_from_) {
            header.faults.insert(Reason::ipv6_header_chain);
        }
        if (type == 43) {
            note_routing(header, u8(at + 2), u8(at + 3));
        }
        header.protocol = frame_[at];
        if (type == 44 && !note_fragment(header, u16(at + 2))) {
            return false;
        }
        at += bytes;
        if (type == 44 && header.fragment == Fragment::first) {
            begin_fragmented_part(at);
        }
    }
    return true;
}

void ReferenceReader::read_payload(ReferenceHeader header, std::size_t at, std::size_t end) {
    if (header.protocol == 6 || header.protocol == 17) {
        read_ports(header, at, end);
    }
    const std::optional<Tunnel> tunnel = tunnel_of(header);
    if (!tunnel) {
        found(header);
        return;
    }
    if (nested_ == kTunnelsMax) {
        header.faults.insert(Reason::encapsulation_depth);
        found(header);
        return;
    }
    found(header);
    ++nested_;
    in_first_fragment_ = in_first_fragment_ || header.fragment == Fragment::first;
    read_tunnel(*tunnel, at, end);
}

// RFC 9293 section 3.1, RFC 768. What an IPv6 header chain must hold reaches to the ports (RFC 7112).
void ReferenceReader::read_ports(ReferenceHeader& header, std::size_t at, std::size_t end) const {
    const bool tcp = header.protocol == 6;
    const bool first = header.fragment == Fragment::first;
    if (tcp && first && at + kTinyFragmentBytes > end) {
        header.faults.insert(Reason::tiny_fragment);
    }
    const Presence presence = look(at, 4, end);
    if (presence == Presence::there) {
        if (at + 4 > rewritable_from_) {
            const bool chain = header.family == Family::ipv6;
            header.faults.insert(chain ? Reason::ipv6_header_chain : Reason::encapsulation_depth);
        }
        header.ports = ReferencePorts{
            static_cast<std::uint16_t>(u16(at)), static_cast<std::uint16_t>(u16(at + 2))};
        const bool has_flags = tcp && look(at + 13, 1, end) == Presence::there;
        header.initial_syn = has_flags && (u8(at + 13) & 0x12) == 0x02;
    } else if (header.family == Family::ipv6 && (first || presence == Presence::too_far)) {
        header.faults.insert(Reason::ipv6_header_chain);
    } else if (presence == Presence::cut) {
        header.faults.insert(Reason::truncated_transport);
    } else {
        header.faults.insert(Reason::encapsulation_depth);
    }
}

}  // namespace portcullis
