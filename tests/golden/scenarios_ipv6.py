"""IPv6: extension headers, fragments, lengths that lie."""

from frames import (
    ESP, TCP, UDP, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, NO_NEXT_HEADER, ExtensionHeader,
    authentication_header, chain, destination_options, ethernet, fragment_header, hop_by_hop, host_identity_header,
    ipv6, ipv6_fragments, mobility_header, raw, routing_header, shim6_header, tcp, udp, vlan,
)
from scenario import (
    HIGH_PORT, MAIL_SERVER6, PASS, SMTP, SUBSCRIBER6, Row, Scenario, both_ways, fault, passes, same,
)

BOTH_POLICIES = ("default", "lenient")
MALFORMED, TRUNCATED = fault("malformed-ip"), fault("truncated-transport")
TINY, OVERLAPPING = fault("tiny-fragment"), fault("overlapping-fragment")
CHAIN = fault("ipv6-header-chain")
LATER = passes("non-first-fragment")


def behind(*headers: ExtensionHeader, **fields):
    return lambda source, destination, segment: ethernet(ipv6(source, destination, segment, list(headers), **fields))


def to_mail(data: bytes, protocol: int, headers=(), **fields) -> bytes:
    return ethernet(ipv6(SUBSCRIBER6, MAIL_SERVER6, raw(data, protocol), list(headers), **fields))


def extension_headers() -> Scenario:
    kinds = {
        "hop-by-hop options": hop_by_hop(),
        "destination options": destination_options(),
        "destination options of 256 bytes": destination_options(256),
        "routing header of type 2": routing_header(2, 0, [MAIL_SERVER6]),
        "fragment header of an atomic fragment": fragment_header(),
        "authentication header": authentication_header(),
        "mobility header": mobility_header(),
        "host identity header": host_identity_header(),
        "shim6 header": shim6_header(),
    }
    rows = [row for what, header in kinds.items() for row in both_ways(behind(header), what, family=6)]
    rows += both_ways(behind(*kinds.values()), "all of them", family=6)
    rows += both_ways(behind(destination_options(), hop_by_hop()), "hop-by-hop options in the wrong place", family=6)
    mail = tcp(HIGH_PORT, 25).data
    rows.append(same("ESP, with bytes like port 25", to_mail(mail, ESP), PASS))
    rows.append(same("ESP behind destination options", to_mail(mail, ESP, [destination_options()]), PASS))
    rows.append(same("no next header behind hop-by-hop options", to_mail(mail, NO_NEXT_HEADER, [hop_by_hop()]), PASS))
    return Scenario("ipv6-extension-headers", "Port 25 is found behind every IPv6 extension header", "RFC 8200 section 4, RFC 7045", rows)


def header_budgets() -> Scenario:
    small = destination_options()
    rows = both_ways(behind(*[small] * 16), "16 extension headers, the most", family=6)
    rows += both_ways(behind(*[small] * 17), "17 extension headers", CHAIN, CHAIN, CHAIN, family=6)
    rows += both_ways(behind(destination_options(960)), "ports at byte 1014", family=6)
    rows += both_ways(behind(destination_options(968)), "ports at byte 1022, partly beyond 1024", CHAIN, CHAIN, CHAIN, family=6)
    rows += both_ways(behind(destination_options(976)), "extension header that ends beyond 1024", CHAIN, CHAIN, CHAIN, family=6)
    rows += both_ways(
        lambda s, d, segment: ethernet(vlan(7, ipv6(s, d, segment, [destination_options(960)]))), "ports at byte 1018, in a VLAN", family=6
    )
    return Scenario("ipv6-header-budgets", "16 extension headers and 1024 bytes of headers are read, and no more",
                    "RFC 9098 section 8.1", rows, BOTH_POLICIES)


def incomplete_chains() -> Scenario:
    rows = []
    for name, header, length in (
        ("hop-by-hop options", hop_by_hop(), 8), ("destination options", destination_options(16), 16),
        ("routing header", routing_header(2, 0, [MAIL_SERVER6]), 24), ("fragment header", fragment_header(), 8),
        ("authentication header", authentication_header(), 24), ("mobility header", mobility_header(), 8),
        ("host identity header", host_identity_header(), 40), ("shim6 header", shim6_header(), 8),
    ):
        data = chain([header], TCP)
        for size in sorted({0, 1, 7, length - 1}):
            if size > 0 or header.number != HOP_BY_HOP:  # with hop-by-hop options a payload length of 0 is another fault
                rows.append(same(f"packet that ends {size} bytes into its {name}", to_mail(data[:size], header.number), CHAIN))
    first = chain([destination_options(16)], TCP)
    rows.append(same("first fragment that ends in destination options", to_mail(first[:8], DESTINATION_OPTIONS, [fragment_header(more=True)]), CHAIN))
    rows.append(same("first fragment that ends before UDP's ports", to_mail(udp(HIGH_PORT, 53).data[:3], UDP, [fragment_header(more=True)]), CHAIN))
    rows.append(same("first fragment with nothing of UDP", to_mail(b"", UDP, [fragment_header(more=True)]), CHAIN))
    rows.append(same("packet that ends with its extension headers: TCP is missing", to_mail(b"", TCP, [hop_by_hop()]), TRUNCATED))
    return Scenario("ipv6-header-chain", "Chains of IPv6 extension headers that are not whole", "RFC 7112 section 5", rows, BOTH_POLICIES)


