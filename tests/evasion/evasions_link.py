"""Tags, labels, PPPoE: what may stand before IP."""

from evasion import Evasion, shaped
from frames import (
    MPLS_IPV4_EXPLICIT_NULL, MPLS_IPV6_EXPLICIT_NULL, VLAN_CUSTOMER, VLAN_SERVICE,
    VLAN_SERVICE_OLD, ethernet, ipv4, ipv6, mpls, pppoe, snap, vlan, vlans,
)

TOO_DEEP = "encapsulation-depth"


def link(wrap):
    return shaped(lambda near, far, segment: ethernet(wrap((ipv6 if ":" in near else ipv4)(near, far, segment))))


def tags() -> list[Evasion]:
    source = "IEEE 802.1Q, IEEE 802.1ad"
    out = [
        Evasion(f"vlan-{count}-priority-tags-ipv{family}", source, f"{count} nested tags with number 0, which Linux takes off by itself",
                link(lambda ip, count=count: vlans([0] * count, ip)), family=family,
                mirror_refused_for=TOO_DEEP if count > 4 else "")
        for count in (1, 2, 4, 5, 8)
        for family in (4, 6)
    ]
    named = {
        "vlan-tag": (lambda ip: vlan(7, ip), "an 802.1Q tag"),
        "vlan-service-tag": (lambda ip: vlan(7, ip, VLAN_SERVICE), "an 802.1ad tag"),
        "vlan-qinq": (lambda ip: vlan(100, vlan(7, ip), VLAN_SERVICE), "a customer's tag in a service tag"),
        "vlan-qinq-old": (lambda ip: vlan(100, vlan(7, ip), VLAN_SERVICE_OLD), "a customer's tag in an 0x9100 tag"),
        "vlan-four-tags": (lambda ip: vlan(1, vlan(2, vlan(3, vlan(4, ip), VLAN_CUSTOMER), VLAN_SERVICE), VLAN_SERVICE_OLD), "four tags of three kinds"),
    }
    out += [Evasion(name, source, shows, link(wrap)) for name, (wrap, shows) in named.items()]
    out.append(Evasion("vlan-five-tags", source, "five tags", link(lambda ip: vlans([1, 2, 3, 4, 5], ip)), mirror_refused_for=TOO_DEEP))
    out.append(Evasion("llc-snap", "RFC 1042", "LLC and SNAP in the place of the EtherType", link(snap)))
    return out


def labels() -> list[Evasion]:
    source = "RFC 3032"
    out = [
        Evasion(f"mpls-{count}-labels", source, f"{count} MPLS labels", link(lambda ip, count=count: mpls(list(range(1000, 1000 + count)), ip)),
                mirror_refused_for=TOO_DEEP if count > 16 else "")
        for count in (1, 2, 16, 17, 40)
    ]
    out.append(Evasion("mpls-ipv6", source, "IPv6 behind a label", link(lambda ip: mpls([1000], ip)), family=6))
    out.append(Evasion("mpls-explicit-null-ipv4", source, "explicit null", link(lambda ip: mpls([MPLS_IPV4_EXPLICIT_NULL], ip))))
    out.append(Evasion("mpls-explicit-null-ipv6", source, "explicit null", link(lambda ip: mpls([MPLS_IPV6_EXPLICIT_NULL], ip)), family=6))
    out.append(Evasion("mpls-in-vlan", source, "a label in a VLAN tag", link(lambda ip: vlan(7, mpls([1000], ip)))))
    return out


def sessions() -> list[Evasion]:
    source = "RFC 2516 section 4"
    compressed = "RFC 1661 section 6.5"
    return [
        Evasion("pppoe", source, "a PPPoE session", link(pppoe)),
        Evasion("pppoe-ipv6", source, "IPv6 in a PPPoE session", link(pppoe), family=6),
        Evasion("pppoe-one-byte", compressed, "PPP's protocol field in one byte", link(lambda ip: pppoe(ip, one_byte=True))),
        Evasion("pppoe-one-byte-ipv6", compressed, "the same with IPv6", link(lambda ip: pppoe(ip, one_byte=True)), family=6),
        Evasion("pppoe-in-qinq", source, "a PPPoE session in two tags", link(lambda ip: vlan(100, vlan(7, pppoe(ip)), VLAN_SERVICE))),
    ]


EVASIONS = [*tags(), *labels(), *sessions()]
