"""IP headers: options, source routes, extension headers, lengths and checksums that lie."""

import struct

from evasion import Evasion, shaped
from frames import (
    LOOSE, OPTION_END, OPTION_NOP, OPTION_RECORD_ROUTE, OPTION_ROUTER_ALERT, OPTION_TIMESTAMP, STRICT,
    ExtensionHeader, Segment, authentication_header, destination_options, ethernet, fragment_header, hop_by_hop,
    host_identity_header, ipv4, ipv6, mobility_header, routing_header, shim6_header, source_route,
)
from namespaces import SMARTHOST4, SMARTHOST6

TO_NOBODY = "Linux drops it"


def with_fields(**fields):
    return shaped(lambda near, far, segment: ethernet(ipv4(near, far, segment, **fields)))


def behind(*headers: ExtensionHeader, **fields):
    return shaped(lambda near, far, segment: ethernet(ipv6(near, far, segment, list(headers), **fields)))


def options() -> list[Evasion]:
    named = {
        "ipv4-no-operation": (OPTION_NOP * 4, "one word of no operation"),
        "ipv4-40-bytes-of-options": (OPTION_NOP * 40, "the longest header there is"),
        "ipv4-record-route": (OPTION_RECORD_ROUTE, "record route"),
        "ipv4-timestamp": (OPTION_TIMESTAMP, "timestamp"),
        "ipv4-router-alert": (OPTION_ROUTER_ALERT, "router alert"),
        "ipv4-bytes-behind-the-end": (OPTION_END + source_route(LOOSE, [SMARTHOST4]), "end of options, then what looks like a source route"),
    }
    return [Evasion(name, "RFC 791 section 3.1", shows, with_fields(options=value)) for name, (value, shows) in named.items()]


def towards_smarthost4(kind: int):
    """The destination is a smarthost, which passes the packet on to the real one."""
    return shaped(lambda near, far, segment: ethernet(
        ipv4(near, SMARTHOST4, segment, options=source_route(kind, [far]), final_destination=far)
    ))


def used_up(kind: int):
    """The route names the sender, whom Linux then leaves out of the answer's."""
    return shaped(lambda near, far, segment: ethernet(ipv4(near, far, segment, options=source_route(kind, [near], pointer=8))))


def towards_smarthost6(kind: int):
    def make(near, far, segment):
        # Segment routing names every hop, the last first (RFC 8754 section 2); the others only those to go.
        addresses = [far, SMARTHOST6] if kind == 4 else [far]
        return ethernet(ipv6(near, SMARTHOST6, segment, [routing_header(kind, 1, addresses)], final_destination=far))
    return shaped(make)


def source_routes() -> list[Evasion]:
    out = [
        Evasion(f"{name}-to-a-smarthost", "RFC 7126 section 4.3, 4.4", f"{name.upper()} to a smarthost and on to another server",
                towards_smarthost4(kind), mirror_refused_for="source-route")
        for name, kind in (("lsrr", LOOSE), ("ssrr", STRICT))
    ]
    out += [
        Evasion(f"{name}-used-up", "RFC 7126 section 4.3, 4.4", f"{name.upper()} with no hop left",
                used_up(kind), mirror_refused_for="source-route")
        for name, kind in (("lsrr", LOOSE), ("ssrr", STRICT))
    ]
    out.append(Evasion("segment-routing-to-a-smarthost", "RFC 9288 section 3.5.2.5, RFC 8754",
                       "a routing header of type 4 to a smarthost and on to another server", towards_smarthost6(4), family=6))
    out.append(Evasion("segment-routing-used-up", "RFC 8754", "a routing header of type 4 with no segment left",
                       behind(routing_header(4, 0, [SMARTHOST6])), family=6))
    for kind in (0, 1, 3):
        out.append(Evasion(f"routing-header-{kind}-used-up", "RFC 9288 section 3.5.2.5", f"a routing header of type {kind} with nothing left",
                           behind(routing_header(kind, 0, [SMARTHOST6])), family=6, mirror_refused_for="routing-header"))
    out.append(Evasion("routing-header-0-to-a-smarthost", "RFC 5095", "a routing header of type 0 to a smarthost and on to another server",
                       towards_smarthost6(0), family=6, unreached_because="Linux no longer follows type 0", mirror_refused_for="routing-header"))
    return out


