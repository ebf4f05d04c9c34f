// The shapes that almost all frames have, parsed in line: Ethernet, at most two VLAN tags, IPv4 without
// options or fragments or IPv6 without extension headers, TCP or UDP, lengths that agree. Everything else is
// left to parse_frame, which says the same about these shapes too (tests and fuzzing hold one against the
// other). Runs on workers.
//
// dataplane/plain_stage.cc recognises the same shapes in whole bursts; here is what is read of one frame: parse_plain
// writes the whole key, the others what a rule is looked up by.
#pragma once

#include "rules/byte_order.h"
#include "rules/frame_parser.h"
#include "rules/key.h"
#include "rules/wire.h"

#include <cstdint>

namespace portcullis {

inline constexpr unsigned kPlainVlanTagsMax = 2;

// Keys of plain packets, but for addresses, ports, SYN and offsets.
[[nodiscard]] constexpr Key plain_key(Family family, Transport transport) noexcept {
    Key key;
    key.family = family;
    key.transport = transport;
    key.plain_reason = Reason::no_rule;
    key.protocol = transport == Transport::tcp ? wire::kTcp : wire::kUdp;
    return key;
}

inline constexpr Key kPlainTcp4 = plain_key(Family::ipv4, Transport::tcp);
inline constexpr Key kPlainUdp4 = plain_key(Family::ipv4, Transport::udp);
inline constexpr Key kPlainTcp6 = plain_key(Family::ipv6, Transport::tcp);
inline constexpr Key kPlainUdp6 = plain_key(Family::ipv6, Transport::udp);

// The least of an IP packet in one of these shapes.
inline constexpr std::uint32_t kPlainBytesMin4 = wire::kIpv4Bytes + wire::kUdpBytes;
inline constexpr std::uint32_t kPlainBytesMin6 = wire::kIpv6Bytes + wire::kUdpBytes;

// Of the plain packet of `family` whose IP header stands at `header`: TCP or UDP.
[[nodiscard]] inline Transport plain_transport(Family family, const std::uint8_t* header) noexcept {
    return header[family == Family::ipv4 ? 9 : 6] == wire::kTcp ? Transport::tcp : Transport::udp;
}

// Whether a TCP segment with these flags begins a connection.
[[nodiscard]] constexpr bool is_initial_syn(std::uint8_t flags) noexcept {
    return (flags & (wire::kTcpFlagSyn | wire::kTcpFlagAck)) == wire::kTcpFlagSyn;
}

enum class PlainEnd : std::uint8_t {
    source,
    destination
};

// The address at one end of such a packet, as a key has it.
[[nodiscard]] inline AddressWords
read_plain_address(Family family, const std::uint8_t* header, PlainEnd end) noexcept {
    const bool source = end == PlainEnd::source;
    if (family == Family::ipv4) {
        return {std::uint64_t{load_be32(header + (source ? 12 : 16))} << 32U, 0};
    }
    const std::uint8_t* const address = header + (source ? 8 : 24);
    return {load_be64(address), load_be64(address + 8)};
}

// Whether a UDP datagram between these ports may carry a tunnel.
[[nodiscard]] inline bool
is_tunnel_port(std::uint16_t source_port, std::uint16_t destination_port) noexcept {
    return destination_port == wire::kUdpVxlan || destination_port == wire::kUdpTeredo
           || source_port == wire::kUdpTeredo;
}

static_assert(
    static_cast<unsigned>(Transport::tcp) == 1 && static_cast<unsigned>(Transport::udp) == 2
);

// A TCP header of 20 bytes or a UDP header of 8 is there whole. False if a tunnel may start here.
[[nodiscard]] inline bool parse_plain_ports(
    const std::uint8_t* header,
    std::uint8_t protocol,
    TunnelSet tunnels,
    Key& key
) noexcept {
    key.source_port = load_be16(header);
    key.destination_port = load_be16(header + 2);
    if (protocol == wire::kTcp) {
        key.initial_syn = is_initial_syn(header[wire::kTcpFlagsOffset]);
        return true;
    }
    return tunnels == 0 || !is_tunnel_port(key.source_port, key.destination_port);
}

[[nodiscard]] inline bool parse_plain_ipv4(
    const std::uint8_t* header,
    std::uint32_t left,
    TunnelSet tunnels,
    Key& key
) noexcept {
    constexpr std::uint8_t kVersionAndLength = 0x45;
    if (left < wire::kIpv4Bytes + wire::kUdpBytes || header[0] != kVersionAndLength) {
        return false;
    }
    const std::uint32_t total = load_be16(header + 2);
    const std::uint8_t protocol = header[9];
    const bool tcp = protocol == wire::kTcp;
    const std::uint32_t needed = wire::kIpv4Bytes + (tcp ? 20U : wire::kUdpBytes);
    const bool fragment =
        (load_be16(header + 6) & (wire::kIpv4MoreFragments | wire::kIpv4FragmentOffset)) != 0;
    if (fragment || total < needed || total > left || (!tcp && protocol != wire::kUdp)) {
        return false;
    }
    key = tcp ? kPlainTcp4 : kPlainUdp4;
    key.source.high = std::uint64_t{load_be32(header + 12)} << 32U;
    key.destination.high = std::uint64_t{load_be32(header + 16)} << 32U;
    key.payload_end = static_cast<std::uint16_t>(total);
    return parse_plain_ports(header + wire::kIpv4Bytes, protocol, tunnels, key);
}

[[nodiscard]] inline bool parse_plain_ipv6(
    const std::uint8_t* header,
    std::uint32_t left,
    TunnelSet tunnels,
    Key& key
) noexcept {
    if (left < wire::kIpv6Bytes + wire::kUdpBytes || (header[0] >> 4U) != 6) {
        return false;
    }
    const std::uint32_t payload = load_be16(header + 4);
    const std::uint8_t protocol = header[6];
    const bool tcp = protocol == wire::kTcp;
    const std::uint32_t needed = tcp ? 20U : wire::kUdpBytes;
    if (payload < needed || payload + wire::kIpv6Bytes > left || (!tcp && protocol != wire::kUdp)) {
        return false;
    }
    key = tcp ? kPlainTcp6 : kPlainUdp6;
    key.source = {load_be64(header + 8), load_be64(header + 16)};
    key.destination = {load_be64(header + 24), load_be64(header + 32)};
    key.payload_end = static_cast<std::uint16_t>(payload + wire::kIpv6Bytes);
    return parse_plain_ports(header + wire::kIpv6Bytes, protocol, tunnels, key);
}

// True and `key` is what parse_frame would say; or false, and `key` is of no use.
[[nodiscard]] inline bool parse_plain(FrameBytes frame, TunnelSet tunnels, Key& key) noexcept {
    if (frame.length < wire::kEthernetBytes + 2 * wire::kVlanTagBytes) {
        return false;
    }
    std::uint32_t at = wire::kEthernetBytes;
    std::uint16_t ether_type = load_be16(frame.data + at - 2);
    std::uint8_t tags = 0;
    while ((ether_type == wire::kEtherTypeVlan || ether_type == wire::kEtherTypeQinQ)
           && tags < kPlainVlanTagsMax) {
        ++tags;
        at += wire::kVlanTagBytes;
        ether_type = load_be16(frame.data + at - 2);
    }
    const std::uint8_t* header = frame.data + at;
    const std::uint32_t left = frame.length - at;
    if (!(ether_type == wire::kEtherTypeIpv4   ? parse_plain_ipv4(header, left, tunnels, key)
          : ether_type == wire::kEtherTypeIpv6 ? parse_plain_ipv6(header, left, tunnels, key)
                                               : false)) {
        return false;
    }
    key.vlan_tags = tags;
    key.payload_end = static_cast<std::uint16_t>(key.payload_end + at);
    return true;
}

}  // namespace portcullis
