"""Headers and options between the IP header and the ports: a filter must find the ports behind them."""

import struct

from traffic import network, wire
from traffic.flow import Flow, attempt
from traffic.intent import NO_RULE, SMTP_DROPPED, fault
from traffic.wire import TCP

_PADDED_OPTIONS = bytes.fromhex("01 04 00000000")  # PadN, what fills up a header of 8 bytes (RFC 8200 section 4.2)


def _options_header(next_header):
    return bytes((next_header, 0)) + _PADDED_OPTIONS


def extension_headers(world, start_us):
    chain = _options_header(wire.DESTINATION_OPTIONS) + _options_header(TCP)
    web = attempt(world, "ipv6-options-web", start_us, 443, NO_RULE, use_ipv6=True)
    web.syn_behind_headers(wire.HOP_BY_HOP, chain)
    mail = attempt(world, "ipv6-options-mail", start_us, 25, SMTP_DROPPED, use_ipv6=True)
    mail.syn_behind_headers(wire.HOP_BY_HOP, chain)
    return web.frames + mail.frames


def authentication_header(world, start_us):
    """RFC 4302: authenticates, hides nothing."""
    header = struct.pack("!BBHII", TCP, 4, 0, 0x100, 1) + world.opaque(12)
    in_ipv6 = attempt(world, "authentication-header-mail", start_us, 25, SMTP_DROPPED, use_ipv6=True)
    in_ipv6.syn_behind_headers(wire.AUTHENTICATION, header)
    in_ipv4 = attempt(world, "authentication-header-mail", start_us, 25, SMTP_DROPPED)
    payload = header + in_ipv4.segment(True, wire.SYN)
    packet = wire.ipv4(*in_ipv4.ends(True), wire.AUTHENTICATION, payload, in_ipv4.ttl(True))
    in_ipv4.packet(True, packet, initial_syn=True)
    return in_ipv6.frames + in_ipv4.frames


def encrypted(world, start_us):
    """ESP hides everything, so nothing is judged."""
    inside = world.ordinary_host()
    flow = Flow(world, "esp", start_us, inside, world.far_host(inside))
    for outbound in (True, False):
        payload = struct.pack("!II", world.rng.getrandbits(32) | 0x100, 1) + world.opaque(64)
        flow.packet(outbound, wire.ipv4(*flow.ends(outbound), wire.ESP, payload, flow.ttl(outbound)))
    return flow.frames


def _routed(world, scenario, start_us, port, intent, routing_type, outside=None):
    """A SYN by way of `outside`, whose last destination is another."""
    flow = attempt(world, scenario, start_us, port, intent, use_ipv6=True, outside=outside)
    last = world.far_host(flow.inside)
    # One segment is left. Type 4 (RFC 8754 section 2) lists all of them, from the last on, and says how many.
    segments = (last,) if routing_type == 0 else (last, flow.outside)
    last_entry = 0 if routing_type == 0 else len(segments) - 1
    header = struct.pack("!BBBBBBH", TCP, 2 * len(segments), routing_type, 1, last_entry, 0, 0) + b"".join(segments)
    segment = wire.tcp(flow.inside.address, last, world.ephemeral_port(), port, wire.SYN)
    flow.syn_behind_headers(wire.ROUTING, header, segment=segment)
    return flow.frames


def routing_headers(world, start_us):
    forbidden = _routed(world, "routing-header-0", start_us, 443, fault("routing-header"), 0)
    segment_routing = _routed(world, "segment-routing-web", start_us, 443, NO_RULE, 4)
    # The smarthost is only where the packet passes through.
    mail = _routed(world, "segment-routing-mail", start_us, 25, SMTP_DROPPED, 4, network.SMARTHOST_IPV6)
    return forbidden + segment_routing + mail


def _with_options(world, scenario, start_us, port, intent, options, outside=None, last=None):
    """`last`: where a source route ends."""
    flow = attempt(world, scenario, start_us, port, intent, outside=outside)
    source, destination = flow.ends(True)
    segment = wire.tcp(source, last or destination, world.ephemeral_port(), port, wire.SYN)
    packet = wire.ipv4(source, destination, TCP, segment, flow.ttl(True), options=options)
    flow.packet(True, packet, initial_syn=True)
    return flow.frames


def ipv4_options(world, start_us):
    router_alert = bytes.fromhex("94040000")
    last = network.outside_host(world.rng, use_ipv6=False)
    loose_route = bytes((131, 7, 4)) + last + b"\0"
    return (
        _with_options(world, "ipv4-options-web", start_us, 443, NO_RULE, router_alert)
        + _with_options(world, "ipv4-options-mail", start_us, 25, SMTP_DROPPED, router_alert)
        + _with_options(world, "source-route-web", start_us, 443, fault("source-route"), loose_route, last=last)
        + _with_options(
            world, "source-route-mail", start_us, 25, SMTP_DROPPED, loose_route, network.SMARTHOST, last
        )
    )


ONCE = (
    extension_headers,
    authentication_header,
    encrypted,
    routing_headers,
    ipv4_options,
)
