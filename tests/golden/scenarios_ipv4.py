"""IPv4: options, fragments, lengths that lie."""

from frames import (
    AH, LOOSE, OPTION_END, OPTION_NOP, OPTION_RECORD_ROUTE, OPTION_ROUTER_ALERT, OPTION_TIMESTAMP, STRICT, TCP, UDP,
    authentication_header, chain, ethernet, icmp, ipv4, ipv4_fragments, raw, source_route, tcp, udp, upper_bytes,
    address_bytes,
)
from scenario import (
    HIGH_PORT, MAIL_SERVER, PASS, SMB, SMTP, SUBSCRIBER, Row, Scenario, both_ways, fault, passes, same,
)

BOTH_POLICIES = ("default", "lenient")
MALFORMED, TRUNCATED = fault("malformed-ip"), fault("truncated-transport")
TINY, OVERLAPPING = fault("tiny-fragment"), fault("overlapping-fragment")
LATER = passes("non-first-fragment")


def with_fields(**fields):
    return lambda source, destination, segment: ethernet(ipv4(source, destination, segment, **fields))


def options() -> Scenario:
    shapes = {
        "no operation": OPTION_NOP * 4,
        "40 bytes of no operation": OPTION_NOP * 40,
        "record route": OPTION_RECORD_ROUTE,
        "timestamp": OPTION_TIMESTAMP,
        "router alert": OPTION_ROUTER_ALERT,
        "end, then bytes like a source route": OPTION_END + source_route(LOOSE, [MAIL_SERVER]),
    }
    rows = [row for what, bytes_ in shapes.items() for row in both_ways(with_fields(options=bytes_), what)]
    return Scenario("ipv4-options", "IPv4 options move the ports, and change nothing else", "RFC 791 section 3.1", rows)


def source_routes() -> Scenario:
    routed = fault("source-route")
    shapes = {
        "LSRR": source_route(LOOSE, ["198.51.100.1"]),
        "SSRR": source_route(STRICT, ["198.51.100.1"]),
        "LSRR of nine hops": source_route(LOOSE, [f"198.51.100.{i}" for i in range(1, 10)]),
        "LSRR behind no operation": OPTION_NOP * 3 + source_route(LOOSE, ["198.51.100.1"]),
        "LSRR used up": source_route(LOOSE, ["198.51.100.1"], pointer=8),
        "LSRR behind record route": OPTION_RECORD_ROUTE + source_route(LOOSE, ["198.51.100.1"]),
    }
    rows = [row for what, bytes_ in shapes.items() for row in both_ways(with_fields(options=bytes_), what, SMTP, routed, routed)]
    return Scenario("source-route", "IPv4 source routes", "RFC 7126 section 4.3, 4.4", rows, BOTH_POLICIES)


def malformed() -> Scenario:
    """Where a lenient receiver could still find the ports, the rule is judged too."""
    no_ports = {
        "version 5": with_fields(version=5),
        "version 6": with_fields(version=6),
        "header length of 16": with_fields(header_words=4),
        "header length of 0": with_fields(header_words=0),
        "header length beyond the frame": with_fields(header_words=15),
    }
    ports = {
        "total length of 19": with_fields(total_length=19),
        "total length of 0": with_fields(total_length=0),
        "total length one beyond the frame": with_fields(total_length=47),
        "total length of 65535": with_fields(total_length=65535),
        "total length shorter than the options": with_fields(options=OPTION_NOP * 8, total_length=24),
        "option of length 0": with_fields(options=b"\x07\0\0\0"),
        "option of length 1": with_fields(options=b"\x07\x01\0\0"),
        "option beyond the header": with_fields(options=b"\x07\x05\0\0"),
        "option type as the last byte": with_fields(options=OPTION_NOP * 3 + b"\x07"),
    }
    rows = [row for what, wrap in no_ports.items() for row in both_ways(wrap, what, MALFORMED, MALFORMED, MALFORMED)]
    rows += [row for what, wrap in ports.items() for row in both_ways(wrap, what, SMTP, MALFORMED, MALFORMED)]
    rows += both_ways(with_fields(total_length=46), "total length to the frame's end")  # padding as payload: no contradiction
    frame = ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25)))
    rows += [same(f"frame that ends {n} bytes into the IPv4 header", frame[: 14 + n], MALFORMED) for n in (0, 1, 19)]
    return Scenario("ipv4-malformed", "IPv4 headers that contradict the frame or themselves", "RFC 791 section 3.1", rows, BOTH_POLICIES)


