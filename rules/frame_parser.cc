#include "rules/frame_parser.h"

#include "rules/byte_order.h"
#include "rules/wire.h"

#include <algorithm>
#include <optional>

namespace portcullis {

namespace {

// A place in a frame. `end` is where the enclosing protocol says that its bytes end, never past the frame;
// from `rewritable` on another fragment can replace the bytes, where receivers put overlaps together.
struct Cursor {
    const std::uint8_t* data;
    std::uint32_t at;
    std::uint32_t end;
    std::uint32_t rewritable;

    [[nodiscard]] const std::uint8_t* here() const noexcept { return data + at; }

    [[nodiscard]] std::uint32_t left() const noexcept { return end - at; }

    // Whether `count` bytes can be read here.
    [[nodiscard]] bool has(std::uint32_t count) const noexcept {
        return at + count <= end && at + count <= kHeaderBytesMax;
    }

    // What is fragmented starts here, in a first fragment: later ones pass from the floor on.
    void begin_fragmented_part() noexcept {
        rewritable = std::min(rewritable, at + kFragmentFloorBytes);
    }

    // Whether `count` bytes here stay what they are.
    [[nodiscard]] bool settled(std::uint32_t count) const noexcept {
        return at + count <= rewritable;
    }

    // Why has(count) was false: over the budget of header bytes, or else `cut`.
    [[nodiscard]] Reason lack(std::uint32_t count, Reason cut) const noexcept {
        return at + count <= end ? Reason::encapsulation_depth : cut;
    }
};

// What stands at a cursor below the link layer.
enum class Payload : std::uint8_t {
    other,
    ipv4,
    ipv6,
    mpls
};

Payload payload_of_ether_type(std::uint16_t ether_type) noexcept {
    switch (ether_type) {
    case wire::kEtherTypeIpv4: return Payload::ipv4;
    case wire::kEtherTypeIpv6: return Payload::ipv6;
    case wire::kEtherTypeMpls:
    case wire::kEtherTypeMplsMulticast: return Payload::mpls;
    default: return Payload::other;
    }
}

// `count` bytes are not there to tell what this is. In a whole packet that is nobody's fault: it is then not
// what it was read as. But the rest of a first fragment is in another one.
void note_early_end(Cursor cursor, std::uint32_t count, Reason cut, Key& key) noexcept {
    const Reason lack = cursor.lack(count, cut);
    if (lack == Reason::encapsulation_depth || key.in_first_fragment) {
        key.faults.add(lack);
    }
}

// What is wrong when the ports at `cursor` cannot be read. They belong to the IPv6 header chain, which must
// be whole in a first fragment (RFC 7112 section 3 and 5) and within the limits in any packet.
Reason lack_of_ports(Cursor cursor, const Key& key) noexcept {
    const Reason lack = cursor.lack(4, Reason::truncated_transport);
    const bool chain = lack == Reason::encapsulation_depth || key.fragment == Fragment::first;
    return key.family == Family::ipv6 && chain ? Reason::ipv6_header_chain : lack;
}

// An unfragmented or first IP packet's TCP or UDP header at `cursor`.
void parse_ports(Cursor cursor, std::uint8_t protocol, Key& key) noexcept {
    const bool tcp = protocol == wire::kTcp;
    if (tcp && key.fragment == Fragment::first && cursor.left() < kTinyFragmentBytes) {
        key.faults.add(Reason::tiny_fragment);
    }
    if (!cursor.has(4)) {
        key.faults.add(lack_of_ports(cursor, key));
        return;
    }
    if (!cursor.settled(4)) {
        key.faults.add(
            key.family == Family::ipv6 ? Reason::ipv6_header_chain : Reason::encapsulation_depth
        );
    }
    key.transport = tcp ? Transport::tcp : Transport::udp;
    key.source_port = load_be16(cursor.here());
    key.destination_port = load_be16(cursor.here() + 2);
    if (tcp && cursor.has(wire::kTcpFlagsOffset + 1)) {
        const std::uint8_t flags = cursor.here()[wire::kTcpFlagsOffset];
        key.initial_syn = (flags & (wire::kTcpFlagSyn | wire::kTcpFlagAck)) == wire::kTcpFlagSyn;
    }
}

// Notes that the packet inside can be judged too, `offset` bytes into the frame.
void enter_tunnel(Tunnel tunnel, std::uint32_t offset, TunnelSet tunnels, Key& key) noexcept {
    if ((tunnels & tunnel_bit(tunnel)) == 0) {
        return;
    }
    if (key.tunnels == kTunnelsMax) {
        key.faults.add(Reason::encapsulation_depth);
        return;
    }
    key.has_inner = true;
    key.tunnel = tunnel;
    key.inner_offset = static_cast<std::uint16_t>(offset);
}

// What follows the last header of the IP layer.
void parse_upper_layer(Cursor cursor, std::uint8_t protocol, TunnelSet tunnels, Key& key) noexcept {
    key.protocol = protocol;
    key.plain_reason = Reason::no_rule;
    key.rewritable_from = static_cast<std::uint16_t>(cursor.rewritable);
    const bool ipv4 = key.family == Family::ipv4;
    switch (protocol) {
    case wire::kTcp: parse_ports(cursor, protocol, key); break;
    case wire::kUdp:
        parse_ports(cursor, protocol, key);
        if (key.transport == Transport::none) {
            break;
        }
        // A Teredo client's own port can be VXLAN's.
        if (key.destination_port == wire::kUdpVxlan && (tunnels & tunnel_bit(Tunnel::vxlan)) != 0) {
            enter_tunnel(Tunnel::vxlan, cursor.at + wire::kUdpBytes, tunnels, key);
        } else if (key.destination_port == wire::kUdpTeredo || key.source_port == wire::kUdpTeredo) {
            enter_tunnel(Tunnel::teredo, cursor.at + wire::kUdpBytes, tunnels, key);
        }
        break;
    case wire::kIpv4InIp:
        enter_tunnel(ipv4 ? Tunnel::ipip : Tunnel::four_in_six, cursor.at, tunnels, key);
        break;
    case wire::kIpv6InIp:
        enter_tunnel(ipv4 ? Tunnel::six_in_four : Tunnel::six_in_six, cursor.at, tunnels, key);
        break;
    case wire::kGre: enter_tunnel(Tunnel::gre, cursor.at, tunnels, key); break;
    default: break;
    }
}

// Walks IPv4 options for source routes (RFC 791 section 3.1). At most 40 bytes, at least one a step.
void parse_ipv4_options(const std::uint8_t* options, std::uint32_t length, Key& key) noexcept {
    for (std::uint32_t at = 0; at < length;) {
        const std::uint8_t type = options[at];
        if (type == wire::kIpv4OptionEnd) {
            return;
        }
        if (type == wire::kIpv4OptionNoOperation) {
            ++at;
            continue;
        }
        if (at + 2 > length || options[at + 1] < 2 || at + options[at + 1] > length) {
            key.faults.add(Reason::malformed_ip);
            return;
        }
        const std::uint32_t size = options[at + 1];
        if (type == wire::kIpv4OptionLooseSourceRoute
            || type == wire::kIpv4OptionStrictSourceRoute) {
            key.faults.add(Reason::source_route);
            // Addresses are left while the pointer (from 1, past type, length and itself) is inside.
            key.source_routed = key.source_routed || (size >= 3 && options[at + 2] <= size);
        }
        at += size;
    }
}

// IPv4 AH (RFC 4302 section 2): its length counts 32-bit words less two, so that 8 bytes are the least.
bool skip_authentication(Cursor& cursor, std::uint8_t& protocol, Key& key) noexcept {
    if (key.extension_headers == kExtensionHeadersMax) {
        key.faults.add(Reason::encapsulation_depth);
        return false;
    }
    ++key.extension_headers;
    const std::uint32_t size = cursor.has(8) ? (std::uint32_t{cursor.here()[1]} + 2) * 4 : 8;
    if (!cursor.has(size)) {
        key.faults.add(cursor.lack(size, Reason::truncated_transport));
        return false;
    }
    if (!cursor.settled(size)) {
        key.faults.add(Reason::encapsulation_depth);
    }
    protocol = cursor.here()[0];
    cursor.at += size;
    return true;
}

// Whether a fragment at `offset_bytes` of an IPv4 datagram could rewrite what its first fragment showed: of TCP the
// flags (RFC 1858 section 4), of what has further headers inside, those. UDP's ports lie below any offset.
bool rewrites_headers(
    std::uint32_t offset_bytes,
    std::uint8_t protocol,
    TunnelSet tunnels
) noexcept {
    constexpr TunnelSet kOverUdp = tunnel_bit(Tunnel::teredo) | tunnel_bit(Tunnel::vxlan);
    const auto opened = [tunnels](TunnelSet some) {
        return (tunnels & some) != 0;
    };
    switch (protocol) {
    case wire::kTcp: return offset_bytes == 8;
    case wire::kAuthentication: return offset_bytes < kFragmentFloorBytes;
    case wire::kIpv4InIp:
        return offset_bytes < kFragmentFloorBytes && opened(tunnel_bit(Tunnel::ipip));
    case wire::kIpv6InIp:
        return offset_bytes < kFragmentFloorBytes && opened(tunnel_bit(Tunnel::six_in_four));
    case wire::kGre: return offset_bytes < kFragmentFloorBytes && opened(tunnel_bit(Tunnel::gre));
    case wire::kUdp: return offset_bytes < kFragmentFloorBytes && opened(kOverUdp);
    default: return false;
    }
}

void parse_ipv4(Cursor cursor, TunnelSet tunnels, Key& key) noexcept {
    if (!cursor.has(wire::kIpv4Bytes)) {
        key.faults.add(cursor.lack(wire::kIpv4Bytes, Reason::malformed_ip));
        return;
    }
    const std::uint8_t* header = cursor.here();
    const std::uint32_t header_bytes = (header[0] & 0x0FU) * 4U;
    if ((header[0] >> 4U) != 4 || header_bytes < wire::kIpv4Bytes) {
        key.faults.add(Reason::malformed_ip);
        return;
    }
    if (!cursor.has(header_bytes)) {
        key.faults.add(cursor.lack(header_bytes, Reason::malformed_ip));
        return;
    }
    if (!cursor.settled(header_bytes)) {
        key.faults.add(Reason::encapsulation_depth);
    }
    key.family = Family::ipv4;
    key.plain_reason = Reason::no_rule;
    key.source = {std::uint64_t{load_be32(header + 12)} << 32U, 0};
    key.destination = {std::uint64_t{load_be32(header + 16)} << 32U, 0};
    const std::uint32_t total = load_be16(header + 2);
    if (total < header_bytes || (total > cursor.left() && !key.in_first_fragment)) {
        key.faults.add(Reason::malformed_ip);
    }
    if (total >= header_bytes) {
        cursor.end = std::min(cursor.end, cursor.at + total);
    }
    if (header_bytes > wire::kIpv4Bytes) {
        parse_ipv4_options(header + wire::kIpv4Bytes, header_bytes - wire::kIpv4Bytes, key);
    }
    key.payload_end = static_cast<std::uint16_t>(cursor.end);

    std::uint8_t protocol = header[9];
    key.protocol = protocol;
    const std::uint16_t fragment = load_be16(header + 6);
    const std::uint32_t offset_bytes = (fragment & wire::kIpv4FragmentOffset) * 8U;
    if (offset_bytes != 0) {
        key.fragment = Fragment::later;
        key.plain_reason = Reason::non_first_fragment;
        if (rewrites_headers(offset_bytes, protocol, tunnels)) {
            key.faults.add(Reason::overlapping_fragment);
        }
        return;
    }
    cursor.at += header_bytes;
    if ((fragment & wire::kIpv4MoreFragments) != 0) {
        key.fragment = Fragment::first;
        cursor.begin_fragmented_part();
    }
    // Bounded by the budget of extension headers.
    while (protocol == wire::kAuthentication) {
        if (!skip_authentication(cursor, protocol, key)) {
            return;
        }
    }
    parse_upper_layer(cursor, protocol, tunnels, key);
}

bool is_extension_header(std::uint8_t next) noexcept {
    switch (next) {
    case wire::kHopByHop:
    case wire::kRouting:
    case wire::kFragment:
    case wire::kAuthentication:
    case wire::kDestinationOptions:
    case wire::kMobility:
    case wire::kHip:
    case wire::kShim6: return true;
    default: return false;
    }
}

std::uint32_t extension_header_bytes(std::uint8_t type, const std::uint8_t* header) noexcept {
    if (type == wire::kFragment) {
        return 8;
    }
    if (type == wire::kAuthentication) {
        return (std::uint32_t{header[1]} + 2) * 4;  // RFC 4302 section 2.2
    }
    return (std::uint32_t{header[1]} + 1) * 8;  // RFC 6564 section 4
}

// RFC 8200 section 4.5. False when the walk ends here: a fragment without ports.
bool parse_ipv6_fragment(const std::uint8_t* header, Key& key) noexcept {
    const std::uint16_t field = load_be16(header + 2);
    const std::uint32_t offset_bytes = field & 0xFFF8U;
    if (offset_bytes != 0) {
        key.fragment = Fragment::later;
        key.plain_reason = Reason::non_first_fragment;
        if (offset_bytes < kFragmentFloorBytes) {
            key.faults.add(Reason::overlapping_fragment);
        }
        return false;
    }
    if ((field & 1U) != 0) {
        key.fragment = Fragment::first;
    }
    return true;
}

// RFC 8200 section 4.4; types 0 (RFC 5095), 1 and 3 are to be discarded (RFC 9288 section 3.5.2.5).
void parse_routing_header(const std::uint8_t* header, Key& key) noexcept {
    const std::uint8_t type = header[2];
    if (type == 0 || type == 1 || type == 3) {
        key.faults.add(Reason::routing_header);
    }
    key.source_routed = key.source_routed || header[3] != 0;
}

// The chain of extension headers that begins with `next`, bounded by their budget: what comes behind it, at `cursor`;
// nothing if that cannot be told or is not for this frame to say.
std::optional<std::uint8_t>
parse_extension_headers(Cursor& cursor, std::uint8_t next, Key& key) noexcept {
    while (is_extension_header(next)) {
        if (key.extension_headers == kExtensionHeadersMax) {
            key.faults.add(Reason::ipv6_header_chain);
            return std::nullopt;
        }
        ++key.extension_headers;
        if (!cursor.has(8) || !cursor.has(extension_header_bytes(next, cursor.here()))) {
            key.faults.add(Reason::ipv6_header_chain);
            return std::nullopt;
        }
        const std::uint8_t* extension = cursor.here();
        if (!cursor.settled(extension_header_bytes(next, extension))) {
            key.faults.add(Reason::ipv6_header_chain);
        }
        if (next == wire::kRouting) {
            parse_routing_header(extension, key);
        }
        if (next == wire::kFragment && !parse_ipv6_fragment(extension, key)) {
            key.protocol = extension[0];
            return std::nullopt;
        }
        cursor.at += extension_header_bytes(next, extension);
        if (next == wire::kFragment && key.fragment == Fragment::first) {
            cursor.begin_fragmented_part();
        }
        next = extension[0];
    }
    return next;
}

void parse_ipv6(Cursor cursor, TunnelSet tunnels, Key& key) noexcept {
    if (!cursor.has(wire::kIpv6Bytes)) {
        key.faults.add(cursor.lack(wire::kIpv6Bytes, Reason::malformed_ip));
        return;
    }
    const std::uint8_t* header = cursor.here();
    if ((header[0] >> 4U) != 6) {
        key.faults.add(Reason::malformed_ip);
        return;
    }
    if (!cursor.settled(wire::kIpv6Bytes)) {
        key.faults.add(Reason::encapsulation_depth);
    }
    key.family = Family::ipv6;
    key.plain_reason = Reason::no_rule;
    key.source = {load_be64(header + 8), load_be64(header + 16)};
    key.destination = {load_be64(header + 24), load_be64(header + 32)};
    const std::uint32_t payload = load_be16(header + 4);
    const std::uint8_t next = header[6];
    cursor.at += wire::kIpv6Bytes;
    if (payload > cursor.left() && !key.in_first_fragment) {
        key.faults.add(Reason::malformed_ip);
    }
    if (payload == 0 && next == wire::kHopByHop) {
        // A jumbogram (RFC 2675) cannot fit a frame; but receivers exist that then read on to its end.
        key.faults.add(Reason::malformed_ip);
    } else {
        cursor.end = std::min(cursor.end, cursor.at + payload);
    }
    key.payload_end = static_cast<std::uint16_t>(cursor.end);

    if (const auto behind = parse_extension_headers(cursor, next, key); behind.has_value()) {
        parse_upper_layer(cursor, *behind, tunnels, key);
    }
}

// What an MPLS stack carries that does not say it: IP only if its lengths agree too, else a pseudowire whose
// first byte looks like IP (RFC 4928 section 2). What is too far off to tell is left to the IP parsers, which
// say so; and so is what ends early while another fragment has the rest.
Payload parse_unlabelled(Cursor cursor, Key& key) noexcept {
    if (!cursor.has(1)) {
        note_early_end(cursor, 1, Reason::runt_frame, key);
        return Payload::other;
    }
    const std::uint8_t* header = cursor.here();
    const bool ipv4 = (header[0] >> 4U) == 4;
    if (!ipv4 && (header[0] >> 4U) != 6) {
        return Payload::other;
    }
    const Payload payload = ipv4 ? Payload::ipv4 : Payload::ipv6;
    const std::uint32_t needed = ipv4 ? wire::kIpv4Bytes : wire::kIpv6Bytes;
    if (!cursor.has(needed)) {
        return needed <= cursor.left() || key.in_first_fragment ? payload : Payload::other;
    }
    const std::uint32_t header_bytes = ipv4 ? (header[0] & 0x0FU) * 4U : wire::kIpv6Bytes;
    const std::uint32_t total =
        ipv4 ? load_be16(header + 2) : load_be16(header + 4) + wire::kIpv6Bytes;
    const bool agrees = header_bytes >= needed && total >= header_bytes
                        && (total <= cursor.left() || key.in_first_fragment);
    return agrees ? payload : Payload::other;
}

// RFC 3032. Moves the cursor behind the bottom of the stack.
Payload parse_mpls(Cursor& cursor, Key& key) noexcept {
    for (;;) {  // bounded by the budget of labels
        if (key.mpls_labels == kMplsLabelsMax) {
            key.faults.add(Reason::encapsulation_depth);
            return Payload::other;
        }
        if (!cursor.has(wire::kMplsLabelBytes)) {
            key.faults.add(cursor.lack(wire::kMplsLabelBytes, Reason::runt_frame));
            return Payload::other;
        }
        ++key.mpls_labels;
        const std::uint32_t entry = load_be32(cursor.here());
        cursor.at += wire::kMplsLabelBytes;
        if ((entry & 0x100U) == 0) {
            continue;
        }
        const std::uint32_t value = entry >> 12U;
        if (value == wire::kMplsIpv4ExplicitNull) {
            return Payload::ipv4;
        }
        if (value == wire::kMplsIpv6ExplicitNull) {
            return Payload::ipv6;
        }
        return parse_unlabelled(cursor, key);
    }
}

// RFC 2516 section 4 and RFC 1661 section 2 and 6.5: the PPP protocol has one byte if that is odd.
Payload parse_pppoe(Cursor& cursor, Key& key) noexcept {
    if (!cursor.has(wire::kPppoeBytes + 1)) {
        key.faults.add(cursor.lack(wire::kPppoeBytes + 1, Reason::runt_frame));
        return Payload::other;
    }
    cursor.at += wire::kPppoeBytes;
    std::uint16_t protocol = cursor.here()[0];
    std::uint32_t size = 1;
    if ((protocol & 1U) == 0) {
        if (!cursor.has(2)) {
            key.faults.add(cursor.lack(2, Reason::runt_frame));
            return Payload::other;
        }
        protocol = load_be16(cursor.here());
        size = 2;
    }
    cursor.at += size;
    return protocol == wire::kPppIpv4   ? Payload::ipv4
           : protocol == wire::kPppIpv6 ? Payload::ipv6
                                        : Payload::other;
}

// From the first byte of an Ethernet header to the payload below all tags.
Payload parse_ethernet(Cursor& cursor, Key& key) noexcept {
    if (!cursor.has(wire::kEthernetBytes)) {
        key.faults.add(cursor.lack(wire::kEthernetBytes, Reason::runt_frame));
        return Payload::other;
    }
    std::uint16_t ether_type = load_be16(cursor.here() + 12);
    cursor.at += wire::kEthernetBytes;
    while (wire::is_vlan_tag(ether_type)) {  // bounded by the budget of tags
        if (key.vlan_tags == kVlanTagsMax) {
            key.faults.add(Reason::encapsulation_depth);
            return Payload::other;
        }
        if (!cursor.has(wire::kVlanTagBytes)) {
            key.faults.add(cursor.lack(wire::kVlanTagBytes, Reason::runt_frame));
            return Payload::other;
        }
        ++key.vlan_tags;
        ether_type = load_be16(cursor.here() + 2);
        cursor.at += wire::kVlanTagBytes;
    }
    if (ether_type < wire::kEtherTypeMin) {
        if (!cursor.has(wire::kSnapBytes)) {
            note_early_end(cursor, wire::kSnapBytes, Reason::runt_frame, key);
            return Payload::other;
        }
        if (load_be64(cursor.here()) >> 16U != wire::kSnapPrefix) {
            return Payload::other;
        }
        ether_type = load_be16(cursor.here() + 6);
        cursor.at += wire::kSnapBytes;
    }
    if (ether_type == wire::kEtherTypePppoeSession) {
        return parse_pppoe(cursor, key);
    }
    return payload_of_ether_type(ether_type);
}

// Judges what lies below the link layer. True when an IP header stands (or should stand) there.
bool parse_payload(Cursor cursor, Payload payload, TunnelSet tunnels, Key& key) noexcept {
    if (payload == Payload::mpls) {
        payload = parse_mpls(cursor, key);
    }
    switch (payload) {
    case Payload::ipv4: parse_ipv4(cursor, tunnels, key); return true;
    case Payload::ipv6: parse_ipv6(cursor, tunnels, key); return true;
    default:
        // That it is something else shows in its first bytes.
        if (key.faults.empty() && !cursor.settled(8)) {
            key.faults.add(Reason::encapsulation_depth);
        }
        return !key.faults.empty();
    }
}

// RFC 2784, 2890; source route entries of RFC 1701 within the budget of header bytes.
Payload parse_gre(Cursor& cursor, Key& key) noexcept {
    if (!cursor.has(4)) {
        key.faults.add(cursor.lack(4, Reason::truncated_transport));
        return Payload::other;
    }
    const std::uint16_t flags = load_be16(cursor.here());
    const std::uint16_t ether_type = load_be16(cursor.here() + 2);
    if ((flags & wire::kGreVersion) != 0) {
        return Payload::other;  // version 1 is PPTP's (RFC 2637): PPP inside
    }
    std::uint32_t size = 4;
    size += (flags & (wire::kGreChecksum | wire::kGreRouting)) != 0 ? 4U : 0U;
    size += (flags & wire::kGreKey) != 0 ? 4U : 0U;
    size += (flags & wire::kGreSequence) != 0 ? 4U : 0U;
    if (!cursor.has(size)) {
        key.faults.add(cursor.lack(size, Reason::truncated_transport));
        return Payload::other;
    }
    cursor.at += size;
    bool more = (flags & wire::kGreRouting) != 0;
    while (more) {  // each entry has at least 4 bytes: bounded by kHeaderBytesMax / 4
        const std::uint32_t entry_bytes = cursor.has(4) ? 4U + cursor.here()[3] : 4U;
        if (!cursor.has(entry_bytes)) {
            key.faults.add(cursor.lack(entry_bytes, Reason::truncated_transport));
            return Payload::other;
        }
        more = load_be16(cursor.here()) != 0 || entry_bytes != 4;
        cursor.at += entry_bytes;
    }
    return ether_type == wire::kEtherTypeBridged ? parse_ethernet(cursor, key)
                                                 : payload_of_ether_type(ether_type);
}

// RFC 4380 section 5.1.1: an authentication and an origin indication may stand before the IPv6 header.
Payload parse_teredo(Cursor& cursor, Key& key) noexcept {
    constexpr std::uint16_t kAuthentication = 1;
    constexpr std::uint32_t kAuthenticationBytes = 13;
    constexpr std::uint16_t kOrigin = 0;
    constexpr std::uint32_t kOriginBytes = 8;
    if (cursor.has(2) && load_be16(cursor.here()) == kAuthentication) {
        const std::uint32_t size =
            cursor.has(4) ? kAuthenticationBytes + cursor.here()[2] + cursor.here()[3] : 4;
        if (!cursor.has(size)) {
            key.faults.add(cursor.lack(size, Reason::truncated_transport));
            return Payload::other;
        }
        cursor.at += size;
    }
    if (cursor.has(2) && load_be16(cursor.here()) == kOrigin) {
        if (!cursor.has(kOriginBytes)) {
            key.faults.add(cursor.lack(kOriginBytes, Reason::truncated_transport));
            return Payload::other;
        }
        cursor.at += kOriginBytes;
    }
    if (!cursor.has(2)) {
        note_early_end(cursor, 2, Reason::truncated_transport, key);
        return Payload::other;
    }
    return (cursor.here()[0] >> 4U) == 6 ? Payload::ipv6 : Payload::other;
}

Payload parse_vxlan(Cursor& cursor, Key& key) noexcept {
    if (!cursor.has(wire::kVxlanBytes)) {
        key.faults.add(cursor.lack(wire::kVxlanBytes, Reason::truncated_transport));
        return Payload::other;
    }
    cursor.at += wire::kVxlanBytes;
    return parse_ethernet(cursor, key);
}

Payload enter(Tunnel tunnel, Cursor& cursor, Key& key) noexcept {
    switch (tunnel) {
    case Tunnel::ipip:
    case Tunnel::four_in_six: return Payload::ipv4;
    case Tunnel::six_in_four:
    case Tunnel::six_in_six: return Payload::ipv6;
    case Tunnel::gre: return parse_gre(cursor, key);
    case Tunnel::teredo: return parse_teredo(cursor, key);
    case Tunnel::vxlan: return parse_vxlan(cursor, key);
    }
    return Payload::other;
}

}  // namespace

Key parse_frame(FrameBytes frame, TunnelSet tunnels) noexcept {
    Key key;
    Cursor cursor{frame.data, 0, frame.length, kFrameBytesMax};
    const Payload payload = parse_ethernet(cursor, key);
    (void)parse_payload(cursor, payload, tunnels, key);
    return key;
}

bool parse_inner(FrameBytes frame, TunnelSet tunnels, Key& key) noexcept {
    const Key outer = key;
    Cursor cursor{frame.data, outer.inner_offset, outer.payload_end, outer.rewritable_from};
    key = Key{};
    key.vlan_tags = outer.vlan_tags;
    key.mpls_labels = outer.mpls_labels;
    key.extension_headers = outer.extension_headers;
    key.tunnels = static_cast<std::uint8_t>(outer.tunnels + 1);
    key.in_first_fragment = outer.in_first_fragment || outer.fragment == Fragment::first;
    const Payload payload = enter(outer.tunnel, cursor, key);
    return parse_payload(cursor, payload, tunnels, key);
}

}  // namespace portcullis
