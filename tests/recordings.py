"""Recordings of TCP sessions, flow by flow: who sent which payload when, and what the dataplane says of it."""

import dataclasses
import struct
import subprocess

from processes import BIN

SYN, ACK = 0x02, 0x10
MAGIC_MICROSECONDS = 0xA1B2C3D4
ETHERNET_BYTES, IPV6_BYTES = 14, 40
IPV4, IPV6, TCP = 0x0800, 0x86DD, 6


# A policy that looks for all built-in signatures, and drops nothing for their sake. Gateways are no subscribers: where
# directions are told by the source, what they send comes from outside.
MONITORS = """version = 1

[[pool]]
prefix = "100.64.0.8/29"
class = "residential"

[[pool]]
prefix = "100.64.4.0/22"
class = "residential"

[[pool]]
prefix = "2001:db8:1000::/48"
class = "residential"

[[class]]
name = "residential"
monitor = ["smtp-anywhere", "smb-anywhere", "session-anywhere"]

[unattributed]
class = "residential"

[[signature]]
name = "smtp-anywhere"
protocol = "smtp"

[[signature]]
name = "smb-anywhere"
protocol = "smb"

[[signature]]
name = "session-anywhere"
protocol = "netbios-session"
"""


@dataclasses.dataclass(frozen=True)
class Frame:
    """One of a recording; `ends` is None if there is no TCP in it that payload signatures look at."""

    time: float
    data: bytes
    ends: tuple | None = None  # ((address, port) of the sender, of the receiver)
    flags: int = 0
    sequence: int = 0
    payload: bytes = b""


def read_frame(time, data):
    kind = struct.unpack_from("!H", data, 12)[0] if len(data) >= ETHERNET_BYTES + IPV6_BYTES else 0
    at = ETHERNET_BYTES
    if kind == IPV4 and data[at + 9] == TCP and struct.unpack_from("!H", data, at + 6)[0] & 0x3FFF == 0:
        addresses = data[at + 12 : at + 16], data[at + 16 : at + 20]
        end = at + struct.unpack_from("!H", data, at + 2)[0]
        at += (data[at] & 15) * 4
    elif kind == IPV6 and data[at + 6] == TCP:
        addresses = data[at + 8 : at + 24], data[at + 24 : at + 40]
        end = at + IPV6_BYTES + struct.unpack_from("!H", data, at + 4)[0]
        at += IPV6_BYTES
    else:
        return Frame(time, data)
    if end > len(data) or at + 20 > end:
        return Frame(time, data)
    source, destination, sequence = struct.unpack_from("!HHI", data, at)
    ends = (addresses[0], source), (addresses[1], destination)
    return Frame(time, data, ends, data[at + 13], sequence, data[at + (data[at + 12] >> 4) * 4 : end])


def read_recording(path):
    data = path.read_bytes()
    assert struct.unpack_from("<I", data)[0] == MAGIC_MICROSECONDS, f"{path}: no little-endian pcap with microseconds"
    out, at = [], 24
    while at < len(data):
        seconds, micros, size, _ = struct.unpack_from("<IIII", data, at)
        out.append(read_frame(seconds + micros / 1e6, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return out


def write_recording(path, frames):
    out = [struct.pack("<IHHiIII", MAGIC_MICROSECONDS, 2, 4, 0, 0, 262144, 1)]
    for frame in frames:
        seconds = int(frame.time)
        out.append(struct.pack("<IIII", seconds, round((frame.time - seconds) * 1e6) % 1_000_000, len(frame.data), len(frame.data)) + frame.data)
    path.write_bytes(b"".join(out))


class Flow:
    """One TCP connection. Indices are those of the recording's frames."""

    def __init__(self, frame):
        self.begin = frame.time
        answers = frame.flags & (SYN | ACK) == SYN | ACK
        self.client, self.server = reversed(frame.ends) if answers else frame.ends
        self.frames = []
        self.payloads = {}  # index to the number of the payload segment, from 1; nothing of what was sent before
        self._next = {}

    def add(self, index, frame):
        self.frames.append(index)
        if not frame.payload:
            return
        end = frame.sequence + len(frame.payload)
        before = self._next.get(frame.ends[0])
        if before is None or 0 < (end - before) % 2**32 < 2**31:
            self._next[frame.ends[0]] = end
            self.payloads[index] = len(self.payloads) + 1

    def shift(self, by):
        """The recording has `by` more frames in front."""
        self.frames = [index + by for index in self.frames]
        self.payloads = {index + by: number for index, number in self.payloads.items()}


def flows_of(frames):
    """Those that carry payload. A SYN between the same ends begins another one."""
    running, out = {}, []
    for index, frame in enumerate(frames):
        if frame.ends is None:
            continue
        key = frozenset(frame.ends)
        opens = frame.flags & (SYN | ACK) == SYN and key in running and running[key].payloads
        if key not in running or opens:
            running[key] = Flow(frame)
            out.append(running[key])
        running[key].add(index, frame)
    return [flow for flow in out if flow.payloads]


def judge(frames, policy, folder, direction="by-source"):
    """What `portcullis replay` says of each frame: (reason, rule)."""
    recording, table = folder / "judged.pcap", folder / "verdicts.tsv"
    write_recording(recording, frames)
    done = subprocess.run(
        [BIN / "portcullis", "replay", "--policy", policy, "--in", recording, "--direction", direction, "--verdicts", table, "--json"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"replay ended with {done.returncode}: {done.stderr}"
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    column = {name: i for i, name in enumerate(lines[0])}
    out = [(line[column["reason"]], line[column["rule"]]) for line in lines[1:]]
    assert len(out) == len(frames), f"{len(frames)} frames, {len(out)} verdicts"
    return out


def finding(flow, verdicts):
    """(rule, number of the payload segment that told), or None."""
    for index in flow.frames:
        reason, rule = verdicts[index]
        if reason == "payload-signature":
            assert index in flow.payloads, f"frame {index + 1} tells, and has no payload of its own"
            return rule, flow.payloads[index]
    return None
