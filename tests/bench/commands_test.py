#!/usr/bin/env python3
"""A moment of each other command of portcullis-bench. Usage: tests/bench/commands_test.py [-v] [TEST...]"""

import os
import unittest

from bench_programs import SHORT, bench, figures


class CommandsTest(unittest.TestCase):
    def need_processors(self, count):
        if len(os.sched_getaffinity(0)) < count:
            self.skipTest(f"needs {count} processors")

    def test_publish_checks_every_verdict(self):
        self.need_processors(2)
        out = figures(
            self, "publish", "--subscribers", 10_000, "--exemptions", 1000, "--publications", 5
        )
        self.assertEqual(out["frames_misjudged"], 0)
        self.assertEqual(out["frames_lost"], 0)
        self.assertGreater(out["with_publications"]["frames"], 0)
        self.assertEqual(len(out["publications"]), 5)
        self.assertGreater(out["effective_seconds"], out["compile_seconds"])
        # Half of the frames are port 25, and one subscriber of ten is exempt.
        passed = out["without_publications"]["passed_frames"] / out["without_publications"]["frames"]
        self.assertAlmostEqual(passed, 0.55, delta=0.06)

    def test_latency_has_percentiles_in_order(self):
        self.need_processors(2)
        out = figures(self, "latency", "--subscribers", 1000, "--load", 5, "--load", 20, "--seconds", 0.2)
        self.assertEqual([row["load_percent"] for row in out["rows"]], [5, 20])
        for row in out["rows"]:
            self.assertGreater(row["returned_frames"], 0)
            self.assertLessEqual(row["returned_frames"], row["sent_frames"])
            order = [row[f"{name}_microseconds"] for name in ("p50", "p99", "p99_9", "max")]
            self.assertEqual(order, sorted(order))
            self.assertEqual(
                sum(bucket["frames"] for bucket in row["histogram"]), row["returned_frames"]
            )

    def test_scaling_has_a_row_for_each_number_of_workers(self):
        self.need_processors(2)
        out = figures(self, "scaling", "--workers", 2, *SHORT)
        self.assertEqual([row["workers"] for row in out["rows"]], [1, 2])
        self.assertEqual(out["rows"][0]["ratio_to_one_worker"], 1)

    def test_memory_of_a_slot(self):
        out = figures(self, "memory", "--subscribers", 1_000_000, "--exemptions", 1000)
        self.assertEqual(out["slot_bytes"], 64)
        self.assertEqual(len(out["rows"]), 2)
        for row in out["rows"]:
            self.assertGreaterEqual(row["slots"], 2 * row["subscribers"])
            # In whole huge pages, and what the process takes besides.
            self.assertLess(row["counter_resident_bytes"], 64 * row["slots"] + 8 * 2**20)
            self.assertGreater(row["counter_resident_bytes"], 64 * row["slots"] - 8 * 2**20)
            self.assertGreater(row["cycles_per_random_count"], 0)
            self.assertGreater(row["cycles_per_random_count_in_some_lines"], 0)
        self.assertGreater(out["rows"][1]["image_bytes"], out["rows"][0]["image_bytes"])

    def test_stages(self):
        out = figures(self, "stages", "--subscribers", 1000, "--rounds", 1, "--runs", 1)
        for row in out["stages"]:
            self.assertGreater(row["cycles_per_frame"], 0)
            self.assertGreater(row["judged_frames"], 0)
        for row in out["segments"]:
            self.assertGreater(row["cycles_per_segment"], 0)
        self.assertEqual(sum("Hyperscan" in row["part"] for row in out["segments"]), 2)

    def test_tables_for_people(self):
        self.need_processors(2)
        for words in [
            ["memory", "--subscribers", 1000],
            ["stages", "--subscribers", 1000, "--rounds", 1, "--runs", 1],
            ["latency", "--subscribers", 1000, "--load", 5, "--seconds", 0.1],
        ]:
            with self.subTest(words=words):
                done = bench(*words)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertGreater(done.stdout.count("\n"), 2)
                self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main()
