#!/usr/bin/env python3
"""What portcullis-bench says of itself and of wrong words. Usage: tests/bench/options_test.py [-v]"""

import re
import unittest

from bench_programs import bench


class OptionsTest(unittest.TestCase):
    def commands(self):
        text = bench("--help").stdout
        return re.findall(r"^  ([a-z]+) ", text[text.index("Subcommands:"):], re.MULTILINE)

    def test_every_command_has_a_help_text(self):
        commands = self.commands()
        self.assertIn("throughput", commands)
        for command in commands:
            with self.subTest(command=command):
                done = bench(command, "--help")
                self.assertEqual(done.returncode, 0)
                self.assertIn("Example", done.stdout)
                self.assertEqual(done.stderr, "")

    def test_wrong_words_are_refused_by_name(self):
        for words, named in [
            ([], "subcommand"),
            (["speed"], "speed"),
            (["throughput", "--peer", "nobody"], "nobody"),
            (["throughput", "--subscribers", "0"], "--subscribers"),
            (["throughput", "--subscribers", "4194305"], "--subscribers"),
            (["throughput", "--exemptions", "1000001"], "--exemptions"),
            (["throughput", "--smarthosts", "10001"], "--smarthosts"),
            (["throughput", "--smtp-share", "101"], "--smtp-share"),
            (["throughput", "--signatures", "drop"], "--signatures"),
            (["throughput", "--inspected-share", "101"], "--inspected-share"),
            (["throughput", "--flows", "mice"], "--flows"),
            (["throughput", "--frame-size", "63"], "63"),
            (["throughput", "--frame-size", "xyz"], "xyz"),
            (["throughput", "--vlan-tags", "5"], "--vlan-tags"),
            (["throughput", "--runs", "0"], "--runs"),
            (["throughput", "--port", "disk"], "disk"),
            (["throughput", "--ipv6-share", "-1"], "--ipv6-share"),
            (["throughput", "--extension-headers", "17"], "--extension-headers"),
            (["throughput", "--frames", "63"], "--frames"),
            (["throughput", "--sources", "none"], "none"),
            (["throughput", "--peer-sources", "stamped"], "--peer-sources"),
            (["throughput", "--direction", "up"], "up"),
            (["latency", "--load", "0"], "--load"),
            (["publish", "--publications", "0"], "--publications"),
        ]:
            with self.subTest(words=words):
                done = bench(*words)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stdout, "")
                self.assertIn(named, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_a_capture_that_is_not_there_is_named(self):
        done = bench("throughput", "--capture", "/nonexistent/x.pcap")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nonexistent/x.pcap", done.stderr)


if __name__ == "__main__":
    unittest.main()
