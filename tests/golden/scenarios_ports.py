"""Ports and transports: what the two built-in rules name, and everything beside it."""

from frames import (
    ACK, CWR, ECE, FIN, PSH, RST, SYN, URG, ESP, NO_NEXT_HEADER,
    ethernet, icmp, icmpv6, ipv4, ipv6, raw, tcp, udp,
)
from scenario import (
    HIGH_PORT, MAIL_SERVER, MAIL_SERVER6, PASS, SMB, SMTP, SUBSCRIBER, SUBSCRIBER6,
    Row, Scenario, fault, passes, plain, same,
)

PAIRS = ((SUBSCRIBER, MAIL_SERVER), (SUBSCRIBER6, MAIL_SERVER6))
SCTP, UDP_LITE, OSPF = 132, 136, 89


def family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def port_25() -> Scenario:
    rows = []
    for near, far in PAIRS:
        for port in (24, 25, 26):
            named = SMTP if port == 25 else PASS
            rows += [
                Row(f"{family(near)}, TCP to port {port}", plain(near, far, tcp(HIGH_PORT, port)), named, PASS),
                Row(f"{family(near)}, TCP from port {port}", plain(far, near, tcp(port, HIGH_PORT, flags=SYN | ACK)), PASS, named),
            ]
        rows += [
            Row(f"{family(near)}, the subscriber's own server answers from port 25",
                plain(near, far, tcp(25, HIGH_PORT, flags=SYN | ACK)), PASS, SMTP),
            Row(f"{family(near)}, mail to the subscriber's own server on port 25",
                plain(far, near, tcp(HIGH_PORT, 25)), SMTP, PASS),
            same(f"{family(near)}, UDP to port 25", plain(near, far, udp(HIGH_PORT, 25, b"x")), PASS),
            same(f"{family(near)}, UDP from port 25", plain(far, near, udp(25, HIGH_PORT, b"x")), PASS),
        ]
    return Scenario("port-25", "TCP to port 25 is dropped outbound, from port 25 inbound; 24, 26 and UDP pass",
                    "RFC 5068 section 4", rows)


def netbios_and_smb() -> Scenario:
    rows = []
    for near, far in PAIRS:
        for port in (136, 137, 138, 139, 140, 444, 445, 446):
            named = PASS if port in (136, 140, 444, 446) else SMB
            for name, segment in (("TCP", tcp(HIGH_PORT, port)), ("UDP", udp(HIGH_PORT, port, b"x"))):
                rows.append(same(f"{family(near)}, {name} to port {port} outside", plain(near, far, segment), named))
                rows.append(same(f"{family(near)}, {name} to port {port} inside", plain(far, near, segment), named))
        rows.append(same(f"{family(near)}, TCP from port 445", plain(near, far, tcp(445, HIGH_PORT)), PASS))
        rows.append(same(f"{family(near)}, UDP from port 137", plain(near, far, udp(137, HIGH_PORT)), PASS))
    return Scenario("netbios-and-smb", "TCP and UDP to 137-139 and 445 are dropped in both directions; 136, 140, 444, 446 pass",
                    "RFC 1001 and 1002; published operator lists", rows)


def submission() -> Scenario:
    rows = []
    for near, far in PAIRS:
        for port in (465, 587):
            rows.append(same(f"{family(near)}, TCP to port {port}", plain(near, far, tcp(HIGH_PORT, port)), PASS))
            rows.append(same(f"{family(near)}, TCP from port {port}", plain(far, near, tcp(port, HIGH_PORT)), PASS))
    return Scenario("submission", "Mail submission on 587 and 465 passes", "RFC 5068 section 4.1, RFC 8314 section 3.3", rows)


def every_segment() -> Scenario:
    shapes = {
        "SYN": SYN, "SYN and ACK": SYN | ACK, "ACK with data": ACK | PSH, "FIN": FIN | ACK, "RST": RST,
        "no flags": 0, "SYN and FIN": SYN | FIN, "SYN with ECE and CWR": SYN | ECE | CWR,
        "URG": URG | ACK, "all flags": 0xFF,
    }
    rows = []
    for what, flags in shapes.items():
        data = b"EHLO x\r\n" if what == "ACK with data" else b""
        rows.append(Row(f"{what}, to port 25", plain(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25, data, flags=flags)), SMTP, PASS))
        rows.append(Row(f"{what}, from port 25", plain(MAIL_SERVER, SUBSCRIBER, tcp(25, HIGH_PORT, data, flags=flags)), PASS, SMTP))
        rows.append(same(f"{what}, to port 443", plain(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 443, data, flags=flags)), PASS))
    with_data = tcp(HIGH_PORT, 25, b"EHLO x\r\n", flags=SYN)
    rows.append(Row("SYN with data, to port 25", plain(SUBSCRIBER, MAIL_SERVER, with_data), SMTP, PASS))
    return Scenario("every-segment", "Every TCP segment is judged, whatever its flags: split handshakes change nothing",
                    "Beardsley and Qian, TCP split handshake", rows)


