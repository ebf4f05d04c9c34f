"""Tunnels: the inner packet is judged when the policy names the tunnel, and only then."""

import struct

from frames import (
    AH, ETHERTYPE_TEB, GRE, HOP_BY_HOP, IPIP, IPV6_IN_IP, LOOSE, NO_NEXT_HEADER, TCP, UDP, address_bytes, arp_request, authentication_header, chain,
    destination_options, ethernet, gre, ipv4, ipv4_fragments, ipv6, mpls, pppoe, raw, source_route, tcp, teredo, udp,
    upper_bytes, vlan, vlans, vxlan,
)
from scenario import (
    HIGH_PORT, MAIL_SERVER, MAIL_SERVER6, NEIGHBOUR, PASS, SMARTHOST, SMARTHOST6, SMB, SMTP, SUBSCRIBER, SUBSCRIBER6,
    Row, Scenario, both_ways, drop, passes, plain, same,
)

TUNNEL_END, TUNNEL_END6 = "203.0.113.4", "2001:db8:f00::4"
ALL = ("tunnels",)
BOTH_POLICIES = ("tunnels", ("tunnels-lenient", "lenient"))
NOT_IP, LATER = passes("not-ip"), passes("non-first-fragment")


def fault(reason: str):
    return {"tunnels": drop(reason), "tunnels-lenient": passes(reason)}


MALFORMED, TRUNCATED, TOO_DEEP = fault("malformed-ip"), fault("truncated-transport"), fault("encapsulation-depth")


def packet(source: str, destination: str, inner):
    return (ipv6 if ":" in source else ipv4)(source, destination, inner)


def outer(source: str, inner, family: int = 4):
    """Around `inner`, between the subscriber and the tunnel's end, in the direction that `source` says."""
    near, far = (SUBSCRIBER, TUNNEL_END) if family == 4 else (SUBSCRIBER6, TUNNEL_END6)
    return packet(near, far, inner) if source in (SUBSCRIBER, SUBSCRIBER6) else packet(far, near, inner)


def through(encapsulate, family: int = 4):
    """A wrap for both_ways(): the packet in a tunnel over IPv4 or IPv6."""
    return lambda source, destination, segment: ethernet(outer(source, encapsulate(packet(source, destination, segment)), family))


def teredo_towards(source: str, inner, **fields):
    return teredo(inner, ports=(50000, 3544) if source in (SUBSCRIBER, SUBSCRIBER6) else (3544, 50000), **fields)


def in_teredo(family: int = 4, **fields):
    return lambda source, destination, segment: ethernet(
        outer(source, teredo_towards(source, packet(source, destination, segment), **fields), family)
    )


def in_vxlan(ip):
    return vxlan(ethernet(ip))


def bridged(ip):
    """Ethernet in GRE, as gretap and NVGRE send it."""
    return gre(raw(ethernet(ip), ethertype=ETHERTYPE_TEB))


def itself(ip):
    return ip


def named_and_not(tunnel: str, title: str, source: str, shapes: list[tuple]) -> Scenario:
    """Only this tunnel is named, then all others are. A shape: what it is, its wrap, the inner packet's family."""
    only, others = f"only-{tunnel}", f"all-but-{tunnel}"
    mail = {only: SMTP, others: PASS}
    rows = [row for what, wrap, family in shapes for row in both_ways(wrap, what, mail, family=family)]
    return Scenario(f"tunnel-{tunnel}", title, source, rows, ((only, ""), (others, "not-named")))


