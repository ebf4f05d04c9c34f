// Link layers of captures, and how their frames become Ethernet frames, which is what the dataplane reads.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace portcullis::cli {

enum class LinkLayer : std::uint8_t {
    ethernet,
    raw_ip,   // an IPv4 or IPv6 packet, told apart by its version
    ipv4,     // an IPv4 packet
    ipv6,     // an IPv6 packet
    null,     // BSD loopback: a 4-byte address family in the byte order of the capturing machine
    loop,     // OpenBSD loopback: the same in network byte order
    cooked,   // Linux cooked capture, version 1: tcpdump -i any
    cooked_2  // and version 2
};

// The link layer that libpcap calls `data_link` (a DLT_ value), if its frames can be replayed.
[[nodiscard]] std::optional<LinkLayer> link_layer_of(int data_link) noexcept;

// DLT_EN10MB, which is the same number everywhere.
inline constexpr int kEthernetDataLink = 1;

// "LINUX_SLL (Linux cooked v1)", or the number when libpcap has no name for it.
[[nodiscard]] std::string describe_data_link(int data_link);

// `frame`, whose link layer is not Ethernet, as an Ethernet frame: synthetic addresses, the EtherType that the
// packet has, and the packet. A frame cut inside its link header becomes one cut inside its Ethernet header.
// `out` is overwritten.
void to_ethernet(
    LinkLayer link,
    std::span<const std::uint8_t> frame,
    std::vector<std::uint8_t>& out
);

}  // namespace portcullis::cli
