"""Classic pcap files of Ethernet frames, written and read. Timestamps count up from zero: no clock is read."""

import struct
from pathlib import Path

MAGIC_MICROSECONDS = 0xA1B2C3D4
LINK_TYPE_ETHERNET = 1
SNAP_LENGTH = 262144


def pcap_bytes(frames: list[bytes]) -> bytes:
    out = [struct.pack("<IHHiIII", MAGIC_MICROSECONDS, 2, 4, 0, 0, SNAP_LENGTH, LINK_TYPE_ETHERNET)]
    for i, frame in enumerate(frames):
        out.append(struct.pack("<IIII", i // 1_000_000, i % 1_000_000, len(frame), len(frame)) + frame)
    return b"".join(out)


def read_pcap(path: Path) -> list[bytes]:
    """The frames of a file that pcap_bytes() made."""
    data = path.read_bytes()
    if struct.unpack_from("<I", data)[0] != MAGIC_MICROSECONDS:
        raise ValueError(f"{path}: not a little-endian pcap file with microseconds")
    frames, at = [], 24
    while at < len(data):
        size = struct.unpack_from("<IIII", data, at)[2]
        frames.append(data[at + 16 : at + 16 + size])
        at += 16 + size
    return frames
