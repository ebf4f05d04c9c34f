"""Mail that may pass: to smarthosts, from exempt and from merely monitored subscribers, from the provider itself."""

from traffic import network
from traffic.flow import TcpFlow
from traffic.intent import SMTP_ALLOWED, SMTP_EXEMPT, SMTP_MONITORED, SMTP_TO_SMARTHOST


def _smtp_session(flow, client_is_inside):
    client, server = client_is_inside, not client_is_inside
    flow.open(client)
    flow.say(server, b"220 mx.example.net ESMTP\r\n")
    for line, answer in (
        (b"EHLO host.example\r\n", b"250 mx.example.net\r\n"),
        (b"MAIL FROM:<alice@example.com>\r\n", b"250 ok\r\n"),
        (b"RCPT TO:<bob@example.net>\r\n", b"250 ok\r\n"),
        (b"DATA\r\n", b"354 go ahead\r\n"),
        (b"Subject: hello\r\n\r\nHello.\r\n.\r\n", b"250 queued\r\n"),
        (b"QUIT\r\n", b"221 bye\r\n"),
    ):
        flow.say(client, line)
        flow.say(server, answer)
    flow.close(client)
    return flow.frames


def _send(world, scenario, start_us, inside, outside, intent):
    """A session with port 25 outside, both directions of which have one intent."""
    flow = TcpFlow(
        world, scenario, start_us, inside, outside, world.ephemeral_port(), 25, to_outside=intent, to_inside=intent
    )
    return _smtp_session(flow, client_is_inside=True)


def _receive(world, scenario, start_us, inside):
    """A session with port 25 inside: no rule is about that."""
    flow = TcpFlow(world, scenario, start_us, inside, world.far_host(inside), 25, world.ephemeral_port())
    return _smtp_session(flow, client_is_inside=False)


def to_smarthost(world, start_us):
    inside = world.any_family_host()
    choices = (network.SMARTHOST, network.PARTNER_SMARTHOST)
    if len(inside.address) == 16:
        choices = (network.SMARTHOST_IPV6, network.PARTNER_SMARTHOST_IPV6)
    outside = choices[world.rng.randrange(4) == 0]
    return _send(world, "mail-to-smarthost", start_us, inside, outside, SMTP_TO_SMARTHOST)


def to_smarthost_through_nat64(world, start_us):
    inside = world.ordinary_host(use_ipv6=True)
    return _send(
        world, "mail-to-smarthost-nat64", start_us, inside, network.NAT64_SMARTHOST, SMTP_TO_SMARTHOST
    )


def from_exempt_subscriber(world, start_us, use_ipv6=False):
    inside = world.network.residential(world.network.EXEMPT, use_ipv6)
    return _send(world, "mail-from-exempt-subscriber", start_us, inside, world.far_host(inside), SMTP_EXEMPT)


def from_exempt_subscriber_ipv6(world, start_us):
    return from_exempt_subscriber(world, start_us, use_ipv6=True)


def to_exempt_subscriber(world, start_us):
    inside = world.network.residential(world.network.EXEMPT)
    return _receive(world, "mail-to-exempt-subscriber", start_us, inside)


def from_business(world, start_us, use_ipv6=False):
    inside = world.network.business(world.rng.randrange(world.network.BUSINESS_MIN), use_ipv6)
    return _send(world, "mail-from-business", start_us, inside, world.far_host(inside), SMTP_MONITORED)


def from_business_ipv6(world, start_us):
    return from_business(world, start_us, use_ipv6=True)


def from_provider(world, start_us):
    """The provider's own servers send to everyone's."""
    inside = world.network.mail_server(world.rng.randrange(4), use_ipv6=world.rng.randrange(4) == 0)
    return _send(world, "mail-from-provider", start_us, inside, world.far_host(inside), SMTP_ALLOWED)


def to_provider(world, start_us):
    return _receive(world, "mail-to-provider", start_us, world.network.mail_server(world.rng.randrange(4)))


# Conversations with port 25 outside, by how often each begins.
SENDING = (
    (5, to_smarthost),
    (3, from_provider),
    (1, from_exempt_subscriber),
    (2, from_business),
)

# Mail that is received, among everyday traffic.
RECEIVING = (
    (1, to_provider),
    (1, to_exempt_subscriber),
)

# Each at least once in a capture.
ONCE = (
    to_smarthost,
    to_smarthost_through_nat64,
    from_provider,
    to_provider,
    from_exempt_subscriber,
    from_exempt_subscriber_ipv6,
    to_exempt_subscriber,
    from_business,
    from_business_ipv6,
)
