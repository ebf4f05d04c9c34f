#!/usr/bin/env python3
"""tools/measure_start measures starts, each kind, and says why when it cannot.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/measure_start_test.py [-v] [TEST...]
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from processes import BIN

TOOL = Path(__file__).resolve().parent.parent.parent / "tools" / "measure_start"


def run(*words, programs=BIN):
    return subprocess.run(
        [TOOL, *words], capture_output=True, text=True, check=False, env={**os.environ, "PORTCULLIS_BIN": str(programs)})


class MeasureStart(unittest.TestCase):
    def test_every_kind_of_start_lets_out_a_frame(self):
        done = run("--starts", "1", "--exemptions", "1000")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = re.findall(
            r"^(beside|with) control: 1,048,576 subscribers, (0|1,000) exemptions +(\d+) ms   \(\3 to \3, 1 times\)$",
            done.stdout, re.M)
        self.assertEqual(
            [row[:2] for row in rows], [("beside", "0"), ("with", "0"), ("beside", "1,000"), ("with", "1,000")])
        for row in rows:
            self.assertGreater(int(row[2]), 10, "no process starts as fast as that")

    def test_a_dataplane_that_ends_is_told_with_its_words(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(BIN / "portcullis-control", folder)
            broken = Path(folder) / "portcullis-dataplane"
            broken.write_text("#!/bin/sh\necho no such port >&2\nexit 2\n")
            broken.chmod(0o755)
            done = run("--starts", "1", "--exemptions", "0", programs=folder)
        self.assertEqual(done.returncode, 2)
        self.assertIn("tools/measure_start: the dataplane ended:\nno such port", done.stderr)


if __name__ == "__main__":
    unittest.main()
