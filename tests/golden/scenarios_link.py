"""What stands between Ethernet and IP: tags, labels, PPPoE, LLC; frames that end there; very long frames."""

from frames import (
    ETHERTYPE_MPLS_MULTICAST, MPLS_IPV4_EXPLICIT_NULL, MPLS_IPV6_EXPLICIT_NULL, VLAN_SERVICE, VLAN_SERVICE_OLD,
    arp_request, ethernet, ipv4, ipv6, mpls, pppoe, raw, snap, tcp, vlan, vlans,
)
from scenario import (
    HIGH_PORT, MAIL_SERVER, MAIL_SERVER6, NEIGHBOUR, PASS, SMTP, SUBSCRIBER, SUBSCRIBER6,
    Row, Scenario, both_ways, fault, passes, same,
)

NOT_IP = passes("not-ip")
TOO_DEEP = fault("encapsulation-depth")
RUNT = fault("runt-frame")
BOTH_POLICIES = ("default", "lenient")


def in_ip(wrap):
    """From a wrap of an IP packet to one that both_ways() takes."""
    return lambda source, destination, segment: ethernet(wrap((ipv6 if ":" in source else ipv4)(source, destination, segment)))


def vlan_tags() -> Scenario:
    shapes = {
        "802.1Q tag": lambda ip: vlan(7, ip),
        "priority tag": lambda ip: vlan(0, ip, priority=5),
        "802.1ad service tag": lambda ip: vlan(7, ip, VLAN_SERVICE),
        "QinQ": lambda ip: vlan(100, vlan(7, ip), VLAN_SERVICE),
        "old QinQ (0x9100)": lambda ip: vlan(100, vlan(7, ip), VLAN_SERVICE_OLD),
        "three tags": lambda ip: vlans([1, 2, 3], ip),
        "four tags, the most": lambda ip: vlans([1, 2, 3, 4], ip),
    }
    rows = [row for what, wrap in shapes.items() for family in (4, 6) for row in both_ways(in_ip(wrap), f"{what}, IPv{family}", family=family)]
    return Scenario("vlan-tags", "Port 25 is found behind one to four VLAN tags of any kind", "IEEE 802.1Q, IEEE 802.1ad", rows)


def vlan_tags_too_many() -> Scenario:
    rows = []
    for count in (5, 6):
        rows += both_ways(in_ip(lambda ip: vlans(list(range(1, count + 1)), ip)), f"{count} tags", TOO_DEEP, TOO_DEEP, TOO_DEEP)
    rows += both_ways(in_ip(lambda ip: vlans([0] * 5, ip)), "5 priority tags", TOO_DEEP, TOO_DEEP, TOO_DEEP)
    return Scenario("vlan-tags-too-many", "A fifth VLAN tag is over the limit", "RFC 9098 section 8.1", rows, BOTH_POLICIES)


def mpls_labels() -> Scenario:
    null4, null6 = MPLS_IPV4_EXPLICIT_NULL, MPLS_IPV6_EXPLICIT_NULL
    shapes = {
        "one label": lambda ip: mpls([1000], ip),
        "16 labels, the most": lambda ip: mpls(list(range(1000, 1016)), ip),
        "multicast EtherType": lambda ip: mpls([1000], ip, ETHERTYPE_MPLS_MULTICAST),
        "label in a VLAN": lambda ip: vlan(7, mpls([1000], ip)),
    }
    rows = [row for what, wrap in shapes.items() for family in (4, 6) for row in both_ways(in_ip(wrap), f"{what}, IPv{family}", family=family)]
    rows += both_ways(in_ip(lambda ip: mpls([null4], ip)), "IPv4 explicit null")
    rows += both_ways(in_ip(lambda ip: mpls([1000, null6], ip)), "IPv6 explicit null below a label", family=6)
    return Scenario("mpls-labels", "Port 25 is found behind 1 to 16 MPLS labels", "RFC 3032", rows)


def mpls_labels_too_many() -> Scenario:
    rows = both_ways(in_ip(lambda ip: mpls(list(range(1000, 1017)), ip)), "17 labels", TOO_DEEP, TOO_DEEP, TOO_DEEP)
    return Scenario("mpls-labels-too-many", "A 17th MPLS label is over the limit", "RFC 9098 section 8.1", rows, BOTH_POLICIES)


def mpls_pseudowires() -> Scenario:
    """Behind a label without explicit null only the lengths tell IP from a pseudowire."""
    mail = ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25))
    inner = ethernet(mail)
    begins_with = {"4": "45:00:00:00:00:01", "6": "60:00:00:00:40:01"}
    rows = [
        same("Ethernet pseudowire with a control word", ethernet(mpls([1000], raw(b"\0" * 4 + inner))), NOT_IP),
        same("Ethernet pseudowire without one", ethernet(mpls([1000], raw(inner))), NOT_IP),
    ]
    rows += [
        same(f"Ethernet pseudowire to an address that begins with {digit}",
             ethernet(mpls([1000], raw(ethernet(mail, destination=mac)))), NOT_IP)
        for digit, mac in begins_with.items()
    ]
    rows.append(same("label with nothing behind it", ethernet(mpls([1000], raw(b"")), length_min=0), NOT_IP))
    return Scenario("mpls-pseudowires", "An MPLS pseudowire is left alone", "RFC 4928 section 2, RFC 4385", rows)


