#!/usr/bin/env python3
"""The page that `portcullis-bench report` writes. Usage: tests/bench/report_test.py [-v]"""

import os
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

from bench_programs import bench


class ReportTest(unittest.TestCase):
    def test_report_is_a_page_that_needs_nothing_else(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("needs two processors")
        with tempfile.TemporaryDirectory() as folder:
            page, figures_file, again = (Path(folder) / name for name in ("a.html", "a.json", "b.html"))
            done = bench("report", "--quick", "--out", page, "--json-out", figures_file)
            self.assertEqual(done.returncode, 0, done.stderr)
            text = page.read_text()
            ElementTree.fromstring(text[text.index("<body>"):text.index("</body>") + len("</body>")])
            self.assertGreaterEqual(text.count("<svg"), 5)
            self.assertNotRegex(text, r"(src|href)=")
            self.assertNotIn("nan", text)
            done = bench("report", "--from", figures_file, "--out", again)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(again.read_text(), text)
            page.write_text("{}")
            self.assertEqual(bench("report", "--from", page, "--out", again).returncode, 2)


if __name__ == "__main__":
    unittest.main()
