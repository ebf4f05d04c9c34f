#!/usr/bin/env python3
"""A moment of `portcullis-bench throughput`, in all its shapes. Usage: tests/bench/throughput_test.py [-v] [TEST...]"""

import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from bench_programs import PROGRAM, ROOT, SHORT, bench, figures, has_testpmd


class ThroughputTest(unittest.TestCase):
    def run_one(self, *words):
        out = figures(self, "throughput", "--subscribers", 1000, *SHORT, *words)
        self.assertGreater(out["received_frames"], 0)
        self.assertEqual(out["conservation_error_frames"], 0)
        self.assertEqual(out["refused_frames"], 0)
        self.assertEqual(out["received_frames"], out["passed_frames"] + out["dropped_frames"])
        return out

    def test_the_figures_that_stay(self):
        out = self.run_one()
        self.assertGreater(out["frames_per_second"], 0)
        self.assertAlmostEqual(
            out["cycles_per_frame"] * out["frames_per_second"], out["machine"]["tsc_hz"], delta=1e3
        )
        if out["instructions_per_frame"] is not None:  # many virtual machines count none
            self.assertGreater(out["instructions_per_frame"], 50)
            self.assertLess(out["instructions_per_frame"], 5_000)
        self.assertEqual(out["bytes_per_slot"], 64)
        self.assertEqual(out["peers"], {})
        self.assertEqual(len(out["runs"]), 2)

    def test_every_subscriber_is_counted(self):
        out = self.run_one()
        self.assertEqual(out["subscribers_touched"], 1000)
        self.assertEqual(out["unattributed_frames"], 0)

    def test_the_share_of_port_25_is_dropped(self):
        self.assertEqual(self.run_one("--smtp-share", 0)["dropped_frames"], 0)
        self.assertEqual(self.run_one("--smtp-share", 100)["passed_frames"], 0)

    def test_exempt_subscribers_may_send(self):
        out = self.run_one("--smtp-share", 100, "--exemptions", 1000, "--direction", "outbound")
        self.assertEqual(out["dropped_frames"], 0)

    def test_shapes_of_frames(self):
        for words in [
            ["--ipv6-share", 100, "--extension-headers", 3],
            ["--ipv6-share", 50, "--vlan-tags", 2],
            ["--frame-size", "imix"],
            ["--frame-size", 1518],
        ]:
            with self.subTest(words=words):
                out = self.run_one("--smtp-share", 100, *words)
                self.assertEqual(out["passed_frames"], 0)
                self.assertEqual(out["subscribers_touched"], 2000 if "50" in map(str, words) else 1000)

    def test_spoofed_sources_are_dropped_where_the_policy_says_so(self):
        out = self.run_one(
            "--sources", "spoofed", "--drop-spoofed", "--smtp-share", 0, "--direction", "outbound"
        )
        self.assertGreater(out["dropped_frames"], out["received_frames"] * 0.99)

    def test_signatures_look_at_the_share_that_is_asked_for(self):
        self.assertEqual(self.run_one()["inspected_flows"], 0)
        one = ["--signatures", "monitor", "--smtp-share", 0]
        out = self.run_one(*one)
        # The source is another in every frame, so flows are more than the 1,024 of the files, on a slow machine, too.
        self.assertGreater(out["inspected_flows"], 1_024)
        self.assertEqual(list(out["peers"]), ["no-signatures"])
        self.assertEqual(self.run_one(*one, "--inspected-share", 0)["inspected_flows"], 0)
        # Both files have frames of the same 1,024 flows, and half of the subscribers are in the class.
        out = self.run_one(*one, "--sources", "file", "--inspected-share", 50)
        self.assertGreater(out["inspected_flows"], 400)
        self.assertLess(out["inspected_flows"], 625)

    def test_the_flows_that_signatures_meet(self):
        one = ["--signatures", "monitor", "--smtp-share", 0]
        self.assertEqual(self.run_one(*one, "--flows", "syn")["inspected_flows"], 0)
        out = self.run_one(*one, "--flows", "elephant", "--sources", "file")
        self.assertEqual(out["inspected_flows"], 1)
        self.assertEqual(out["uninspected_segments"], 0)

    def test_the_user_s_own_capture(self):
        out = self.run_one("--capture", ROOT / "tools" / "sample" / "sample.pcap")
        self.assertGreater(out["dropped_frames"], 0)

    def test_null_ports_deliver_frames_that_are_not_ip(self):
        out = self.run_one("--port", "null")
        self.assertEqual(out["subscribers_touched"], 0)

    def test_frames_go_round_on_ring_ports(self):
        out = self.run_one("--port", "ring", "--smtp-share", 100)
        self.assertEqual(out["dropped_frames"], 0)  # monitored
        self.assertEqual(out["subscribers_touched"], 1000)
        self.assertGreater(out["received_frames"], 10_000)  # more than lie on the rings

    def test_frames_that_cannot_be_are_refused(self):
        for words, named in [
            (["--port", "null", "--capture", ROOT / "tools" / "sample" / "sample.pcap"], "--capture"),
            (["--port", "null", "--frame-size", "imix"], "--frame-size"),
            (["--port", "ring", "--drop-spoofed"], "--drop-spoofed"),
            (["--extension-headers", 3], "--ipv6-share"),
        ]:
            with self.subTest(words=words):
                done = bench("throughput", *SHORT, *words)
                self.assertEqual(done.returncode, 2)
                self.assertIn(named, done.stderr)

    def test_two_workers(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("needs two processors")
        self.assertEqual(self.run_one("--workers", 2)["workers"], 2)

    def test_a_peer(self):
        if not has_testpmd():
            self.skipTest("needs dpdk-testpmd (package dpdk-dev)")
        for port in ("null", "ring"):
            out = self.run_one("--port", port, "--peer", "testpmd-io")
            self.assertGreater(out["peers"]["testpmd-io"]["frames_per_second"], 0)
        out = self.run_one("--peer", "testpmd-io", "--peer", "testpmd-macswap")
        self.assertEqual(list(out["peers"]), ["testpmd-io", "testpmd-macswap"])
        for peer in out["peers"].values():
            self.assertGreater(peer["frames_per_second"], 0)
            self.assertGreater(peer["ratio"], 0)
            self.assertEqual(len(peer["runs"]), 2)
            ratios = [
                own["frames_per_second"] / its["frames_per_second"]
                for own, its in zip(out["runs"], peer["runs"])
            ]
            self.assertAlmostEqual(peer["ratio"], sum(ratios) / 2, places=6)

    def test_xdp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        done = bench("throughput", "--subscribers", 1000, *SHORT, "--peer", "xdp")
        if done.returncode == 2 and ("was not built" in done.stderr or "cannot be" in done.stderr):
            self.skipTest(done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("xdp", done.stdout)

    def test_a_table_for_people(self):
        done = bench("throughput", "--subscribers", 1000, *SHORT)
        self.assertEqual(done.returncode, 0)
        self.assertIn("Mframes/s", done.stdout)
        self.assertIn("0 lost", done.stdout)
        self.assertEqual(done.stderr, "")  # no terminal, no progress

    def test_a_signal_ends_it_and_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(
                [PROGRAM, "throughput", "--subscribers", "1000", "--runs", "1000"],
                env={**os.environ, "TMPDIR": folder},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            deadline = time.monotonic() + 60
            while not list(Path(folder).glob("*/outside.pcap")) and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 2)
            self.assertEqual(out, "")
            self.assertIn("interrupted", err)
            self.assertEqual(list(Path(folder).iterdir()), [])


if __name__ == "__main__":
    unittest.main()
