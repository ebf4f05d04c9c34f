"""Stands in net for the equipment behind the filter that this machine's kernel may lack.

It takes frames off n0 as the next router would, undoes what that router would undo, and hands the IP packet to net's
own kernel, whose TCP then does the rest:

  - VLAN tags with a number, service tags of any kind, MPLS labels, PPPoE sessions, LLC/SNAP;
  - tunnels that end at TUNNEL_END4/6: IPIP, 4in6, 6in4, 6in6, GRE (also with Ethernet inside), Teredo, VXLAN;
  - fragments to the hosts LAST_WINS* and FIRST_WINS*, as stacks do that put overlaps together where Linux refuses.

What the kernel takes by itself (plain packets, priority tags, fragments to other hosts) it leaves alone.
"""

import socket
import struct
import threading

from frames import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_MPLS, ETHERTYPE_PPPOE_SESSION, ETHERTYPE_TEB
from frames import address_bytes, internet_checksum, mac_bytes
from namespaces import FIRST_WINS4, FIRST_WINS6, LAST_WINS4, LAST_WINS6, STAND_IN_MAC, inside

TUNNEL_END4, TUNNEL_END6 = "203.0.113.4", "2001:db8:f00::4"

TAGS = (0x8100, 0x88A8, 0x9100)
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 0x10, 0x40
ETH_P_ALL, PACKET_OUTGOING = 3, 4
STEPS_MAX = 64


def plain_policies() -> dict[bytes, str]:
    last = (LAST_WINS4, LAST_WINS6, TUNNEL_END4, TUNNEL_END6)
    return {address_bytes(a): "last" for a in last} | {address_bytes(a): "first" for a in (FIRST_WINS4, FIRST_WINS6)}


OVERLAPS = plain_policies()
TUNNEL_ENDS = {address_bytes(TUNNEL_END4), address_bytes(TUNNEL_END6)}


class Datagram:
    """Fragments of one datagram, in order of arrival."""

    def __init__(self) -> None:
        self.head: bytes | None = None  # of the first fragment: what stands before the fragmented bytes
        self.next_header = 0
        self.pieces: list[tuple[int, bytes]] = []
        self.length: int | None = None

    def payload(self, last_wins: bool) -> bytes | None:
        """All bytes, once they are there."""
        if self.head is None or self.length is None:
            return None
        data, covered = bytearray(self.length), bytearray(self.length)
        for offset, piece in self.pieces if last_wins else reversed(self.pieces):
            end = min(offset + len(piece), self.length)
            if offset < end:
                data[offset:end] = piece[: end - offset]
                covered[offset:end] = b"\1" * (end - offset)
        return bytes(data) if all(covered) else None


class StandIn:
    """One thread of its own."""

    def __init__(self, namespace: str) -> None:
        self._datagrams: dict[tuple, Datagram] = {}
        with inside(namespace):
            self._in = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self._in.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self._in.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self._in.bind(("n0", ETH_P_ALL))
            self._out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._out.bind(("r0", 0))
        self._in.settimeout(0.2)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=10)
        self._in.close()
        self._out.close()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                data, ancillary, _, sender = self._in.recvmsg(65536, 256)
            except TimeoutError:
                continue
            if sender[2] != PACKET_OUTGOING:
                try:
                    self._handle(with_tag(data, ancillary))
                except (IndexError, struct.error):
                    pass  # cut short: no router could do anything with it

    def _handle(self, frame: bytes) -> None:
        ethertype, packet, peeled = peel_link(frame)
        self._packet(ethertype, packet, peeled, STEPS_MAX)

    def _packet(self, ethertype: int, packet: bytes, changed: bool, steps: int) -> None:
        """Undoes one layer at a time; `changed`: the kernel has not seen the packet in this form."""
        if steps == 0 or ethertype not in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
            return
        four = ethertype == ETHERTYPE_IPV4
        destination = packet[16:20] if four else packet[24:40]
        if destination in OVERLAPS:
            fragment = read_fragment4(packet) if four else read_fragment6(packet)
            if fragment is not None:
                whole = self._reassemble(packet, destination, *fragment)
                if whole is not None:
                    self._packet(ethertype, whole, True, steps - 1)
                return
        if destination in TUNNEL_ENDS:
            inner = open_tunnel(packet, four)
            if inner is not None:
                self._packet(*inner, True, steps - 1)
        elif changed:
            self._out.send(mac_bytes(STAND_IN_MAC) + mac_bytes("02:00:00:00:01:02") + struct.pack("!H", ethertype) + packet)

    def _reassemble(self, packet, destination, ident, offset, more, head, next_header, piece) -> bytes | None:
        four = packet[0] >> 4 == 4
        source = packet[12:16] if four else packet[8:24]
        datagram = self._datagrams.setdefault((source, destination, ident), Datagram())
        datagram.pieces.append((offset, piece))
        if offset == 0 and datagram.head is None:
            datagram.head, datagram.next_header = head, next_header
        if not more:
            datagram.length = offset + len(piece)
        payload = datagram.payload(OVERLAPS[destination] == "last")
        if payload is None:
            return None
        del self._datagrams[source, destination, ident]
        return rebuild4(datagram.head, payload) if four else rebuild6(datagram.head, datagram.next_header, payload)


