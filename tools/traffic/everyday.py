"""What subscribers do all day: none of it concerns a filter of port 25 and SMB, and all of it must pass."""

import struct

from traffic import wire
from traffic.flow import Flow, TcpFlow
from traffic.network import RESOLVER, RESOLVER_IPV6

_NAMES = ("www.example.com", "mail.example.net", "video.example.org", "updates.example.com")
_QUERY_TYPE = {4: 1, 16: 28}  # A and AAAA, by bytes of address


def _tcp(world, scenario, start_us, port, inside=None):
    inside = inside or world.any_family_host()
    return TcpFlow(world, scenario, start_us, inside, world.far_host(inside), world.ephemeral_port(), port)


def https(world, start_us, scenario="https", port=443):
    flow = _tcp(world, scenario, start_us, port)
    flow.open()
    flow.say(True, world.tls_record(world.payload_bytes()))
    for _ in range(world.rng.randrange(1, 5)):
        flow.say(False, world.tls_record(world.payload_bytes()))
        flow.acknowledge(True)
    flow.close(world.rng.getrandbits(1) == 1)
    return flow.frames


def http(world, start_us):
    flow = _tcp(world, "http", start_us, 80)
    body = world.opaque(world.payload_bytes())
    flow.open()
    flow.say(True, f"GET /{world.rng.getrandbits(20)} HTTP/1.1\r\nHost: {_NAMES[0]}\r\n\r\n".encode())
    flow.say(False, f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    flow.acknowledge(True)
    flow.close()
    return flow.frames


def download(world, start_us):
    """Full-size segments, as most bytes of a border travel."""
    flow = _tcp(world, "download", start_us, 443, world.ordinary_host())
    flow.open()
    flow.say(True, world.tls_record(80))
    flow.send(False, wire.ACK, world.tls_record(1455))
    flow.say(False, world.tls_record(1455))
    flow.acknowledge(True)
    flow.close()
    return flow.frames


def quic(world, start_us):
    inside = world.any_family_host()
    flow = Flow(world, "quic", start_us, inside, world.far_host(inside))
    port = world.ephemeral_port()
    short_header = b"\x40"  # RFC 9000 section 17.3.1: the long ones are encrypted with keys of their own
    for _ in range(world.rng.randrange(2, 6)):
        flow.datagram(True, port, 443, short_header + world.opaque(world.payload_bytes()))
        for _ in range(world.rng.randrange(1, 4)):
            flow.datagram(False, port, 443, short_header + world.opaque(world.payload_bytes()))
    return flow.frames


def _dns_question(name, query_type):
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    return labels + b"\0" + struct.pack("!HH", query_type, 1)


def dns(world, start_us):
    rng = world.rng
    inside = world.any_family_host()
    use_ipv6 = len(inside.address) == 16
    flow = Flow(world, "dns", start_us, inside, RESOLVER_IPV6 if use_ipv6 else RESOLVER)
    question = _dns_question(_NAMES[rng.randrange(len(_NAMES))], _QUERY_TYPE[len(inside.address)])
    identification = rng.getrandbits(16)
    answer = struct.pack("!HHHIH", 0xC00C, _QUERY_TYPE[len(inside.address)], 1, 300, len(inside.address))
    port = world.ephemeral_port()
    flow.datagram(True, port, 53, struct.pack("!HHHHHH", identification, 0x0100, 1, 0, 0, 0) + question)
    flow.datagram(
        False,
        port,
        53,
        struct.pack("!HHHHHH", identification, 0x8180, 1, 1, 0, 0) + question + answer + world.far_host(inside),
    )
    return flow.frames


def submission(world, start_us):
    """RFC 6409. RFC 5068 section 4.1 forbids to block it."""
    flow = _tcp(world, "submission", start_us, 587)
    flow.open()
    flow.say(False, b"220 submit.example.net ESMTP\r\n")
    flow.say(True, b"EHLO laptop.example\r\n")
    flow.say(False, b"250-submit.example.net\r\n250 STARTTLS\r\n")
    flow.say(True, b"STARTTLS\r\n")
    flow.say(False, b"220 go ahead\r\n")
    flow.say(True, world.tls_record(world.payload_bytes()))
    flow.close()
    return flow.frames


def submissions(world, start_us):
    """RFC 8314 section 3.3: TLS from the first byte."""
    return https(world, start_us, "submissions", 465)


def imaps(world, start_us):
    return https(world, start_us, "imaps", 993)


def neighbour_port(world, start_us):
    """Ports on either side of those that a rule names."""
    port = (24, 26, 136, 140, 444, 446)[world.rng.randrange(6)]
    flow = _tcp(world, "neighbour-port", start_us, port)
    flow.open()
    flow.say(True, world.opaque(24))
    flow.close()
    return flow.frames


def ping(world, start_us):
    inside = world.any_family_host()
    flow = Flow(world, "ping", start_us, inside, world.far_host(inside))
    flow.echo(outbound_first=world.rng.randrange(4) > 0)
    return flow.frames


def time_of_day(world, start_us):
    inside = world.any_family_host()
    flow = Flow(world, "ntp", start_us, inside, world.far_host(inside))
    flow.datagram(True, 123, 123, b"\x23" + bytes(39) + world.opaque(8))
    flow.datagram(False, 123, 123, b"\x24\x02" + bytes(38) + world.opaque(8))
    return flow.frames


def served_web(world, start_us):
    """A business customer's own web server, asked from outside."""
    inside = world.network.business(world.rng.randrange(world.network.business_count))
    flow = TcpFlow(world, "served-web", start_us, inside, world.far_host(inside), 443, world.ephemeral_port())
    flow.open(outbound=False)
    flow.say(False, world.tls_record(world.payload_bytes()))
    flow.say(True, world.tls_record(world.payload_bytes()))
    flow.close(outbound=False)
    return flow.frames


# How often each begins, relative to the others.
SCENARIOS = (
    (30, https),
    (5, http),
    (1, download),
    (20, quic),
    (30, dns),
    (2, submission),
    (2, submissions),
    (2, imaps),
    (2, neighbour_port),
    (3, ping),
    (2, time_of_day),
    (4, served_web),
)
