"""Fragments: tiny, overlapping, out of order, with headers that hide the ports.

Linux discards what overlaps, so overlapping fragments go to hosts that the stand-in plays: one lets the last byte that
arrived win, the other the first.
"""

import struct

from evasion import Evasion, shaped
from frames import (
    TCP, UDP, address_bytes, chain, destination_options, ethernet, fragment_header, hop_by_hop, ipv4,
    ipv4_fragments, ipv6, ipv6_fragments, raw,
)
from namespaces import FIRST_WINS4, FIRST_WINS6, LAST_WINS4, LAST_WINS6

TINY, OVERLAPPING, CHAIN = "tiny-fragment", "overlapping-fragment", "ipv6-header-chain"


def with_port(data: bytes, port: int) -> bytes:
    """A TCP header to another port."""
    return data[:2] + struct.pack("!H", port) + data[4:]


def piece4(near, far, data, ident, offset, more) -> bytes:
    return ethernet(ipv4(near, far, raw(data, TCP), offset=offset, more=more, ident=ident))


# --- IPv4 -----------------------------------------------------------------------------------------------


def cut4(cuts, reverse=False):
    def shape(near, far, segment, ident):
        inside = [cut for cut in cuts if cut < len(segment.data)]
        frames = [ethernet(part) for part in ipv4_fragments(near, far, segment, inside, ident=ident)]
        return frames[::-1] if reverse else frames
    return lambda _: shape


def plain_cuts() -> list[Evasion]:
    every_8 = list(range(8, 2000, 8))
    return [
        Evasion("ipv4-tiny-fragment", "RFC 1858 section 3", "ports in one fragment, flags in the next", cut4([8]), mirror_refused_for=TINY),
        Evasion("ipv4-tiny-fragment-last", "RFC 1858 section 3", "the same, in reverse order", cut4([8], reverse=True), mirror_refused_for=TINY),
        Evasion("ipv4-fragments-of-8-bytes", "RFC 1858 section 3", "as many fragments as there can be", cut4(every_8), mirror_refused_for=TINY),
        Evasion("ipv4-fragments-of-16-bytes", "RFC 791 section 3.2", "first fragments of just enough TCP", cut4([16, 32, 48])),
        Evasion("ipv4-fragments-reversed", "RFC 791 section 3.2", "the first fragment comes last", cut4([16, 32, 48], reverse=True)),
        Evasion("ipv4-fragments-behind-options", "RFC 791 section 3.2", "fragments with options", shaped(
            lambda near, far, segment: [ethernet(p) for p in ipv4_fragments(near, far, segment, [16], options=b"\x01" * 12)])),
    ]


def rewritten_flags(near, far, segment, ident) -> list[bytes]:
    """RFC 1858 section 4: what the filter would see has other flags than what arrives."""
    data = segment.between(address_bytes(near), address_bytes(far))
    harmless = data[:13] + b"\x10" + data[14:]  # ACK
    size = 16 if len(data) > 16 else len(data) // 8 * 8
    return [piece4(near, far, harmless[:size], ident, 0, True), piece4(near, far, data[8:], ident, 8, False)]


def rewritten_ports(rewriting: int, order: str):
    """RFC 3128: one fragment at offset 0 shows a decoy's port, the other, of `rewriting` bytes, the real one."""
    def for_decoy(decoy_port):
        def shape(near, far, segment, ident):
            data = segment.between(address_bytes(near), address_bytes(far))
            decoy = piece4(near, far, with_port(data, decoy_port)[:16], ident, 0, True)
            real = piece4(near, far, data[:rewriting], ident, 0, True)
            rest = piece4(near, far, data[16:], ident, 16, False)
            return {"decoy first": [decoy, real, rest], "real first": [real, decoy, rest], "rest first": [rest, decoy, real]}[order]
        return shape
    return for_decoy


def overlaps4() -> list[Evasion]:
    out = [
        Evasion("ipv4-flags-rewritten", "RFC 1858 section 4", "a fragment at offset 8 rewrites the flags", lambda _: rewritten_flags,
                far=LAST_WINS4, mirror_refused_for=OVERLAPPING),
    ]
    for rewriting in (8, 16):
        refused = TINY if rewriting < 16 else ""
        for order, host, name in (("decoy first", LAST_WINS4, "last-wins"), ("real first", FIRST_WINS4, "first-wins")):
            out.append(Evasion(f"ipv4-ports-rewritten-by-{rewriting}-bytes-{name}", "RFC 3128 section 3",
                               f"of two fragments at offset 0 one rewrites {rewriting} bytes of the other; {order}",
                               rewritten_ports(rewriting, order), far=host, mirror_refused_for=refused))
    out.append(Evasion("ipv4-ports-rewritten-rest-first", "RFC 3128 section 3", "the same, and the rest comes before both",
                       rewritten_ports(8, "rest first"), far=LAST_WINS4, mirror_refused_for=TINY,
                       unreached_because="the decoy completes the datagram before it is rewritten"))
    out.append(Evasion("ipv4-ports-rewritten-linux", "RFC 3128 section 3", "the same to Linux itself", rewritten_ports(8, "decoy first"),
                       mirror_refused_for=TINY, unreached_because="Linux discards overlapping fragments"))
    return out


# --- IPv6 -----------------------------------------------------------------------------------------------


