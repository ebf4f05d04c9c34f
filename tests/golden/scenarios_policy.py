"""Who is excepted: smarthosts, exemptions, classes, pools, and who is in no pool at all."""

from frames import (
    LOOSE, STRICT, arp_request, ethernet, icmpv6, ipv4, ipv6, raw, routing_header, source_route, tcp, udp,
)
from scenario import (
    HIGH_PORT, MAIL_SERVER, MAIL_SERVER6, NEIGHBOUR, NEIGHBOUR6, PASS, SMARTHOST, SMARTHOST6, SMB, SMTP,
    SUBSCRIBER, SUBSCRIBER6, Outcome, Row, Scenario, drop, fault, passes, plain, same,
)

TO_SMARTHOST = passes("smarthost", "smtp")
EXEMPT = passes("exempt", "smtp")
EXEMPT_SMB = passes("exempt", "netbios-smb")
MONITORED = passes("monitored", "smtp")
ALLOWED, ALLOWED_SMB = passes("class-allows", "smtp"), passes("class-allows", "netbios-smb")
SPOOFED = drop("spoofed")
OWN_POLICY = ()


def mail_to(near: str, far: str, outcome: Outcome, what: str) -> list[Row]:
    """Mail from `near` to `far`, and the answer: the one is judged outbound, the other inbound."""
    return [
        Row(f"{what}: to port 25", plain(near, far, tcp(HIGH_PORT, 25)), outcome, PASS),
        Row(f"{what}: from port 25", plain(far, near, tcp(25, HIGH_PORT, flags=0x12)), PASS, outcome),
    ]


def smarthost() -> Scenario:
    rows = []
    for near, host, neighbours in (
        (SUBSCRIBER, SMARTHOST, ("192.0.2.24", "192.0.2.26")),
        (SUBSCRIBER6, SMARTHOST6, ("2001:db8:25::24", "2001:db8:25::26")),
    ):
        rows += mail_to(near, host, TO_SMARTHOST, f"smarthost {host}")
        for neighbour in neighbours:
            rows += mail_to(near, neighbour, SMTP, f"its neighbour {neighbour}")
        rows.append(same(f"port 443 of {host}", plain(near, host, tcp(HIGH_PORT, 443)), PASS))
        rows.append(same(f"SMB to {host} is not excepted", plain(near, host, tcp(HIGH_PORT, 445)), SMB))
    rows.append(Row("the smarthost's own mail, from no pool", plain(SMARTHOST, MAIL_SERVER, tcp(HIGH_PORT, 25)), SMTP, PASS))
    return Scenario("smarthost", "Mail to and from a smarthost passes; its neighbours and other rules do not",
                    "RFC 5068 section 4", rows)


def smarthost_prefixes() -> Scenario:
    rows = []
    for host, outcome in (
        ("192.0.2.23", SMTP), ("192.0.2.24", TO_SMARTHOST), ("192.0.2.31", TO_SMARTHOST), ("192.0.2.32", SMTP),
        ("198.51.100.24", SMTP), ("198.51.100.25", TO_SMARTHOST), ("198.51.100.26", SMTP),
    ):
        rows += mail_to(SUBSCRIBER, host, outcome, host)
    for host, outcome in (
        ("2001:db8:24:ffff::1", SMTP), ("2001:db8:25::", TO_SMARTHOST),
        ("2001:db8:25::ffff:ffff:ffff:ffff", TO_SMARTHOST), ("2001:db8:25:1::", SMTP),
    ):
        rows += mail_to(SUBSCRIBER6, host, outcome, host)
    return Scenario("smarthost-prefixes", "Smarthosts given as prefixes and in a list file, with their edges",
                    "RFC 5068 section 4", rows, OWN_POLICY)


def smarthost_nat64() -> Scenario:
    cases = (
        ("64:ff9b::192.0.2.25", TO_SMARTHOST, "well-known prefix"),
        ("64:ff9b::192.0.2.24", SMTP, "well-known prefix, one less"),
        ("64:ff9b::192.0.2.26", SMTP, "well-known prefix, one more"),
        ("64:ff9b:1::192.0.2.25", SMTP, "a prefix that is not listed"),
        ("2001:db8:6464:c000:2:1900::", TO_SMARTHOST, "prefix of 48 bits"),
        ("2001:db8:6464:c000:2:1a00::", SMTP, "prefix of 48 bits, one more"),
        ("2001:db8:6464:c000:102:1900::", SMTP, "prefix of 48 bits, reserved byte not zero"),
    )
    rows = [row for host, outcome, what in cases for row in mail_to(SUBSCRIBER6, host, outcome, what)]
    return Scenario("smarthost-nat64", "An IPv4 smarthost behind NAT64 is a smarthost", "RFC 6052 section 2.2", rows, OWN_POLICY)


