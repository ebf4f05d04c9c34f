#!/usr/bin/env python3
"""Holds payload signatures against captures that nobody here made, if they are there.

    signatures_test.py CAPTURES BINARY_DIR

Every TCP flow of CAPTURES/dev/*.pcap is put between a subscriber and a server, and on a port that no rule names; all
else stays as it was. What it carries is known by the port that it had. `portcullis replay` must find mail and SMB
within three segments with payload, and nothing else. Exit status: 0 so it is, 1 not, 77 there are no captures.
"""

import dataclasses
import os
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent / "e2e")]
os.environ.setdefault("PORTCULLIS_BIN", sys.argv[2] if len(sys.argv) > 2 else "")

from recordings import ETHERNET_BYTES, MONITORS, finding, flows_of, judge, read_frame, read_recording

SKIPPED = 77
SEGMENTS_MAX = 3
LINK_TYPE_ETHERNET = 1
SMTP_PORTS, SMB_PORTS = {25, 587}, {139, 445}
NAMED_PORTS = {25, 137, 138, 139, 445, 465, 587}
MOVED_BY = 2000
# What the port does not say: by capture and port.
SMTP_ELSEWHERE = {("arkime-smtp-decrypted.pcap", 2525)}
SMB_ELSEWHERE = {("arkime-smb-port80.pcap", 80)}
# Found, but not so soon: why.
LATE = {"zeek-communityid-ipv6.pcap": "typed letter by letter"}


@dataclasses.dataclass
class Judged:
    capture: str
    port: int  # that the server had
    expected: tuple
    found: tuple | None


def expected_of(capture, flow):
    ports = {flow.client[1], flow.server[1]}
    elsewhere = {(capture, port) for port in ports}
    if ports & SMTP_PORTS or elsewhere & SMTP_ELSEWHERE:
        return ("smtp-anywhere",)
    return ("smb-anywhere", "session-anywhere") if ports & SMB_PORTS or elsewhere & SMB_ELSEWHERE else ()


def moved(frame, flow, number):
    """The frame, from or to subscriber `number`, and on another port."""
    data = bytearray(frame.data)
    ipv6 = len(frame.ends[0][0]) == 16
    addresses_at, address_bytes = (ETHERNET_BYTES + 8, 16) if ipv6 else (ETHERNET_BYTES + 12, 4)
    ports_at = ETHERNET_BYTES + (40 if ipv6 else (data[ETHERNET_BYTES] & 15) * 4)
    subscriber = socket.inet_pton(socket.AF_INET6, f"2001:db8:1000:{number:x}::1") if ipv6 else struct.pack("!I", 0x64400400 + number)
    server = socket.inet_pton(socket.AF_INET6, "2001:db8:f00::1") if ipv6 else socket.inet_aton("203.0.113.1")
    for side, end in enumerate(frame.ends):
        at = addresses_at + side * address_bytes
        data[at : at + address_bytes] = subscriber if end == flow.client else server
        if end[1] in NAMED_PORTS:
            struct.pack_into("!H", data, ports_at + 2 * side, end[1] + MOVED_BY)
    return read_frame(frame.time, bytes(data))


def judge_capture(path, policy, folder):
    converted = folder / "converted.pcap"
    done = subprocess.run(["editcap", "-F", "pcap", path, converted], capture_output=True, text=True, check=False)
    if done.returncode != 0 or int.from_bytes(converted.read_bytes()[20:24], "little") != LINK_TYPE_ETHERNET:
        return []
    before = read_recording(converted)
    flows = flows_of(before)
    frames, now = [], []
    for number, flow in enumerate(flows, 1):
        placed = [moved(before[index], flow, number) for index in flow.frames]
        now += flows_of(placed)[:1]
        now[-1].shift(len(frames))
        frames += placed
    if not frames:
        return []
    verdicts = judge(frames, policy, folder)
    return [
        Judged(path.name, flow.server[1], expected_of(path.name, flow), finding(there, verdicts))
        for flow, there in zip(flows, now, strict=True)
    ]


def fault_of(one):
    """What is wrong with it, if anything is."""
    rule, segment = one.found or (None, None)
    if not one.expected:
        return f"taken for {rule}" if rule else None
    if rule not in one.expected:
        return f"found as {rule}" if rule else "not found"
    late = segment > SEGMENTS_MAX and one.capture not in LATE
    return f"found at segment {segment} only" if late else None


def main():
    if len(sys.argv) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    captures = sorted(Path(sys.argv[1], "dev").glob("*.pcap"))
    if not captures:
        print(f"SKIPPED: there are no captures in {sys.argv[1]}/dev (CMake variable PORTCULLIS_SHARED_CAPTURES)")
        return SKIPPED
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy = folder / "policy.toml"
        policy.write_text(MONITORS)
        judged = [one for path in captures for one in judge_capture(path, policy, folder)]
    faults = [(one, fault_of(one)) for one in judged if fault_of(one)]
    for one, fault in faults:
        print(f"{one.capture}, port {one.port}: {fault}")
    for protocol, rule in (("SMTP", "smtp-anywhere"), ("SMB", "smb-anywhere")):
        rows = [one for one in judged if rule in one.expected]
        found = [one.found[1] for one in rows if one.found]
        print(f"{protocol}: {len(rows)} flows, {len(found)} found, at segments {sorted(set(found))}")
    others = [one for one in judged if not one.expected]
    print(f"others: {len(others)} flows, {sum(one.found is not None for one in others)} found")
    return 1 if faults or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