def cut6(cuts, before=(), behind=(), reverse=False, small_too=False):
    """Only what is longer than the last cut is cut; with `small_too` everything is."""
    def shape(near, far, segment, ident):
        length = len(chain(list(behind), TCP)) + len(segment.data)
        inside = [cut for cut in cuts if cut < length] if small_too or length > max(cuts) else []
        if not inside:
            return [ethernet(ipv6(near, far, segment, [*before, *behind]))]
        frames = [ethernet(part) for part in ipv6_fragments(near, far, segment, inside, list(before), list(behind), ident)]
        return frames[::-1] if reverse else frames
    return lambda _: shape


def piece6(near, far, data, ident, offset, more, protocol, before=()) -> bytes:
    return ethernet(ipv6(near, far, raw(data, protocol), [*before, fragment_header(offset, more, ident)]))


def header_that_lies(near, far, segment, ident) -> list[bytes]:
    """The next header of later fragments differs from the first one's, and headers before it too."""
    data = segment.between(address_bytes(near), address_bytes(far))
    if len(data) <= 136:
        return [ethernet(ipv6(near, far, segment))]
    return [
        piece6(near, far, data[:136], ident, 0, True, TCP, [hop_by_hop()]),
        piece6(near, far, data[136:], ident, 136, False, UDP),
    ]


def plain_cuts6() -> list[Evasion]:
    source = "RFC 8200 section 4.5"
    options = destination_options(16)
    return [
        Evasion("ipv6-fragments", source, "long segments in three", cut6([136, 256]), family=6),
        Evasion("ipv6-fragments-reversed", source, "the first fragment comes last", cut6([136, 256], reverse=True), family=6),
        Evasion("ipv6-fragments-options-behind", source, "options behind the fragment header", cut6([136, 256], behind=[options]), family=6),
        Evasion("ipv6-fragments-options-around", source, "options on both sides of the fragment header",
                cut6([136, 256], [hop_by_hop()], [options]), family=6),
        Evasion("ipv6-later-fragment-says-udp", source, "a later fragment says that it is UDP", lambda _: header_that_lies, family=6),
        Evasion("ipv6-tiny-fragment", "RFC 7112 section 3", "ports in one fragment, flags in the next", cut6([8], small_too=True),
                family=6, far=LAST_WINS6, mirror_refused_for=TINY),
        Evasion("ipv6-chain-in-two-fragments", "RFC 7112 section 5", "the first fragment has only options, TCP comes in the second",
                cut6([16], behind=[options], small_too=True), family=6, far=LAST_WINS6, mirror_refused_for=TINY),
        Evasion("ipv6-chain-cut-in-options", "RFC 7112 section 5", "the first fragment ends in the middle of its options",
                cut6([8], behind=[options], small_too=True), family=6, far=LAST_WINS6, mirror_refused_for=CHAIN),
        Evasion("ipv6-long-chain-in-two-fragments", "RFC 7112 section 5", "the same with TCP above the floor of fragments",
                cut6([256], behind=[destination_options(256)], small_too=True), family=6, far=LAST_WINS6, mirror_refused_for=TINY),
        Evasion("ipv6-chain-in-two-fragments-linux", "RFC 7112 section 5", "the same to Linux itself",
                cut6([256], behind=[destination_options(256)], small_too=True), family=6, mirror_refused_for=TINY,
                unreached_because="Linux discards first fragments without the whole chain"),
        Evasion("ipv6-atomic-fragment-twice", "RFC 6946 section 4", "two fragment headers on a whole packet", shaped(
            lambda near, far, segment: ethernet(ipv6(near, far, segment, [fragment_header(), fragment_header()]))), family=6, far=LAST_WINS6),
    ]


def rewritten_ports6(options_bytes: int, order: str):
    """Options behind the fragment header push the ports to where another fragment can rewrite them."""
    def for_decoy(decoy_port):
        def shape(near, far, segment, ident):
            data = segment.between(address_bytes(near), address_bytes(far))
            options = destination_options(options_bytes)
            head = chain([options], TCP)
            decoy = piece6(near, far, head + with_port(data, decoy_port)[:16], ident, 0, True, options.number)
            real = piece6(near, far, data[:16], ident, len(head), True, options.number)
            rest = piece6(near, far, data[16:], ident, len(head) + 16, False, options.number)
            return [decoy, real, rest] if order == "decoy first" else [real, decoy, rest]
        return shape
    return for_decoy


def overlaps6() -> list[Evasion]:
    out = []
    for size in (8, 24, 64, 112, 120, 128, 256, 512):
        for order, host, name in (("decoy first", LAST_WINS6, "last-wins"), ("real first", FIRST_WINS6, "first-wins")):
            out.append(Evasion(
                f"ipv6-ports-rewritten-at-{size}-{name}", "RFC 5722 section 4, RFC 8200 section 4.5",
                f"a fragment at offset {size} rewrites the ports behind options; {order}",
                rewritten_ports6(size, order), family=6, far=host, mirror_refused_for=OVERLAPPING if size < 128 else CHAIN))
    out.append(Evasion("ipv6-ports-rewritten-linux", "RFC 5722 section 4", "the same to Linux itself", rewritten_ports6(8, "decoy first"),
                       family=6, mirror_refused_for=OVERLAPPING, unreached_because="Linux discards overlapping fragments"))
    return out


EVASIONS = [*plain_cuts(), *overlaps4(), *plain_cuts6(), *overlaps6()]
