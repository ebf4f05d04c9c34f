// Numbers of the wire formats, each under its registered name.
#pragma once

#include <cstdint>

namespace portcullis::wire {

// Ethernet: two addresses, then an EtherType, or a length (IEEE 802.3 section 3.2.6).
inline constexpr std::uint32_t kEthernetBytes = 14;
inline constexpr std::uint16_t kEtherTypeMin = 0x0600;
inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeIpv6 = 0x86DD;
inline constexpr std::uint16_t kEtherTypeVlan = 0x8100;     // IEEE 802.1Q customer tag
inline constexpr std::uint16_t kEtherTypeQinQ = 0x88A8;     // IEEE 802.1ad service tag
inline constexpr std::uint16_t kEtherTypeQinQOld = 0x9100;  // before 802.1ad, still deployed
inline constexpr std::uint16_t kEtherTypeMpls = 0x8847;     // RFC 3032 section 5
inline constexpr std::uint16_t kEtherTypeMplsMulticast = 0x8848;

// Whether a tag of four bytes follows the EtherType.
[[nodiscard]] constexpr bool is_vlan_tag(std::uint16_t ether_type) noexcept {
    return ether_type == kEtherTypeVlan || ether_type == kEtherTypeQinQ
           || ether_type == kEtherTypeQinQOld;
}

inline constexpr std::uint16_t kEtherTypePppoeSession = 0x8864;  // RFC 2516 section 4
inline constexpr std::uint16_t kEtherTypeBridged =
    0x6558;  // Ethernet in GRE (RFC 7637 section 3.2)

inline constexpr std::uint32_t kVlanTagBytes = 4;
inline constexpr std::uint32_t kMplsLabelBytes = 4;
inline constexpr std::uint32_t kMplsIpv4ExplicitNull = 0;  // RFC 3032 section 2.1
inline constexpr std::uint32_t kMplsIpv6ExplicitNull = 2;
inline constexpr std::uint32_t kPppoeBytes = 6;
inline constexpr std::uint16_t kPppIpv4 = 0x0021;  // RFC 1332
inline constexpr std::uint16_t kPppIpv6 = 0x0057;  // RFC 5072

// LLC + SNAP with the zero OUI: an EtherType follows (RFC 1042).
inline constexpr std::uint32_t kSnapBytes = 8;
inline constexpr std::uint64_t kSnapPrefix = 0xAAAA'0300'0000ULL;

inline constexpr std::uint32_t kIpv4Bytes = 20;
inline constexpr std::uint32_t kIpv6Bytes = 40;
inline constexpr std::uint16_t kIpv4MoreFragments = 0x2000;
inline constexpr std::uint16_t kIpv4FragmentOffset = 0x1FFF;
inline constexpr std::uint8_t kIpv4OptionEnd = 0;
inline constexpr std::uint8_t kIpv4OptionNoOperation = 1;
inline constexpr std::uint8_t kIpv4OptionLooseSourceRoute = 131;
inline constexpr std::uint8_t kIpv4OptionStrictSourceRoute = 137;

// Protocol and next header numbers.
inline constexpr std::uint8_t kHopByHop = 0;
inline constexpr std::uint8_t kIpv4InIp = 4;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint8_t kIpv6InIp = 41;
inline constexpr std::uint8_t kRouting = 43;
inline constexpr std::uint8_t kFragment = 44;
inline constexpr std::uint8_t kGre = 47;
inline constexpr std::uint8_t kAuthentication = 51;
inline constexpr std::uint8_t kDestinationOptions = 60;
inline constexpr std::uint8_t kMobility = 135;
inline constexpr std::uint8_t kHip = 139;
inline constexpr std::uint8_t kShim6 = 140;

inline constexpr std::uint8_t kTcpFlagSyn = 0x02;
inline constexpr std::uint8_t kTcpFlagAck = 0x10;
inline constexpr std::uint32_t kTcpBytes = 20;  // without options
inline constexpr std::uint32_t kTcpFlagsOffset = 13;
inline constexpr std::uint32_t kUdpBytes = 8;
inline constexpr std::uint16_t kUdpTeredo = 3544;  // RFC 4380
inline constexpr std::uint16_t kUdpVxlan = 4789;   // RFC 7348
inline constexpr std::uint32_t kVxlanBytes = 8;

// GRE flags (RFC 2784, 2890; the routing bit is RFC 1701's).
inline constexpr std::uint16_t kGreChecksum = 0x8000;
inline constexpr std::uint16_t kGreRouting = 0x4000;
inline constexpr std::uint16_t kGreKey = 0x2000;
inline constexpr std::uint16_t kGreSequence = 0x1000;
inline constexpr std::uint16_t kGreVersion = 0x0007;

}  // namespace portcullis::wire