def truncated() -> Scenario:
    rows = []
    for port in (25, 443):
        whole = tcp(HIGH_PORT, port).data
        for size in (0, 1, 3):
            rows.append(same(f"{size} bytes of TCP to port {port}", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(whole[:size], TCP))), TRUNCATED))
        named = SMTP if port == 25 else PASS
        for size in (4, 8, 19):
            rows.append(Row(f"{size} bytes of TCP to port {port}, ports and all", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(whole[:size], TCP))), named, PASS))
    rows.append(same("3 bytes of UDP to port 445", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(udp(HIGH_PORT, 445).data[:3], UDP))), TRUNCATED))
    rows.append(same("4 bytes of UDP to port 445", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(udp(HIGH_PORT, 445).data[:4], UDP))), SMB))
    rows.append(same("frame that ends in the middle of the ports", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(tcp(HIGH_PORT, 443).data[:3], TCP)), length_min=0), TRUNCATED))
    return Scenario("truncated-transport", "A packet that ends before its ports do", "RFC 9293 section 3.1, RFC 768", rows, BOTH_POLICIES)


def authentication() -> Scenario:
    def behind(sizes):
        def wrap(source, destination, segment):
            upper = upper_bytes(segment, address_bytes(source), address_bytes(destination))
            headers = [authentication_header(size) for size in sizes]
            return ethernet(ipv4(source, destination, raw(chain(headers, TCP) + upper, AH)))
        return wrap

    deep = fault("encapsulation-depth")
    rows = both_ways(behind([12]), "AH")
    rows += both_ways(behind([32]), "AH with a long check value")
    rows += both_ways(behind([0] * 16), "16 of them, the most")
    rows += both_ways(behind([0] * 17), "17 of them", deep, deep, deep)
    whole = chain([authentication_header(12)], TCP) + tcp(HIGH_PORT, 25).data
    for size in (0, 1, 23):
        rows.append(same(f"packet that ends {size} bytes into AH", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(whole[:size], AH))), TRUNCATED))
    rows.append(same("packet that ends with AH", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(whole[:24], AH))), TRUNCATED))
    return Scenario("ipv4-authentication", "Port 25 is found behind IPv4 authentication headers", "RFC 4302 section 2", rows, BOTH_POLICIES)


def fragments() -> Scenario:
    """A long segment cut in three: the first fragment has the ports, the others cannot do without it."""
    rows = []
    for port, named in ((25, SMTP), (443, PASS)):
        out = ipv4_fragments(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, port, b"x" * 100, flags=0x18), [48, 96])
        back = ipv4_fragments(MAIL_SERVER, SUBSCRIBER, tcp(port, HIGH_PORT, b"x" * 100, flags=0x18), [48, 96])
        rows += [
            Row(f"to port {port}, first fragment", ethernet(out[0]), named, PASS),
            same(f"to port {port}, middle fragment", ethernet(out[1]), LATER),
            same(f"to port {port}, last fragment", ethernet(out[2]), LATER),
            Row(f"from port {port}, first fragment", ethernet(back[0]), PASS, named),
            same(f"from port {port}, last fragment", ethernet(back[2]), LATER),
        ]
    smallest = tcp(HIGH_PORT, 443, b"x" * 100).data
    rows.append(same("first fragment with just 16 bytes of TCP", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(smallest[:16], TCP), more=True)), PASS))
    rows.append(same("TCP fragment at offset 16", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(smallest[16:], TCP), offset=16)), LATER))
    rows.append(same("UDP fragment at offset 8", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(b"x" * 64, UDP), offset=8)), LATER))
    rows.append(same("ICMP fragment at offset 8", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(b"x" * 64, 1), offset=8)), LATER))
    rows.append(same("UDP first fragment of 8 bytes", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(udp(HIGH_PORT, 443).data, UDP), more=True)), PASS))
    rows.append(same("UDP first fragment to port 445", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(udp(HIGH_PORT, 445).data, UDP), more=True)), SMB))
    rows.append(same("ICMP first fragment", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, icmp(8, 0, b"\0" * 12), more=True)), PASS))
    rows.append(same("fragment at the last offset there is", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(b"x" * 7, TCP), offset=65528)), LATER))
    return Scenario("ipv4-fragments", "First fragments are judged by their ports, later fragments pass", "RFC 1858 section 2", rows)