def routing_headers() -> Scenario:
    rows = []
    for kind in (0, 1, 3):
        refused = fault("routing-header")
        for left in (0, 1):
            header = routing_header(kind, left, [MAIL_SERVER6])
            rows += both_ways(behind(header), f"type {kind}, {left} left", SMTP, refused, refused, family=6)
    for kind in (2, 4, 5, 253):
        for left in (0, 1):
            rows += both_ways(behind(routing_header(kind, left, [MAIL_SERVER6])), f"type {kind}, {left} left", family=6)
    return Scenario("routing-header", "IPv6 routing headers of types 0, 1 and 3", "RFC 9288 section 3.5.2.5, RFC 5095", rows, BOTH_POLICIES)


def malformed() -> Scenario:
    rows = []
    for what, fields in (("version 4", {"version": 4}), ("version 0", {"version": 0}), ("version 7", {"version": 7})):
        rows += both_ways(behind(**fields), what, MALFORMED, MALFORMED, MALFORMED, family=6)
    for what, headers, length in (
        ("payload length one beyond the frame", (), 21), ("payload length of 65535", (), 65535),
        ("payload length 0 with hop-by-hop options", (hop_by_hop(),), 0),
    ):
        rows += both_ways(behind(*headers, payload_length=length), what, SMTP, MALFORMED, MALFORMED, family=6)
    for what, headers, length in (
        ("payload length 0", (), 0), ("payload length 3", (), 3), ("payload length up to the end of hop-by-hop options", (hop_by_hop(),), 8),
    ):
        rows += both_ways(behind(*headers, payload_length=length), what, TRUNCATED, TRUNCATED, TRUNCATED, family=6)
    rows += both_ways(behind(payload_length=4), "payload length 4: just the ports", family=6)
    rows += both_ways(behind(destination_options(), payload_length=4), "payload length inside destination options", CHAIN, CHAIN, CHAIN, family=6)
    frame = behind()(SUBSCRIBER6, MAIL_SERVER6, tcp(HIGH_PORT, 25))
    rows += [same(f"frame that ends {n} bytes into the IPv6 header", frame[: 14 + n], MALFORMED) for n in (0, 1, 39)]
    return Scenario("ipv6-malformed", "IPv6 headers that contradict the frame or themselves", "RFC 8200 section 3, RFC 2675", rows, BOTH_POLICIES)


def fragments() -> Scenario:
    rows = []
    for port, named in ((25, SMTP), (443, PASS)):
        segment = tcp(HIGH_PORT, port, b"x" * 300, flags=0x18)
        out = ipv6_fragments(SUBSCRIBER6, MAIL_SERVER6, segment, [136, 256])
        back = ipv6_fragments(MAIL_SERVER6, SUBSCRIBER6, tcp(port, HIGH_PORT, b"x" * 300, flags=0x18), [136, 256])
        shifted = ipv6_fragments(SUBSCRIBER6, MAIL_SERVER6, segment, [136, 256], [hop_by_hop()], [destination_options(16)])
        rows += [
            Row(f"to port {port}, first fragment", ethernet(out[0]), named, PASS),
            same(f"to port {port}, middle fragment", ethernet(out[1]), LATER),
            same(f"to port {port}, last fragment", ethernet(out[2]), LATER),
            Row(f"from port {port}, first fragment", ethernet(back[0]), PASS, named),
            same(f"from port {port}, last fragment", ethernet(back[2]), LATER),
            Row(f"to port {port}, first fragment, options before and behind the fragment header", ethernet(shifted[0]), named, PASS),
            same(f"to port {port}, the fragment behind it", ethernet(shifted[1]), LATER),
        ]
    rows.append(same("fragment at offset 128", to_mail(b"x" * 64, TCP, [fragment_header(128)]), LATER))
    rows.append(same("later fragment that says it is UDP", to_mail(udp(1, 445).data, UDP, [fragment_header(256)]), LATER))
    rows.append(same("later fragment that says destination options follow", to_mail(b"\xff" * 8, DESTINATION_OPTIONS, [fragment_header(256)]), LATER))
    rows.append(Row("first fragment with just 16 bytes of TCP to port 25", to_mail(tcp(HIGH_PORT, 25).data[:16], TCP, [fragment_header(more=True)]), SMTP, PASS))
    rows.append(same("first fragment with just 16 bytes of TCP to port 443", to_mail(tcp(HIGH_PORT, 443).data[:16], TCP, [fragment_header(more=True)]), PASS))
    return Scenario("ipv6-fragments", "First fragments are judged by their ports, later fragments pass, whatever they say they are",
                    "RFC 8200 section 4.5", rows)


