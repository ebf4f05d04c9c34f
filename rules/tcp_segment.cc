#include "rules/tcp_segment.h"

#include "rules/byte_order.h"
#include "rules/plain_parser.h"
#include "rules/wire.h"

#include <algorithm>
#include <cstddef>

namespace portcullis {

namespace {

// Where TCP stands behind an IP header, and how long it is.
struct TcpPlace {
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;  // 0: there is none
};

// At least kIpv6Bytes of the packet stand at `header`; `left` bytes of the frame begin there.
TcpPlace read_addresses4(
    const std::uint8_t* header,
    std::uint32_t left,
    bool outbound,
    TcpSegment& out
) noexcept {
    const std::uint32_t header_bytes = (header[0] & 0xFU) * 4U;
    const std::uint32_t total = load_be16(header + 2);
    const bool fragment =
        (load_be16(header + 6) & (wire::kIpv4MoreFragments | wire::kIpv4FragmentOffset)) != 0;
    if ((header[0] >> 4U) != 4 || header_bytes < wire::kIpv4Bytes || total < header_bytes
        || total > left || fragment || header[9] != wire::kTcp) {
        return {};
    }
    const AddressWords source{std::uint64_t{load_be32(header + 12)} << 32U, 0};
    const AddressWords destination{std::uint64_t{load_be32(header + 16)} << 32U, 0};
    out.family = Family::ipv4;
    out.near_address = outbound ? source : destination;
    out.far_address = outbound ? destination : source;
    return {header_bytes, total - header_bytes};
}

TcpPlace read_addresses6(
    const std::uint8_t* header,
    std::uint32_t left,
    bool outbound,
    TcpSegment& out
) noexcept {
    const std::uint32_t payload = load_be16(header + 4);
    if ((header[0] >> 4U) != 6 || payload > left - wire::kIpv6Bytes || header[6] != wire::kTcp) {
        return {};
    }
    const AddressWords source{load_be64(header + 8), load_be64(header + 16)};
    const AddressWords destination{load_be64(header + 24), load_be64(header + 32)};
    out.family = Family::ipv6;
    out.near_address = outbound ? source : destination;
    out.far_address = outbound ? destination : source;
    return {wire::kIpv6Bytes, payload};
}

}  // namespace

bool read_tcp_segment(
    std::span<const std::uint8_t> here,
    std::uint32_t length,
    Direction direction,
    TcpSegment& out
) noexcept {
    // A frame with less behind its tags than an IPv6 header has no TCP in it.
    constexpr std::uint32_t kBytesMin = wire::kEthernetBytes + wire::kIpv6Bytes;
    const auto end = static_cast<std::uint32_t>(std::min<std::size_t>(here.size(), length));
    if (end < kBytesMin) {
        return false;
    }
    std::uint32_t at = wire::kEthernetBytes;
    std::uint16_t ether_type = load_be16(here.data() + at - 2);
    for (unsigned tags = 0;
         tags < kPlainVlanTagsMax
         && (ether_type == wire::kEtherTypeVlan || ether_type == wire::kEtherTypeQinQ);
         ++tags) {
        at += wire::kVlanTagBytes;
        ether_type = load_be16(here.data() + at - 2);
    }
    if (end < at + wire::kIpv6Bytes) {
        return false;
    }
    const bool outbound = direction == Direction::outbound;
    const std::uint8_t* const header = here.data() + at;
    const TcpPlace place =
        ether_type == wire::kEtherTypeIpv4   ? read_addresses4(header, length - at, outbound, out)
        : ether_type == wire::kEtherTypeIpv6 ? read_addresses6(header, length - at, outbound, out)
                                             : TcpPlace{};
    at += place.offset;
    if (place.bytes < wire::kTcpBytes || end < at + wire::kTcpBytes) {
        return false;
    }
    const std::uint8_t* const tcp = here.data() + at;
    const std::uint32_t header_bytes = (tcp[12] >> 4U) * 4U;
    if (header_bytes < wire::kTcpBytes || header_bytes > place.bytes) {
        return false;
    }
    const std::uint16_t source_port = load_be16(tcp);
    const std::uint16_t destination_port = load_be16(tcp + 2);
    out.near_port = outbound ? source_port : destination_port;
    out.far_port = outbound ? destination_port : source_port;
    out.sequence = load_be32(tcp + 4);
    out.acknowledgement = load_be32(tcp + 8);
    out.flags = tcp[wire::kTcpFlagsOffset];
    out.payload_bytes = place.bytes - header_bytes;
    at = std::min(at + header_bytes, end);
    out.payload = here.subspan(at, std::min(out.payload_bytes, end - at));
    return true;
}

}  // namespace portcullis