def pppoe_sessions() -> Scenario:
    shapes = {
        "PPPoE": lambda ip: pppoe(ip),
        "PPPoE, PPP protocol of one byte": lambda ip: pppoe(ip, one_byte=True),
        "PPPoE in a VLAN": lambda ip: vlan(7, pppoe(ip)),
        "PPPoE in QinQ": lambda ip: vlan(100, vlan(7, pppoe(ip, one_byte=True)), VLAN_SERVICE),
    }
    rows = [row for what, wrap in shapes.items() for family in (4, 6) for row in both_ways(in_ip(wrap), f"{what}, IPv{family}", family=family)]
    return Scenario("pppoe-sessions", "Port 25 is found in PPPoE sessions, also with a compressed PPP protocol field",
                    "RFC 2516 section 4, RFC 1661 section 6.5", rows)


def llc_snap() -> Scenario:
    rows = []
    for family in (4, 6):
        rows += both_ways(in_ip(snap), f"SNAP, IPv{family}", family=family)
        rows += both_ways(in_ip(lambda ip: vlan(7, snap(ip))), f"SNAP in a VLAN, IPv{family}", family=family)
    mail = ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25))
    rows.append(same("SNAP of another organisation", ethernet(snap(mail, oui=b"\0\0\x0c")), NOT_IP))
    rows.append(same("spanning tree", ethernet(raw(b"\x42\x42\x03" + b"\0" * 35, ethertype=38)), NOT_IP))
    return Scenario("llc-snap", "Port 25 is found in LLC/SNAP frames", "RFC 1042", rows)


def not_ip() -> Scenario:
    mail = ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25))
    rows = [
        same("ARP", ethernet(arp_request(SUBSCRIBER, NEIGHBOUR)), NOT_IP),
        same("ARP in a VLAN", ethernet(vlan(7, arp_request(SUBSCRIBER, NEIGHBOUR))), NOT_IP),
        same("LLDP", ethernet(raw(b"\x02\x07\x04" + b"\0" * 40, ethertype=0x88CC)), NOT_IP),
        same("PPPoE discovery", ethernet(raw(b"\x11\x09\0\0\0\x04\x01\x01\0\0", ethertype=0x8863)), NOT_IP),
        same("PPP link control", ethernet(pppoe(raw(b"\x01\x01\0\x04"), protocol=0xC021)), NOT_IP),
        same("PPP IPv4 control", ethernet(pppoe(raw(b"\x01\x01\0\x04"), protocol=0x8021)), NOT_IP),
        same("an EtherType nobody knows", ethernet(mail, ethertype=0x88B5), NOT_IP),
        same("nothing behind the Ethernet header", ethernet(raw(b"", ethertype=0x88B5), length_min=0), NOT_IP),
    ]
    return Scenario("not-ip", "What is not IP passes", "README, what it does", rows)


def runt_frames() -> Scenario:
    mail = ipv4(SUBSCRIBER, MAIL_SERVER, tcp(HIGH_PORT, 25))
    whole = {
        "Ethernet": (ethernet(mail), (1, 6, 13)),
        "VLAN": (ethernet(vlan(7, mail)), (14, 15, 17)),
        "second VLAN": (ethernet(vlans([7, 8], mail)), (18, 21)),
        "MPLS": (ethernet(mpls([1000], mail)), (14, 17)),
        "second MPLS": (ethernet(mpls([1000, 1001], mail)), (18, 21)),
        "PPPoE": (ethernet(pppoe(mail)), (14, 19, 20, 21)),
        "one-byte PPP": (ethernet(pppoe(mail, one_byte=True)), (14, 20)),
    }
    rows = [
        same(f"frame of {length} bytes, ends inside its {name} header", frame[:length], RUNT)
        for name, (frame, lengths) in whole.items()
        for length in lengths
    ]
    return Scenario("runt-frames", "A frame that ends inside its Ethernet, VLAN, MPLS or PPPoE header",
                    "IEEE 802.3 section 3.2, RFC 2516 section 4", rows, BOTH_POLICIES)


def jumbo_frames() -> Scenario:
    rows = []
    for size in (1518, 9018, 18000):
        for near, far, make in ((SUBSCRIBER, MAIL_SERVER, ipv4), (SUBSCRIBER6, MAIL_SERVER6, ipv6)):
            headers = 54 if make is ipv4 else 74
            for port, outcome in ((25, SMTP), (443, PASS)):
                segment = tcp(HIGH_PORT, port, b"x" * (size - headers), flags=0x18)
                rows.append(Row(f"{size} bytes, IPv{4 if make is ipv4 else 6}, to port {port}", ethernet(make(near, far, segment)), outcome, PASS))
    return Scenario("jumbo-frames", "Frames of 9 kB and 18 kB are judged like small ones", "README, what it does", rows, commit_capture=False)


SCENARIOS = [
    vlan_tags(), vlan_tags_too_many(), mpls_labels(), mpls_labels_too_many(), mpls_pseudowires(), pppoe_sessions(),
    llc_snap(), not_ip(), runt_frames(), jumbo_frames(),
]