def atomic_fragments() -> Scenario:
    reserved_bits = ExtensionHeader(FRAGMENT, b"\xff\0\x06" + b"\0\0\x12\x34")
    rows = both_ways(behind(fragment_header()), "atomic", family=6)
    rows += both_ways(behind(reserved_bits), "atomic, reserved bits set", family=6)
    rows += both_ways(behind(fragment_header(), destination_options()), "atomic, options behind", family=6)
    rows += both_ways(behind(fragment_header(), fragment_header()), "atomic twice", family=6)
    rows.append(Row("atomic, 8 bytes of TCP to port 25", to_mail(tcp(HIGH_PORT, 25).data[:8], TCP, [fragment_header()]), SMTP, PASS))
    rows.append(same("atomic, then a later fragment", to_mail(b"x" * 64, TCP, [fragment_header(), fragment_header(256)]), LATER))
    rows.append(Row("atomic, then a first fragment to port 25",
                    to_mail(tcp(HIGH_PORT, 25).data, TCP, [fragment_header(), fragment_header(more=True)]), SMTP, PASS))
    return Scenario("ipv6-atomic-fragments", "An atomic fragment is a whole packet", "RFC 6946 section 4", rows)


def tiny_fragments() -> Scenario:
    rows = []
    for port, named in ((25, SMTP), (443, TINY)):
        for size in (4, 8, 15):
            frame = to_mail(tcp(HIGH_PORT, port).data[:size], TCP, [fragment_header(more=True)])
            rows.append(Row(f"first fragment with {size} bytes of TCP to port {port}", frame, named, TINY))
    for size in (0, 3):
        frame = to_mail(tcp(HIGH_PORT, 25).data[:size], TCP, [fragment_header(more=True)])
        rows.append(same(f"first fragment with {size} bytes of TCP", frame, TINY))
    return Scenario("ipv6-tiny-fragments", "First IPv6 fragments with less than 16 bytes of TCP", "RFC 7112 section 3, RFC 3128", rows, BOTH_POLICIES)


def overlapping_fragments() -> Scenario:
    rows = []
    for offset in (8, 16, 64, 120):
        for name, protocol in (("TCP", TCP), ("UDP", UDP), ("hop-by-hop options", HOP_BY_HOP)):
            frame = to_mail(tcp(HIGH_PORT, 25).data, protocol, [fragment_header(offset)])
            rows.append(same(f"fragment at offset {offset} that says it is {name}", frame, OVERLAPPING))
    return Scenario("ipv6-overlapping-fragments", "Fragments that start where options may push the ports",
                    "RFC 5722 section 4, RFC 8200 section 4.5", rows, BOTH_POLICIES)


def first_fragment_floor() -> Scenario:
    """Fragments at offset 128 and above pass, so a first fragment must show its ports below that."""
    rows = []
    for port, named in ((25, SMTP), (443, PASS)):
        for size, judged in ((112, True), (120, True), (128, False), (256, False)):
            options = destination_options(size)
            frame = to_mail(chain([options], TCP) + tcp(HIGH_PORT, port).data[:16], options.number, [fragment_header(more=True)])
            what = f"ports {size} bytes into the fragmented part, to port {port}"
            mail = port == 25
            rows.append(Row(what, frame, named, PASS) if judged else Row(what, frame, SMTP if mail else CHAIN, CHAIN))
    options = destination_options(256)
    rows += both_ways(behind(fragment_header(), options), "256 bytes of options in an atomic fragment", family=6)
    rows += both_ways(behind(options, fragment_header()), "256 bytes of options before the fragment header", family=6)
    return Scenario("ipv6-first-fragment-floor", "Ports that another fragment could rewrite are not believed",
                    "RFC 5722 section 4, RFC 7112 section 5", rows, BOTH_POLICIES)


SCENARIOS = [
    extension_headers(), header_budgets(), incomplete_chains(), routing_headers(), malformed(), fragments(),
    atomic_fragments(), tiny_fragments(), overlapping_fragments(), first_fragment_floor(),
]
