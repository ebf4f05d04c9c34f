#!/usr/bin/env python3
"""Somebody sets the wall clock, forwards and backwards, under running programs: what has a timeout keeps it, what has an
expiry follows the clock, and nothing that is told of subscribers or workers is stuck in a time that was corrected.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/clock_test.py [-v] [TEST...]
"""

import datetime
import json
import signal
import time
import unittest
import urllib.error

from changes import DONE, Operator, metrics, policy_text, start_dataplane, write_policies, write_stream
from clock import DAY, HOUR, Clock
from processes import Stage, Watcher, http_get, wait_for

FRAMES = 400_000
PACE = 2_000
BY_FILE, BY_OBJECT, NEIGHBOUR = "100.64.0.6", "100.64.0.7", "100.64.0.8"


class ClockTest(unittest.TestCase):
    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)
        folder = self.stage.folder
        write_policies(folder)
        in_three_days = datetime.date.today() + datetime.timedelta(days=3)
        shut = policy_text(True) + (
            f'[[exemption]]\nsubscriber = "{BY_FILE}"\nrules = ["smtp"]\nreason = "own mail server"\n'
            f"expires = {in_three_days}\n"
        )
        for name in ["policy", "shut"]:
            (folder / f"{name}.toml").write_text(shut)
        write_stream(folder, FRAMES)
        self.clock = Clock(self.stage)
        self.operator = Operator(self.stage)
        self.dataplane = start_dataplane(self.stage, PACE)
        self.control = self.stage.control("--state", folder / "state")
        wait_for(self.is_ready, "ready")

    def is_ready(self):
        try:
            return json.loads(http_get(self.control.port, "/healthz"))["ready"]
        except OSError:
            return False

    def problems(self):
        try:
            return json.loads(http_get(self.control.port, "/healthz"))["problems"]
        except urllib.error.HTTPError as refused:
            return json.loads(refused.read())["problems"]

    def assert_done(self, ran):
        self.assertEqual(ran.returncode, DONE, ran.stdout + ran.stderr + self.control.log())

    def explain(self, source):
        ran = self.operator.run("explain", "--live", "--src", source, "--dst", "203.0.113.25", "--dport", 25, "--json")
        self.assert_done(ran)
        return json.loads(ran.stdout)

    def drops_go_on(self, source, frames=5):
        """Whether more of a subscriber's frames are dropped within some seconds: the dataplane's word."""
        def dropped():
            (row,) = [row for row in self.explain(source)["counters"]["dropped"] if row["rule"] == "smtp"] or [{}]
            return row.get("frames", 0)
        before = dropped()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if dropped() >= before + frames:
                return True
            time.sleep(0.2)
        return False

    def wait_for_drops(self, source, wanted):
        wait_for(lambda: self.drops_go_on(source) == wanted, f"drops of {source}: {wanted}", 90)

    def objects(self):
        return json.loads(self.operator.run("exempt", "list", "--json").stdout)["exemptions"]

    def current(self):
        history = self.operator.history()
        return next(one for one in history["changes"] if one["change"] == history["current"])

    def pending(self):
        return [one for one in self.operator.history()["changes"] if one["state"] == "pending"]

    def test_a_confirm_timeout_is_of_real_time(self):
        before = self.current()["change"]
        self.assert_done(self.operator.apply("open", "--confirm-timeout", "1h"))
        self.clock.set_ahead(2 * HOUR)
        time.sleep(2)
        self.assertEqual(len(self.pending()), 1, "the clock alone took it back")
        self.clock.set_ahead(-400 * DAY)
        self.assert_done(self.operator.run("confirm"))
        confirmed = self.current()["change"]
        self.assertGreater(confirmed, before)
        self.assert_done(self.operator.apply("shut", "--confirm-timeout", "2s"))
        self.clock.set_ahead(-800 * DAY)
        wait_for(lambda: self.pending() == [], "it goes back by itself", 30)
        self.assertEqual(self.current()["change"], confirmed)

    def test_exemptions_follow_the_clock(self):
        add = ["exempt", "add", BY_OBJECT, "--rule", "smtp", "--reason", "own mail server"]
        self.assert_done(self.operator.run(*add, "--expires", "1h"))
        self.wait_for_drops(BY_OBJECT, False)
        self.wait_for_drops(BY_FILE, False)
        self.clock.set_ahead(2 * HOUR)
        wait_for(lambda: self.objects() == [], "the object expires")
        self.wait_for_drops(BY_OBJECT, True)
        self.wait_for_drops(BY_FILE, False)
        self.clock.set_ahead(10 * DAY)
        self.wait_for_drops(BY_FILE, True)
        self.assertEqual(self.explain(BY_FILE)["verdict"], "drop")
        self.clock.set_ahead(-HOUR)
        self.wait_for_drops(BY_FILE, False)  # it holds again
        self.assertEqual(self.explain(BY_FILE)["reason"], "exempt")
        self.assertEqual(self.objects(), [])  # and an object that is gone is gone
        self.assert_done(self.operator.run(*add, "--expires", "1h"))
        self.wait_for_drops(BY_OBJECT, False)
        self.clock.set_ahead(0)  # an hour later
        wait_for(lambda: self.objects() == [], "the object expires")
        self.wait_for_drops(BY_OBJECT, True)

    def seen(self):
        """(first, last), Unix time, of the drops of a subscriber who is never exempt."""
        row = self.explain(NEIGHBOUR)["counters"]
        return [
            datetime.datetime.fromisoformat(row[key].replace("Z", "+00:00")).timestamp() if row[key] else 0
            for key in ["first_seen", "last_seen"]
        ]

    def test_what_is_told_is_right_after_every_step(self):
        watcher = Watcher(self.control.port)
        self.addCleanup(watcher.stop)
        first, _ = wait_for(lambda: self.seen()[0] and self.seen(), "drops")
        for ahead in [400 * DAY, 0, -400 * DAY, 5, 0]:
            self.clock.set_ahead(ahead)
            wanted = max(first, self.clock.now())
            wait_for(
                lambda: abs(self.seen()[1] - max(first, self.clock.now())) < 30,
                f"last seen near {wanted}, not {self.seen()}",
            )
            self.assertEqual(self.seen()[0], first)
            wait_for(self.is_ready, f"ready {ahead} s ahead")
        watcher.stop()
        self.assertEqual(watcher.problems, [])
        frames = 'portcullis_frames_total{direction="outbound",verdict="drop"}'
        before = metrics(self.control)[frames]
        wait_for(lambda: metrics(self.control)[frames] > before, "frames go on")


    def test_a_worker_that_stands_is_told_whatever_the_clock_says(self):
        for ahead in [-HOUR, HOUR, -400 * DAY]:
            self.assertEqual(self.problems(), [])
            self.dataplane.signal(signal.SIGSTOP)
            self.addCleanup(self.dataplane.signal, signal.SIGCONT)
            self.clock.set_ahead(ahead)
            wait_for(lambda: "worker 0 does not run" in self.problems(), f"the worker stands, {ahead} s ahead", 30)
            heartbeat = metrics(self.control)['portcullis_worker_heartbeat_timestamp_seconds{worker="0"}']
            self.assertLess(abs(heartbeat - self.clock.now()), 60)
            self.dataplane.signal(signal.SIGCONT)
            wait_for(self.is_ready, f"ready, {ahead} s ahead")


if __name__ == "__main__":
    unittest.main()
