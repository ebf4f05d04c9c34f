"""Builds frames byte by byte, right ones and wrong ones. Shared by the golden scenarios and the evasion suite.

A frame is written from the outside in:

    ethernet(vlan(7, ipv4("100.64.7.9", "203.0.113.25", tcp(40000, 25))))

Lengths, checksums and next headers are correct unless an argument says otherwise: that is how a frame lies.
Nothing here is random and nothing reads a clock, so the same calls give the same bytes.
"""

import ipaddress
import struct
from dataclasses import dataclass

ICMP, IPIP, TCP, UDP, IPV6_IN_IP, GRE, ESP, AH, ICMPV6, NO_NEXT_HEADER = 1, 4, 6, 17, 41, 47, 50, 51, 58, 59
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS, MOBILITY, HIP, SHIM6 = 0, 43, 44, 60, 135, 139, 140

VLAN_CUSTOMER, VLAN_SERVICE, VLAN_SERVICE_OLD = 0x8100, 0x88A8, 0x9100
ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_ARP = 0x0800, 0x86DD, 0x0806
ETHERTYPE_MPLS, ETHERTYPE_MPLS_MULTICAST, ETHERTYPE_PPPOE_SESSION, ETHERTYPE_TEB = 0x8847, 0x8848, 0x8864, 0x6558
PPP_IPV4, PPP_IPV6 = 0x21, 0x57

VXLAN_PORT, TEREDO_PORT = 4789, 3544
MPLS_IPV4_EXPLICIT_NULL, MPLS_IPV6_EXPLICIT_NULL = 0, 2

SUBSCRIBER_MAC, INTERNET_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"


@dataclass(frozen=True)
class Part:
    """Bytes, and the numbers by which the header outside announces them."""

    data: bytes
    ethertype: int | None = None
    protocol: int | None = None


@dataclass(frozen=True)
class Segment:
    """A transport header and its payload. Its checksum also covers the addresses outside."""

    data: bytes
    protocol: int
    checksum_at: int  # offset of the checksum field
    checksum: int | None = None  # None: the right one

    def between(self, source: bytes, destination: bytes) -> bytes:
        value = self.checksum
        if value is None:
            value = internet_checksum(pseudo_header(source, destination, len(self.data), self.protocol) + self.data)
            if self.protocol == UDP and value == 0:
                value = 0xFFFF  # RFC 768: zero means none
        return self.data[: self.checksum_at] + struct.pack("!H", value) + self.data[self.checksum_at + 2 :]


def internet_checksum(data: bytes) -> int:
    """RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(source: bytes, destination: bytes, length: int, protocol: int) -> bytes:
    if len(source) == 4:
        return source + destination + struct.pack("!BBH", 0, protocol, length)
    return source + destination + struct.pack("!IHBB", length, 0, 0, protocol)


def address_bytes(address: str | bytes) -> bytes:
    return address if isinstance(address, bytes) else ipaddress.ip_address(address).packed


def mac_bytes(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


def raw(data: bytes, protocol: int | None = None, ethertype: int | None = None) -> Part:
    return Part(data, ethertype, protocol)


# --- Below IP -------------------------------------------------------------------------------------------


def ethernet(
    inner: Part,
    source: str = SUBSCRIBER_MAC,
    destination: str = INTERNET_MAC,
    ethertype: int | None = None,
    padding: bytes = b"\0",
    length_min: int = 60,
) -> bytes:
    """A frame without FCS, padded to the least that Ethernet allows (IEEE 802.3 section 3.2.8)."""
    ethertype = inner.ethertype if ethertype is None else ethertype
    data = mac_bytes(destination) + mac_bytes(source) + struct.pack("!H", ethertype) + inner.data
    missing = max(0, length_min - len(data))
    return data + (padding * missing)[:missing]


def vlan(vid: int, inner: Part, tpid: int = VLAN_CUSTOMER, priority: int = 0) -> Part:
    return Part(struct.pack("!HH", priority << 13 | vid, inner.ethertype) + inner.data, tpid)


def vlans(vids: list[int], inner: Part, tpid: int = VLAN_CUSTOMER) -> Part:
    """Nested tags, the first of `vids` outermost."""
    for vid in reversed(vids):
        inner = vlan(vid, inner, tpid)
    return inner


def mpls(labels: list[int], inner: Part, ethertype: int = ETHERTYPE_MPLS) -> Part:
    """RFC 3032: the last label is the bottom of the stack."""
    stack = b"".join(
        struct.pack("!I", label << 12 | (0x100 if i == len(labels) - 1 else 0) | 64) for i, label in enumerate(labels)
    )
    return Part(stack + inner.data, ethertype)


def pppoe(inner: Part, one_byte: bool = False, protocol: int | None = None, session: int = 0x11) -> Part:
    """RFC 2516 section 4; `one_byte` is PPP's protocol field compression (RFC 1661 section 6.5)."""
    if protocol is None:
        protocol = {ETHERTYPE_IPV4: PPP_IPV4, ETHERTYPE_IPV6: PPP_IPV6}[inner.ethertype]
    payload = struct.pack("!B" if one_byte else "!H", protocol) + inner.data
    return Part(struct.pack("!BBHH", 0x11, 0, session, len(payload)) + payload, ETHERTYPE_PPPOE_SESSION)


