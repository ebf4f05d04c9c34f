"""Bytes of frames: transport, IP and Ethernet headers, with right lengths and checksums.

Addresses are bytes, 4 of IPv4 or 16 of IPv6. Pure functions; a million frames need them fast, so they pack once and
sum checksums as one large integer.
"""

import enum
import struct

HOP_BY_HOP, ICMP, IPV4_IN_IP, TCP, UDP, IPV6_IN_IP, ROUTING, FRAGMENT = 0, 1, 4, 6, 17, 41, 43, 44
GRE, ESP, AUTHENTICATION, ICMPV6, DESTINATION_OPTIONS = 47, 50, 51, 58, 60

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

DONT_FRAGMENT, MORE_FRAGMENTS = 0x4000, 0x2000

ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_ARP = 0x0800, 0x86DD, 0x0806
ETHERTYPE_VLAN, ETHERTYPE_QINQ, ETHERTYPE_MPLS = 0x8100, 0x88A8, 0x8847
ETHERTYPE_PPPOE_DISCOVERY, ETHERTYPE_PPPOE_SESSION = 0x8863, 0x8864

# Locally administered: the routers on either side of the wire.
INSIDE_MAC = bytes.fromhex("020000000001")
OUTSIDE_MAC = bytes.fromhex("020000000002")

ETHERNET_BYTES_MIN = 60  # without FCS; shorter frames are padded on the wire

_TCP_HEADER = struct.Struct("!HHIIBBHHH")
_UDP_HEADER = struct.Struct("!HHHH")
_IPV4_HEADER = struct.Struct("!BBHHHBBH4s4s")
_IPV6_HEADER = struct.Struct("!IHBB16s16s")


def checksum(data):
    """RFC 1071. Modulo 0xFFFF a string of 16-bit words is the sum of the words, folded."""
    if len(data) % 2:
        data += b"\0"
    total = int.from_bytes(data, "big")
    if total == 0:
        return 0xFFFF
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)


def _pseudo_header(source, destination, protocol, length):
    # For IPv6 the length has four bytes and the protocol four: the words sum up to the same (RFC 8200 section 8.1).
    return source + destination + struct.pack("!HH", protocol, length)


def tcp(
    source, destination, source_port, destination_port, flags, sequence=0, acknowledged=0, payload=b"", options=b""
):
    """A segment. `destination` is the last one, where a route in the IP header names others before it."""
    offset = (20 + len(options)) // 4 << 4
    head = (source_port, destination_port, sequence, acknowledged, offset, flags, 64240)
    body = options + payload
    unsummed = _TCP_HEADER.pack(*head, 0, 0) + body
    total = checksum(_pseudo_header(source, destination, TCP, len(unsummed)) + unsummed)
    return _TCP_HEADER.pack(*head, total, 0) + body


def udp(source, destination, source_port, destination_port, payload):
    length = 8 + len(payload)
    unsummed = _UDP_HEADER.pack(source_port, destination_port, length, 0) + payload
    total = checksum(_pseudo_header(source, destination, UDP, length) + unsummed)
    return _UDP_HEADER.pack(source_port, destination_port, length, total or 0xFFFF) + payload


def icmp(kind, code, rest, payload):
    """`rest`: the four bytes whose meaning depends on the kind."""
    unsummed = bytes((kind, code, 0, 0)) + rest + payload
    return unsummed[:2] + struct.pack("!H", checksum(unsummed)) + unsummed[4:]


def icmpv6(source, destination, kind, code, rest, payload):
    unsummed = bytes((kind, code, 0, 0)) + rest + payload
    total = checksum(_pseudo_header(source, destination, ICMPV6, len(unsummed)) + unsummed)
    return unsummed[:2] + struct.pack("!H", total) + unsummed[4:]