def tiny_fragments() -> Scenario:
    rows = []
    for port, named in ((25, SMTP), (443, TINY)):
        whole = tcp(HIGH_PORT, port).data
        for size in (4, 8, 15):
            frame = ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(whole[:size], TCP), more=True))
            rows.append(Row(f"first fragment with {size} bytes of TCP to port {port}", frame, named, TINY))
    for size in (0, 3):
        frame = ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(tcp(HIGH_PORT, 443).data[:size], TCP), more=True))
        rows.append(same(f"first fragment with {size} bytes of TCP: the ports are missing too", frame, TRUNCATED))
    back = tcp(443, HIGH_PORT).data
    rows.append(same("first fragment with 8 bytes of TCP from port 443", ethernet(ipv4(MAIL_SERVER, SUBSCRIBER, raw(back[:8], TCP), more=True)), TINY))
    back = tcp(25, HIGH_PORT).data
    rows.append(Row("first fragment with 8 bytes of TCP from port 25", ethernet(ipv4(MAIL_SERVER, SUBSCRIBER, raw(back[:8], TCP), more=True)), TINY, SMTP))
    return Scenario("tiny-fragments", "First TCP fragments too short to show their flags", "RFC 1858 section 3", rows, BOTH_POLICIES)


def overlapping_fragments() -> Scenario:
    flags = tcp(HIGH_PORT, 443).data[8:]
    rows = [
        same("TCP fragment at offset 8", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(flags, TCP), offset=8)), OVERLAPPING),
        same("TCP fragment at offset 8, more to come", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(flags[:8], TCP), offset=8, more=True)), OVERLAPPING),
        same("TCP fragment at offset 8, from outside", ethernet(ipv4(MAIL_SERVER, SUBSCRIBER, raw(flags, TCP), offset=8)), OVERLAPPING),
        same("TCP fragment at offset 8 without a byte", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(b"", TCP), offset=8)), OVERLAPPING),
    ]
    inside = authentication_header().body + flags
    for offset in (8, 120):
        rows.append(same(f"AH fragment at offset {offset}", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(inside, AH), offset=offset)), OVERLAPPING))
    rows.append(same("AH fragment at offset 128", ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(inside, AH), offset=128)), LATER))
    return Scenario("overlapping-fragments", "TCP fragments that would rewrite the flags", "RFC 1858 section 4", rows, BOTH_POLICIES)


def rewritten_ports() -> Scenario:
    """RFC 3128: of two fragments at offset 0 the second rewrites the ports of the first."""
    web, mail = tcp(HIGH_PORT, 443, b"EHLO x\r\n").data, tcp(HIGH_PORT, 25, b"EHLO x\r\n").data

    def fragment(data, **fields):
        return ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(data, TCP), **fields))

    rows = [
        Row("web first: 24 bytes to port 443", fragment(web[:24], more=True), PASS, PASS),
        Row("web first: 8 bytes at offset 0 to port 25", fragment(mail[:8], more=True), SMTP, TINY),
        Row("web first: the rest", fragment(web[24:], offset=24), LATER, LATER),
        Row("mail first: 8 bytes at offset 0 to port 25", fragment(mail[:8], more=True, ident=2), SMTP, TINY),
        Row("mail first: 24 bytes to port 443", fragment(web[:24], more=True, ident=2), PASS, PASS),
        Row("mail first: the rest", fragment(web[24:], offset=24, ident=2), LATER, LATER),
        Row("whole at offset 0: 16 bytes to port 25", fragment(mail[:16], more=True, ident=3), SMTP, PASS),
        Row("without more fragments: 8 bytes to port 25", fragment(mail[:8], ident=4), SMTP, PASS),
    ]
    return Scenario("rewritten-ports", "Every fragment at offset 0 is judged by its own ports, in any order",
                    "RFC 3128 section 3", rows, BOTH_POLICIES)


SCENARIOS = [
    options(), source_routes(), malformed(), truncated(), authentication(), fragments(), tiny_fragments(),
    overlapping_fragments(), rewritten_ports(),
]
