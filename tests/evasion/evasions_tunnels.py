"""Tunnels that the policy opens, alone and in one another. They end at the stand-in, and one VXLAN at net's kernel."""

from evasion import Evasion, shaped
from frames import (
    ETHERTYPE_TEB, IPIP, ethernet, gre, ipv4, ipv4_fragments, ipv6, mpls, pppoe, raw, teredo, vlan, vxlan,
)
from namespaces import VXLAN_END
from stand_in import TUNNEL_END4, TUNNEL_END6

TOO_DEEP = "encapsulation-depth"
OUTER6 = "2001:db8:1ff:100::9"  # a subscriber's address around packets of IPv4


def packet(near, far, inner):
    return (ipv6 if ":" in near else ipv4)(near, far, inner)


def over4(inner):
    """Around any inner packet; the outer source is of a pool too."""
    return ipv4("100.127.0.9", TUNNEL_END4, inner)


def over6(inner):
    return ipv6(OUTER6, TUNNEL_END6, inner)


def tunnel(encapsulate, link=lambda ip: ip):
    return shaped(lambda near, far, segment: ethernet(link(encapsulate(packet(near, far, segment)))))


def teb(ip):
    """Ethernet in GRE, as gretap and NVGRE send it."""
    return gre(raw(ethernet(ip), ethertype=ETHERTYPE_TEB))


def each_kind() -> list[Evasion]:
    kinds = [
        ("ipip", "RFC 2003", "IPv4 in IPv4", over4, 4),
        ("6in4", "RFC 4213", "IPv6 in IPv4", over4, 6),
        ("4in6", "RFC 2473, RFC 6333", "IPv4 in IPv6", over6, 4),
        ("6in6", "RFC 2473", "IPv6 in IPv6", over6, 6),
        ("gre", "RFC 2784", "IPv4 in GRE", lambda ip: over4(gre(ip)), 4),
        ("gre-ipv6", "RFC 7676", "IPv6 in GRE over IPv6", lambda ip: over6(gre(ip)), 6),
        ("gre-all-fields", "RFC 2890", "GRE with checksum, key and sequence number", lambda ip: over4(gre(ip, checksum=True, key=7, sequence=1)), 4),
        ("gre-ethernet", "RFC 7637 section 3.2", "Ethernet in GRE", lambda ip: over4(teb(ip)), 4),
        ("gre-ethernet-vlan", "RFC 7637 section 3.2", "a VLAN in Ethernet in GRE", lambda ip: over4(teb(vlan(7, ip))), 4),
        ("teredo", "RFC 4380", "Teredo", lambda ip: over4(teredo(ip)), 6),
        ("teredo-from-its-port", "RFC 4380", "Teredo from port 3544", lambda ip: over4(teredo(ip, ports=(3544, 50000))), 6),
        ("teredo-indications", "RFC 4380 section 5.1.1", "Teredo with authentication and origin", lambda ip: over4(teredo(ip, authentication=True, origin=True)), 6),
        ("vxlan", "RFC 7348", "VXLAN", lambda ip: over4(vxlan(ethernet(ip))), 4),
        ("vxlan-ipv6", "RFC 7348", "IPv6 in VXLAN over IPv6", lambda ip: over6(vxlan(ethernet(ip))), 6),
        ("vxlan-vlan", "RFC 7348", "a VLAN in VXLAN", lambda ip: over4(vxlan(ethernet(vlan(7, ip)))), 4),
    ]
    out = [Evasion(f"tunnel-{name}", source, shows, tunnel(encapsulate), family=family) for name, source, shows, encapsulate, family in kinds]
    out.append(Evasion("tunnel-vxlan-linux", "RFC 7348", "VXLAN that ends at net's kernel",
                       tunnel(lambda ip: ipv4("100.127.0.9", VXLAN_END, vxlan(ethernet(ip))))))
    return out


def nested() -> list[Evasion]:
    source = "RFC 6169 section 3.2.2"

    def times(depth):
        def encapsulate(ip):
            for _ in range(depth):
                ip = over4(ip)
            return ip
        return tunnel(encapsulate)

    return [
        *(Evasion(f"tunnel-ipip-{depth}-times", source, f"IPv4 in IPv4, {depth} times", times(depth), mirror_refused_for=TOO_DEEP if depth > 4 else "")
          for depth in (2, 4, 5, 8)),
        Evasion("tunnel-four-kinds", source, "IPv4 in IPv6 in IPv4 in GRE in VXLAN",
                tunnel(lambda ip: over4(vxlan(ethernet(over4(gre(over4(over6(ip))))))))),
        Evasion("tunnel-6in4-in-pppoe-in-vlan", source, "IPv6 in IPv4 in PPPoE in a VLAN", tunnel(over4, lambda ip: vlan(7, pppoe(ip))), family=6),
        Evasion("tunnel-mpls-in-gre", "RFC 4023", "MPLS in GRE", tunnel(lambda ip: over4(gre(mpls([1000], ip))))),
    ]


def fragmented(cuts):
    def shape(near, far, segment, ident):
        inner = packet(near, far, segment)
        inside = [cut for cut in cuts if cut < len(inner.data)]
        return [ethernet(part) for part in ipv4_fragments("100.127.0.9", TUNNEL_END4, inner, inside, ident=ident)]
    return lambda _: shape


def inner_ports_rewritten(decoy_port):
    """The outer packet's second fragment rewrites the inner ports; only a stack that takes overlaps is fooled."""
    def shape(near, far, segment, ident):
        inner = packet(near, far, segment).data
        decoy = inner[:22] + decoy_port.to_bytes(2, "big") + inner[24:]

        def piece(data, offset, more):
            return ethernet(ipv4("100.127.0.9", TUNNEL_END4, raw(data, IPIP), offset=offset, more=more, ident=ident))

        return [piece(decoy[:32], 0, True), piece(inner[16:32], 16, True), piece(inner[32:], 32, False)]
    return shape


def fragments() -> list[Evasion]:
    return [
        Evasion("tunnel-fragmented", "RFC 2473 section 7", "outer fragments, the first with the inner ports", fragmented([136, 256])),
        Evasion("tunnel-fragmented-below-the-floor", "RFC 1858 section 4", "the same, cut where headers may stand", fragmented([32]),
                mirror_refused_for="overlapping-fragment"),
        Evasion("tunnel-fragmented-before-the-ports", "RFC 2473 section 7", "outer fragments, the first without the inner ports",
                fragmented([16]), mirror_refused_for="malformed-ip"),
        Evasion("tunnel-fragmented-in-the-header", "RFC 2473 section 7", "outer fragments of 8 bytes", fragmented([8, 16, 24]), mirror_refused_for="malformed-ip"),
        Evasion("tunnel-inner-ports-rewritten", "RFC 1858 section 4, RFC 6169 section 2.2", "an outer fragment rewrites the inner ports", inner_ports_rewritten,
                mirror_refused_for="overlapping-fragment"),
    ]


EVASIONS = [*each_kind(), *nested(), *fragments()]
