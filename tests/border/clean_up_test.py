#!/usr/bin/env python3
"""Whatever ends a border test, nothing of it stays: no process, namespace, interface, file or hugepage.

    PORTCULLIS_BIN=build/release/bin tests/border/clean_up_test.py [-v]

Exit status 77: skipped, with the reason.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

from border_test import SKIPPED, skip_reason
from processes import die_with_parent, wait_for

SECONDS = 120
MARK = "PORTCULLIS_CLEAN_UP_TEST"


def interfaces():
    return {path.name for path in Path("/sys/class/net").iterdir()}


def hugepages_in_use():
    found = re.findall(r"^HugePages_(Total|Free): +(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    values = {name: int(value) for name, value in found}
    return values.get("Total", 0) - values.get("Free", 0)


class CleanUpTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="pcc-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)
        self.before = interfaces(), hugepages_in_use()
        self.mark = f"{MARK}={os.getpid()}.{self.id()}"
        self.addCleanup(self.end_what_stayed)

    def end_what_stayed(self):
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def processes(self):
        """Those that inherited our mark, whoever their parents are: {pid: words}."""
        out = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (path / "environ").read_bytes().split(b"\0"):
                    out[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                pass  # gone meanwhile
        return out

    def namespaces(self, pid):
        return [path.name for path in Path("/run/netns").glob(f"portcullis-border-{pid}-*")]

    def run_until_it_forwards(self):
        name, _, value = self.mark.partition("=")
        test = subprocess.Popen(
            [sys.executable, TESTS / "border" / "border_test.py", "AfPacket.test_bulk_transfer_while_policies_change"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | {name: value, "TMPDIR": str(self.folder)}, preexec_fn=die_with_parent,
        )  # fmt: skip
        self.addCleanup(test.wait)
        self.addCleanup(test.kill)

        def forwards():
            self.assertIsNone(test.poll(), "ended by itself")
            logs = self.folder.glob("pcb-*/portcullis-dataplane-*.log")
            return any("policy effective" in log.read_text(errors="replace") for log in logs)

        wait_for(forwards, "a border with its filter", SECONDS)
        # Else what follows would hold of a test that makes nothing.
        self.assertEqual(len(self.namespaces(test.pid)), 4)
        programs = " ".join(self.processes().values())
        for program in ("portcullis-dataplane", "portcullis-control", "exim4", "smbd", "dnsmasq"):
            self.assertIn(program, programs)
        return test

    def assert_no_process(self):
        deadline = time.monotonic() + SECONDS
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.processes(), {})

    def test_terminated(self):
        test = self.run_until_it_forwards()
        test.send_signal(signal.SIGTERM)
        test.wait(timeout=SECONDS)
        self.assert_no_process()
        self.assertEqual(self.namespaces(test.pid), [])
        self.assertEqual(list(self.folder.iterdir()), [])
        self.assertEqual((interfaces() - self.before[0], hugepages_in_use()), (set(), self.before[1]))

    def test_killed(self):
        """Nobody can clean up then; all processes end, and the next run removes the namespaces."""
        test = self.run_until_it_forwards()
        test.kill()
        test.wait(timeout=SECONDS)
        self.assert_no_process()
        self.assertEqual(len(self.namespaces(test.pid)), 4)
        for path in self.folder.iterdir():  # which is in place of /tmp
            shutil.rmtree(path)
        next_one = self.run_until_it_forwards()
        self.assertEqual(self.namespaces(test.pid), [])
        next_one.send_signal(signal.SIGINT)
        next_one.wait(timeout=SECONDS)
        self.assert_no_process()
        self.assertEqual(self.namespaces(next_one.pid), [])
        self.assertEqual((interfaces() - self.before[0], hugepages_in_use()), (set(), self.before[1]))


if __name__ == "__main__":
    if reason := skip_reason():
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    unittest.main()
