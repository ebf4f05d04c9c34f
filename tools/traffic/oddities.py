"""Rare things of which a filter must be sure: links, tunnels, neighbouring ports, faults.

Each is in a capture at least once. Those with a fault lie on purpose; everything else in a capture is well formed.
"""

import struct

from traffic import network, wire
from traffic.abuse import NODE_STATUS_REQUEST
from traffic.flow import Flow, TcpFlow, attempt
from traffic.intent import NO_RULE, NOT_IP, SMB_DROPPED, SMTP_DROPPED, SMTP_TO_SMARTHOST, fault
from traffic.wire import TCP, UDP, Encapsulation


# Of frames without an IP header that can be read. They count as inbound, for no source says that they are not.
_NOBODY = network.Endpoint(bytes(4), None, Encapsulation.PLAIN)


# Links.


def _on_link(link, use_ipv6=False, override=None):
    def scenario(world, start_us):
        inside = world.network.ordinary_on(link, use_ipv6)
        flow = TcpFlow(
            world, f"mail-on-{(override or link).value}", start_us, inside, world.far_host(inside),
            world.ephemeral_port(), 25, to_outside=SMTP_DROPPED,
        )
        source, destination = flow.ends(True)
        packet = wire.ip(source, destination, TCP, flow.segment(True, wire.SYN), flow.ttl(True))
        flow.packet(True, packet, initial_syn=True, link=override)
        return flow.frames

    return scenario


def without_ip(world, start_us):
    """ARP, spanning tree, PPPoE discovery and PPP control: nothing to judge, and nobody's."""
    flow = Flow(world, "not-ip", start_us, _NOBODY, bytes(4))
    arp = struct.pack("!HHHBB", wire.ETHERTYPE_ARP, 1, wire.ETHERTYPE_IPV4, 6, 4)
    ask = struct.pack("!H", 1) + wire.OUTSIDE_MAC + network.ROUTER + bytes(6) + network.ip4("203.0.113.2")
    tell = struct.pack("!H", 2) + wire.INSIDE_MAC + network.ip4("203.0.113.2") + wire.OUTSIDE_MAC + network.ROUTER
    bridge = b"\x80\0" + wire.OUTSIDE_MAC
    timers = bytes.fromhex("0000140002000f00")
    spanning_tree = b"\x42\x42\x03" + bytes(5) + bridge + bytes(4) + bridge + b"\x80\x01" + timers
    discovery = struct.pack("!HHHHI", wire.ETHERTYPE_PPPOE_DISCOVERY, 0x1109, 0, 4, 0x01010000)
    echo = struct.pack("!HHHHHBBHI", wire.ETHERTYPE_PPPOE_SESSION, 0x1100, 0x42, 10, 0xC021, 9, 1, 8, 0x12345678)
    for data in (arp + ask, arp + tell, struct.pack("!H", len(spanning_tree)) + spanning_tree, discovery, echo):
        flow.frame(False, wire.raw_ethernet(False, data), NOT_IP)
    return flow.frames


# Packets in packets.


def unreachable(world, start_us):
    """Routers outside say that port 25 cannot be reached, and quote a header with that port: no mail."""
    frames = []
    for use_ipv6 in (False, True):
        inside = world.ordinary_host(use_ipv6)
        if not use_ipv6:
            inside = world.network.residential(world.network.bots[0])
        router = network.ROUTER_IPV6 if use_ipv6 else network.ROUTER
        quoted = TcpFlow(world, "", start_us, inside, world.far_host(inside), world.ephemeral_port(), 25)
        quote = wire.ip(*quoted.ends(True), TCP, quoted.segment(True, wire.SYN), 58)
        flow = Flow(world, "icmp-unreachable", start_us, inside, router)
        source, destination = flow.ends(False)
        # Administratively prohibited: RFC 792 and 1812 section 5.2.7.1, RFC 4443 section 3.1.
        if use_ipv6:
            protocol, message = wire.ICMPV6, wire.icmpv6(source, destination, 1, 1, bytes(4), quote)
        else:
            protocol, message = wire.ICMP, wire.icmp(3, 13, bytes(4), quote)
        flow.packet(False, wire.ip(source, destination, protocol, message, flow.ttl(False)))
        frames += flow.frames
    return frames


def tunnels(world, start_us):
    """The sample policy inspects no tunnels: what they carry passes."""
    flow = attempt(world, "tunnelled-mail", start_us, 25, NO_RULE)
    source, destination = network.ip6("2001:db8:e000::9"), network.ip6("2001:db8:e001::25")
    inner = wire.ipv6(source, destination, TCP, wire.tcp(source, destination, 40_000, 25, wire.SYN), 64)
    flow.packet(True, wire.ipv4(*flow.ends(True), wire.IPV6_IN_IP, inner, flow.ttl(True)))
    gre = struct.pack("!HH", 0, wire.ETHERTYPE_IPV6) + inner
    flow.packet(True, wire.ipv4(*flow.ends(True), wire.GRE, gre, flow.ttl(True)))
    return flow.frames


