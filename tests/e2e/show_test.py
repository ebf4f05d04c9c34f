#!/usr/bin/env python3
"""`portcullis show` against a real control and dataplane that have judged the sample capture.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/show_test.py [-v] [TEST...]
"""

import collections
import json
import subprocess
import unittest

from processes import BIN, SAMPLE, Stage, http_get, wait_for

DONE, COULD_NOT_RUN = 0, 2
FRAMES = 4_000


class ShowTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        cls.stage.dataplane("--linger")
        cls.control = cls.stage.control()
        cls.expected = json.loads((SAMPLE / "expected.json").read_text())

        def all_is_counted():
            received = json.loads(http_get(cls.control.port, "/api/v1/counters"))["received"]
            return sum(side["frames"] for side in received.values()) == FRAMES

        wait_for(all_is_counted, "the whole capture is counted")

    def show(self, *words):
        return subprocess.run(
            [BIN / "portcullis", "show", *map(str, words)], capture_output=True, text=True, timeout=60
        )

    def ask(self, *words):
        ran = self.show(*words, "--socket", self.stage.folder / "control.sock")
        self.assertEqual((ran.returncode, ran.stderr), (DONE, ""))
        return ran.stdout

    def expected_drops(self):
        """{subscriber: {rule: (frames, bytes, flows)}}"""
        out = collections.defaultdict(lambda: collections.defaultdict(lambda: (0, 0, 0)))
        for one in self.expected["subscribers"]:
            for row in one["rows"]:
                if row["verdict"] == "drop" and row["rule"]:
                    more = (row["frames"], row["bytes"], row["initial_syns"])
                    mine = out[one["subscriber"]]
                    mine[row["rule"]] = tuple(a + b for a, b in zip(mine[row["rule"]], more))
        return {name: dict(rules) for name, rules in out.items()}

    def test_status_says_that_all_is_well(self):
        lines = [line.split(maxsplit=1) for line in self.ask("status").splitlines()]
        self.assertIn(["ready", "yes"], lines)
        self.assertIn(["generation", "1"], lines)
        self.assertEqual(self.ask().splitlines()[0], self.ask("status").splitlines()[0])

    def test_counters_are_exact(self):
        rows = [line.split() for line in self.ask("counters").splitlines()]
        got = {(row[2], row[0], row[1]): (int(row[3]), int(row[4])) for row in rows if len(row) == 5 and row[0] in ("pass", "drop")}
        expected = collections.defaultdict(lambda: (0, 0))
        for row in self.expected["outcomes"]:
            key = (row["direction"], row["verdict"], row["reason"])
            expected[key] = (expected[key][0] + row["frames"], expected[key][1] + row["bytes"])
        self.assertEqual(got, dict(expected))
        self.assertIn(f"received {FRAMES}, ", self.ask("counters"))
        self.assertIn("; 0 frames unaccounted for\n", self.ask("counters"))

    def test_subscribers_are_exact(self):
        answer = json.loads(self.ask("subscribers", "--top", 1000, "--json"))
        got = {
            one["subscriber"]: {
                row["rule"]: (row["frames"], row["bytes"], row["flows"]) for row in one["dropped"] if row["frames"]
            }
            for one in answer["subscribers"]
        }
        self.assertEqual(got, self.expected_drops())
        text = self.ask("subscribers", "--top", 1000)
        self.assertTrue(text.endswith(f"\n{len(got)} subscribers with drops\n"), text[-200:])
        for name, rules in got.items():
            self.assertEqual(text.count(f"\n{name} "), 1, name)
            for rule, counts in rules.items():
                self.assertRegex(text, rf"\b{rule} +{counts[0]} +{counts[1]} +{counts[2]}( .*)?\n")

    def test_top_limits_the_subscribers(self):
        most = max(sum(counts[0] for counts in rules.values()) for rules in self.expected_drops().values())
        answer = json.loads(self.ask("subscribers", "--top", 1, "--json"))
        self.assertEqual([sum(row["frames"] for row in one["dropped"]) for one in answer["subscribers"]], [most])

    def test_policy_is_the_one_in_force(self):
        text = self.ask("policy")
        self.assertTrue(text.startswith(f"{self.stage.folder}/policy.toml, generation 1\n"), text[:200])
        self.assertRegex(text, r"\nresidential +smtp, netbios-smb +- +-\n")
        self.assertRegex(text, r"\nbusiness +netbios-smb +- +smtp\n")
        self.assertRegex(text, r"\nnetbios-smb +tcp, udp +out to 137-139, 445; in to 137-139, 445 +no\n")
        self.assertRegex(text, r"\n100\.64\.0\.0/16 +/32 +residential\n")

    def test_tcp_answers_as_the_socket_does(self):
        ran = self.show("policy", "--url", f"http://127.0.0.1:{self.control.port}", "--json")
        self.assertEqual(ran.returncode, DONE, ran.stderr)
        self.assertEqual(json.loads(ran.stdout), json.loads(self.ask("policy", "--json")))

    def test_a_refusal_is_passed_on(self):
        ran = self.show("subscribers", "--top", 10_001, "--socket", self.stage.folder / "control.sock")
        self.assertEqual((ran.returncode, ran.stdout), (COULD_NOT_RUN, ""))
        self.assertIn("refuses /api/v1/subscribers?top=10001 with status 400: top or sort is not understood", ran.stderr)

    def test_what_is_no_control_is_said_so(self):
        for words, why in [
            (["--socket", self.stage.folder / "none.sock"], "No such file or directory"),
            (["--socket", self.stage.folder / "policy.toml"], "Connection refused"),
            (["--url", f"http://127.0.0.1:{self.control.port}/metrics?"], "what answers there is something else"),
        ]:
            with self.subTest(why=why):
                ran = self.show("status", *words)
                self.assertEqual((ran.returncode, ran.stdout), (COULD_NOT_RUN, ""))
                self.assertEqual(
                    ran.stderr,
                    f"portcullis: portcullis-control does not answer at {words[1]}: {why} (start it, or say where it"
                    " listens: --socket PATH, or --url http://127.0.0.1:9925)\n",
                )


if __name__ == "__main__":
    unittest.main()
