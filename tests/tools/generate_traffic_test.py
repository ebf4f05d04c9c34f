#!/usr/bin/env python3
"""tools/generate_traffic: the committed sample is what it makes, and a capture is what expected.json says it is.

Reads captures with a small reader of its own, which shares nothing with the generator.
"""

import ipaddress
import json
import os
import re
import struct
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "tools" / "generate_traffic"
SAMPLE = ROOT / "tools" / "sample"

# Of rules/verdict.h, what the sample policy never says.
REASONS_ELSEWHERE = {"spoofed", "no-policy", "payload-signature"}  # no frame of the sample has them: see golden/


def generate(folder, *options, hash_seed="0"):
    """Paths of the capture, expected.json and the policy."""
    paths = folder / "sample.pcap", folder / "expected.json", folder / "policy.toml"
    outputs = zip(("--output", "--expected", "--policy-output"), paths)
    return paths, subprocess.run(
        [GENERATOR, *(str(word) for pair in outputs for word in pair), *options],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )


def read_capture(path):
    """(time in microseconds, frame) of each record."""
    data = path.read_bytes()
    magic, major, minor, _, _, _, link_type = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, link_type) == (0xA1B2C3D4, 2, 4, 1), "classic pcap, microseconds, Ethernet"
    records, at = [], 24
    while at < len(data):
        seconds, microseconds, captured, length = struct.unpack_from("<IIII", data, at)
        assert captured == length
        records.append((seconds * 1_000_000 + microseconds, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return records


def plain_packet(frame):
    """Source, destination, protocol, payload of an untagged packet without options and fragments; else None."""
    ethertype = struct.unpack_from("!H", frame, 12)[0]
    if ethertype == 0x0800 and frame[14] == 0x45 and struct.unpack_from("!H", frame, 20)[0] & 0x3FFF == 0:
        end = 14 + struct.unpack_from("!H", frame, 16)[0]
        return frame[26:30], frame[30:34], frame[23], frame[34:end]
    if ethertype == 0x86DD:
        end = 54 + struct.unpack_from("!H", frame, 18)[0]
        return frame[22:38], frame[38:54], frame[20], frame[54:end]
    return None


def ones_complement_sum(data):
    """RFC 1071, word by word."""
    if len(data) % 2:
        data += b"\0"
    total = 0
    for (word,) in struct.iter_unpack("!H", data):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Capture:
    """A capture, the frames' kinds beside it, and the pools of its policy."""

    def __init__(self, capture, expected, policy):
        self.records = read_capture(capture)
        self.expected = json.loads(expected.read_text())
        self.kinds = [self.expected["kinds"][index] for index in self.expected["frame_kinds"]]
        pools = tomllib.loads(policy.read_text())["pool"]
        self.pools = [ipaddress.ip_network(pool["prefix"]) for pool in pools]

    def plain_packets(self):
        for (_, frame), kind in zip(self.records, self.kinds):
            packet = plain_packet(frame)
            if packet and kind["scenario"] != "faults":
                yield packet, kind

    def in_a_pool(self, address):
        address = ipaddress.ip_address(address)
        return any(address in pool for pool in self.pools)

    def mail_dropped(self):
        """Of each subscriber, how many frames the rule smtp drops; in ascending order."""
        return sorted(
            sum(row["frames"] for row in entry["rows"] if row["verdict"] == "drop" and row["rule"] == "smtp")
            for entry in self.expected["subscribers"]
        )

    def share_to_port_25(self):
        named = [k for k in self.kinds if k["rule"] == "smtp" and k["direction"] == "outbound"]
        return 100 * len(named) / len(self.kinds)


class SampleTest(unittest.TestCase):
    """The files in tools/sample."""

    @classmethod
    def setUpClass(cls):
        cls.sample = Capture(SAMPLE / "sample.pcap", SAMPLE / "expected.json", SAMPLE / "policy.toml")

    def test_is_what_the_generator_makes(self):
        with tempfile.TemporaryDirectory() as folder:
            _, run = generate(Path(folder))
            self.assertEqual(run.returncode, 0, run.stderr)
            for name in ("sample.pcap", "expected.json", "policy.toml", "smarthosts.list"):
                same = (Path(folder) / name).read_bytes() == (SAMPLE / name).read_bytes()
                self.assertTrue(same, f"tools/sample/{name} is out of date; see tools/sample/README.md")

    def test_is_small(self):
        self.assertEqual(len(self.sample.records), 4000)
        self.assertLess((SAMPLE / "sample.pcap").stat().st_size, 500_000)

    def test_time_never_goes_back(self):
        times = [time for time, _ in self.sample.records]
        self.assertEqual(times, sorted(times))

    def test_every_reason_has_a_frame(self):
        text = (ROOT / "rules" / "verdict.h").read_text()
        known = set(re.findall(r'\{Reason::\w+,\s*"([a-z0-9-]+)"', text))
        self.assertGreater(len(known), 15)
        self.assertEqual({kind["reason"] for kind in self.sample.kinds}, known - REASONS_ELSEWHERE)

    def test_neighbours_of_the_rules_pass(self):
        passed = set()
        for (_, _, protocol, payload), kind in self.sample.plain_packets():
            if protocol == 6 and kind["direction"] == "outbound" and kind["reason"] == "no-rule":
                passed.add(struct.unpack_from("!H", payload, 2)[0])
        self.assertLessEqual({24, 26, 136, 140, 444, 446, 465, 587}, passed)
        self.assertFalse({25, 137, 138, 139, 445} & passed)

    def test_one_bot_is_clearly_on_top(self):
        dropped = self.sample.mail_dropped()
        self.assertGreater(dropped[-1], 2 * dropped[-2])


class GeneratorTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def make(self, *options, **settings):
        paths, run = generate(self.folder, *options, **settings)
        self.assertEqual(run.returncode, 0, run.stderr)
        return paths

    def capture(self, *options):
        return Capture(*self.make(*options))

    def assert_refused(self, *options, message):
        _, run = generate(self.folder, *options)
        self.assertEqual(run.returncode, 2)
        self.assertIn(message, run.stderr)
        self.assertNotIn("Traceback", run.stderr)

    def test_same_seed_same_bytes_other_seed_other_bytes(self):
        made = []
        for seed, hash_seed in (("7", "1"), ("7", "2"), ("8", "1")):
            paths = self.make("--seed", seed, "--frames", "1500", hash_seed=hash_seed)
            made.append([path.read_bytes() for path in paths[:2]])
        self.assertEqual(made[0], made[1])
        self.assertNotEqual(made[0][0], made[2][0])

    def test_sums_agree_with_the_capture(self):
        made = self.capture("--frames", "3000")
        expected = made.expected
        frames = len(made.records)
        total_bytes = sum(len(frame) for _, frame in made.records)
        self.assertEqual(frames, 3000)
        self.assertEqual(len(expected["frame_kinds"]), frames)
        for rows in (
            expected["outcomes"],
            expected["totals"]["verdict"].values(),
            expected["totals"]["direction"].values(),
            expected["totals"]["reason"].values(),
        ):
            self.assertEqual(sum(row["frames"] for row in rows), frames)
            self.assertEqual(sum(row["bytes"] for row in rows), total_bytes)
        for row in expected["outcomes"]:
            same = [i for i, k in enumerate(made.kinds) if all(k[n] == row[n] for n in ("direction", "reason", "rule"))]
            self.assertEqual(row["frames"], len(same))
            self.assertEqual(row["bytes"], sum(len(made.records[i][1]) for i in same))
        owned = sum(row["frames"] for entry in expected["subscribers"] for row in entry["rows"])
        nobodys = sum(kind["reason"] in ("not-ip", "encapsulation-depth", "runt-frame") for kind in made.kinds)
        self.assertEqual(owned + nobodys, frames)

    def test_initial_syns_are_those_of_the_capture(self):
        made = self.capture("--frames", "3000")
        reasons = ("monitored", "exempt", "class-allows")  # of subscribers on plain links
        seen = dict.fromkeys(reasons, 0)
        for (_, _, protocol, payload), kind in made.plain_packets():
            if protocol == 6 and kind["reason"] in seen:
                seen[kind["reason"]] += payload[13] & 0x12 == 0x02
        told = {reason: made.expected["totals"]["reason"][reason]["initial_syns"] for reason in reasons}
        self.assertEqual(told, seen)
        self.assertGreater(min(seen.values()), 0)

    def test_direction_is_by_source_and_no_frame_is_between_subscribers(self):
        made = self.capture("--frames", "3000", "--subscribers", "70000")
        for (source, destination, _, _), kind in made.plain_packets():
            outbound = kind["direction"] == "outbound"
            self.assertEqual((made.in_a_pool(source), made.in_a_pool(destination)), (outbound, not outbound), kind)

    def test_checksums_are_right(self):
        made = self.capture("--frames", "3000")
        checked = set()
        for (source, destination, protocol, payload), kind in made.plain_packets():
            if protocol in (6, 17, 58):
                summed = source + destination + struct.pack("!II", len(payload), protocol) + payload
            elif protocol == 1:
                summed = payload
            else:
                continue
            checked.add(protocol)
            self.assertEqual(ones_complement_sum(summed), 0xFFFF, kind)
        self.assertEqual(checked, {1, 6, 17, 58})
        headers = [frame[14:34] for _, frame in made.records if frame[12:15] == b"\x08\0\x45"]
        self.assertGreater(len(headers), 1000)
        self.assertEqual({ones_complement_sum(header) for header in headers}, {0xFFFF})

    def test_every_reason_is_in_the_smallest_capture(self):
        made = self.capture("--frames", "1000", "--subscribers", "60", "--seed", "3", "--smtp-share", "0")
        whole = json.loads((SAMPLE / "expected.json").read_text())["totals"]["reason"]
        self.assertEqual({kind["reason"] for kind in made.kinds}, set(whole))

    def test_share_of_mail(self):
        for percent in (2, 30, 60):
            made = self.capture("--frames", "20000", "--smtp-share", str(percent))
            self.assertAlmostEqual(made.share_to_port_25(), percent, delta=1)

    def test_bots_and_subscribers(self):
        made = self.capture("--frames", "20000", "--subscribers", "70000", "--bots", "20", "--smtp-share", "50")
        self.assertEqual(sum(frames > 50 for frames in made.mail_dropped()), 20)
        self.assertGreater(len(made.expected["subscribers"]), 1000)

    def test_refuses_what_it_cannot_make(self):
        self.assert_refused("--frames", "10", message="--frames: 10 is not from 1000")
        self.assert_refused("--subscribers", "5", message="too few for 3 bots")
        self.assert_refused("--smtp-share", "half", message="invalid whole number value: 'half'")
        self.assert_refused("--output", "/nowhere/at/all.pcap", message="/nowhere/at/all.pcap")

    def test_leaves_somebody_elses_list_alone(self):
        theirs = self.folder / "smarthosts.list"
        theirs.write_text("198.51.100.1\n")
        self.assert_refused(message="smarthosts.list: is there already")
        self.assertEqual(theirs.read_text(), "198.51.100.1\n")


if __name__ == "__main__":
    unittest.main()
