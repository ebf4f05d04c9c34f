#!/usr/bin/env python3
"""What stands beside the policy, end to end under a stream of frames: exemptions made by portcullis exempt, and shadow
policies. Every frame of the stream goes from one of 200 subscribers to port 25, so that the recorded verdicts of one
subscriber tell exactly when it was exempt.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/beside_test.py [-v] [TEST...]
"""

import json
import unittest
from pathlib import Path

from changes import (
    DONE, NO, RECORD_BYTES, VERDICT_AT, Operator, frames_by_verdict, metrics, policy_text, runs_of, start_dataplane,
    write_policies, write_stream,
)
from processes import Stage, http_get, wait_for

FRAMES = 100_000
PACE = 2_000
SUBSCRIBER = "100.64.0.7"
SOURCE_AT = 8 + 4  # IPv4 in the upper half of a word


def verdicts_of(records, last_byte):
    """'p' or 'd' for each frame of the subscriber 100.64.0.`last_byte`, in order."""
    data = Path(records).read_bytes()
    source = bytes([last_byte, 0, 64, 100])  # little-endian
    whole = len(data) // RECORD_BYTES * RECORD_BYTES
    return "".join(
        "pd"[data[at + VERDICT_AT]]
        for at in range(0, whole, RECORD_BYTES)
        if data[at + SOURCE_AT:at + SOURCE_AT + 4] == source
    )


class Beside(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)
        folder = self.stage.folder
        write_policies(folder)
        (folder / "policy.toml").write_text(policy_text(True))
        write_stream(folder, FRAMES)
        self.operator = Operator(self.stage)

    def start(self, records="verdicts", pace=PACE):
        self.dataplane = start_dataplane(self.stage, pace, self.stage.folder / records)
        self.start_control()

    def start_control(self):
        self.control = self.stage.control("--state", self.stage.folder / "state")
        self.wait_for_frames(1)

    def wait_for_frames(self, more):
        """Until this many more frames have been judged."""
        def judged():
            return sum(frames_by_verdict(metrics(self.control)))
        before = judged()
        wait_for(lambda: judged() >= before + more, f"{more} more frames")

    def exempt(self, *words, expect=DONE):
        ran = self.operator.run("exempt", *words, "--json")
        self.assertEqual(ran.returncode, expect, ran.stderr + ran.stdout)
        return json.loads(ran.stdout)

    def add(self, *more, expect=DONE):
        return self.exempt("add", SUBSCRIBER, "--rule", "smtp", "--reason", "own mail server", *more, expect=expect)

    def listed(self):
        return self.exempt("list")["exemptions"]

    def explain(self, source):
        ran = self.operator.run("explain", "--live", "--src", source, "--dst", "203.0.113.25", "--dport", 25, "--json")
        self.assertEqual(ran.returncode, DONE, ran.stderr)
        return json.loads(ran.stdout)

    def shadow(self, *words, expect=DONE):
        ran = self.operator.run("shadow", *words, "--json")
        self.assertEqual(ran.returncode, expect, ran.stderr + ran.stdout)
        return json.loads(ran.stdout)

    def begin_shadow(self, name):
        ran = self.operator.run("apply", "--shadow", f"{name}.toml")
        self.assertEqual(ran.returncode, DONE, ran.stderr)

    def audited(self):
        lines = (self.stage.folder / "state" / "audit.log").read_text().splitlines()
        return [(line["event"], line["subscriber"]) for line in map(json.loads, lines) if "subscriber" in line]