def with_tag(data: bytes, ancillary) -> bytes:
    """The kernel takes the outermost VLAN tag off a frame and tells it beside the data."""
    for level, kind, extra in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", extra[:20])
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


def peel_link(frame: bytes) -> tuple[int, bytes, bool]:
    """(EtherType, payload, whether something was undone that the kernel does not undo)."""
    return peel(struct.unpack_from("!H", frame, 12)[0], frame, 14)


def peel(ethertype: int, frame: bytes, at: int) -> tuple[int, bytes, bool]:
    """The same for what stands at `at` and is of `ethertype`."""
    peeled = False
    while ethertype in TAGS:
        tci, inner = struct.unpack_from("!HH", frame, at)
        peeled = peeled or ethertype == 0x9100 or tci & 0xFFF != 0
        ethertype, at = inner, at + 4
    if ethertype < 0x600 and frame[at : at + 6] == b"\xaa\xaa\x03\0\0\0":
        ethertype, at, peeled = struct.unpack_from("!H", frame, at + 6)[0], at + 8, True
    if ethertype == ETHERTYPE_PPPOE_SESSION:
        at += 6
        protocol, size = (frame[at], 1) if frame[at] & 1 else (struct.unpack_from("!H", frame, at)[0], 2)
        ethertype, at, peeled = {0x21: ETHERTYPE_IPV4, 0x57: ETHERTYPE_IPV6}.get(protocol, 0), at + size, True
    if ethertype == ETHERTYPE_MPLS:
        while not frame[at + 2] & 1:
            at += 4
        at, peeled = at + 4, True
        ethertype = {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}.get(frame[at] >> 4, 0)
    return ethertype, frame[at:], peeled


def read_fragment4(packet: bytes):
    header = (packet[0] & 15) * 4
    total, ident, flags = struct.unpack_from("!HHH", packet, 2)
    offset, more = (flags & 0x1FFF) * 8, bool(flags & 0x2000)
    if offset == 0 and not more:
        return None
    return (ident, packet[9]), offset, more, packet[:header], packet[9], packet[header:total]


def read_fragment6(packet: bytes):
    length, next_header, at, next_at = struct.unpack_from("!H", packet, 4)[0], packet[6], 40, 6
    while next_header in (0, 43, 60):
        next_header, next_at, at = packet[at], at, at + (packet[at + 1] + 1) * 8
    if next_header != 44:
        return None
    field, ident = struct.unpack_from("!HI", packet, at + 2)
    head = bytearray(packet[:at])
    # `next_at` is where the number of the fragment header stood: rebuild6() puts what follows it there.
    return ident, field & 0xFFF8, bool(field & 1), bytes(head), (next_at, packet[at]), packet[at + 8 : 40 + length]


def rebuild4(head: bytes, payload: bytes) -> bytes:
    header = bytearray(head)
    struct.pack_into("!HHH", header, 2, len(head) + len(payload), 0, 0)
    struct.pack_into("!H", header, 10, 0)
    struct.pack_into("!H", header, 10, internet_checksum(bytes(header)))
    return bytes(header) + payload


def rebuild6(head: bytes, following: tuple[int, int], payload: bytes) -> bytes:
    header = bytearray(head)
    header[following[0]] = following[1]
    struct.pack_into("!H", header, 4, len(head) - 40 + len(payload))
    return bytes(header) + payload


def open_tunnel(packet: bytes, four: bool) -> tuple[int, bytes] | None:
    """(EtherType, packet) inside, or None."""
    protocol, at = (packet[9], (packet[0] & 15) * 4) if four else (packet[6], 40)
    while not four and protocol in (0, 60):
        protocol, at = packet[at], at + (packet[at + 1] + 1) * 8
    inner = packet[at:]
    if protocol == 4:
        return ETHERTYPE_IPV4, inner
    if protocol == 41:
        return ETHERTYPE_IPV6, inner
    if protocol == 47:
        flags, ethertype = struct.unpack_from("!HH", inner)
        body = inner[4 + (4 if flags & 0x8000 else 0) + (4 if flags & 0x2000 else 0) + (4 if flags & 0x1000 else 0) :]
        return peel_link(body)[:2] if ethertype == ETHERTYPE_TEB else peel(ethertype, body, 0)[:2]
    if protocol == 17:
        source, destination = struct.unpack_from("!HH", inner)
        if destination == 4789:
            return peel_link(inner[16:])[:2]
        if 3544 in (source, destination):
            body = inner[8:]
            if body[:2] == b"\0\1":
                body = body[13 + body[2] + body[3] :]
            return ETHERTYPE_IPV6, body[8:] if body[:2] == b"\0\0" else body
    return None
