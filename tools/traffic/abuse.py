"""What the filter is for: spam from bots, worms that scan, triangular spam."""

from traffic import network, wire
from traffic.flow import Flow, TcpFlow
from traffic.intent import SMB_ALLOWED, SMB_DROPPED, SMTP_DROPPED

# RFC 1002 section 4.2.18: what scanners ask UDP port 137, the names of a host.
NODE_STATUS_REQUEST = bytes.fromhex("a2480000000100000000000020") + b"CK" + b"A" * 30 + bytes.fromhex("0000210001")


def _attempt(world, scenario, start_us, inside, outside, port, intent):
    """A SYN from inside that nothing answers, and some retransmissions of it."""
    flow = TcpFlow(world, scenario, start_us, inside, outside, world.ephemeral_port(), port, to_outside=intent)
    flow.syn(True)
    for timeout_us in (1_000_000, 2_000_000)[: world.rng.randrange(3)]:
        flow.wait(timeout_us)
        flow.syn_again(True)
    return flow.frames


def _some_bot(world):
    """The first sends more than all others together."""
    rng, bots = world.rng, world.network.bots
    if len(bots) == 1 or rng.randrange(10) < 6:
        return bots[0]
    return bots[1 + rng.randrange(len(bots) - 1)]


def spam(world, start_us):
    """A bot tries another mail server. Every third bot, by number, uses IPv6."""
    bot = _some_bot(world)
    inside = world.network.residential(bot, use_ipv6=world.network.has_ipv6(bot))
    return _attempt(world, "spam-bot", start_us, inside, world.far_host(inside), 25, SMTP_DROPPED)


def worm(world, start_us):
    """Neighbouring addresses outside, one by one."""
    inside = world.network.residential(world.network.worm)
    network_24 = world.far_host(inside)[:3]
    first = world.rng.randrange(250)
    frames = []
    for step in range(4):
        outside = network_24 + bytes((first + step,))
        frames += _attempt(world, "smb-worm", start_us + step * 40_000, inside, outside, 445, SMB_DROPPED)
    return frames


def business_worm(world, start_us):
    inside = world.network.business(world.rng.randrange(world.network.business_count))
    return _attempt(world, "smb-from-business", start_us, inside, world.far_host(inside), 445, SMB_DROPPED)


def scan_from_outside(world, start_us):
    """One host outside tries a few subscribers, TCP 445 and 139, and UDP 137."""
    scanner = network.outside_host(world.rng, use_ipv6=False)
    frames = []
    for step in range(world.rng.randrange(2, 7)):
        inside = world.ordinary_host()
        if world.rng.randrange(8) == 0:
            inside = world.network.business(world.rng.randrange(world.network.business_count))
        at_us = start_us + step * world.rng.randrange(500, 30_000)
        port = (445, 445, 137, 139)[world.rng.randrange(4)]
        if port == 137:
            flow = Flow(world, "netbios-scan", at_us, inside, scanner, to_inside=SMB_DROPPED)
            flow.datagram(False, 137, world.ephemeral_port(), NODE_STATUS_REQUEST)
        else:
            flow = TcpFlow(
                world, "smb-scan", at_us, inside, scanner, port, world.ephemeral_port(), to_inside=SMB_DROPPED
            )
            flow.syn(False)
        frames += flow.frames
    return frames


def scan_from_outside_ipv6(world, start_us):
    inside = world.ordinary_host(use_ipv6=True)
    flow = TcpFlow(
        world, "smb-scan", start_us, inside, world.far_host(inside), 445, world.ephemeral_port(), to_inside=SMB_DROPPED
    )
    flow.syn(False)
    return flow.frames


def scan_of_provider(world, start_us):
    """Dropping nothing is what the class of the provider's servers means."""
    inside = world.network.mail_server(1)
    flow = TcpFlow(
        world, "smb-scan-of-provider", start_us, inside, world.far_host(inside), 445, world.ephemeral_port(),
        to_inside=SMB_ALLOWED,
    )
    flow.syn(False)
    flow.refuse(True)
    return flow.frames


def scan_of_closed_port(world, start_us):
    """Noise from outside that no rule is about."""
    inside = world.ordinary_host()
    port = (22, 23, 3389, 8080)[world.rng.randrange(4)]
    flow = TcpFlow(world, "other-scan", start_us, inside, world.far_host(inside), port, world.ephemeral_port())
    flow.syn(False)
    flow.refuse(True)
    return flow.frames


def triangular_spam(world, start_us):
    """A fast accomplice elsewhere sends with the relay's address as source; the mail server's answers come here
    (Qian et al., IEEE S&P 2010)."""
    inside = world.network.residential(world.network.relay)
    flow = TcpFlow(
        world, "triangular-spam", start_us, inside, world.far_host(inside), world.ephemeral_port(), 25,
        to_inside=SMTP_DROPPED,
    )
    flow.send(False, wire.SYN | wire.ACK)
    if world.rng.getrandbits(1):
        flow.wait(300_000)
        flow.say(False, b"220 mx.example.net ESMTP\r\n")
    return flow.frames


def established_spam(world, start_us):
    """Not the SYN alone is judged: whoever gets a connection past the filter has gained nothing."""
    inside = world.ordinary_host()
    flow = TcpFlow(
        world, "mail-without-syn", start_us, inside, world.far_host(inside), world.ephemeral_port(), 25,
        to_outside=SMTP_DROPPED, to_inside=SMTP_DROPPED,
    )
    flow.send(True, wire.ACK)
    flow.say(True, b"EHLO host.example\r\n")
    flow.send(False, wire.SYN)  # split handshake: the server seems to be the one that opens
    return flow.frames


SPAM = ((1, spam),)

# Among everyday traffic.
SCANS = (
    (1, worm),
    (1, business_worm),
    (2, scan_from_outside),
    (3, scan_of_closed_port),
    (2, triangular_spam),
)

ONCE = (
    spam,
    worm,
    business_worm,
    scan_from_outside,
    scan_from_outside_ipv6,
    scan_of_provider,
    triangular_spam,
    established_spam,
)
