#!/usr/bin/env python3
"""`portcullis top`, `show suspects` and `explain --live` against a real control and dataplane that have judged the sample.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/top_test.py [-v] [TEST...]
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from processes import BIN, Stage, expected_counters, http_get, wait_for

DONE, COULD_NOT_RUN = 0, 2
SUBSCRIBER = "2001:db8:11e1:ae00::/56"  # with drops in the sample
ALTERNATE_SCREEN, NORMAL_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"


class Screen:
    """A program on a terminal of its own."""

    def __init__(self, words, columns=120, rows=30, environment=None):
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.settings = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [str(word) for word in words], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm", **(environment or {})})
        self.slave = slave
        self.seen = b""

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if hasattr(self, "process"):
            self.process.send_signal(signal.SIGWINCH)

    def type(self, keys):
        os.write(self.master, keys)

    def read_until(self, wanted, seconds=60):
        """What came since the last call, up to and with `wanted`."""
        deadline = time.monotonic() + seconds
        while wanted not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"{wanted!r} did not come: {self.seen[-2000:]!r}")
            self.seen += os.read(self.master, 65536)
        end = self.seen.index(wanted) + len(wanted)
        out, self.seen = self.seen[:end], self.seen[end:]
        return out

    def wait(self):
        return self.process.wait(timeout=60)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=60)
        os.close(self.master)
        os.close(self.slave)


class TopTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        cls.stage.dataplane("--linger")
        cls.control = cls.stage.control()
        _, cls.subscribers = expected_counters()
        cls.frames = {}
        for (name, _), frames in cls.subscribers.items():
            cls.frames[name] = cls.frames.get(name, 0) + frames

        def all_is_counted():
            status = json.loads(http_get(cls.control.port, "/api/v1/status"))
            return status["subscribers_with_drops"] == len(cls.frames)

        wait_for(all_is_counted, "the whole capture is counted", 120)

    def words(self, *more):
        return [BIN / "portcullis", *map(str, more), "--socket", self.stage.folder / "control.sock"]

    def run_once(self, *more):
        return subprocess.run(self.words(*more), capture_output=True, text=True, timeout=120)

    def screen(self, *more, **options):
        out = Screen(self.words("top", "--period", 0.2, *more), **options)
        self.addCleanup(out.close)
        return out

    def test_once_is_exact(self):
        ran = self.run_once("top", "--once", "--json", "--sort", "frames", "--count", 1000, "--period", 0.2)
        self.assertEqual((ran.returncode, ran.stderr), (DONE, ""))
        answer = json.loads(ran.stdout)
        self.assertEqual({one["subscriber"]: one["frames"] for one in answer["subscribers"]}, self.frames)
        frames = [one["frames"] for one in answer["subscribers"]]
        self.assertEqual(frames, sorted(frames, reverse=True))
        self.assertEqual(answer["dropped_frames_per_second"], 0)  # the capture is over
        text = self.run_once("top", "--once", "--count", 3, "--period", 0.2).stdout
        self.assertNotIn("\x1b", text)
        self.assertEqual(len(text.rstrip().splitlines()), 3 + 4)

    def test_piped_it_goes_on_until_a_signal(self):
        for number in [signal.SIGINT, signal.SIGTERM]:
            top = subprocess.Popen(
                self.words("top", "--json", "--period", 0.2), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.addCleanup(top.kill)
            lines = [json.loads(top.stdout.readline()) for _ in range(3)]
            self.assertIsNone(lines[0]["dropped_frames_per_second"])
            self.assertEqual(lines[2]["dropped_frames_per_second"], 0)
            top.send_signal(number)
            self.assertEqual(top.wait(timeout=60), DONE)
            self.assertEqual(top.stderr.read(), "")
            top.stdout.close()
            top.stderr.close()

    def test_a_reader_that_goes_ends_it(self):
        top = subprocess.Popen(self.words("top", "--json", "--period", 0.2), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(top.kill)
        top.stdout.readline()
        top.stdout.close()
        self.assertNotEqual(top.wait(timeout=60), None)
        top.stderr.close()

    def test_on_a_terminal_keys_sort_and_end(self):
        screen = self.screen()
        first = screen.read_until(b"by rate")
        self.assertIn(ALTERNATE_SCREEN, first)
        for key, word in [(b"f", b"by frames"), (b"b", b"by bytes"), (b"l", b"by flows"), (b"d", b"by destinations")]:
            screen.type(key)
            screen.read_until(word)
        screen.type(b"q")
        self.assertEqual(screen.wait(), DONE)
        screen.read_until(NORMAL_SCREEN)
        self.assertEqual(termios.tcgetattr(screen.slave), screen.settings)

    def test_sigint_leaves_a_clean_terminal(self):
        screen = self.screen()
        screen.read_until(b"subscribers with drops")
        screen.process.send_signal(signal.SIGINT)
        self.assertEqual(screen.wait(), DONE)
        screen.read_until(NORMAL_SCREEN)
        self.assertEqual(termios.tcgetattr(screen.slave), screen.settings)

    def test_it_fits_a_terminal_of_another_size(self):
        screen = self.screen(columns=150, rows=40)
        screen.read_until(b"looks like")
        screen.resize(30, 6)
        # A whole screen of the new size begins with the cursor in its corner, and has at most six lines of 30.
        deadline = time.monotonic() + 60
        while True:
            screen.read_until(b"\x1b[H")
            lines = screen.read_until(b"\x1b[J").split(b"\n")
            if len(lines) <= 6:
                break
            self.assertLess(time.monotonic(), deadline)
        self.assertNotIn(b"looks like", b"".join(lines))

    def test_no_colour_when_it_is_not_wanted(self):
        plain = self.screen(environment={"NO_COLOR": "1"})
        self.assertNotIn(b"\x1b[1m", plain.read_until(b"subscribers with drops"))
        coloured = self.screen(environment={"NO_COLOR": ""})
        self.assertIn(b"\x1b[1m", coloured.read_until(b"subscribers with drops"))

    def test_no_control_is_said_after_the_screen_is_back(self):
        screen = Screen([BIN / "portcullis", "top", "--socket", self.stage.folder / "none.sock"])
        self.addCleanup(screen.close)
        seen = screen.read_until(b"start it, or say where")
        self.assertEqual(screen.wait(), COULD_NOT_RUN)
        self.assertLess(seen.index(NORMAL_SCREEN), seen.index(b"does not answer"))

    def suspects(self):
        answer = json.loads(self.run_once("show", "suspects", "--json").stdout)
        return answer["under_watch"], answer["counts"], [one["subscriber"] for one in answer["suspects"]], answer

    def test_suspects_are_those_under_watch(self):
        def told_twice_alike():
            """Numbers and text of one report. It is made anew every few seconds, the first time amid the capture."""
            *before, answer = self.suspects()
            text = self.run_once("show", "suspects").stdout
            *after, _ = self.suspects()
            return (answer, text) if answer["under_watch"] and before == after else None

        answer, text = wait_for(told_twice_alike, "a report on subscribers under watch, before and after it is told as text")
        self.assertEqual(sum(row["subscribers"] for row in answer["counts"]), answer["under_watch"])
        self.assertEqual(answer["unwatched_frames"], 0)
        self.assertTrue(
            text.endswith(f"{answer['under_watch']} subscribers under watch; destinations are estimates\n"),
            f"{answer['under_watch']} in {text}")
        for one in answer["suspects"]:
            self.assertIn(one["subscriber"], text)
            self.assertNotEqual(one["suspicion"], "none")

    def test_explain_live_decides_as_the_running_policy_and_counts(self):
        source = SUBSCRIBER.replace("::/56", "::7")
        arguments = ["explain", "--src", source, "--dst", "2001:db8:ffff::1", "--dport", 25]
        live = self.run_once(*arguments, "--live", "--json")
        self.assertEqual((live.returncode, live.stderr), (DONE, ""))
        answer = json.loads(live.stdout)
        by_file = subprocess.run(
            [BIN / "portcullis", *map(str, arguments), "--policy", self.stage.folder / "policy.toml", "--json"],
            capture_output=True, text=True, timeout=120)
        offline = json.loads(by_file.stdout.replace("Ethernet / ", ""))  # a file is asked about a frame
        for key in ["verdict", "reason", "rule", "subscriber", "class", "help", "steps"]:
            self.assertEqual(answer[key], offline[key], key)
        self.assertEqual(answer["generation"], 1)
        counted = {row["rule"]: row["frames"] for row in answer["counters"]["dropped"] if row["frames"]}
        self.assertEqual(counted, {rule: n for (name, rule), n in self.subscribers.items() if name == SUBSCRIBER})
        text = self.run_once(*arguments, "--live").stdout
        self.assertIn("by the policy in force, generation 1", text)
        self.assertRegex(text, rf"\n{SUBSCRIBER}, so far:\n|\n{SUBSCRIBER}: nothing|\n\S+, so far:\n")
        # Somebody without drops, and nobody's address.
        quiet = json.loads(self.run_once(
            "explain", "--live", "--src", "100.64.200.200", "--dst", "198.51.100.1", "--dport", 443, "--json").stdout)
        self.assertEqual((quiet["verdict"], quiet["counters"]["first_seen"]), ("pass", None))
        nobody = json.loads(self.run_once(
            "explain", "--live", "--src", "203.0.113.250", "--dst", "198.51.100.1", "--dport", 25, "--json").stdout)
        self.assertIsNone(nobody["counters"])

    def test_explain_live_refuses_what_is_no_question(self):
        ran = self.run_once("explain", "--live", "--src", "100.64.0.7", "--dst", "2001:db8::1", "--dport", 25)
        self.assertEqual((ran.returncode, ran.stdout), (COULD_NOT_RUN, ""))
        for query in ["src=x&dst=192.0.2.1&dport=25", "src=192.0.2.1&dst=192.0.2.2", "src=192.0.2.1&dst=192.0.2.2&dport=x",
                      "src=192.0.2.1&dst=192.0.2.2&dport=65536", "src=192.0.2.1&dst=192.0.2.2&dport=25&proto=icmp",
                      "src=192.0.2.1&dst=2001:db8::1&dport=25"]:
            with self.subTest(query=query), self.assertRaises(OSError) as refused:
                http_get(self.control.port, "/api/v1/explain?" + query)
            self.assertEqual(refused.exception.code, 400)
            refused.exception.close()


if __name__ == "__main__":
    unittest.main()
