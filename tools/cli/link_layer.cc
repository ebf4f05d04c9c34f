#include "tools/cli/link_layer.h"

#include "rules/byte_order.h"
#include "rules/wire.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <array>

namespace portcullis::cli {

namespace {

// Locally administered, so they are nobody's.
constexpr std::array<std::uint8_t, 12> kSyntheticAddresses =
    {0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01};

// Reserved and carried by no packet (RFC 1701): stands for every protocol that has no EtherType.
constexpr std::uint16_t kNoEtherType = 0xFFFF;

// What a link header says: its length and the EtherType of what follows.
struct LinkHeader {
    std::size_t bytes = 0;
    std::uint16_t ether_type = kNoEtherType;
};

std::uint16_t ether_type_by_version(std::span<const std::uint8_t> packet) noexcept {
    // A packet of neither version is a malformed one, which the parser says of an IPv4 EtherType.
    return !packet.empty() && packet[0] >> 4U == 6 ? wire::kEtherTypeIpv6 : wire::kEtherTypeIpv4;
}

// AF_INET is 2 everywhere; AF_INET6 is 10 (Linux), 24 (NetBSD, OpenBSD), 28 (FreeBSD) or 30 (Darwin).
std::uint16_t ether_type_of_family(std::uint32_t family) noexcept {
    switch (family) {
    case 2: return wire::kEtherTypeIpv4;
    case 10:
    case 24:
    case 28:
    case 30: return wire::kEtherTypeIpv6;
    default: return kNoEtherType;
    }
}

// All families are below 256, so the byte order shows.
LinkHeader loopback_header(std::span<const std::uint8_t> frame) noexcept {
    const std::uint32_t big = load_be32(frame.data());
    const std::uint32_t swapped = std::uint32_t{frame[0]} | (std::uint32_t{frame[1]} << 8U)
                                  | (std::uint32_t{frame[2]} << 16U)
                                  | (std::uint32_t{frame[3]} << 24U);
    return {4, ether_type_of_family(std::min(big, swapped))};
}

// The protocol field of a cooked capture is an EtherType, except for kernel devices that have other numbers
// there and for the small numbers of 802.2 and 802.3 frames (tcpdump.org, LINKTYPE_LINUX_SLL).
LinkHeader cooked_header(
    std::size_t bytes,
    std::uint16_t protocol,
    std::uint16_t device_type,
    std::size_t packet_bytes
) noexcept {
    constexpr std::uint16_t kNetlink = 824;
    constexpr std::uint16_t kFrameRelay = 770;
    constexpr std::uint16_t kProtocolLlc = 4;
    constexpr std::size_t kEthernetLengthMax = 1500;
    if (device_type == kNetlink || device_type == kFrameRelay) {
        return {bytes, kNoEtherType};
    }
    if (protocol == kProtocolLlc) {
        return {bytes, static_cast<std::uint16_t>(std::min(packet_bytes, kEthernetLengthMax))};
    }
    return {bytes, protocol < wire::kEtherTypeMin ? kNoEtherType : protocol};
}

std::size_t header_bytes_of(LinkLayer link) noexcept {
    switch (link) {
    case LinkLayer::null:
    case LinkLayer::loop: return 4;
    case LinkLayer::cooked: return 16;
    case LinkLayer::cooked_2: return 20;
    default: return 0;
    }
}

// `frame` holds a whole link header.
LinkHeader read_header(LinkLayer link, std::span<const std::uint8_t> frame) noexcept {
    const std::size_t bytes = header_bytes_of(link);
    switch (link) {
    case LinkLayer::ipv4: return {bytes, wire::kEtherTypeIpv4};
    case LinkLayer::ipv6: return {bytes, wire::kEtherTypeIpv6};
    case LinkLayer::null:
    case LinkLayer::loop: return loopback_header(frame);
    case LinkLayer::cooked:
        return cooked_header(
            bytes, load_be16(frame.data() + 14), load_be16(frame.data() + 2), frame.size() - bytes
        );
    case LinkLayer::cooked_2:
        return cooked_header(
            bytes, load_be16(frame.data()), load_be16(frame.data() + 8), frame.size() - bytes
        );
    default: return {bytes, ether_type_by_version(frame)};
    }
}

}  // namespace

std::optional<LinkLayer> link_layer_of(int data_link) noexcept {
    switch (data_link) {
    case DLT_EN10MB: return LinkLayer::ethernet;
    case DLT_RAW: return LinkLayer::raw_ip;
    case DLT_IPV4: return LinkLayer::ipv4;
    case DLT_IPV6: return LinkLayer::ipv6;
    case DLT_NULL: return LinkLayer::null;
    case DLT_LOOP: return LinkLayer::loop;
    case DLT_LINUX_SLL: return LinkLayer::cooked;
    case DLT_LINUX_SLL2: return LinkLayer::cooked_2;
    default: return std::nullopt;
    }
}

std::string describe_data_link(int data_link) {
    const char* const name = pcap_datalink_val_to_name(data_link);
    const char* const description = pcap_datalink_val_to_description(data_link);
    if (name == nullptr) {
        return "number " + std::to_string(data_link);
    }
    return std::string(name)
           + (description == nullptr ? "" : " (" + std::string(description) + ")");
}

void to_ethernet(
    LinkLayer link,
    std::span<const std::uint8_t> frame,
    std::vector<std::uint8_t>& out
) {
    if (frame.size() < header_bytes_of(link)) {
        const std::size_t runt = std::min<std::size_t>(frame.size(), wire::kEthernetBytes - 1);
        out.assign(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(runt));
        return;
    }
    const LinkHeader header = read_header(link, frame);
    out.assign(kSyntheticAddresses.begin(), kSyntheticAddresses.end());
    out.push_back(static_cast<std::uint8_t>(header.ether_type >> 8U));
    out.push_back(static_cast<std::uint8_t>(header.ether_type & 0xFFU));
    const std::span<const std::uint8_t> packet = frame.subspan(header.bytes);
    out.insert(out.end(), packet.begin(), packet.end());
}

}  // namespace portcullis::cli