class Exemptions(Beside):
    def test_the_first_answer_after_a_restart_is_of_now(self):
        self.start()
        self.add()
        counted = wait_for(lambda: self.listed()[0]["passed"]["frames"], "its frames are counted")
        # What was counted since the last save, and while there is no control, is in the dataplane alone.
        counted = wait_for(
            lambda: (now := self.listed()[0]["passed"]["frames"]) > counted and now, "more of its frames are counted")
        self.control.kill()
        self.control = self.stage.control("--state", self.stage.folder / "state")
        first = json.loads(http_get(self.control.port, "/api/v1/exemptions"))["exemptions"][0]["passed"]["frames"]
        self.assertGreaterEqual(first, counted)

    def test_an_exemption_holds_through_everything_until_it_is_removed(self):
        self.start()
        self.wait_for_frames(1_000)
        dry = self.add("--dry-run")
        self.assertEqual(dry["outcome"], "dry-run")
        wait_for(
            lambda: self.add("--dry-run")["exemptions"][0]["dropped_so_far"]["frames"] >= 1, "drops are in the books"
        )
        self.assertEqual(self.listed(), [])
        self.assertIn("smtp", self.exempt("add", SUBSCRIBER, "--rule", "nonsense", "--reason", "x", expect=NO)["cure"])
        self.exempt("remove", SUBSCRIBER, expect=NO)

        made = self.add("--reference", "ticket 4711", "--expires", "2099-12-31")
        self.assertEqual(made["outcome"], "effective")
        passed_before = metrics(self.control)['portcullis_exempt_frames_total{rule="smtp"}']
        self.wait_for_frames(1_000)
        wait_for(lambda: self.listed()[0]["passed"]["frames"] >= 3, "its frames are counted")
        self.assertEqual(self.listed()[0]["expires"], "2100-01-01")
        self.assertGreaterEqual(metrics(self.control)['portcullis_exempt_frames_total{rule="smtp"}'], passed_before)
        self.assertEqual(metrics(self.control)['portcullis_exemptions{source="object"}'], 1)

        explained = self.explain(SUBSCRIBER)
        self.assertEqual([explained[key] for key in ["verdict", "reason", "rule"]], ["pass", "exempt", "smtp"])
        said = [one["finding"] for one in explained["steps"] if one["subject"] == "exception"]
        self.assertRegex(said[0], "exemption of 100.64.0.7: own mail server, ticket 4711 .portcullis exempt, by ")
        self.assertEqual(self.explain("100.64.0.8")["verdict"], "drop")

        # Another policy, with another rule in front: the same number means another rule.
        (self.stage.folder / "other.toml").write_text(
            policy_text(True)
            + '[[rule]]\nname = "dns"\ntransport = ["udp"]\noutbound_destination_ports = [53]\n'
        )
        self.assertEqual(self.operator.apply("other").returncode, DONE)
        self.wait_for_frames(500)
        before = self.listed()[0]["passed"]["frames"]
        self.control.kill()
        self.start_control()
        self.wait_for_frames(1_000)
        wait_for(lambda: self.listed()[0]["passed"]["frames"] >= before, "its totals are back")
        listed = self.listed()
        self.assertEqual([(one["subscriber"], one["rule"], one["reference"]) for one in listed],
                         [(SUBSCRIBER, "smtp", "ticket 4711")])

        self.assertEqual(self.operator.apply("open").returncode, DONE)
        self.assertEqual(self.operator.apply("shut").returncode, DONE)
        self.assertEqual(self.exempt("remove", SUBSCRIBER, "--rule", "smtp")["outcome"], "effective")
        self.wait_for_frames(1_000)
        self.assertEqual(self.listed(), [])
        self.assertEqual(self.explain(SUBSCRIBER)["verdict"], "drop")
        self.dataplane.end()
        records = self.stage.folder / "verdicts"
        mine = runs_of(verdicts_of(records, 7))
        # Dropped, exempt (also while control was dead and while the other policy passed everything), dropped.
        self.assertEqual([letter for letter, _ in mine], ["d", "p", "d"], mine)
        # A neighbour passed only while nothing was shut.
        self.assertIn([letter for letter, _ in runs_of(verdicts_of(records, 8))], [["d", "p", "d"], ["d"]])
        self.assertEqual(self.audited(), [("exempt-add", SUBSCRIBER), ("exempt-remove", SUBSCRIBER)])

    def test_a_new_dataplane_gets_image_and_overlay_at_once(self):
        self.start()
        self.add()
        self.wait_for_frames(1_000)
        self.dataplane.kill()
        before = self.listed()[0]["passed"]["frames"]
        self.dataplane = start_dataplane(self.stage, PACE, self.stage.folder / "again")
        self.wait_for_frames(1_000)
        wait_for(lambda: self.listed()[0]["passed"]["frames"] > before, "it goes on counting")
        self.dataplane.end()
        self.assertEqual([letter for letter, _ in runs_of(verdicts_of(self.stage.folder / "again", 7))], ["p"])
        self.assertEqual([letter for letter, _ in runs_of(verdicts_of(self.stage.folder / "again", 8))], ["d"])

    def test_it_expires_by_itself(self):
        self.start()
        self.add("--expires", "2s")
        wait_for(lambda: self.listed() == [], "it expires")
        self.wait_for_frames(1_000)
        self.dataplane.end()
        self.assertEqual(
            [letter for letter, _ in runs_of(verdicts_of(self.stage.folder / "verdicts", 7))][-2:], ["p", "d"]
        )
        self.assertEqual(self.audited(), [("exempt-add", SUBSCRIBER), ("exempt-expire", SUBSCRIBER)])


