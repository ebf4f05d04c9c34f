"""A subscriber's host and a host outside, and the frames that pass between them."""

from traffic import wire
from traffic.intent import INBOUND, NO_RULE, OUTBOUND, Frame, Kind
from traffic.network import Network, outside_host

_MAX_SEGMENT_OPTION = bytes.fromhex("020405b4")
_FILLER_BYTES = 4096
_TLS_APPLICATION_DATA = bytes.fromhex("170303")


class World:
    """What every scenario draws from."""

    def __init__(self, rng, network: Network, payload_bytes_max):
        self.rng = rng
        self.network = network
        self.payload_bytes_max = payload_bytes_max
        self._filler = rng.getrandbits(8 * _FILLER_BYTES).to_bytes(_FILLER_BYTES, "big")

    def opaque(self, size):
        """Bytes that mean nothing."""
        at = self.rng.randrange(_FILLER_BYTES)
        return (self._filler[at:] + self._filler * (size // _FILLER_BYTES + 1))[:size]

    def payload_bytes(self):
        return self.rng.randrange(16, self.payload_bytes_max + 1)

    def tls_record(self, size):
        return _TLS_APPLICATION_DATA + size.to_bytes(2, "big") + self.opaque(size)

    def ordinary_index(self, use_ipv6=False):
        """The number of an ordinary subscriber that has the family."""
        ordinary = self.network.ordinary
        while True:
            index = ordinary[self.rng.randrange(len(ordinary))]
            if not use_ipv6 or self.network.has_ipv6(index):
                return index

    def ordinary_host(self, use_ipv6=False):
        return self.network.residential(self.ordinary_index(use_ipv6), use_ipv6)

    def any_family_host(self):
        """A host of some ordinary subscriber, which uses IPv6 as often as not where it can."""
        index = self.ordinary_index()
        return self.network.residential(index, self.network.has_ipv6(index) and self.rng.getrandbits(1))

    def far_host(self, inside):
        """Somebody outside who speaks the family of `inside`."""
        return outside_host(self.rng, use_ipv6=len(inside.address) == 16)

    def ephemeral_port(self):
        return self.rng.randrange(32768, 61000)


class Flow:
    """Frames between `inside` and `outside` from `start_us` on. `to_outside` and `to_inside` are what frames of
    either direction are meant to become, unless a call says otherwise."""

    def __init__(self, world, scenario, start_us, inside, outside, to_outside=NO_RULE, to_inside=NO_RULE):
        self.frames = []
        self.inside, self.outside = inside, outside
        self.world = world
        self._scenario = scenario
        self._now_us = start_us
        self._went_out = None
        self._intents = (to_inside, to_outside)
        rng = world.rng
        # From the wire to the host and back, on either side.
        self._inside_delay_us = rng.randrange(900, 14_000)
        self._outside_delay_us = rng.randrange(3_000, 90_000)

    def wait(self, microseconds):
        self._now_us += microseconds

    def ends(self, outbound):
        """Source and destination address."""
        return (self.inside.address, self.outside) if outbound else (self.outside, self.inside.address)

    def ttl(self, outbound):
        return 63 if outbound else 44 + self.outside[-1] % 14

    def packet(self, outbound, packet, intent=None, initial_syn=False, link=None):
        """Puts an IP packet on the wire, as the link of the subscriber has it, or `link`."""
        self.frame(
            outbound, wire.ethernet(outbound, link or self.inside.encapsulation, packet), intent, initial_syn
        )

    def frame(self, outbound, data, intent=None, initial_syn=False):
        self._pass_time(outbound)
        kind = Kind(self._scenario, OUTBOUND if outbound else INBOUND, intent or self._intents[outbound])
        self.frames.append(Frame(self._now_us, data, kind, self.inside.subscriber, initial_syn))

    def datagram(self, outbound, inside_port, outside_port, payload, intent=None):
        source, destination = self.ends(outbound)
        ports = (inside_port, outside_port) if outbound else (outside_port, inside_port)
        payload = wire.udp(source, destination, *ports, payload)
        self.packet(outbound, wire.ip(source, destination, wire.UDP, payload, self.ttl(outbound)), intent)

    def echo(self, outbound_first):
        """A ping and its answer."""
        rest = self.world.rng.getrandbits(16).to_bytes(2, "big") + b"\0\1"
        for outbound, is_reply in ((outbound_first, 0), (not outbound_first, 1)):
            source, destination = self.ends(outbound)
            if len(source) == 4:
                message = wire.icmp(0 if is_reply else 8, 0, rest, bytes(range(32)))
                protocol = wire.ICMP
            else:
                message = wire.icmpv6(source, destination, 128 + is_reply, 0, rest, bytes(range(32)))
                protocol = wire.ICMPV6
            self.packet(outbound, wire.ip(source, destination, protocol, message, self.ttl(outbound)))

    def _pass_time(self, outbound):
        rng = self.world.rng
        if self._went_out is None or self._went_out == outbound:
            self._now_us += rng.randrange(12, 180)
        else:
            delay_us = self._outside_delay_us if self._went_out else self._inside_delay_us
            self._now_us += delay_us + rng.randrange(delay_us // 4)
        self._went_out = outbound


class TcpFlow(Flow):
    """The same with one TCP connection, whose sequence numbers are right."""

    def __init__(self, world, scenario, start_us, inside, outside, inside_port, outside_port, **intents):
        super().__init__(world, scenario, start_us, inside, outside, **intents)
        self._ports = ((outside_port, inside_port), (inside_port, outside_port))
        self._next = [world.rng.getrandbits(32), world.rng.getrandbits(32)]  # of the outside, of the inside

    def segment(self, outbound, flags, payload=b"", options=b""):
        """The bytes of the next TCP segment of that direction."""
        source, destination = self.ends(outbound)
        sequence = self._next[outbound]
        acknowledged = self._next[not outbound] if flags & wire.ACK else 0
        self._next[outbound] = (sequence + len(payload) + bool(flags & (wire.SYN | wire.FIN))) % (1 << 32)
        return wire.tcp(
            source, destination, *self._ports[outbound], flags, sequence, acknowledged, payload, options
        )

    def send(self, outbound, flags, payload=b"", options=b"", intent=None):
        segment = self.segment(outbound, flags, payload, options)
        source, destination = self.ends(outbound)
        self.packet(
            outbound,
            wire.ip(source, destination, wire.TCP, segment, self.ttl(outbound)),
            intent,
            initial_syn=flags & (wire.SYN | wire.ACK) == wire.SYN,
        )

    def syn(self, outbound):
        self.send(outbound, wire.SYN, options=_MAX_SEGMENT_OPTION)

    def syn_again(self, outbound):
        """The same SYN, retransmitted."""
        self._next[outbound] = (self._next[outbound] - 1) % (1 << 32)
        self._went_out = outbound
        self.syn(outbound)

    def open(self, outbound=True):
        self.syn(outbound)
        self.send(not outbound, wire.SYN | wire.ACK, options=_MAX_SEGMENT_OPTION)
        self.send(outbound, wire.ACK)

    def say(self, outbound, payload):
        self.send(outbound, wire.PSH | wire.ACK, payload)

    def acknowledge(self, outbound):
        self.send(outbound, wire.ACK)

    def close(self, outbound=True):
        self.send(outbound, wire.FIN | wire.ACK)
        self.send(not outbound, wire.FIN | wire.ACK)
        self.send(outbound, wire.ACK)

    def refuse(self, outbound):
        """Answers the last SYN that no one listens."""
        self.send(outbound, wire.RST | wire.ACK)

    def syn_behind_headers(self, next_header, headers, segment=None):
        """A SYN outbound, or the one in `segment`, behind IPv6 extension headers, the first of type `next_header`."""
        payload = headers + (segment or self.segment(True, wire.SYN))
        packet = wire.ipv6(*self.ends(True), next_header, payload, self.ttl(True))
        self.packet(True, packet, initial_syn=True)


def attempt(world, scenario, start_us, port, to_outside, use_ipv6=False, outside=None):
    """A flow to a port outside, from an ordinary subscriber on a plain link. What answers passes."""
    inside = world.network.ordinary_on(wire.Encapsulation.PLAIN, use_ipv6)
    outside = outside or world.far_host(inside)
    return TcpFlow(world, scenario, start_us, inside, outside, world.ephemeral_port(), port, to_outside=to_outside)
