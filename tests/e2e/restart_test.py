#!/usr/bin/env python3
"""Control and dataplane die, one at a time, while a capture is judged: no verdict changes, no total goes backwards.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/restart_test.py [-v] [TEST...]
"""

import datetime
import signal
import time
import unittest

from processes import Stage, Watcher, expected_counters, http_get, samples, wait_for

FRAMES = 4_000
# Frames a second, tried in this order until the capture is not over before the test acts.
PACES = [500, 100, 25]
# From the second dataplane's socket to its policy: 1 s is promised. A busy machine may take that long to run a process.
REPAIR_PROMISED_S = 1.0
REPAIR_BUSY_MACHINE_S = 15.0


def metrics(control):
    return samples(http_get(control.port, "/metrics"))


def received(of):
    return sum(value for name, value in of.items() if name.startswith("portcullis_received_frames_total"))


def time_of(match):
    """When a line of a log was written."""
    return datetime.datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S.%f%z")


class RestartTest(unittest.TestCase):
    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)
        self.expected, _ = expected_counters()

    def judged_undisturbed(self):
        """The records of a replay during which nothing happens."""
        records = self.stage.folder / "undisturbed"
        dataplane = self.stage.dataplane("--verdict-records", records)
        control = self.stage.control()
        self.assertEqual(dataplane.process.wait(timeout=120), 0, dataplane.log())
        self.assertEqual(control.end(), 0, control.log())
        return records.read_bytes()

    def assert_expected(self, of, before=None):
        """Every counter is what it was `before`, and what the capture adds."""
        self.assertEqual(self.differences(of, before), {})

    def differences(self, of, before=None):
        """Series to (expected, found), where these differ."""
        wanted = {name: value + (before[name] if before else 0) for name, value in self.expected.items()}
        return {name: (value, of.get(name)) for name, value in wanted.items() if of.get(name) != value}

    def await_expected(self, control, before=None):
        """Waits until every counter is what it was `before`, and what the capture adds."""
        left = {}

        def arrived():
            left.clear()
            left.update(self.differences(metrics(control), before))
            return not left

        try:
            wait_for(arrived, "the counters as expected", seconds=300)
        except AssertionError as late:
            raise AssertionError(f"{late}; expected and found: {left}") from None

    def in_the_middle(self, control_words, dataplane_words):
        """A dataplane that has judged some of the frames, the control that counted them, and the name of the attempt."""
        for pace in PACES:
            attempt = f"pace-{pace}"
            dataplane = self.stage.dataplane("--pace", pace, "--linger", *dataplane_words(attempt))
            control = self.stage.control(*control_words(attempt))
            wait_for(lambda: received(metrics(control)) > 200, "some frames judged")
            if received(metrics(control)) < FRAMES / 2:
                return dataplane, control, attempt
            control.kill()
            dataplane.kill()
        raise AssertionError("the capture is over before anything can be done")

    def test_kill_9_of_control_changes_no_verdict(self):
        undisturbed = self.judged_undisturbed()
        self.assertGreater(len(undisturbed), FRAMES)
        records = self.stage.folder / "disturbed"
        records.mkdir()
        state = self.stage.folder / "state"
        state.mkdir()
        dataplane, control, attempt = self.in_the_middle(
            lambda attempt: ["--state", state / attempt],
            lambda attempt: ["--verdict-records", records / attempt],
        )
        control.kill()
        # As if it had been away for a while.
        time.sleep(0.5)
        again = self.stage.control("--state", state / attempt)
        watcher = Watcher(again.port)
        self.addCleanup(watcher.stop)
        # Counted once each, though some of it was counted by a control that is dead.
        self.await_expected(again)
        watcher.stop()
        self.assertEqual(watcher.problems, [])
        self.assertEqual(metrics(again)["portcullis_policy_generation"], 1)
        self.assertEqual(dataplane.end(), 0, dataplane.log())
        self.assertTrue((records / attempt).read_bytes() == undisturbed, "the records differ")

    def test_kill_9_of_the_dataplane_is_repaired_by_control_alone(self):
        dataplane, control, _ = self.in_the_middle(lambda _: [], lambda _: [])
        watcher = Watcher(control.port)
        self.addCleanup(watcher.stop)
        wait_for(lambda: watcher.latest("portcullis_dataplane_up") == 1, "the first dataplane scraped")
        dataplane.kill()
        wait_for(lambda: metrics(control)["portcullis_dataplane_up"] == 0, "its death noticed")
        before = metrics(control)
        self.assertGreater(received(before), 200)
        self.assertLess(received(before), FRAMES)
        wait_for(lambda: watcher.latest("portcullis_dataplane_up") == 0, "its death scraped")

        second = self.stage.dataplane("--linger")
        stamp = r"(\d{4}-\d\d-\d\dT\S+) \w+: "
        listening = second.wait_for_log(stamp + "forwarding with")
        effective = second.wait_for_log(stamp + r"policy effective, generation (\d+)")
        self.assertEqual(effective[2], "2")
        took = (time_of(effective) - time_of(listening)).total_seconds()
        print(f"published again {took:.3f} s after the dataplane listened ({REPAIR_PROMISED_S} s are promised)")
        self.assertLess(took, REPAIR_BUSY_MACHINE_S)
        self.await_expected(control, before)
        wait_for(lambda: watcher.latest("portcullis_dataplane_up") == 1, "the second dataplane scraped")
        watcher.stop()
        self.assertEqual(watcher.problems, [])

    def test_both_die_and_totals_go_on(self):
        state = ["--state", self.stage.folder / "state"]
        dataplane = self.stage.dataplane("--linger")
        control = self.stage.control(*state)
        self.await_expected(control)
        before = metrics(control)
        self.assertEqual(control.end(), 0)
        dataplane.kill()
        control = self.stage.control(*state)
        self.assert_expected(metrics(control))  # without any dataplane
        self.assertEqual(metrics(control)["portcullis_dataplane_up"], 0)
        self.stage.dataplane("--linger")
        self.await_expected(control, before)

    def test_sighup_takes_a_good_policy_and_refuses_a_broken_one(self):
        self.stage.dataplane("--linger")
        control = self.stage.control()
        wait_for(lambda: metrics(control)["portcullis_policy_generation"] == 1, "the policy in force")
        policy = self.stage.folder / "policy.toml"
        good = policy.read_text()

        policy.write_text(good + "nonsense = true\n")
        control.signal(signal.SIGHUP)
        invalid = 'portcullis_policy_apply_failures_total{reason="invalid"}'
        wait_for(lambda: metrics(control)[invalid] == 1, "the refusal counted")
        lines = len(good.splitlines()) + 1
        self.assertRegex(control.log(), rf"policy\.toml:{lines}:1: ")
        self.assertEqual(metrics(control)["portcullis_policy_generation"], 1)

        policy.write_text(good)
        control.signal(signal.SIGHUP)
        control.wait_for_log("says what generation 1 says already")

        policy.write_text(good.replace('drop = ["netbios-smb"]', "drop = []"))
        control.signal(signal.SIGHUP)
        wait_for(lambda: metrics(control)["portcullis_policy_generation"] == 2, "the new policy in force")
        self.assertEqual(metrics(control)[invalid], 1)

    def test_a_policy_that_is_broken_at_the_start_is_refused(self):
        policy = self.stage.folder / "policy.toml"
        policy.write_text("version = 1\nnonsense = true\n")
        with self.assertRaisesRegex(AssertionError, r"policy\.toml:2:1: "):
            self.stage.control()


if __name__ == "__main__":
    unittest.main()
