#!/usr/bin/env python3
"""The peers in the kernel: nftables on a bridge, and the bridge alone. Usage: tests/bench/nftables_test.py [-v] [TEST...]"""

import os
import sys
import unittest

from bench_programs import SHORT, bench, figures


class NftablesTest(unittest.TestCase):
    def run_beside(self, *words):
        done = bench("throughput", "--subscribers", 1000, *SHORT, "--peer", "nftables", *words)
        if done.returncode == 2 and "peers in the kernel" in done.stderr and "passed or dropped" not in done.stderr:
            self.skipTest(done.stderr)
        return figures(self, "throughput", "--subscribers", 1000, *SHORT, "--peer", "nftables", *words)

    # The bench itself finds out when not every frame was passed or dropped.
    def test_every_frame_is_dealt_with(self):
        for words in [
            ["--smtp-share", 50],
            ["--smtp-share", 100, "--exemptions", 1000],
            ["--ipv6-share", 50],
            ["--frame-size", "imix"],
            ["--direction", "inbound"],
        ]:
            with self.subTest(words=words):
                out = self.run_beside(*words)
                self.assertGreater(out["peers"]["nftables"]["frames_per_second"], 0)

    def test_the_bridge_alone(self):
        out = self.run_beside("--peer", "linux-bridge")
        self.assertIn("no ruleset", out["peers"]["linux-bridge"]["includes"])
        self.assertIn("judged by nftables", out["peers"]["nftables"]["includes"])

    def test_what_it_gets_no_frames_of_is_refused(self):
        done = bench("throughput", *SHORT, "--peer", "nftables", "--vlan-tags", 1)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--vlan-tags", done.stderr)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: network namespaces")
        sys.exit(77)
    unittest.main()