# Ports beside the rules.


def ports_beside_the_rules(world, start_us):
    """One off, the other transport, the other direction."""
    frames = []
    for use_ipv6 in (False, True):
        for port in (24, 26, 136, 140, 444, 446):
            flow = attempt(world, "neighbour-port", start_us, port, NO_RULE, use_ipv6)
            flow.syn(True)
            frames += flow.frames
    inside = world.ordinary_host()
    datagram = Flow(world, "udp-port-25", start_us, inside, world.far_host(inside))
    datagram.datagram(True, world.ephemeral_port(), 25, world.opaque(16))
    outbound_source = TcpFlow(
        world, "source-port-25-outbound", start_us, inside, world.far_host(inside), 25, world.ephemeral_port()
    )
    outbound_source.syn(True)
    inbound_destination = TcpFlow(
        world, "port-25-inbound", start_us, inside, world.far_host(inside), 25, world.ephemeral_port()
    )
    inbound_destination.syn(False)
    return frames + datagram.frames + outbound_source.frames + inbound_destination.frames


def every_smb_port(world, start_us):
    datagram_error = bytes.fromhex("13 02 0001 c0000201 008a 82")  # RFC 1002 section 4.4.3, what UDP port 138 carries
    datagrams = {137: NODE_STATUS_REQUEST, 138: datagram_error, 139: bytes(50), 445: bytes(50)}
    frames = []
    for use_ipv6 in (False, True):
        for port, datagram in datagrams.items():
            flow = attempt(world, "smb-ports", start_us, port, SMB_DROPPED, use_ipv6)
            flow.syn(True)
            flow.datagram(True, port, port, datagram)
            frames += flow.frames
    return frames


def mail_through_nat64(world, start_us):
    """The translated address of somebody who is no smarthost."""
    flow = attempt(world, "mail-nat64", start_us, 25, SMTP_DROPPED, use_ipv6=True, outside=network.NAT64_STRANGER)
    flow.syn(True)
    return flow.frames


def unasked_smarthost(world, start_us):
    """A smarthost's answer that follows no question: no state is kept, so it passes as all its segments do."""
    flow = TcpFlow(
        world, "smarthost-unasked", start_us, world.ordinary_host(), network.SMARTHOST, world.ephemeral_port(), 25,
        to_inside=SMTP_TO_SMARTHOST,
    )
    flow.send(False, wire.SYN | wire.ACK)
    return flow.frames


# Faults of frames that are not fragments.


def faults(world, start_us):
    inside = world.network.ordinary_on(Encapsulation.PLAIN)
    flow = Flow(world, "faults", start_us, inside, world.far_host(inside))
    source, destination = flow.ends(True)
    ports = struct.pack("!HH", 40_000, 443)
    cut = wire.ipv4(source, destination, UDP, ports[:2], flow.ttl(True))
    flow.packet(True, cut, fault("truncated-transport"))
    whole = wire.tcp(source, destination, 40_000, 443, wire.ACK)
    beyond_the_frame = wire.ipv4(source, destination, TCP, whole, flow.ttl(True), claim=1500)
    flow.packet(True, beyond_the_frame, fault("malformed-ip"))

    nobody = Flow(world, "faults", start_us, _NOBODY, bytes(4))
    packet = wire.ipv4(source, destination, TCP, whole, 64)
    tags = struct.pack("!HH", wire.ETHERTYPE_VLAN, 7) * 5 + struct.pack("!H", wire.ETHERTYPE_IPV4)
    nobody.frame(False, wire.raw_ethernet(False, tags + packet), fault("encapsulation-depth"))
    ends_in_its_tag = wire.OUTSIDE_MAC + wire.INSIDE_MAC + struct.pack("!HH", wire.ETHERTYPE_VLAN, 7)
    nobody.frame(False, ends_in_its_tag, fault("runt-frame"))
    return flow.frames + nobody.frames


_UNUSUAL_LINKS = (Encapsulation.VLAN, Encapsulation.QINQ, Encapsulation.PPPOE, Encapsulation.MPLS)

ONCE = (
    *(_on_link(link) for link in _UNUSUAL_LINKS),
    *(_on_link(link, use_ipv6=True) for link in _UNUSUAL_LINKS),
    _on_link(Encapsulation.PLAIN, override=Encapsulation.SNAP),
    without_ip,
    unreachable,
    tunnels,
    ports_beside_the_rules,
    every_smb_port,
    mail_through_nat64,
    unasked_smarthost,
    faults,
)