def smarthost_source_routed() -> Scenario:
    """With hops to go the destination is not where the packet ends up."""
    routed = fault("source-route")
    rows = []
    for name, kind in (("LSRR", LOOSE), ("SSRR", STRICT)):
        left, used = source_route(kind, [MAIL_SERVER]), source_route(kind, [MAIL_SERVER], pointer=8)
        rows += [
            Row(f"{name} with a hop left, to the smarthost's port 25",
                ethernet(ipv4(SUBSCRIBER, SMARTHOST, tcp(HIGH_PORT, 25), options=left)), SMTP, routed),
            Row(f"{name} used up, to the smarthost's port 25",
                ethernet(ipv4(SUBSCRIBER, SMARTHOST, tcp(HIGH_PORT, 25), options=used)), routed, routed),
            Row(f"{name} with a hop left, from the smarthost's port 25",
                ethernet(ipv4(SMARTHOST, SUBSCRIBER, tcp(25, HIGH_PORT), options=left)), routed, routed),
        ]
    for kind in (0, 2, 4):
        known_bad = kind == 0
        for segments_left in (0, 1):
            header = routing_header(kind, segments_left, [MAIL_SERVER6])
            final = MAIL_SERVER6 if segments_left else None
            out = ipv6(SUBSCRIBER6, SMARTHOST6, tcp(HIGH_PORT, 25), [header], final_destination=final)
            ends_there = fault("routing-header") if known_bad else TO_SMARTHOST
            elsewhere = fault("routing-header") if known_bad else PASS
            rows.append(Row(f"routing header of type {kind}, {segments_left} left, to the smarthost's port 25",
                            ethernet(out), SMTP if segments_left else ends_there, elsewhere))
    return Scenario("smarthost-source-routed", "The smarthost exception does not hold while hops are left",
                    "RFC 7126 section 4.3, RFC 9288 section 3.5.2.5", rows, ("default", "lenient"))


def exemption() -> Scenario:
    rows = mail_to(SUBSCRIBER, MAIL_SERVER, EXEMPT, "exempt from smtp")
    rows += mail_to(NEIGHBOUR, MAIL_SERVER, SMTP, "one more")
    rows += mail_to("100.64.7.8", MAIL_SERVER, SMTP, "one less")
    rows.append(same("exempt from smtp: to port 445", plain(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 445)), SMB))
    rows += mail_to(SUBSCRIBER, SMARTHOST, TO_SMARTHOST, "exempt, and to a smarthost")
    for address, mail, smb in (
        ("100.64.15.255", SMTP, SMB), ("100.64.16.0", EXEMPT, EXEMPT_SMB),
        ("100.64.16.255", EXEMPT, EXEMPT_SMB), ("100.64.17.0", SMTP, SMB),
    ):
        rows += mail_to(address, MAIL_SERVER, mail, f"{address} beside 100.64.16.0/24")
        rows.append(Row(f"{address}: to port 445", plain(address, MAIL_SERVER, tcp(HIGH_PORT, 445)), smb, SMB))
        rows.append(Row(f"{address}: port 445 from outside", plain(MAIL_SERVER, address, tcp(HIGH_PORT, 445)), SMB, smb))
    for address, outcome in (
        ("2001:db8:107:8ff::1", SMTP), ("2001:db8:107:900::", EXEMPT), (SUBSCRIBER6, EXEMPT),
        ("2001:db8:107:9ff:ffff:ffff:ffff:ffff", EXEMPT), (NEIGHBOUR6, SMTP),
    ):
        rows += mail_to(address, MAIL_SERVER6, outcome, f"{address} beside 2001:db8:107:900::/56")
    return Scenario("exemption", "An exempt subscriber may do in both directions what the exemption names, and nothing else",
                    "M3AAWG Managing Port 25", rows, OWN_POLICY)


def exemption_expiry() -> Scenario:
    rows = []
    for address, outcome, what in (
        ("100.64.1.1", EXEMPT, "without an end"), ("100.64.1.2", SMTP, "until a day in 2020"),
        ("100.64.1.3", EXEMPT, "until a day in 2099"), ("100.64.1.4", SMTP, "until a second in 2020"),
        ("100.64.1.5", EXEMPT, "until a second in 2099"),
    ):
        rows += mail_to(address, MAIL_SERVER, outcome, what)
    return Scenario("exemption-expiry", "An exemption that has expired exempts nobody", "BITAG Port Blocking 2013", rows, OWN_POLICY)


