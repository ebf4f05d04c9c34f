#!/usr/bin/env python3
"""The arithmetic of bench/take_results, over a program that says known figures. Usage: tests/bench/take_results_test.py"""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from bench_programs import ROOT

TAKE = ROOT / "bench" / "take_results"
HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")

# Says what portcullis-bench throughput does: 40 million a second, half of it with all frames port 25; every peer 80, and
# 100 without a stamp.
STAND_IN = """#!/usr/bin/env python3
import json, sys
words = sys.argv[1:]
if "--json" not in words:
    print("table of " + words[0])
    sys.exit(0)
if "--worst-case" in words:
    FAIL and sys.exit(2)
rate = 20e6 if "--smtp-share" in words else 40e6
peers = [words[i + 1] for i, word in enumerate(words) if word == "--peer"]
runs = [{"frames_per_second": rate * factor, "processor_share": 0.75} for factor in (0.9, 1, 1.1)]
its = [{"frames_per_second": 100e6 if "--peer-sources" in words else 80e6} for _ in runs]
print(json.dumps({
    "machine": {"processor": "P", "processors": 2, "kernel": "K", "dpdk": "D", "tsc_hz": 2e9, "hugepages": True},
    "frames_per_second": rate,
    "conservation_error_frames": 0,
    "runs": runs,
    "peers": {peer: {"includes": "what " + peer + " does", "runs": its} for peer in peers},
}))
"""


class TakeResultsTest(unittest.TestCase):
    def take(self, *words, fail=False):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "portcullis-bench"
            program.write_text(STAND_IN.replace("FAIL", str(fail)))
            program.chmod(0o755)
            return subprocess.run(
                [TAKE, *words, program], capture_output=True, text=True, timeout=300,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip

    def rows(self, text):
        return {
            cells[0]: cells[1:]
            for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines())
            if len(cells) > 1
        }

    def test_rows_and_quotients(self):
        before = HUGE_PAGES.read_text()
        done = self.take("--quick", "--peer", "testpmd-io", "--peer", "l3fwd-acl")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(HUGE_PAGES.read_text(), before)
        rows = self.rows(done.stdout)
        self.assertEqual(
            rows["1,000,000 subscribers, 1 % port 25"],
            ["40.0", "20.0 %", "50.0", "80.0", "0.500", "0.450 to 0.550"],
        )
        self.assertEqual(rows["`--smtp-share 100`"][0], "20.0")
        self.assertEqual(rows["all frames port 25 / 1 %"][1], "**0.50: not reached**")
        self.assertEqual(rows["IPv6 / IPv4"][1], "1.00")
        self.assertEqual(rows["1,000,000 random subscribers / testpmd io"][1], "**0.50: not reached**")
        self.assertEqual(rows["the same, `--peer-sources file`: testpmd's frames have no stamp"][3:5], ["100.0", "0.400"])
        self.assertEqual(
            rows["the same / testpmd io whose frames are not stamped (`--peer-sources file`)"][1], "**0.40: not reached**"
        )
        self.assertEqual(rows["l3fwd-acl, 10,000 exemptions on both sides"][-1], "what l3fwd-acl does")
        self.assertIn("at least 75 % of", done.stdout)
        self.assertIn("table of publish", done.stdout)

    def test_a_row_that_fails_is_named_and_the_others_are_taken(self):
        done = self.take("--quick", "--peer", "testpmd-io", fail=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--worst-case", done.stderr)
        self.assertNotIn("`--worst-case`", done.stdout)
        self.assertIn("`--vlan-tags 2`", done.stdout)

    def test_a_busy_machine_is_refused(self):
        hogs = [
            subprocess.Popen([sys.executable, "-c", "import time\nend = time.time() + 60\nwhile time.time() < end: pass"])
            for _ in range(os.cpu_count())
        ]
        try:
            done = self.take("--peer", "testpmd-io")
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
        self.assertEqual(done.returncode, 2)
        self.assertIn("in use by others", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_no_program(self):
        done = subprocess.run(
            [TAKE, "--quick", "/nonexistent/portcullis-bench"], capture_output=True, text=True, timeout=60
        )
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()