class Shadows(Beside):
    def test_a_shadow_tells_what_would_differ_and_changes_nothing(self):
        self.start()
        self.assertEqual(self.shadow()["state"], "none")
        self.begin_shadow("open")
        self.wait_for_frames(1_000)  # of everybody
        self.add()
        self.wait_for_frames(2_000)
        report = self.shadow()
        self.assertEqual((report["state"], report["dataplane_restarts"]), ("on", 0))
        self.assertEqual(metrics(self.control)["portcullis_shadow_active"], 1)
        stopped = self.shadow("stop")
        self.assertEqual((stopped["state"], stopped["end_reason"]), ("ended", "an operator stopped it"))
        # Everybody but the exempt subscriber would pass.
        (difference,) = stopped["differences"]
        self.assertEqual(
            [difference[key] for key in ["difference", "direction", "reason", "rule"]],
            ["drop-to-pass", "outbound", "rule", "smtp"],
        )
        judged = stopped["judged_frames"]["outbound"]
        self.assertGreaterEqual(judged, 2_000)
        self.assertGreaterEqual(judged, report["judged_frames"]["outbound"])
        self.assertEqual(stopped["differing_frames"], difference["frames"])
        self.assertLess(judged - difference["frames"], judged / 50)
        self.assertGreater(judged - difference["frames"], 0)
        self.assertEqual(stopped["differing_subscribers"], 200)
        self.assertEqual(stopped["overflow_frames"], 0)
        self.assertEqual(len(stopped["subscribers"]), 20)
        self.wait_for_frames(500)
        self.assertEqual(self.shadow()["judged_frames"], stopped["judged_frames"])
        self.shadow("stop", expect=NO)
        self.dataplane.end()
        records = self.stage.folder / "verdicts"
        self.assertEqual([letter for letter, _ in runs_of(verdicts_of(records, 8))], ["d"])
        self.assertEqual([letter for letter, _ in runs_of(verdicts_of(records, 7))], ["d", "p"])

    def test_applying_the_same_file_turns_it_into_the_policy(self):
        self.start()
        self.begin_shadow("open")
        self.wait_for_frames(500)
        self.assertEqual(self.operator.apply("open").returncode, DONE)
        ended = self.shadow()
        self.assertEqual(ended["state"], "ended")
        self.assertIn("took its place", ended["end_reason"])
        self.wait_for_frames(500)
        self.dataplane.end()
        self.assertEqual(
            [letter for letter, _ in runs_of(verdicts_of(self.stage.folder / "verdicts", 8))], ["d", "p"]
        )

    def test_it_ends_with_control_and_begins_anew_with_another_dataplane(self):
        self.start()
        self.begin_shadow("open")
        self.wait_for_frames(500)
        self.dataplane.kill()
        self.dataplane = start_dataplane(self.stage, PACE, self.stage.folder / "again")
        self.wait_for_frames(500)
        report = wait_for(
            lambda: (lambda now: now["judged_frames"]["outbound"] > 0 and now)(self.shadow()), "it is judged again"
        )
        self.assertEqual((report["state"], report["dataplane_restarts"]), ("on", 1))
        self.control.kill()
        self.dataplane.wait_for_log("a shadow policy has ended with the connection")
        self.start_control()
        self.assertEqual(self.shadow()["state"], "none")

    def test_a_broken_policy_is_no_shadow(self):
        self.start()
        self.assertEqual(self.operator.run("apply", "--shadow", "broken.toml").returncode, NO)
        self.assertEqual(self.shadow()["state"], "none")

    def test_a_policy_whose_classes_act_upon_signatures_is_no_shadow(self):
        self.start()
        signature = '[[signature]]\nname = "mail"\nprotocol = "smtp"\n'
        (self.stage.folder / "flows.toml").write_text(policy_text(True) + 'monitor = ["mail"]\n' + signature)
        refused = self.operator.run("apply", "--shadow", "flows.toml")
        self.assertEqual(refused.returncode, NO)
        self.assertIn("flows.toml:13:1: signature 'mail' cannot be judged in a shadow policy", refused.stderr)
        self.assertEqual(self.shadow()["state"], "none")
        # One that none acts upon does no harm.
        (self.stage.folder / "flows.toml").write_text(policy_text(True) + signature)
        self.begin_shadow("flows")
        self.assertEqual(self.shadow()["state"], "on")


if __name__ == "__main__":
    unittest.main()