def snap(inner: Part, oui: bytes = b"\0\0\0") -> Part:
    """LLC and SNAP (RFC 1042). What stands in the place of the EtherType is a length."""
    data = b"\xaa\xaa\x03" + oui + struct.pack("!H", inner.ethertype) + inner.data
    return Part(data, len(data))


def arp_request(sender: str, target: str, mac: str = SUBSCRIBER_MAC) -> Part:
    body = struct.pack("!HHBBH", 1, ETHERTYPE_IPV4, 6, 4, 1) + mac_bytes(mac) + address_bytes(sender)
    return Part(body + b"\0" * 6 + address_bytes(target), ETHERTYPE_ARP)


# --- IPv4 -----------------------------------------------------------------------------------------------

OPTION_NOP, OPTION_END = b"\x01", b"\0"
OPTION_RECORD_ROUTE = b"\x07\x07\x04" + b"\0" * 4
OPTION_TIMESTAMP = b"\x44\x08\x05\0" + b"\0" * 4
OPTION_ROUTER_ALERT = b"\x94\x04\0\0"
LOOSE, STRICT = 131, 137


def source_route(kind: int, addresses: list[str], pointer: int = 4) -> bytes:
    """LSRR or SSRR (RFC 791 section 3.1): hops are left while the pointer is inside."""
    body = b"".join(address_bytes(address) for address in addresses)
    return struct.pack("!BBB", kind, 3 + len(body), pointer) + body


def upper_bytes(inner: Part | Segment, source: bytes, destination: bytes) -> bytes:
    return inner.between(source, destination) if isinstance(inner, Segment) else inner.data


def ipv4(
    source: str,
    destination: str,
    inner: Part | Segment,
    *,
    options: bytes = b"",
    final_destination: str | None = None,
    offset: int = 0,
    more: bool = False,
    dont_fragment: bool = False,
    ident: int = 0x1234,
    ttl: int = 64,
    version: int = 4,
    header_words: int | None = None,
    total_length: int | None = None,
    protocol: int | None = None,
    checksum_off_by: int = 0,
) -> Part:
    """RFC 791. `offset` counts bytes, as all offsets here do. `options` are filled up with their end.

    `final_destination`: what a transport checksum covers when a source route still has hops to go.
    """
    options += OPTION_END * (-len(options) % 4)
    src, dst = address_bytes(source), address_bytes(destination)
    payload = upper_bytes(inner, src, address_bytes(final_destination or destination))
    if header_words is None:
        header_words = 5 + len(options) // 4
    if total_length is None:
        total_length = 20 + len(options) + len(payload)
    protocol = inner.protocol if protocol is None else protocol
    flags = (0x4000 if dont_fragment else 0) | (0x2000 if more else 0) | offset // 8
    first_byte = version << 4 | header_words
    head = struct.pack("!BBHHHBBH", first_byte, 0, total_length, ident, flags, ttl, protocol, 0) + src + dst + options
    checksum = (internet_checksum(head) + checksum_off_by) & 0xFFFF
    return Part(head[:10] + struct.pack("!H", checksum) + head[12:] + payload, ETHERTYPE_IPV4, IPIP)