def extension_headers() -> list[Evasion]:
    source = "RFC 9098 section 8.1, RFC 7045"
    small = destination_options()
    named = {
        "ipv6-hop-by-hop": ((hop_by_hop(),), "hop-by-hop options", ""),
        "ipv6-destination-options": ((small,), "destination options", ""),
        "ipv6-both-options": ((hop_by_hop(), small), "hop-by-hop and destination options", ""),
        "ipv6-long-options": ((destination_options(512),), "512 bytes of destination options", ""),
        "ipv6-16-extension-headers": ((small,) * 16, "as many headers as are read", ""),
        "ipv6-17-extension-headers": ((small,) * 17, "one header more than are read", "ipv6-header-chain"),
        "ipv6-60-extension-headers": ((small,) * 60, "many headers more than are read", "ipv6-header-chain"),
        "ipv6-ports-at-byte-1014": ((destination_options(960),), "ports among the last bytes that are read", ""),
        "ipv6-ports-at-byte-1022": ((destination_options(968),), "ports behind the bytes that are read", "ipv6-header-chain"),
        "ipv6-headers-of-1040-bytes": ((destination_options(520), destination_options(520)), "headers longer than are read", "ipv6-header-chain"),
        "ipv6-atomic-fragment": ((fragment_header(),), "a fragment header on a whole packet (RFC 6946)", ""),
        "ipv6-atomic-fragment-between-options": ((hop_by_hop(), fragment_header(), small), "the same with options on both sides", ""),
    }
    out = [
        Evasion(name, source, shows, behind(*headers), family=6, mirror_refused_for=refused)
        for name, (headers, shows, refused) in named.items()
    ]
    unknown_here = {
        "ipv6-authentication-header": (authentication_header(), "Linux wants a security association"),
        "ipv6-mobility-header": (mobility_header(), "Linux takes no TCP behind it"),
        "ipv6-host-identity-header": (host_identity_header(), "Linux does not know it"),
        "ipv6-shim6-header": (shim6_header(), "Linux does not know it"),
    }
    out += [
        Evasion(name, source, "an extension header that only others walk", behind(header), family=6, unreached_because=why)
        for name, (header, why) in unknown_here.items()
    ]
    return out


def lengths() -> list[Evasion]:
    source = "RFC 791 section 3.1, RFC 8200 section 3"
    return [
        Evasion("ipv4-trailing-bytes", source, "bytes behind the IPv4 total length",
                shaped(lambda near, far, segment: ethernet(ipv4(near, far, segment)) + b"trailing bytes" * 4)),
        Evasion("ipv6-trailing-bytes", source, "bytes behind the IPv6 payload length", family=6,
                shape=shaped(lambda near, far, segment: ethernet(ipv6(near, far, segment)) + b"trailing bytes" * 4)),
        Evasion("ipv4-total-length-too-long", source, "a total length beyond the frame", with_fields(total_length=1400),
                unreached_because=TO_NOBODY, mirror_refused_for="malformed-ip"),
        Evasion("ipv4-total-length-too-short", source, "a total length inside the header", with_fields(total_length=19),
                unreached_because=TO_NOBODY, mirror_refused_for="malformed-ip"),
        Evasion("ipv4-header-length-too-short", source, "a header length of 16", with_fields(header_words=4),
                unreached_because=TO_NOBODY, mirror_refused_for="malformed-ip"),
        Evasion("ipv6-payload-length-too-long", source, "a payload length beyond the frame", behind(payload_length=1400), family=6,
                unreached_because=TO_NOBODY, mirror_refused_for="malformed-ip"),
        Evasion("ipv6-payload-length-0-with-hop-by-hop", "RFC 2675", "payload length 0 with hop-by-hop options: Linux reads to the end of the frame",
                behind(hop_by_hop(), payload_length=0), family=6, mirror_refused_for="malformed-ip"),
        Evasion("ipv6-payload-length-0", source, "payload length 0 before TCP", behind(payload_length=0), family=6,
                unreached_because=TO_NOBODY, mirror_refused_for="truncated-transport"),
    ]


def checksums() -> list[Evasion]:
    source = "Ptacek and Newsham 1998"

    def wrong(segment: Segment) -> Segment:
        return Segment(segment.data, segment.protocol, segment.checksum_at, 0xBAD0)

    def odd_bits(near, far, segment):
        data = bytearray(segment.data)
        struct.pack_into("!B", data, 12, data[12] | 0x0F)  # reserved bits
        return ethernet(ipv4(near, far, Segment(bytes(data), segment.protocol, segment.checksum_at)))

    return [
        Evasion("tcp-wrong-checksum", source, "a wrong TCP checksum", shaped(lambda near, far, segment: ethernet(ipv4(near, far, wrong(segment)))),
                unreached_because=TO_NOBODY),
        Evasion("ipv4-wrong-checksum", source, "a wrong IPv4 header checksum", with_fields(checksum_off_by=1), unreached_because=TO_NOBODY),
        Evasion("ipv4-one-hop-to-live", source, "a time to live of 1", with_fields(ttl=1)),
        Evasion("ipv6-one-hop-to-live", source, "a hop limit of 1", behind(hop_limit=1), family=6),
        Evasion("tcp-reserved-bits", "RFC 9293 section 3.1", "reserved bits of the TCP header set", shaped(odd_bits)),
        Evasion("ipv4-do-not-fragment", "RFC 791 section 3.1", "the bit against fragmentation", with_fields(dont_fragment=True)),
    ]


EVASIONS = [*options(), *source_routes(), *extension_headers(), *lengths(), *checksums()]
