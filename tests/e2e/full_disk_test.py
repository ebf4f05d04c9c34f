#!/usr/bin/env python3
"""A state folder on a disk without room: a tmpfs of its own, filled to the last page. What an operator asks for is refused
whole, with the reason, or done whole; filtering goes on; and everything goes on when there is room again.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/full_disk_test.py [-v] [TEST...]
Needs root, for a mount namespace of its own; else it ends with 77.
"""

import ctypes
import json
import os
import subprocess
import sys
import unittest

from changes import COULD_NOT_RUN, DONE, Operator, metrics, policy_text, start_dataplane, write_policies, write_stream
from processes import Stage, http_get, wait_for

CLONE_NEWNS = 0x20000
DISK_BYTES = 4 << 20
FRAMES = 200_000
PACE = 2_000
PAGE = b"x" * 4_096


class FullDiskTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)
        self.folder = self.stage.folder
        self.state = self.folder / "state"
        self.state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", self.state], check=True)
        self.stage.callback(subprocess.run, ["umount", "--lazy", self.state], check=False)
        write_policies(self.folder)
        (self.folder / "policy.toml").write_text(policy_text(True))
        write_stream(self.folder, FRAMES)
        self.operator = Operator(self.stage)
        start_dataplane(self.stage, PACE)
        self.start_control()

    def start_control(self):
        self.control = self.stage.control("--state", self.state)
        wait_for(lambda: metrics(self.control)["portcullis_policy_generation"] >= 1, "a policy in force")

    def fill(self):
        with open(self.state / "filler", "ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(PAGE)
            except OSError as error:
                self.assertIn("No space left", str(error))

    def make_room(self):
        (self.state / "filler").unlink()

    def in_force(self):
        return json.loads(http_get(self.control.port, "/api/v1/policy"))["classes"][0]["drop"]

    def verdict(self, host):
        ran = self.operator.run(
            "explain", "--live", "--src", f"100.64.0.{host}", "--dst", "203.0.113.25", "--dport", 25, "--json")
        self.assertEqual(ran.returncode, DONE, ran.stderr)
        return json.loads(ran.stdout)["verdict"]

    def exempt(self, host):
        """Whether it was taken; if not, the error is clear."""
        ran = self.operator.run(
            "exempt", "add", f"100.64.0.{host}", "--rule", "smtp", "--reason", "own mail server " * 50)
        if ran.returncode == DONE:
            return True
        self.assertEqual(ran.returncode, COULD_NOT_RUN, ran.stderr)
        self.assertRegex(ran.stderr, r"exemptions\.state: .*No space left on device \(make room")
        return False

    def exempted(self):
        ran = self.operator.run("exempt", "list", "--json")
        self.assertEqual(ran.returncode, DONE, ran.stderr)
        return [one["subscriber"] for one in json.loads(ran.stdout)["exemptions"]]

    def assert_no_room(self, ran):
        self.assertEqual(ran.returncode, COULD_NOT_RUN, ran.stdout)
        self.assertIn("No space left on device", ran.stderr)
        self.assertIn("make room", ran.stderr)

    def changes(self):
        return [(one["change"], one["state"]) for one in self.operator.history()["changes"]]

    def restart(self):
        self.control.kill()
        self.start_control()

    def test_a_change_is_refused_whole_and_made_when_there_is_room(self):
        before = self.changes()
        self.fill()
        self.assert_no_room(self.operator.apply("open"))
        self.assertEqual((self.in_force(), self.verdict(7), self.changes()), (["smtp"], "drop", before))
        self.restart()  # on the full disk: the policy confirmed last
        self.assertEqual((self.in_force(), self.verdict(7), self.changes()), (["smtp"], "drop", before))
        self.make_room()
        applied = self.operator.apply("open")
        self.assertEqual(applied.returncode, DONE, applied.stderr)
        self.assertEqual((self.in_force(), self.verdict(7)), ([], "pass"))
        self.restart()
        self.assertEqual(self.in_force(), [])

    def test_what_cannot_be_confirmed_goes_on_waiting(self):
        applied = self.operator.apply("open", "--confirm-timeout", "10m")
        self.assertEqual(applied.returncode, DONE, applied.stderr)
        waiting = self.changes()
        self.assertEqual(waiting[0][1], "pending")
        self.fill()
        self.assert_no_room(self.operator.run("confirm"))
        self.assertEqual((self.in_force(), self.changes()), ([], waiting))
        self.make_room()
        confirmed = self.operator.run("confirm")
        self.assertEqual(confirmed.returncode, DONE, confirmed.stderr)
        self.assertEqual(self.changes()[0], (waiting[0][0], "confirmed"))
        self.restart()
        self.assertEqual((self.in_force(), self.changes()[0][1]), ([], "confirmed"))

    def test_an_exemption_is_kept_and_effective_or_neither(self):
        self.assertTrue(self.exempt(1))
        self.fill()
        # The last page of the file may have room for some.
        host = next(host for host in range(2, 100) if not self.exempt(host))
        taken = [f"100.64.0.{one}" for one in range(1, host)]
        self.assertEqual(self.exempted(), taken)
        self.assertEqual((self.verdict(host - 1), self.verdict(host)), ("pass", "drop"))
        wait_for(lambda: metrics(self.control)["portcullis_state_save_failures_total"] > 0, "what is not saved is told")
        self.restart()
        self.assertEqual(self.exempted(), taken)
        self.make_room()
        self.assertTrue(self.exempt(host))
        self.assertEqual(self.verdict(host), "pass")
        removed = self.operator.run("exempt", "remove", "100.64.0.1")
        self.assertEqual(removed.returncode, DONE, removed.stderr)
        self.restart()
        self.assertEqual(self.exempted(), [*taken[1:], f"100.64.0.{host}"])
        self.assertEqual(metrics(self.control)["portcullis_conservation_error_frames"], 0)


def enter_own_mounts():
    """A mount namespace of this process, which ends with it; what is mounted in it is seen nowhere else."""
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(77)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        print(f"skipped: no mount namespace: {os.strerror(ctypes.get_errno())}")
        sys.exit(77)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


if __name__ == "__main__":
    enter_own_mounts()
    unittest.main()
