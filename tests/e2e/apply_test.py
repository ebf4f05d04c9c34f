#!/usr/bin/env python3
"""Changes of the policy by the command line, against a real control and dataplane, while frames flow.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/apply_test.py [-v] [TEST...]
"""

import json
import os
import resource
import signal
import subprocess
import unittest

from changes import (
    COULD_NOT_RUN,
    DONE,
    NO,
    Operator,
    frames_by_verdict,
    metrics,
    policy_text,
    runs_of,
    start_dataplane,
    verdicts,
    write_policies,
    write_stream,
)
from processes import BIN, Stage, http_get, wait_for

FRAMES = 200_000  # 100 s: longer than any test
PACE = 2_000


class ApplyTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)
        self.folder = self.stage.folder
        write_policies(self.folder)
        write_stream(self.folder, FRAMES)
        self.state = ["--state", self.folder / "state"]
        self.operator = Operator(self.stage)
        self.records = self.folder / "records"

    def start(self, *more):
        self.dataplane = start_dataplane(self.stage, PACE, self.records)
        self.control = self.stage.control(*self.state, *more)
        wait_for(lambda: metrics(self.control)["portcullis_policy_generation"] >= 1, "a policy in force")

    def assert_done(self, ran):
        self.assertEqual(ran.returncode, DONE, ran.stdout + ran.stderr)
        return ran

    def passed(self):
        return frames_by_verdict(metrics(self.control))[0]

    def dropped(self):
        return frames_by_verdict(metrics(self.control))[1]

    def in_force(self):
        """'p' or 'd': what the policy in force says about the stream."""
        classes = json.loads(http_get(self.control.port, "/api/v1/policy")).get("classes")
        return classes and ("d" if classes[0]["drop"] else "p")

    def test_pass_apply_drop_rollback_pass_with_exact_counters(self):
        self.start()
        wait_for(lambda: self.passed() > 1_000, "frames passed")
        self.assertEqual(self.dropped(), 0)

        shown = self.assert_done(self.operator.apply("shut", "--comment", "ticket 4711"))
        self.assertRegex(shown.stdout, r"~ class residential: .*\n0 added, 0 removed, 1 changed\n")
        self.assertRegex(shown.stdout, r"change 2 is effective, generation 2\n")
        wait_for(lambda: self.dropped() > 1_000, "frames dropped")

        again = self.assert_done(self.operator.apply("shut"))
        self.assertIn("nothing to do: change 2 says the same\n", again.stdout)

        back = self.assert_done(self.operator.run("rollback"))
        self.assertIn("change 3 is effective, generation 3\n", back.stdout)
        passed_before = self.passed()
        wait_for(lambda: self.passed() > passed_before + 1_000, "frames passed again")
        self.assertEqual(self.dataplane.end(), 0, self.dataplane.log())

        judged = verdicts(self.records)
        self.assertLess(len(judged), FRAMES, "the stream ended before the changes did")
        wait_for(lambda: sum(frames_by_verdict(metrics(self.control))) == len(judged), "all frames counted")
        passed, dropped = frames_by_verdict(metrics(self.control))
        self.assertEqual(metrics(self.control)["portcullis_conservation_error_frames"], 0)
        runs = runs_of(judged)
        self.assertEqual([letter for letter, _ in runs], ["p", "d", "p"])
        self.assertEqual(runs[1][1], dropped)
        self.assertEqual(runs[0][1] + runs[2][1], passed)

        changes = self.operator.history()["changes"]
        self.assertEqual([one["change"] for one in changes], [3, 2, 1])
        self.assertEqual([one["kind"] for one in changes], ["rollback", "apply", "start"])
        self.assertEqual([one["state"] for one in changes], ["confirmed", "superseded", "superseded"])
        self.assertEqual(changes[0]["rollback_of"], 1)
        self.assertEqual(changes[1]["comment"], "ticket 4711")
        self.assertEqual(changes[1]["uid"], os.getuid())
        self.assertEqual(changes[1]["diff"]["changed"], 1)
        table = self.assert_done(self.operator.run("history")).stdout
        self.assertRegex(table, r"2 +2 +\S+Z +\S+ +apply +superseded +\+0 -0 ~1 +ticket 4711")
        audit = [json.loads(line) for line in (self.folder / "state" / "audit.log").read_text().splitlines()]
        self.assertEqual([line["event"] for line in audit], ["start", "apply", "rollback"])

    def test_what_is_not_confirmed_goes_back_and_what_is_stays(self):
        self.start()
        first = self.assert_done(self.operator.apply("shut", "--confirm-timeout", "2s"))
        self.assertRegex(first.stdout, r"it goes back by itself in [12] s: portcullis confirm keeps it")
        self.assertEqual(metrics(self.control)["portcullis_policy_waits_for_confirmation"], 1)
        wait_for(lambda: self.operator.history()["changes"][0]["state"] == "reverted", "taken back")
        self.assertEqual(self.in_force(), "p")
        self.assertEqual(metrics(self.control)["portcullis_policy_waits_for_confirmation"], 0)
        late = self.operator.run("confirm")
        self.assertEqual(late.returncode, NO)
        self.assertIn("was taken back by the end of its time", late.stderr)

        self.assert_done(self.operator.apply("shut", "--confirm-timeout", "5m"))
        other = self.operator.apply("open")
        self.assertEqual(other.returncode, NO)
        self.assertIn("waits for its confirmation", other.stderr)
        self.assert_done(self.operator.run("confirm"))
        self.assertEqual(self.operator.history()["changes"][0]["state"], "confirmed")
        self.assertEqual(self.in_force(), "d")

    def test_refusals_change_nothing(self):
        self.start()
        broken = self.operator.apply("broken")
        self.assertEqual(broken.returncode, NO)
        self.assertRegex(broken.stderr, r"broken\.toml:12:1: ")
        missing = self.operator.apply("missing")
        self.assertEqual(missing.returncode, COULD_NOT_RUN)
        self.assertEqual(self.operator.apply("shut", "--if-generation", "7").returncode, NO)
        self.assertEqual(self.operator.apply("shut", "--confirm-timeout", "soon").returncode, COULD_NOT_RUN)
        self.assertEqual(self.operator.run("confirm").returncode, NO)
        self.assertEqual(self.operator.run("rollback", "77").returncode, NO)
        dry = self.assert_done(self.operator.apply("shut", "--dry-run"))
        self.assertIn("1 changed", dry.stdout)
        live = self.operator.run("diff", "shut.toml")
        self.assertEqual((live.returncode, live.stdout), (NO, dry.stdout))
        self.assert_done(self.operator.run("diff", "open.toml"))
        self.assertEqual(self.operator.run("diff", "broken.toml").returncode, COULD_NOT_RUN)
        self.assertEqual(len(self.operator.history()["changes"]), 1)
        self.assertEqual(self.in_force(), "p")
        over_tcp = subprocess.run(
            ["curl", "-sS", "-X", "POST", "-d", "{}", f"http://127.0.0.1:{self.control.port}/api/v1/apply"],
            capture_output=True, text=True, timeout=60,
        )
        self.assertIn("nothing can be changed over TCP", over_tcp.stdout)

    def test_of_two_operators_one_wins(self):
        self.start()
        socket = self.folder / "control.sock"
        command = [BIN / "portcullis", "apply", "--if-generation", "1", "--socket", socket, "--comment"]
        (self.folder / "other.toml").write_text(policy_text(True) + "monitor = []\n")
        both = [
            subprocess.Popen([*command, name, f"{name}.toml"], cwd=self.folder, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
            for name in ["shut", "other"]
        ]
        outputs = [one.communicate(timeout=120) for one in both]
        statuses = sorted(one.returncode for one in both)
        # The loser was too late (1), or came while the winner's change was under way (2).
        self.assertEqual(statuses[0], DONE, outputs)
        self.assertNotEqual(statuses[1], DONE, outputs)
        loser = next(out for one, out in zip(both, outputs) if one.returncode != DONE)
        self.assertRegex(loser[1], "somebody was first|another change is under way")
        self.assertEqual(len(self.operator.history()["changes"]), 2)

    def test_kill_9_of_control_takes_back_what_was_not_confirmed(self):
        self.start()
        self.assert_done(self.operator.apply("shut", "--confirm-timeout", "1h"))
        wait_for(lambda: self.dropped() > 0, "frames dropped")
        self.control.kill()
        self.control = self.stage.control(*self.state)
        wait_for(lambda: self.in_force() == "p", "the policy before is back")
        self.assertEqual(self.operator.history()["changes"][0]["state"], "reverted")
        self.assert_done(self.operator.apply("shut"))
        self.control.kill()
        self.control = self.stage.control(*self.state)
        wait_for(lambda: self.in_force() == "d", "the confirmed policy goes on")
        self.assertIn("going on with change 3", self.control.log())

    def test_both_die_and_the_last_confirmed_policy_is_back(self):
        self.start()
        self.assert_done(self.operator.apply("shut"))
        self.assert_done(self.operator.apply("open", "--confirm-timeout", "1h"))
        self.control.kill()
        self.dataplane.kill()
        self.control = self.stage.control(*self.state)
        second = start_dataplane(self.stage, PACE, self.records)
        wait_for(lambda: metrics(self.control)["portcullis_dataplane_up"] == 1, "connected")
        wait_for(lambda: self.in_force() == "d", "the confirmed policy")
        wait_for(lambda: self.dropped() > 500, "frames dropped")
        self.assertEqual(second.end(), 0)
        self.assertEqual(set(verdicts(self.records)), {"d"})

    def test_a_full_disk_refuses_the_change_and_the_policy_stays(self):
        self.start()
        self.assert_done(self.operator.apply("shut"))
        soft = resource.prlimit(self.control.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.control.process.pid, resource.RLIMIT_FSIZE, (10, soft))
        refused = self.operator.apply("open")
        self.assertEqual(refused.returncode, COULD_NOT_RUN, refused.stdout)
        self.assertIn("could not be written down, so it was not made", refused.stderr)
        self.assertIn("make room", refused.stderr)
        self.assertEqual(self.in_force(), "d")
        resource.prlimit(self.control.process.pid, resource.RLIMIT_FSIZE, (soft, soft))
        self.assert_done(self.operator.apply("open"))
        self.assertEqual(self.in_force(), "p")

    def test_list_files_are_followed_and_broken_ones_told(self):
        self.start()
        self.assert_done(self.operator.apply("shut"))
        wait_for(lambda: self.dropped() > 0, "frames dropped")
        # The stream's destination becomes a smarthost.
        (self.folder / "new").write_text("192.0.2.25\n203.0.113.25\n")
        (self.folder / "new").rename(self.folder / "smarthosts.list")
        wait_for(lambda: self.operator.history()["changes"][0]["kind"] == "lists", "the list is taken")
        smarthost = "portcullis_smarthost_frames_total"
        wait_for(lambda: metrics(self.control)[smarthost] > 0, "frames to the smarthost pass")

        (self.folder / "smarthosts.list").write_text("192.0.2.25\n203.0.113.256\n")
        wait_for(lambda: metrics(self.control)["portcullis_policy_list_errors"] == 1, "the broken list is told")
        status = json.loads(http_get(self.control.port, "/api/v1/status"))
        self.assertRegex(status["changes"]["list_errors"][0], r"smarthosts\.list:2:1: ")
        self.assertRegex(self.control.log(), r"smarthosts\.list:2:1: ")
        self.assertEqual(self.operator.history()["changes"][0]["change"], 3)

    def test_exemptions_of_a_list_file(self):
        self.start()
        exempt = '[[exemption]]\nfiles = ["exempt.list"]\nrules = ["smtp"]\nreason = "own mail server"\n'
        (self.folder / "exempt.list").write_text("100.64.0.9\n100.64.0.7 # ours\n")
        (self.folder / "listed.toml").write_text(policy_text(True) + exempt)

        def verdict(host):
            ran = self.operator.run(
                "explain", "--live", "--src", f"100.64.0.{host}", "--dst", "203.0.113.25", "--dport", 25, "--json")
            self.assert_done(ran)
            return json.loads(ran.stdout)["reason"]

        applied = self.operator.apply("listed")
        self.assert_done(applied)
        self.assertIn("+ exemption 100.64.0.7 smtp: own mail server", applied.stdout)
        self.assertEqual([verdict(host) for host in (7, 8, 9)], ["exempt", "rule", "exempt"])
        self.assertEqual(metrics(self.control)['portcullis_exemptions{source="policy"}'], 2)
        wait_for(lambda: metrics(self.control)['portcullis_exempt_frames_total{rule="smtp"}'] > 0, "exempt frames pass")
        again = self.operator.apply("listed")
        self.assert_done(again)
        self.assertIn("nothing to do: change 2 says the same", again.stdout)

        # What is broken is told with its place, before anything is changed; also when the file is only written.
        (self.folder / "exempt.list").write_text("100.64.0.9\n\n 100.64.0.256\n")
        for words in (["check", "listed.toml"], ["apply", "listed.toml"], ["apply", "--shadow", "listed.toml"]):
            ran = subprocess.run(
                [BIN / "portcullis", *words, *(["--socket", self.folder / "control.sock"] if words[0] == "apply" else [])],
                capture_output=True, text=True, timeout=60, cwd=self.folder, check=False)
            self.assertEqual(ran.returncode, NO, words)
            self.assertRegex(ran.stderr, r"exempt\.list:3:2: '100\.64\.0\.256' is not an address or prefix", words)
        wait_for(lambda: metrics(self.control)["portcullis_policy_list_errors"] == 1, "the broken list is told")
        self.assertEqual(verdict(7), "exempt")
        (self.folder / "exempt.list").write_text("100.64.0.8\n")
        wait_for(lambda: self.operator.history()["changes"][0]["kind"] == "lists", "the list is taken")
        self.assertEqual(self.operator.history()["changes"][0]["change"], 3)
        self.assertEqual([verdict(host) for host in (7, 8, 9)], ["rule", "exempt", "rule"])
        self.assert_done(self.operator.run("rollback", 2))
        self.assertEqual([verdict(host) for host in (7, 8, 9)], ["exempt", "rule", "exempt"])

    def test_sighup_is_an_apply_by_reload(self):
        self.start()
        (self.folder / "policy.toml").write_text(policy_text(True))
        self.control.signal(signal.SIGHUP)
        wait_for(lambda: self.in_force() == "d", "the file is read again")
        wait_for(lambda: self.operator.history()["current"] == 2, "the change is told")
        last = self.operator.history()["changes"][0]
        self.assertEqual((last["kind"], last["user"]), ("reload", "reload"))
        # A restart goes on with it, whatever the file says by then.
        (self.folder / "policy.toml").write_text("nonsense\n")
        self.assertEqual(self.control.end(), 0)
        self.control = self.stage.control(*self.state)
        wait_for(lambda: self.in_force() == "d", "the last confirmed policy")


if __name__ == "__main__":
    unittest.main()