def each_tunnel() -> list[Scenario]:
    title = "Port 25 inside {} is found when the policy names it, and left alone when not"
    return [
        named_and_not("gre", title.format("GRE"), "RFC 2784, RFC 7676, RFC 7637", [
            ("IPv4 in GRE", through(gre), 4), ("IPv6 in GRE", through(gre), 6),
            ("IPv4 in GRE over IPv6", through(gre, 6), 4), ("IPv6 in GRE over IPv6", through(gre, 6), 6),
            ("Ethernet in GRE", through(bridged), 4), ("VLAN in Ethernet in GRE", through(lambda ip: bridged(vlan(7, ip))), 6),
        ]),
        named_and_not("ipip", title.format("IPv4 in IPv4"), "RFC 2003", [("IPv4 in IPv4", through(itself), 4)]),
        named_and_not("4in6", title.format("IPv4 in IPv6"), "RFC 2473, RFC 6333", [("IPv4 in IPv6", through(itself, 6), 4)]),
        named_and_not("6in4", title.format("IPv6 in IPv4"), "RFC 4213", [("IPv6 in IPv4", through(itself), 6)]),
        named_and_not("6in6", title.format("IPv6 in IPv6"), "RFC 2473", [("IPv6 in IPv6", through(itself, 6), 6)]),
        named_and_not("teredo", title.format("Teredo"), "RFC 4380 section 5.1.1", [
            ("Teredo", in_teredo(), 6), ("Teredo over IPv6", in_teredo(6), 6),
        ]),
        named_and_not("vxlan", title.format("VXLAN"), "RFC 7348 section 5", [
            ("IPv4 in VXLAN", through(in_vxlan), 4), ("IPv6 in VXLAN", through(in_vxlan), 6),
            ("IPv4 in VXLAN over IPv6", through(in_vxlan, 6), 4),
        ]),
    ]


def gre_headers() -> Scenario:
    route = struct.pack("!HBB", 0x0800, 0, 4) + b"\xc0\0\x02\x01" + b"\0" * 4
    shapes = {
        "checksum": {"checksum": True}, "key": {"key": 7}, "sequence number": {"sequence": 7},
        "checksum, key and sequence number": {"checksum": True, "key": 7, "sequence": 7},
        "source route entries": {"routes": route}, "empty source route": {"routes": b"\0" * 4},
    }
    rows = [row for what, fields in shapes.items() for row in both_ways(through(lambda ip: gre(ip, **fields)), f"GRE with {what}")]
    rows += both_ways(through(lambda ip: gre(mpls([1000], ip))), "MPLS in GRE")
    rows += both_ways(through(lambda ip: gre(ip, version=1)), "GRE of version 1 (PPTP)", mail=PASS)
    rows.append(same("GRE that carries no IP", plain(SUBSCRIBER, TUNNEL_END, gre(raw(b"\0" * 20, ethertype=0x88B5))), PASS))
    whole = gre(packet(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25)), checksum=True, key=7).data
    for size in (0, 3, 4, 11):
        rows.append(same(f"packet that ends {size} bytes into GRE", plain(SUBSCRIBER, TUNNEL_END, raw(whole[:size], GRE)), TRUNCATED))
    rows.append(same("packet that ends in a source route entry",
                     plain(SUBSCRIBER, TUNNEL_END, raw(gre(raw(b"", ethertype=0x800), routes=route).data[:13], GRE)), TRUNCATED))
    rows.append(same("packet that ends in bridged Ethernet", plain(SUBSCRIBER, TUNNEL_END, raw(bridged(raw(b"", ethertype=0x800)).data[:17], GRE)), fault("runt-frame")))
    rows.append(same("ARP in GRE", plain(SUBSCRIBER, TUNNEL_END, bridged(arp_request(SUBSCRIBER, NEIGHBOUR))), PASS))
    rows.append(same("packet that ends with GRE", plain(SUBSCRIBER, TUNNEL_END, raw(whole[:12], GRE)), MALFORMED))
    return Scenario("gre-headers", "GRE with every optional field", "RFC 2784, RFC 2890, RFC 1701", rows, BOTH_POLICIES)


def teredo_headers() -> Scenario:
    rows = both_ways(in_teredo(authentication=True), "authentication", family=6)
    rows += both_ways(in_teredo(origin=True), "origin indication", family=6)
    rows += both_ways(in_teredo(authentication=True, origin=True), "authentication and origin indication", family=6)
    bubble = ipv6(SUBSCRIBER6, MAIL_SERVER6, raw(b"", NO_NEXT_HEADER))
    rows.append(same("bubble", plain(SUBSCRIBER, TUNNEL_END, teredo(bubble)), PASS))
    rows.append(same("UDP to port 3544 that is not Teredo", plain(SUBSCRIBER, TUNNEL_END, udp(50000, 3544, b"\x80 other")), PASS))
    rows.append(same("UDP to port 3544 that begins like IPv6", plain(SUBSCRIBER, TUNNEL_END, udp(50000, 3544, b"\x60 other")), MALFORMED))
    rows.append(same("UDP to port 3544 without a byte", plain(SUBSCRIBER, TUNNEL_END, udp(50000, 3544)), PASS))
    mail = packet(SUBSCRIBER6, MAIL_SERVER6, tcp(HIGH_PORT, 25))
    rows.append(same("UDP to port 3543", plain(SUBSCRIBER, TUNNEL_END, teredo(mail, ports=(50000, 3543))), PASS))
    rows.append(same("UDP to port 3545", plain(SUBSCRIBER, TUNNEL_END, teredo(mail, ports=(50000, 3545))), PASS))
    cut = teredo(mail, authentication=True).data[:14]
    rows.append(same("packet that ends in the authentication", plain(SUBSCRIBER, TUNNEL_END, raw(cut, UDP)), TRUNCATED))
    return Scenario("teredo-headers", "Teredo with its indications, and what only looks like it", "RFC 4380 section 5.1.1", rows, BOTH_POLICIES)


