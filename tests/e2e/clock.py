"""A wall clock for the processes of a stage, which a test may set (settable_clock.cc)."""

import mmap
import struct
import time

from processes import BIN

MINUTE, HOUR, DAY = 60, 3_600, 86_400


class Clock:
    """Of all processes that `stage` starts from now on; right until it is set."""

    def __init__(self, stage):
        path = stage.folder / "clock"
        path.write_bytes(struct.pack("=q", 0))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 8)
        stage.callback(self.memory.close)
        stage.environment |= {
            "LD_PRELOAD": BIN / "libsettable_clock.so",
            "PORTCULLIS_TEST_CLOCK": path,
            # AddressSanitizer wants to be the first library.
            "ASAN_OPTIONS": "verify_asan_link_order=0",
        }

    def set_ahead(self, seconds):
        """Of the real clock; negative: behind it."""
        self.memory[:] = struct.pack("=q", seconds)

    def now(self):
        return time.time() + struct.unpack("=q", self.memory[:])[0]