def bad_checksums() -> Scenario:
    rows = []
    for port, outbound in ((25, SMTP), (443, PASS)):
        wrong = tcp(HIGH_PORT, port, checksum=0xBAD0)
        rows.append(Row(f"wrong TCP checksum, to port {port}", plain(SUBSCRIBER, MAIL_SERVER, wrong), outbound, PASS))
        rows.append(Row(f"wrong TCP checksum over IPv6, to port {port}", plain(SUBSCRIBER6, MAIL_SERVER6, wrong), outbound, PASS))
        header = ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, port), checksum_off_by=1))
        rows.append(Row(f"wrong IPv4 header checksum, to port {port}", header, outbound, PASS))
        hops = ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, port), ttl=1))
        rows.append(Row(f"time to live of 1, to port {port}", hops, outbound, PASS))
    return Scenario("bad-checksums", "Wrong checksums and short lifetimes hide nothing", "Ptacek and Newsham 1998", rows)


def protocols_without_ports() -> Scenario:
    looks_like_mail = tcp(25, 25).data
    numbers = {"ESP": ESP, "SCTP": SCTP, "UDP-Lite": UDP_LITE, "OSPF": OSPF, "number 253": 253}
    rows = [
        same(f"{name} whose bytes look like ports 25, {family(near)}", plain(near, far, raw(looks_like_mail, number)), PASS)
        for name, number in numbers.items()
        for near, far in PAIRS
    ]
    rows.append(same("no next header, with bytes behind it",
                     plain(SUBSCRIBER6, MAIL_SERVER6, raw(looks_like_mail, NO_NEXT_HEADER)), PASS))
    rows.append(same("ICMP echo", plain(SUBSCRIBER, MAIL_SERVER, icmp(8, 0, b"\0\x01\0\x01" + b"ping")), PASS))
    rows.append(same("ICMPv6 echo", plain(SUBSCRIBER6, MAIL_SERVER6, icmpv6(128, 0, b"\0\x01\0\x01" + b"ping")), PASS))
    return Scenario("protocols-without-ports", "Protocols without TCP or UDP ports are named by no rule", "RFC 791, RFC 8200", rows)


def icmp_errors() -> Scenario:
    quoted4 = ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25)).data[:28]
    answer4 = ipv4(MAIL_SERVER, SUBSCRIBER, tcp(25, HIGH_PORT)).data[:28]
    quoted6 = ipv6(SUBSCRIBER6, MAIL_SERVER6, tcp(HIGH_PORT, 25)).data
    rows = [
        same("fragmentation needed, quotes TCP to port 25", plain(MAIL_SERVER, SUBSCRIBER, icmp(3, 4, b"\0\0\x05\xdc" + quoted4)), PASS),
        same("port unreachable, quotes TCP from port 25", plain(SUBSCRIBER, MAIL_SERVER, icmp(3, 3, b"\0" * 4 + answer4)), PASS),
        same("time exceeded, quotes TCP to port 25", plain(MAIL_SERVER, SUBSCRIBER, icmp(11, 0, b"\0" * 4 + quoted4)), PASS),
        same("packet too big, quotes TCP to port 25", plain(MAIL_SERVER6, SUBSCRIBER6, icmpv6(2, 0, b"\0\0\x05\xdc" + quoted6)), PASS),
    ]
    return Scenario("icmp-errors", "An ICMP error that quotes a TCP header with port 25 is ICMP, and passes",
                    "RFC 792, RFC 4443 section 3", rows)


def padding() -> Scenario:
    mail = tcp(HIGH_PORT, 25).data
    empty = fault("truncated-transport")
    rows = [
        same("ICMP, padding like TCP to port 25",
             ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, icmp(8, 0, b"\0\x01\0\x01")), padding=mail), PASS),
        same("UDP to port 53, padding like TCP to port 25",
             ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, udp(HIGH_PORT, 53)), padding=mail), PASS),
        same("TCP packet that ends with its IPv4 header, padding like port 25",
             ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(b"", 6)), padding=mail), empty),
        same("TCP packet that ends with its IPv6 header, padding like port 25",
             ethernet(ipv6(SUBSCRIBER6, MAIL_SERVER6, raw(b"", 6)), padding=mail, length_min=80), empty),
        same("later fragment, padding like port 25",
             ethernet(ipv4(SUBSCRIBER, MAIL_SERVER, raw(b"x" * 4, 6), offset=64), padding=mail),
             passes("non-first-fragment")),
    ]
    return Scenario("padding", "Bytes behind the IP length are padding, not payload", "RFC 894", rows, ("default", "lenient"))


SCENARIOS = [
    port_25(), netbios_and_smb(), submission(), every_segment(), bad_checksums(),
    protocols_without_ports(), icmp_errors(), padding(),
]