def vxlan_frames() -> Scenario:
    shapes = {
        "VLAN": lambda ip: vlan(7, ip), "PPPoE": lambda ip: pppoe(ip), "MPLS": lambda ip: mpls([1000], ip),
    }
    rows = [row for what, wrap in shapes.items() for row in both_ways(through(lambda ip: in_vxlan(wrap(ip))), f"{what} in VXLAN")]
    mail = packet(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25))
    rows.append(same("ARP in VXLAN", plain(SUBSCRIBER, TUNNEL_END, vxlan(ethernet(arp_request(SUBSCRIBER, NEIGHBOUR)))), PASS))
    for port in (4788, 4790):
        rows.append(same(f"UDP to port {port}", plain(SUBSCRIBER, TUNNEL_END, vxlan(ethernet(mail), destination_port=port)), PASS))
    rows.append(same("from port 4789", plain(SUBSCRIBER, TUNNEL_END, vxlan(ethernet(mail), source_port=4789, destination_port=50000)), PASS))
    whole = vxlan(ethernet(mail)).data
    rows.append(same("packet that ends in the VXLAN header", plain(SUBSCRIBER, TUNNEL_END, raw(whole[:15], UDP)), TRUNCATED))
    rows.append(same("packet that ends in the inner Ethernet header", plain(SUBSCRIBER, TUNNEL_END, raw(whole[:29], UDP)), fault("runt-frame")))
    five = vxlan(ethernet(vlan(3, vlan(4, vlan(5, mail)))))
    tagged = ethernet(vlan(1, vlan(2, packet(SUBSCRIBER, TUNNEL_END, five))))
    rows.append(same("two VLAN tags outside and three inside", tagged, TOO_DEEP))
    four = vxlan(ethernet(vlan(3, vlan(4, mail))))
    rows.append(Row("two VLAN tags outside and two inside", ethernet(vlan(1, vlan(2, packet(SUBSCRIBER, TUNNEL_END, four)))), SMTP, PASS))
    return Scenario("vxlan-frames", "Frames in VXLAN may have tags and labels of their own, from the same budgets",
                    "RFC 7348 section 5", rows, BOTH_POLICIES)


def tunnels_in_tunnels() -> Scenario:
    def nested(depth):
        def wrap(source, destination, segment):
            ip = packet(source, destination, segment)
            for _ in range(depth):
                ip = outer(source, ip)
            return ethernet(ip)
        return wrap

    def every_kind(source, destination, segment):
        ip = outer(source, packet(source, destination, segment), 6)  # 4in6
        ip = outer(source, ip)  # 6in4
        ip = outer(source, gre(ip))
        return ethernet(outer(source, in_vxlan(ip), 6))

    rows = [row for depth in (2, 3, 4) for row in both_ways(nested(depth), f"{depth} times IPv4 in IPv4")]
    rows += both_ways(every_kind, "IPv4 in IPv6 in IPv4 in GRE in VXLAN")
    for depth in (5, 6):
        rows += both_ways(nested(depth), f"{depth} times IPv4 in IPv4", TOO_DEEP, TOO_DEEP, TOO_DEEP)
    return Scenario("tunnels-in-tunnels", "Four tunnels are opened, a fifth is over the limit", "RFC 6169 section 3.2.2", rows, BOTH_POLICIES)