def ipv4_fragments(source: str, destination: str, inner: Part | Segment, cuts: list[int], **fields) -> list[Part]:
    """The datagram cut at the byte offsets `cuts` (multiples of 8)."""
    payload = upper_bytes(inner, address_bytes(source), address_bytes(destination))
    edges = [0, *cuts, len(payload)]
    return [
        ipv4(source, destination, raw(payload[a:b], inner.protocol), offset=a, more=b < len(payload), **fields)
        for a, b in zip(edges, edges[1:])
    ]


# --- IPv6 -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExtensionHeader:
    number: int
    body: bytes  # behind the next header byte


EXPERIMENTAL_OPTION = 0x1E  # RFC 4727 section 3.3: who does not know it skips it


def options_header(number: int, length: int = 8) -> ExtensionHeader:
    """Hop-by-hop or destination options (RFC 8200 section 4.2). Receivers refuse long padding, so an option fills them."""
    room, options = length - 2, b""
    while room > 0:
        size = min(room, 257)
        size -= 1 if room - size == 1 else 0  # an option has two bytes at the least
        kind = 1 if size < 8 else EXPERIMENTAL_OPTION
        options += struct.pack("!BB", kind, size - 2) + b"\0" * (size - 2)
        room -= size
    return ExtensionHeader(number, bytes([length // 8 - 1]) + options)


def hop_by_hop(length: int = 8) -> ExtensionHeader:
    return options_header(HOP_BY_HOP, length)


def destination_options(length: int = 8) -> ExtensionHeader:
    return options_header(DESTINATION_OPTIONS, length)


def routing_header(kind: int, segments_left: int, addresses: list[str]) -> ExtensionHeader:
    """RFC 8200 section 4.4; type 4 with its own fixed fields (RFC 8754 section 2)."""
    fixed = struct.pack("!BBH", len(addresses) - 1, 0, 0) if kind == 4 else b"\0" * 4
    body = fixed + b"".join(address_bytes(address) for address in addresses)
    return ExtensionHeader(ROUTING, struct.pack("!BBB", (len(body) + 4) // 8 - 1, kind, segments_left) + body)


def fragment_header(offset: int = 0, more: bool = False, ident: int = 0x1234) -> ExtensionHeader:
    return ExtensionHeader(FRAGMENT, struct.pack("!BHI", 0, offset | (1 if more else 0), ident))


def authentication_header(check_value_bytes: int = 12) -> ExtensionHeader:
    """RFC 4302 section 2; its length counts 32-bit words less two."""
    body = struct.pack("!HII", 0, 0x100, 1) + b"\xa5" * check_value_bytes
    return ExtensionHeader(AH, bytes([(len(body) + 2) // 4 - 2]) + body)


def mobility_header() -> ExtensionHeader:
    return ExtensionHeader(MOBILITY, b"\0\0\0" + b"\0" * 4)


def host_identity_header() -> ExtensionHeader:
    return ExtensionHeader(HIP, b"\x04\x01\x11" + b"\0" * 36)


def shim6_header() -> ExtensionHeader:
    return ExtensionHeader(SHIM6, b"\0\x80\0\0\0\0\0")


def chain(headers: list[ExtensionHeader], upper_protocol: int) -> bytes:
    """The headers' bytes, each with the number of the next."""
    numbers = [header.number for header in headers[1:]] + [upper_protocol]
    return b"".join(bytes([number]) + header.body for header, number in zip(headers, numbers))


def ipv6(
    source: str,
    destination: str,
    inner: Part | Segment,
    headers: list[ExtensionHeader] = (),
    *,
    final_destination: str | None = None,
    version: int = 6,
    payload_length: int | None = None,
    next_header: int | None = None,
    hop_limit: int = 64,
) -> Part:
    """RFC 8200. `final_destination`: what the checksum covers when a routing header still has hops to go."""
    src, dst = address_bytes(source), address_bytes(destination)
    upper = upper_bytes(inner, src, address_bytes(final_destination or destination))
    payload = chain(list(headers), inner.protocol) + upper
    if payload_length is None:
        payload_length = len(payload)
    if next_header is None:
        next_header = headers[0].number if headers else inner.protocol
    head = struct.pack("!IHBB", version << 28, payload_length, next_header, hop_limit) + src + dst
    return Part(head + payload, ETHERTYPE_IPV6, IPV6_IN_IP)


def ipv6_fragments(
    source: str,
    destination: str,
    inner: Part | Segment,
    cuts: list[int],
    before: list[ExtensionHeader] = (),
    behind: list[ExtensionHeader] = (),
    ident: int = 0x1234,
) -> list[Part]:
    """Cut at the byte offsets `cuts` of the fragmentable part: the headers `behind` and the upper layer."""
    upper = upper_bytes(inner, address_bytes(source), address_bytes(destination))
    payload = chain(list(behind), inner.protocol) + upper
    first = behind[0].number if behind else inner.protocol
    edges = [0, *cuts, len(payload)]
    return [
        ipv6(source, destination, raw(payload[a:b], first), [*before, fragment_header(a, b < len(payload), ident)])
        for a, b in zip(edges, edges[1:])
    ]


# --- Transport ------------------------------------------------------------------------------------------

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80


def tcp(
    source_port: int,
    destination_port: int,
    payload: bytes = b"",
    *,
    flags: int = SYN,
    sequence: int = 1000,
    acknowledgement: int = 0,
    options: bytes = b"",
    window: int = 65535,
    checksum: int | None = None,
) -> Segment:
    """RFC 9293 section 3.1."""
    options += b"\0" * (-len(options) % 4)
    words = 5 + len(options) // 4
    head = struct.pack("!HHIIBBHHH", source_port, destination_port, sequence, acknowledgement, words << 4, flags, window, 0, 0)
    return Segment(head + options + payload, TCP, 16, checksum)


def udp(source_port: int, destination_port: int, payload: bytes = b"", *, checksum: int | None = None) -> Segment:
    return Segment(struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload, UDP, 6, checksum)


def icmp(kind: int, code: int, body: bytes) -> Part:
    checksum = internet_checksum(struct.pack("!BBH", kind, code, 0) + body)
    return Part(struct.pack("!BBH", kind, code, checksum) + body, protocol=ICMP)


def icmpv6(kind: int, code: int, body: bytes) -> Segment:
    return Segment(struct.pack("!BBH", kind, code, 0) + body, ICMPV6, 2)


# --- Tunnels --------------------------------------------------------------------------------------------


def gre(
    inner: Part,
    *,
    checksum: bool = False,
    key: int | None = None,
    sequence: int | None = None,
    routes: bytes | None = None,
    version: int = 0,
) -> Part:
    """RFC 2784 and 2890; `routes` are source route entries of RFC 1701, their end included."""
    flags = (0x8000 if checksum else 0) | (0x4000 if routes is not None else 0)
    flags |= (0x2000 if key is not None else 0) | (0x1000 if sequence is not None else 0) | version
    fields = b"\0" * 4 if checksum or routes is not None else b""
    fields += b"".join(struct.pack("!I", value) for value in (key, sequence) if value is not None)
    data = struct.pack("!HH", flags, inner.ethertype) + fields + (routes or b"") + inner.data
    if checksum:
        data = data[:4] + struct.pack("!H", internet_checksum(data)) + data[6:]
    return Part(data, protocol=GRE)


def vxlan(frame: bytes, vni: int = 7, source_port: int = 50000, destination_port: int = VXLAN_PORT) -> Segment:
    """RFC 7348 section 5, with the UDP header."""
    return udp(source_port, destination_port, struct.pack("!II", 0x08000000, vni << 8) + frame)


def teredo(inner: Part, *, authentication: bool = False, origin: bool = False, ports=(50000, TEREDO_PORT)) -> Segment:
    """RFC 4380 section 5.1.1, with the UDP header."""
    head = struct.pack("!HBB", 1, 2, 4) + b"idAUTH" + b"\0" * 9 if authentication else b""
    head += struct.pack("!HHI", 0, 0xFFFF, 0xFFFFFFFF) if origin else b""
    return udp(ports[0], ports[1], head + inner.data)