def ipv4(
    source, destination, protocol, payload, ttl, identification=0, fragment=DONT_FRAGMENT, options=b"", claim=None
):
    """A packet. `fragment`: flags and offset in units of 8 bytes. `claim`: a total length that is a lie."""
    header_bytes = 20 + len(options)
    total_length = claim or header_bytes + len(payload)
    head = (0x40 | header_bytes // 4, 0, total_length, identification, fragment, ttl, protocol)
    unsummed = _IPV4_HEADER.pack(*head, 0, source, destination) + options
    return _IPV4_HEADER.pack(*head, checksum(unsummed), source, destination) + options + payload


def ipv6(source, destination, next_header, payload, ttl):
    return _IPV6_HEADER.pack(0x60000000, len(payload), next_header, ttl, source, destination) + payload


def ip(source, destination, protocol, payload, ttl):
    """An ordinary packet of the family that the addresses have."""
    if len(source) == 4:
        return ipv4(source, destination, protocol, payload, ttl)
    return ipv6(source, destination, protocol, payload, ttl)


def ipv4_fragments(source, destination, protocol, payload, ttl, identification, cuts):
    """The fragments of one datagram, cut at the offsets `cuts`, each a multiple of 8."""
    edges = [0, *cuts, len(payload)]
    out = []
    for begin, end in zip(edges, edges[1:]):
        more = 0 if end == len(payload) else MORE_FRAGMENTS
        out.append(ipv4(source, destination, protocol, payload[begin:end], ttl, identification, more | begin // 8))
    return out


def fragment_header(next_header, offset, more, identification):
    """RFC 8200 section 4.5. `offset` in bytes, a multiple of 8."""
    return struct.pack("!BBHI", next_header, 0, offset | more, identification)


def ipv6_fragments(source, destination, protocol, payload, ttl, identification, cuts):
    """As ipv4_fragments(). What is cut may begin with extension headers, the first of type `protocol`."""
    edges = [0, *cuts, len(payload)]
    out = []
    for begin, end in zip(edges, edges[1:]):
        header = fragment_header(protocol, begin, int(end != len(payload)), identification)
        out.append(ipv6(source, destination, FRAGMENT, header + payload[begin:end], ttl))
    return out


class Encapsulation(enum.Enum):
    """How a subscriber's packets lie in Ethernet frames."""

    PLAIN = "plain"
    VLAN = "vlan"
    QINQ = "qinq"
    MPLS = "mpls"
    PPPOE = "pppoe"
    SNAP = "snap"


def _vlan(ethertype, tag):
    return struct.pack("!HH", ethertype, tag)


def ethernet(outbound, encapsulation, packet):
    """The frame around an IP packet, padded to what Ethernet can carry."""
    is_ipv4 = packet[0] >> 4 == 4
    ethertype = struct.pack("!H", ETHERTYPE_IPV4 if is_ipv4 else ETHERTYPE_IPV6)
    if encapsulation is Encapsulation.PLAIN:
        between = ethertype
    elif encapsulation is Encapsulation.VLAN:
        between = _vlan(ETHERTYPE_VLAN, 100) + ethertype
    elif encapsulation is Encapsulation.QINQ:
        between = _vlan(ETHERTYPE_QINQ, 20) + _vlan(ETHERTYPE_VLAN, 301) + ethertype
    elif encapsulation is Encapsulation.MPLS:
        bottom_of_stack = 0x100
        between = struct.pack("!HI", ETHERTYPE_MPLS, 16004 << 12 | bottom_of_stack | 62)
    elif encapsulation is Encapsulation.PPPOE:
        ppp_protocol = 0x0021 if is_ipv4 else 0x0057
        between = struct.pack("!HHHHH", ETHERTYPE_PPPOE_SESSION, 0x1100, 0x0042, len(packet) + 2, ppp_protocol)
    else:
        between = struct.pack("!H", len(packet) + 8) + bytes.fromhex("aaaa03000000") + ethertype
    return raw_ethernet(outbound, between + packet)


def raw_ethernet(outbound, from_type_on):
    """A frame whose two-byte type or length, and all behind it, are given."""
    addresses = OUTSIDE_MAC + INSIDE_MAC if outbound else INSIDE_MAC + OUTSIDE_MAC
    return (addresses + from_type_on).ljust(ETHERNET_BYTES_MIN, b"\0")
