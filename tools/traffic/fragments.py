"""Fragments, of which only the first has ports, and the tricks that are played with them."""

from traffic import wire
from traffic.flow import Flow, attempt
from traffic.intent import LATER_FRAGMENT, NO_RULE, SMTP_DROPPED, fault
from traffic.wire import TCP, UDP

_FRAGMENT_FLOOR = 128  # IPv6 fragments that start below are taken for overlapping ones


def fragments_of_udp(world, start_us):
    inside = world.ordinary_host()
    flow = Flow(world, "fragments-udp", start_us, inside, world.far_host(inside))
    source, destination = flow.ends(False)
    datagram = wire.udp(source, destination, 4500, 4500, world.opaque(700))
    for i, packet in enumerate(
        wire.ipv4_fragments(source, destination, UDP, datagram, flow.ttl(False), world.rng.getrandbits(16), (240, 480))
    ):
        flow.packet(False, packet, LATER_FRAGMENT if i else NO_RULE)
    return flow.frames


def _tcp_fragments(world, scenario, start_us, port, cuts, intents, initial_syn, use_ipv6=False, before=b"", first=TCP):
    """One SYN with data, cut at `cuts`. `before`: extension headers that are cut with it, the first of type `first`.
    `initial_syn`: the first fragment shows its flags."""
    flow = attempt(world, scenario, start_us, port, None, use_ipv6)
    payload = before + flow.segment(True, wire.SYN, world.opaque(200))
    identification = world.rng.getrandbits(16)
    fragments = wire.ipv6_fragments if use_ipv6 else wire.ipv4_fragments
    packets = fragments(*flow.ends(True), first, payload, flow.ttl(True), identification, cuts)
    for i, (packet, intent) in enumerate(zip(packets, intents, strict=True)):
        flow.packet(True, packet, intent, initial_syn and i == 0)
    return flow.frames


def fragments_of_web(world, start_us):
    return _tcp_fragments(world, "fragments-web", start_us, 443, (104,), (NO_RULE, LATER_FRAGMENT), True)


def fragments_of_mail(world, start_us):
    """Without its first fragment the rest is harmless."""
    return _tcp_fragments(world, "fragments-mail", start_us, 25, (104,), (SMTP_DROPPED, LATER_FRAGMENT), True)


def tiny_fragments(world, start_us):
    """RFC 1858: flags out of sight in the first, and within the reach of the second."""
    intents = (fault("tiny-fragment"), fault("overlapping-fragment"), LATER_FRAGMENT)
    return _tcp_fragments(world, "tiny-fragment", start_us, 443, (8, 16), intents, False)


def tiny_fragments_of_mail(world, start_us):
    """The ports are in sight, and say more than that the fragment is tiny."""
    intents = (SMTP_DROPPED, fault("overlapping-fragment"), LATER_FRAGMENT)
    return _tcp_fragments(world, "tiny-fragment-mail", start_us, 25, (8, 16), intents, False)


def ipv6_fragments_of_web(world, start_us):
    cuts = (_FRAGMENT_FLOOR,)
    return _tcp_fragments(world, "ipv6-fragments-web", start_us, 443, cuts, (NO_RULE, LATER_FRAGMENT), True, True)


def ipv6_fragments_of_mail(world, start_us):
    cuts = (_FRAGMENT_FLOOR,)
    return _tcp_fragments(world, "ipv6-fragments-mail", start_us, 25, cuts, (SMTP_DROPPED, LATER_FRAGMENT), True, True)


def ipv6_low_fragment(world, start_us):
    """A second fragment that could rewrite ports behind a long first header."""
    intents = (NO_RULE, fault("overlapping-fragment"))
    return _tcp_fragments(world, "ipv6-low-fragment", start_us, 443, (_FRAGMENT_FLOOR - 8,), intents, True, True)


def ipv6_incomplete_chain(world, start_us):
    """RFC 7112: the first fragment ends inside the destination options, before the ports."""
    options = bytes((TCP, 31)) + bytes((1, 252)) + bytes(252)  # 256 bytes of padding
    intents = (fault("ipv6-header-chain"), LATER_FRAGMENT)
    return _tcp_fragments(
        world, "ipv6-incomplete-chain", start_us, 443, (_FRAGMENT_FLOOR,), intents, False, True, options,
        wire.DESTINATION_OPTIONS,
    )


def ipv6_atomic_fragment(world, start_us):
    """RFC 6946: a fragment header on a whole packet."""
    flow = attempt(world, "ipv6-atomic-fragment", start_us, 25, SMTP_DROPPED, use_ipv6=True)
    flow.syn_behind_headers(wire.FRAGMENT, wire.fragment_header(TCP, 0, 0, world.rng.getrandbits(32)))
    return flow.frames


ONCE = (
    fragments_of_udp,
    fragments_of_web,
    fragments_of_mail,
    tiny_fragments,
    tiny_fragments_of_mail,
    ipv6_fragments_of_web,
    ipv6_fragments_of_mail,
    ipv6_low_fragment,
    ipv6_incomplete_chain,
    ipv6_atomic_fragment,
)