def monitor() -> Scenario:
    rows = mail_to(SUBSCRIBER, MAIL_SERVER, MONITORED, "monitored")
    rows += mail_to(SUBSCRIBER6, MAIL_SERVER6, MONITORED, "monitored, IPv6")
    rows += mail_to(SUBSCRIBER, SMARTHOST, TO_SMARTHOST, "to a smarthost")
    rows += mail_to(NEIGHBOUR, MAIL_SERVER, EXEMPT, "exempt")
    rows.append(same("port 445, which the class drops", plain(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 445)), SMB))
    rows.append(same("port 443", plain(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 443)), PASS))
    return Scenario("monitor", "A class that only monitors a rule counts, and forwards", "README, what it does", rows, OWN_POLICY)


def class_allows() -> Scenario:
    rows = mail_to("100.64.7.9", MAIL_SERVER, ALLOWED, "business")
    rows.append(Row("business: to port 445", plain("100.64.7.9", MAIL_SERVER, tcp(HIGH_PORT, 445)), ALLOWED_SMB, SMB))
    rows.append(Row("business: UDP to port 137", plain("100.64.7.9", MAIL_SERVER, udp(HIGH_PORT, 137)), ALLOWED_SMB, SMB))
    rows.append(Row("business: port 445 from outside", plain(MAIL_SERVER, "100.64.7.9", tcp(HIGH_PORT, 445)), SMB, ALLOWED_SMB))
    rows += mail_to(SMARTHOST, MAIL_SERVER, ALLOWED, "the network's own mail server sends")
    rows += mail_to("100.80.0.1", MAIL_SERVER, SMTP, "a class that drops only smtp")
    rows.append(Row("a class that drops only smtp: to port 445", plain("100.80.0.1", MAIL_SERVER, tcp(HIGH_PORT, 445)), ALLOWED_SMB, SMB))
    return Scenario("class-allows", "A class that does not drop a rule lets its subscribers do what the rule names",
                    "RFC 5068 section 4", rows, OWN_POLICY)


def nested_pools() -> Scenario:
    rows = []
    for address, outcome in (
        ("100.64.6.255", SMTP), ("100.64.7.0", ALLOWED), ("100.64.7.9", SMTP), ("100.64.7.10", ALLOWED),
        ("100.64.7.255", ALLOWED), ("100.64.8.0", SMTP),
    ):
        rows += mail_to(address, MAIL_SERVER, outcome, address)
    for address, outcome in (
        ("2001:db8:106:ffff::1", SMTP), ("2001:db8:107::", ALLOWED), ("2001:db8:107:900::9", SMTP),
        ("2001:db8:107:a00::9", ALLOWED), ("2001:db8:108::", SMTP),
    ):
        rows += mail_to(address, MAIL_SERVER6, outcome, address)
    return Scenario("nested-pools", "Pools nest, and the longest prefix says the class", "README, what it does", rows, OWN_POLICY)


def unattributed() -> Scenario:
    stranger, stranger6 = "198.51.100.77", "2001:db8:bad::7"
    closed = {"default": SMTP, "unattributed-open": ALLOWED}
    rows = mail_to(stranger, MAIL_SERVER, closed, "an address in no pool")
    rows += mail_to(stranger6, MAIL_SERVER6, closed, "an IPv6 address in no pool")
    rows += mail_to(stranger, SMARTHOST, {"default": TO_SMARTHOST, "unattributed-open": ALLOWED}, "in no pool, to a smarthost")
    rows += mail_to(SUBSCRIBER, MAIL_SERVER, SMTP, "an address in a pool")
    rows.append(same("an address in no pool, to port 443", plain(stranger, MAIL_SERVER, tcp(HIGH_PORT, 443)), PASS))
    return Scenario("unattributed", "An address in no pool has the class of [unattributed], and is no way around it",
                    "RFC 2827, RFC 3704", rows, ("default", ("unattributed-open", "open")))


