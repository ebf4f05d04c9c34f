"""Classic pcap, little-endian, microseconds, Ethernet."""

import struct

_MAGIC_MICROSECONDS = 0xA1B2C3D4
_SNAP_LENGTH = 65535
_LINK_TYPE_ETHERNET = 1
_BEGINS_UNIX_S = 1_767_261_600  # 2026-01-01T10:00:00Z

_RECORD = struct.Struct("<IIII")


def write_header(file):
    file.write(struct.pack("<IHHiIII", _MAGIC_MICROSECONDS, 2, 4, 0, 0, _SNAP_LENGTH, _LINK_TYPE_ETHERNET))


def write_frame(file, time_us, data):
    seconds, microseconds = divmod(time_us, 1_000_000)
    file.write(_RECORD.pack(_BEGINS_UNIX_S + seconds, microseconds, len(data), len(data)))
    file.write(data)