def header_bytes() -> Scenario:
    def over_ipv6(tags):
        def wrap(source, destination, segment):
            inner = ipv6(source, destination, segment, [destination_options(912)])
            return ethernet(outer(source, in_vxlan(vlans([7] * tags, inner))))
        return wrap

    def over_ipv4(authentication_bytes):
        def wrap(source, destination, segment):
            upper = upper_bytes(segment, address_bytes(source), address_bytes(destination))
            header = authentication_header(authentication_bytes - 12)
            return ethernet(outer(source, in_vxlan(ipv4(source, destination, raw(chain([header], TCP) + upper, AH)))))
        return wrap

    chain_too_long = fault("ipv6-header-chain")
    rows = both_ways(over_ipv4(936), "IPv4, ports at byte 1020, the last place")
    rows += both_ways(over_ipv4(940), "IPv4, ports at byte 1024", TOO_DEEP, TOO_DEEP, TOO_DEEP)
    rows += both_ways(over_ipv6(1), "IPv6, ports at byte 1020, the last place", family=6)
    rows += both_ways(over_ipv6(2), "IPv6, ports at byte 1024", chain_too_long, chain_too_long, chain_too_long, family=6)
    return Scenario("header-bytes", "Headers are read up to byte 1024 of the frame, exactly", "RFC 9098 section 8.1", rows, BOTH_POLICIES)


def inner_faults() -> Scenario:
    def inside(ip):
        return plain(SUBSCRIBER, TUNNEL_END, ip)

    web = tcp(HIGH_PORT, 443)
    rows = [
        same("IPv4 in IPv4 that is not IPv4", inside(raw(b"\x60" + b"\0" * 39, IPIP)), MALFORMED),
        same("IPv4 in IPv4 without a byte", inside(raw(b"", IPIP)), MALFORMED),
        same("inner total length beyond the packet", inside(ipv4(SUBSCRIBER, MAIL_SERVER, web, total_length=41)), MALFORMED),
        same("inner tiny fragment", inside(ipv4(SUBSCRIBER, MAIL_SERVER, raw(web.data[:8], 6), more=True)), fault("tiny-fragment")),
        same("inner TCP fragment at offset 8", inside(ipv4(SUBSCRIBER, MAIL_SERVER, raw(web.data[8:], 6), offset=8)), fault("overlapping-fragment")),
        same("inner later fragment", inside(ipv4(SUBSCRIBER, MAIL_SERVER, raw(web.data, 6), offset=64)), LATER),
        same("inner source route", inside(ipv4(SUBSCRIBER, MAIL_SERVER, web, options=source_route(LOOSE, [MAIL_SERVER]))), fault("source-route")),
        same("inner packet without ports", inside(ipv4(SUBSCRIBER, MAIL_SERVER, raw(b"", 6))), TRUNCATED),
        same("inner header chain cut", inside(ipv6(SUBSCRIBER6, MAIL_SERVER6, raw(b"\x06", HOP_BY_HOP))), fault("ipv6-header-chain")),
        same("inner SMB", inside(ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 445))), SMB),
        Row("inner mail to a smarthost", inside(ipv4(SUBSCRIBER, SMARTHOST, tcp(HIGH_PORT, 25))), passes("smarthost", "smtp"), PASS),
        Row("inner mail to an IPv6 smarthost", inside(ipv6(SUBSCRIBER6, SMARTHOST6, tcp(HIGH_PORT, 25))), passes("smarthost", "smtp"), PASS),
        Row("inner mail, the tunnel ends at a smarthost",
            plain(SUBSCRIBER, SMARTHOST, ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25))), SMTP, PASS),
    ]
    return Scenario("tunnel-inner-faults", "What is inside a tunnel has faults and exceptions of its own", "RFC 6169 section 2.2", rows, BOTH_POLICIES)


def fragmented_tunnels() -> Scenario:
    rows = []
    for port, named in ((25, SMTP), (443, PASS)):
        inner = ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, port, b"x" * 400, flags=0x18))
        first, later = ipv4_fragments(SUBSCRIBER, TUNNEL_END, inner, [200])
        rows.append(Row(f"first fragment, inner packet to port {port}", ethernet(first), named, PASS))
        rows.append(same(f"later fragment, inner packet to port {port}", ethernet(later), LATER))
    inner = ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 443, b"x" * 400, flags=0x18))
    rows.append(same("first fragment that ends in the inner IPv4 header", ethernet(ipv4_fragments(SUBSCRIBER, TUNNEL_END, inner, [16])[0]), MALFORMED))
    padded = ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 443, b"x" * 400), options=b"\x01" * 4)
    rows.append(same("first fragment that ends before the inner ports", ethernet(ipv4_fragments(SUBSCRIBER, TUNNEL_END, padded, [24])[0]), TRUNCATED))
    return Scenario("tunnel-fragments", "A tunnel's first fragment shows the inner packet's ports, or is refused", "RFC 2473 section 7", rows, BOTH_POLICIES)


