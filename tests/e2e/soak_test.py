#!/usr/bin/env python3
"""tools/soak, for as long as a test may take; and what it says of itself.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/soak_test.py [-v]
"""

import json
import subprocess
import sys
import unittest

from processes import ROOT

SECONDS = 20


class SoakTest(unittest.TestCase):
    def test_all_holds_for_a_while(self):
        ran = subprocess.run(
            [sys.executable, ROOT / "tools" / "soak", "--seconds", str(SECONDS)], capture_output=True, text=True, timeout=300, check=False
        )
        self.assertEqual(ran.returncode, 0, ran.stderr)
        said = json.loads(ran.stdout)
        self.assertEqual((said["conservation_error_frames"], said["failures"]), (0, 0))
        # A busy machine publishes fewer.
        self.assertGreaterEqual(said["policies"], SECONDS // 4)
        self.assertGreater(said["frames"], 100_000)


if __name__ == "__main__":
    unittest.main()
