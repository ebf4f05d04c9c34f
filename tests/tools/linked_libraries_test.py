#!/usr/bin/env python3
"""What the dataplane links: of Hyperscan what scans, not what compiles."""

import os
import re
import subprocess
import unittest
from pathlib import Path

BIN = Path(os.environ.get("PORTCULLIS_BIN", Path(__file__).resolve().parents[2] / "build" / "release" / "bin"))


def needed(program):
    said = subprocess.run(["readelf", "--dynamic", "--wide", BIN / program], capture_output=True, text=True, timeout=60, check=True)
    return re.findall(r"\(NEEDED\).*\[(.+)\]", said.stdout)


class LinkedLibraries(unittest.TestCase):
    def test_the_dataplane_only_scans(self):
        libraries = needed("portcullis-dataplane")
        self.assertTrue([name for name in libraries if name.startswith("libhs_runtime.so")], libraries)
        self.assertFalse([name for name in libraries if name.startswith("libhs.so")], libraries)

    def test_control_compiles(self):
        self.assertTrue([name for name in needed("portcullis-control") if name.startswith("libhs.so")])


if __name__ == "__main__":
    unittest.main()