def fragment_floor() -> Scenario:
    """What an outer fragment could rewrite in the inner packet."""
    data = tcp(25, 25, b"x" * 200).data
    overlapping = {"tunnels": drop("overlapping-fragment"), "default": LATER}
    rows = []
    for what, number in (("IPv4 in IPv4", IPIP), ("IPv6 in IPv4", IPV6_IN_IP), ("GRE", GRE), ("UDP, which Teredo and VXLAN use", UDP)):
        for offset in (8, 16, 120):
            rows.append(same(f"{what}, fragment at offset {offset}", ethernet(ipv4(SUBSCRIBER, TUNNEL_END, raw(data, number), offset=offset)), overlapping))
        rows.append(same(f"{what}, fragment at offset 128", ethernet(ipv4(SUBSCRIBER, TUNNEL_END, raw(data, number), offset=128)), LATER))
    too_deep = {"tunnels": drop("encapsulation-depth"), "default": PASS}
    for size, settled in ((36, True), (40, False)):
        for port, named in ((25, {"tunnels": SMTP, "default": PASS}), (443, PASS if settled else too_deep)):
            # Three headers: 20 bytes, 20 and size, 20 and 28.
            inner = ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, port, b"x" * 200), options=b"\x01" * 28)
            for options in (size, 0):
                inner = ipv4(SUBSCRIBER, TUNNEL_END, inner, options=b"\x01" * options)
            first = ethernet(ipv4_fragments(SUBSCRIBER, TUNNEL_END, inner, [200])[0])
            what = f"first fragment, inner ports {88 + size} bytes into it, to port {port}"
            rows.append(Row(what, first, named, PASS if settled else too_deep))
    for end, checksum, outcome in ((120, False, PASS), (124, True, too_deep)):
        # Behind headers of 20 and 28 bytes, and 20 and 40. That it is no IP must show in 8 bytes more.
        inner = gre(raw(b"x" * 200, ethertype=0x88B5), checksum=checksum, key=7, sequence=1)
        for options in (40, 28):
            inner = ipv4(SUBSCRIBER, TUNNEL_END, inner, options=b"\x01" * options)
        first = ethernet(ipv4_fragments(SUBSCRIBER, TUNNEL_END, inner, [200])[0])
        rows.append(same(f"first fragment, GRE without IP that ends {end} bytes into it", first, outcome))
    return Scenario("tunnel-fragment-floor", "No outer fragment can rewrite the inner headers of another",
                    "RFC 1858 section 4, RFC 6169 section 2.2", rows, ("tunnels", ("default", "not-named")))


def attribution() -> Scenario:
    stranger = "198.51.100.77"
    exempt = passes("exempt", "smtp")

    def mail(outside: str, inside: str) -> bytes:
        return plain(outside, TUNNEL_END, ipv4(inside, MAIL_SERVER, tcp(HIGH_PORT, 25)))

    rows = [
        Row("outer address exempt", mail(SUBSCRIBER, stranger), exempt, PASS),
        Row("outer address not exempt, inner address pretends to be", mail(NEIGHBOUR, SUBSCRIBER), SMTP, PASS),
        Row("outer address in no pool, inner address exempt", mail(stranger, SUBSCRIBER), exempt, PASS),
        Row("outer address in no pool, inner address not exempt", mail(stranger, NEIGHBOUR), SMTP, PASS),
        Row("both in no pool", mail(stranger, stranger), SMTP, PASS),
    ]
    return Scenario("tunnel-attribution", "A frame is the subscriber's whose address stands outermost", "README, what it does", rows, ())


SCENARIOS = [
    *each_tunnel(), gre_headers(), teredo_headers(), vxlan_frames(), tunnels_in_tunnels(), header_bytes(),
    inner_faults(), fragmented_tunnels(), fragment_floor(), attribution(),
]
