#!/usr/bin/env python3
"""The peer l3fwd-acl: how it is found, told its rules, and counted. Usage: tests/bench/l3fwd_test.py [-v] [TEST...]"""

import json
import os
import shutil
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bench_programs import BIN, ROOT, SHORT, bench, figures

STAND_IN = Path(__file__).with_name("l3fwd_stand_in.py")
CAPTURE = ROOT / "tools" / "sample" / "sample.pcap"


class L3fwdTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.log = self.folder / "log"
        environment = mock.patch.dict(os.environ, {"L3FWD_STAND_IN_LOG": str(self.log), "TMPDIR": folder.name})
        environment.start()
        self.addCleanup(environment.stop)

    def run_with_stand_in(self, *words, turns=SHORT):
        out = figures(
            self, "throughput", "--subscribers", 1000, *turns, "--peer", "l3fwd-acl", "--l3fwd-acl", STAND_IN, *words
        )
        self.assertEqual([path.name for path in self.folder.iterdir()], ["log"])  # its folder is gone
        return out, json.loads(self.log.read_text())

    def test_one_rule_and_two_routes(self):
        out, told = self.run_with_stand_in()
        self.assertEqual(told["lookup"], "acl")
        self.assertEqual(told["config"], "(0,0,0),(1,0,0)")
        self.assertEqual(sum("infinite_rx=1" in word for word in told["eal"]), 2)
        self.assertEqual(
            [line for line in told["rules4"] if line.startswith("@")],
            ["@0.0.0.0/0 0.0.0.0/0 0 : 65535 25 : 25 0x06/0xff"],
        )
        self.assertEqual(len(told["rules4"]), 3)
        self.assertEqual(len(told["rules6"]), 3)
        self.assertIn("one rule", out["peers"]["l3fwd-acl"]["includes"])

    def test_exemptions_come_before_the_rule(self):
        _, told = self.run_with_stand_in("--exemptions", 3)
        self.assertEqual(
            told["rules4"][:4],
            [f"R100.64.{x}/32 0.0.0.0/0 0 : 65535 25 : 25 0x06/0xff 1" for x in ("0.0", "1.77", "2.154")]
            + ["@0.0.0.0/0 0.0.0.0/0 0 : 65535 25 : 25 0x06/0xff"],
        )

    def test_it_is_told_how_frames_are_stamped(self):
        with mock.patch.dict(os.environ, {"LD_PRELOAD": "libm.so.6"}):
            out, told = self.run_with_stand_in("--vlan-tags", 1, "--seed", 7, "--direction", "inbound")
        self.assertEqual(
            told["stamp"], "sources=stamped subscribers=1000 ip_offset=18 port0=inbound port1=inbound seed=7"
        )
        # What was preloaded already stays, and stdbuf adds its own.
        self.assertEqual(told["preloaded"][:2], [str(BIN / "portcullis-bench-stamp.so"), "libm.so.6"])
        self.assertIn("libstdbuf.so", told["preloaded"][2])
        self.assertTrue(out["peers"]["l3fwd-acl"]["stamped"])
        self.assertIn("every frame", out["peers"]["l3fwd-acl"]["includes"])

    def test_it_is_left_alone_where_nothing_is_to_be_stamped(self):
        for words in [["--peer-sources", "file"], ["--sources", "file"], ["--worst-case"], ["--capture", CAPTURE]]:
            with self.subTest(words=words):
                out, told = self.run_with_stand_in(*words)
                self.assertIsNone(told["stamp"])
                self.assertEqual(["libstdbuf.so" in path for path in told["preloaded"]], [True])
                self.assertFalse(out["peers"]["l3fwd-acl"]["stamped"])
                self.assertNotIn("every frame", out["peers"]["l3fwd-acl"]["includes"])
                self.assertEqual(out["stamped"], words[0] == "--peer-sources")
                self.assertEqual("every frame" in out["includes"], out["stamped"])

    def test_one_that_loads_no_libraries_is_refused(self):
        with mock.patch.dict(os.environ, {"L3FWD_STAND_IN_STATIC": "1"}):
            done = bench("throughput", *SHORT, "--peer", "l3fwd-acl", "--l3fwd-acl", STAND_IN)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stdout, "")
            self.assertIn("l3fwd-acl does not receive the frames that we do", done.stderr)
            self.assertIn("shared libraries, or give --peer-sources file", done.stderr)
            self.run_with_stand_in("--peer-sources", "file")

    def test_frames_are_counted_by_processor_time(self):
        out, _ = self.run_with_stand_in(turns=["--runs", 2, "--seconds", 0.2, "--warm-up", 0.01])
        # The stand-in counts a million a second on each of two ports.
        for run in out["peers"]["l3fwd-acl"]["runs"]:
            self.assertAlmostEqual(run["frames_per_second"], 2e6, delta=3e5)

    def test_more_than_it_has_room_for_is_refused(self):
        done = bench(
            "throughput", *SHORT, "--peer", "l3fwd-acl", "--l3fwd-acl", STAND_IN, "--exemptions", 100_000
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("--exemptions 99000 at most", done.stderr)

    def test_a_program_that_is_not_there_is_named(self):
        done = bench("throughput", *SHORT, "--peer", "l3fwd-acl", "--l3fwd-acl", "/nonexistent/l3fwd")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nonexistent/l3fwd", done.stderr)
        self.assertIn("bench/README.md", done.stderr)
        if shutil.which("dpdk-l3fwd-acl") is None:
            done = bench("throughput", *SHORT, "--peer", "l3fwd-acl")
            self.assertEqual(done.returncode, 2)
            self.assertIn("no dpdk-l3fwd-acl in PATH", done.stderr)

    def test_a_program_that_ends_at_once_is_quoted(self):
        liar = self.folder / "liar"
        liar.write_text("#!/bin/sh\necho no ports here\nexit 1\n")
        liar.chmod(0o755)
        done = bench("throughput", *SHORT, "--peer", "l3fwd-acl", "--l3fwd-acl", liar)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no ports here", done.stderr)


if __name__ == "__main__":
    unittest.main()