def drop_spoofed() -> Scenario:
    stranger, stranger6, link_local = "198.51.100.77", "2001:db8:bad::7", "fe80::1"
    solicitation = icmpv6(135, 0, b"\0" * 4 + bytes(16))
    discover = udp(68, 67, b"\x01\x01\x06\0" + b"\0" * 232)
    rows = [
        Row("source in no pool, to port 443", plain(stranger, MAIL_SERVER, tcp(HIGH_PORT, 443)), SPOOFED, PASS),
        Row("source in no pool, to port 25", plain(stranger, MAIL_SERVER, tcp(HIGH_PORT, 25)), SPOOFED, PASS),
        Row("source in no pool, to a smarthost", plain(stranger, SMARTHOST, tcp(HIGH_PORT, 25)), SPOOFED, PASS),
        Row("source in no pool, IPv6", plain(stranger6, MAIL_SERVER6, tcp(HIGH_PORT, 443)), SPOOFED, PASS),
        Row("source in no pool, later fragment",
            ethernet(ipv4(stranger, MAIL_SERVER, raw(b"x" * 32, 6), offset=64)), SPOOFED, passes("non-first-fragment")),
        same("source in a pool", plain(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 443)), PASS),
        same("source in a pool, IPv6", plain(SUBSCRIBER6, MAIL_SERVER6, tcp(HIGH_PORT, 443)), PASS),
        Row("source just below the pool", plain("100.63.255.255", MAIL_SERVER, udp(HIGH_PORT, 53)), SPOOFED, PASS),
        Row("source just above the pool", plain("100.128.0.0", MAIL_SERVER, udp(HIGH_PORT, 53)), SPOOFED, PASS),
        same("neighbour solicitation from a link-local address", plain(link_local, "ff02::1:ff00:1", solicitation), PASS),
        same("duplicate address detection from ::", plain("::", "ff02::1:ff00:1", solicitation), PASS),
        same("DHCP from 0.0.0.0", plain("0.0.0.0", "255.255.255.255", discover), PASS),
        same("ARP", ethernet(arp_request("198.51.100.77", "198.51.100.1")), passes("not-ip")),
        Row("link-local source, to port 25", plain(link_local, MAIL_SERVER6, tcp(HIGH_PORT, 25)), SMTP, PASS),
        Row("first address above link-local", plain("fec0::1", MAIL_SERVER6, tcp(HIGH_PORT, 443)), SPOOFED, PASS),
        Row("last link-local address", plain("febf:ffff::1", MAIL_SERVER6, tcp(HIGH_PORT, 443)), PASS, PASS),
    ]
    return Scenario("drop-spoofed", "drop_spoofed drops what comes from no pool, and leaves neighbour discovery alone",
                    "RFC 2827 section 3, RFC 4291 section 2.5.6", rows, OWN_POLICY)


def own_rules() -> Scenario:
    telnet, games, no_servers = drop("rule", "telnet"), drop("rule", "games"), drop("rule", "no-servers")
    rows = [Row(f"TCP to port {port}", plain(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, port)), outcome, no_servers)
            for port, outcome in ((22, PASS), (23, telnet), (24, PASS), (25, SMTP))]
    rows += [
        same("UDP to port 23", plain(SUBSCRIBER, MAIL_SERVER, udp(HIGH_PORT, 23)), PASS),
        Row("TCP from port 25, for the replaced rule names no inbound port",
            plain(MAIL_SERVER, SUBSCRIBER, tcp(25, HIGH_PORT)), PASS, PASS),
        Row("UDP from port 27015 outbound", plain(SUBSCRIBER, MAIL_SERVER, udp(27015, HIGH_PORT)), games, PASS),
        Row("UDP from port 27014 outbound", plain(SUBSCRIBER, MAIL_SERVER, udp(27014, HIGH_PORT)), PASS, PASS),
        Row("UDP to the last port of a range", plain(MAIL_SERVER, SUBSCRIBER, udp(HIGH_PORT, 65535)), PASS, games),
        Row("TCP to the subscriber's port 80", plain(MAIL_SERVER, SUBSCRIBER, tcp(HIGH_PORT, 80)), PASS, no_servers),
        Row("TCP to the subscriber's port 1", plain(MAIL_SERVER, SUBSCRIBER, tcp(HIGH_PORT, 1)), PASS, no_servers),
        Row("TCP to the subscriber's port 0", plain(MAIL_SERVER, SUBSCRIBER, tcp(HIGH_PORT, 0)), PASS, PASS),
        Row("TCP to the subscriber's port 1024", plain(MAIL_SERVER, SUBSCRIBER, tcp(HIGH_PORT, 1024)), PASS, PASS),
        Row("the subscriber's server answers", plain(SUBSCRIBER, MAIL_SERVER, tcp(80, HIGH_PORT)), PASS, PASS),
    ]
    return Scenario("own-rules", "The operator's own rules: any side, any range, and a built-in one replaced",
                    "README, what it does", rows, OWN_POLICY)


def no_policy(verdict: str) -> Scenario:
    outcome = Outcome(verdict, "no-policy")
    rows = [
        same("TCP to port 25", plain(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25)), outcome),
        same("TCP to port 443", plain(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 443)), outcome),
        same("IPv4 of version 5", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 443), version=5)), outcome),
        same("ARP", ethernet(arp_request(SUBSCRIBER, NEIGHBOUR)), outcome),
    ]
    return Scenario(f"before-policy-{verdict}", f"Until it has a policy the dataplane does as --before-policy {verdict} says",
                    "README, what it does", rows, OWN_POLICY, before_policy=verdict)


SCENARIOS = [
    smarthost(), smarthost_prefixes(), smarthost_nat64(), smarthost_source_routed(), exemption(), exemption_expiry(),
    monitor(), class_allows(), nested_pools(), unattributed(), drop_spoofed(), own_rules(),
    no_policy("pass"), no_policy("drop"),
]
