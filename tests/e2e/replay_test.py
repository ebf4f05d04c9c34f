#!/usr/bin/env python3
"""`portcullis replay` end to end: the real CLI, the real dataplane, as a user without rights or hugepages.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/replay_test.py [-v] [TEST...]

As root everything is run as nobody (setpriv), on copies that nobody can read. Exit status 77: skipped.
"""

import collections
import contextlib
import ipaddress
import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("PORTCULLIS_BIN", ROOT / "build" / "release" / "bin"))
SAMPLE = ROOT / "tools" / "sample"
PROGRAMS = ["portcullis", "portcullis-dataplane"]
NOBODY = 65534
TIMEOUT_SECONDS = 120

POOL = ipaddress.ip_network("2001:db8:1000::/36")  # of the sample's policy

DONE, NO, COULD_NOT_RUN = 0, 1, 2

Counts = collections.namedtuple("Counts", "frames bytes flows")


def add(a, b):
    return Counts(*(x + y for x, y in zip(a, b)))


ZERO = Counts(0, 0, 0)


class Stage:
    """A folder with copies of the programs and the sample, that the unprivileged user can read and write."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="replay-test-"))
        (self.path / "bin").mkdir()
        for name in PROGRAMS:
            shutil.copy(BIN / name, self.path / "bin" / name)
        for name in ["sample.pcap", "policy.toml", "smarthosts.list"]:
            shutil.copy(SAMPLE / name, self.path / name)
        (self.path / "tmp").mkdir()
        self.prefix = []
        if os.geteuid() == 0:
            os.chmod(self.path, 0o755)
            for folder in [self.path / "tmp", self.path]:
                shutil.chown(folder, NOBODY, NOBODY)
            for file in self.path.rglob("*"):
                if file.is_file():
                    file.chmod(0o755 if file.parent.name == "bin" else 0o644)
            self.prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]

    def environment(self):
        out = {"PATH": "/usr/bin:/bin", "TMPDIR": str(self.path / "tmp"), "LC_ALL": "C"}
        for name in ["ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"]:
            if name in os.environ:
                out[name] = os.environ[name]
        return out

    def command(self, *words):
        return [*self.prefix, str(self.path / "bin" / "portcullis"), *map(str, words)]

    def run(self, *words, **environment):
        return subprocess.run(
            self.command(*words),
            cwd=self.path,
            env={**self.environment(), **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )

    def replay(self, *words, **environment):
        return self.run("replay", "--policy", "policy.toml", "--in", "sample.pcap", *words, **environment)

    def left_behind(self):
        return sorted(entry.name for entry in (self.path / "tmp").iterdir())


stage = None


def setUpModule():
    global stage
    missing = [name for name in PROGRAMS if not (BIN / name).exists()]
    if missing:
        print(f"SKIPPED: no {', '.join(missing)} in {BIN}: build them first, or set PORTCULLIS_BIN")
        sys.exit(77)
    stage = Stage()


def tearDownModule():
    if stage is not None:
        shutil.rmtree(stage.path)


def read_pcap(path):
    """[(seconds, fraction, wire length, bytes)] of a little-endian pcap file, and its header."""
    data = Path(path).read_bytes()
    header = struct.unpack_from("<IHHiIII", data)
    frames, at = [], 24
    while at < len(data):
        seconds, fraction, captured, wire = struct.unpack_from("<IIII", data, at)
        frames.append((seconds, fraction, wire, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return frames, header


def write_pcap(path, frames, link_type=1):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link_type))
        for seconds, fraction, wire, data in frames:
            out.write(struct.pack("<IIII", seconds, fraction, len(data), wire) + data)


class Case(unittest.TestCase):
    maxDiff = None

    def done(self, ran):
        self.assertEqual(ran.returncode, DONE, ran.stderr)
        self.assertEqual(stage.left_behind(), [])
        return ran


class Sample(Case):
    """The sample capture, against what its generator says should become of it."""

    @classmethod
    def setUpClass(cls):
        cls.expected = json.loads((SAMPLE / "expected.json").read_text())
        cls.ran = stage.replay(
            "--direction", "by-source", "--json", "--top", "0", "--verdicts", "verdicts.tsv",
            "--pass-out", "pass.pcap", "--drop-out", "drop.pcap",
        )  # fmt: skip
        cls.answer = json.loads(cls.ran.stdout) if cls.ran.returncode == DONE else None

    def setUp(self):
        self.done(self.ran)

    def rows(self):
        lines = (stage.path / "verdicts.tsv").read_text().splitlines()
        names = lines[0].split("\t")
        return names, [dict(zip(names, line.split("\t"))) for line in lines[1:]]

    def test_the_table_of_verdicts_is_exact(self):
        key = lambda row: (row["direction"], row["verdict"], row["reason"], row["rule"])
        expected = {key(row): (row["frames"], row["bytes"], row["initial_syns"]) for row in self.expected["outcomes"]}
        got = {key(row): (row["frames"], row["bytes"], row["flows"]) for row in self.answer["verdicts"]}
        self.assertEqual(got, expected)

    def test_every_frame_has_its_own_verdict(self):
        names, rows = self.rows()
        self.assertEqual(names[:5], ["frame", "verdict", "reason", "rule", "slot"])
        self.assertEqual(
            names[5:], ["src", "dst", "proto", "sport", "dport", "direction", "subscriber"]
        )
        kinds = self.expected["kinds"]
        self.assertEqual(len(rows), len(self.expected["frame_kinds"]))
        for number, (row, kind) in enumerate(zip(rows, self.expected["frame_kinds"]), start=1):
            want = kinds[kind]
            self.assertEqual(
                (row["frame"], row["direction"], row["verdict"], row["reason"], row["rule"]),
                (str(number), want["direction"], want["verdict"], want["reason"], want["rule"] or "-"),
                f"frame {number}, {want['scenario']}",
            )

    def test_the_counters_of_every_subscriber_are_exact(self):
        def nothing():
            return {"passed": {"outbound": ZERO, "inbound": ZERO}, "dropped": {}}

        expected = {}
        for entry in self.expected["subscribers"]:
            mine = expected.setdefault(entry["subscriber"], nothing())
            for row in entry["rows"]:
                counts = Counts(row["frames"], row["bytes"], row["initial_syns"])
                if row["verdict"] == "pass":
                    side = row["direction"]
                    mine["passed"][side] = add(mine["passed"][side], counts)
                else:
                    cause = (row["reason"], row["rule"])
                    mine["dropped"][cause] = add(mine["dropped"].get(cause, ZERO), counts)
        got = {}
        for entry in self.answer["subscribers"]:
            mine = got.setdefault(entry["subscriber"], nothing())
            counts = lambda row: Counts(row["frames"], row["bytes"], row["flows"])
            mine["passed"] = {side: counts(row) for side, row in entry["passed"].items()}
            mine["dropped"] = {(row["reason"], row["rule"]): counts(row) for row in entry["dropped_by"]}
            total = ZERO
            for row in mine["dropped"].values():
                total = add(total, row)
            self.assertEqual(counts(entry["dropped"]), total)
        self.assertEqual(got, expected)
        self.assertEqual(self.answer["subscribers_seen"], len(expected))
        self.assertEqual(
            self.answer["subscribers_with_drops"], sum(bool(entry["dropped"]) for entry in expected.values())
        )

    def test_subscribers_stand_in_order_of_their_drops(self):
        drops = [entry["dropped"]["frames"] for entry in self.answer["subscribers"]]
        self.assertEqual(drops, sorted(drops, reverse=True))
        self.assertGreater(drops[0], 0)

    def test_frames_are_conserved(self):
        sums = self.answer["conservation"]
        frames = len(read_pcap(SAMPLE / "sample.pcap")[0])
        self.assertEqual(sums["error_frames"], 0)
        self.assertEqual(sums["received"], frames)
        self.assertEqual(sums["transmitted"] + sums["dropped"] + sums["transmit_refused"], frames)
        self.assertEqual(sums["dropped"], self.expected["totals"]["verdict"]["drop"]["frames"])

    def test_the_split_captures_are_the_original_in_two(self):
        original, header = read_pcap(SAMPLE / "sample.pcap")
        verdicts = [row["verdict"] for row in self.rows()[1]]
        for verdict in ["pass", "drop"]:
            frames, split_header = read_pcap(stage.path / f"{verdict}.pcap")
            self.assertEqual(split_header, header)
            self.assertEqual(frames, [frame for frame, v in zip(original, verdicts) if v == verdict])

    def test_written_files_are_ordinary_ones(self):
        for name in ["verdicts.tsv", "pass.pcap", "drop.pcap"]:
            self.assertEqual(stat.S_IMODE((stage.path / name).stat().st_mode), 0o644, name)


class Text(Case):
    def test_tables_name_the_verdicts_the_top_subscribers_and_the_balance(self):
        out = self.done(stage.replay("--direction", "by-source", "--top", "3")).stdout
        self.assertIn("sample.pcap: 4000 frames, judged by policy.toml\n", out)
        self.assertRegex(out, r"\ndrop +rule +smtp +outbound +\d+ +\d+ +\d+\n")
        expected = json.loads((SAMPLE / "expected.json").read_text())["totals"]["verdict"]
        self.assertTrue(
            out.endswith(
                f"conserved: received 4000 = transmitted {expected['pass']['frames']}"
                f" + dropped {expected['drop']['frames']} + refused by transmit 0\n"
            ),
            out[-300:],
        )
        self.assertNotIn("\033", out)

    def test_direction_is_outbound_unless_said(self):
        for words, directions in [([], {"outbound"}), (["--direction", "inbound"], {"inbound"})]:
            answer = json.loads(self.done(stage.replay("--json", *words)).stdout)
            self.assertEqual({row["direction"] for row in answer["verdicts"]}, directions)


class Captures(Case):
    def verdicts(self, name):
        answer = self.done(
            stage.run("replay", "--policy", "policy.toml", "--in", name, "--verdicts", "out.tsv", "--json")
        )
        rows = [line.split("\t") for line in (stage.path / "out.tsv").read_text().splitlines()[1:]]
        return [row[1:4] + row[5:] for row in rows], json.loads(answer.stdout)

    def test_other_link_types_give_the_same_verdicts(self):
        # Frames whose Ethernet header is all that stands before the IP packet.
        frames = [f for f in read_pcap(SAMPLE / "sample.pcap")[0] if f[3][12:14] in (b"\x08\x00", b"\x86\xdd")]
        frames = frames[:500]
        write_pcap(stage.path / "ethernet.pcap", frames)
        expected, _ = self.verdicts("ethernet.pcap")
        self.assertIn("drop", {row[0] for row in expected})
        ether_type = lambda f: f[3][12:14]
        family = lambda f: 2 if ether_type(f) == b"\x08\x00" else 10
        headers = {
            101: lambda f: b"",
            0: lambda f: struct.pack("<I", family(f)),
            108: lambda f: struct.pack(">I", family(f)),
            113: lambda f: struct.pack(">HHHQ", 4, 1, 6, 0) + ether_type(f),
            276: lambda f: ether_type(f) + struct.pack(">HIHBBQ", 0, 2, 1, 4, 6, 0),
        }
        for link_type, header in headers.items():
            with self.subTest(link_type=link_type):
                other = [(f[0], f[1], len(header(f)) + f[2] - 14, header(f) + f[3][14:]) for f in frames]
                write_pcap(stage.path / "other.pcap", other, link_type)
                self.assertEqual(self.verdicts("other.pcap")[0], expected)

    def test_split_captures_keep_the_original_link_type_and_bytes(self):
        packet = next(f[3][14:] for f in read_pcap(SAMPLE / "sample.pcap")[0] if f[3][12:14] == b"\x08\x00")
        frames = [(1, 2, len(packet), packet), (3, 4, len(packet) + 7, packet)]
        write_pcap(stage.path / "raw.pcap", frames, 101)
        self.done(
            stage.run("replay", "--policy", "policy.toml", "--in", "raw.pcap",
                      "--pass-out", "raw-pass.pcap", "--drop-out", "raw-drop.pcap")  # fmt: skip
        )
        passed, header = read_pcap(stage.path / "raw-pass.pcap")
        dropped, _ = read_pcap(stage.path / "raw-drop.pcap")
        self.assertEqual(header[6], 101)
        self.assertEqual(sorted(passed + dropped), sorted(frames))

    def test_frames_captured_in_part_are_said_so(self):
        frames = [(1, 2, 1514, frame[3]) for frame in read_pcap(SAMPLE / "sample.pcap")[0][:3]]
        write_pcap(stage.path / "cut.pcap", frames)
        ran = self.done(stage.run("replay", "--policy", "policy.toml", "--in", "cut.pcap"))
        self.assertEqual(ran.stderr, "note: 3 frames were captured in part, and are judged by that part\n")

    def test_a_name_with_commas_and_blanks_is_a_name(self):
        shutil.copy(SAMPLE / "sample.pcap", stage.path / "a, b=c.pcap")
        self.done(stage.run("replay", "--policy", "policy.toml", "--in", "a, b=c.pcap"))

    def test_subscribers_of_a_pool_too_large_for_slots_are_counted(self):
        # Sixteen times as many subscribers in the same pool, each a sixteenth of one before.
        policy = (SAMPLE / "policy.toml").read_text()
        large = policy.replace(
            'prefix = "2001:db8:1000::/36"', 'prefix = "2001:db8:1000::/36"\nsubscriber_prefix_length = 60'
        )
        self.assertNotEqual(policy, large)
        (stage.path / "large.toml").write_text(large)
        sums = {}
        for name, length in [("policy.toml", 56), ("large.toml", 60)]:
            ran = stage.run(
                "replay", "--policy", name, "--in", "sample.pcap", "--direction", "by-source", "--top", "0", "--json"
            )
            sums[name] = collections.defaultdict(lambda: ZERO)
            for entry in json.loads(self.done(ran).stdout)["subscribers"]:
                prefix = ipaddress.ip_network(entry["subscriber"])
                if prefix.version == 6 and prefix.subnet_of(POOL):
                    self.assertEqual(prefix.prefixlen, length)
                    counts = Counts(entry["dropped"]["frames"], entry["dropped"]["bytes"], entry["dropped"]["flows"])
                    whole = prefix.supernet(new_prefix=56)
                    sums[name][whole] = add(sums[name][whole], counts)
        self.assertEqual(sums["large.toml"], sums["policy.toml"])
        self.assertGreater(sum(counts.frames for counts in sums["large.toml"].values()), 40)


class Errors(Case):
    def refused(self, ran, status, message):
        self.assertEqual((ran.returncode, ran.stdout), (status, ""), ran.stderr)
        self.assertEqual(ran.stderr, message)
        self.assertEqual(stage.left_behind(), [])

    def replay_file(self, name, data=None):
        if data is not None:
            (stage.path / name).write_bytes(data)
        return stage.run("replay", "--policy", "policy.toml", "--in", name)

    def test_captures_that_cannot_be_read(self):
        sample = (SAMPLE / "sample.pcap").read_bytes()
        first = struct.unpack_from("<I", sample, 32)[0]
        radio = bytearray(sample[: 24 + 16 + first])
        struct.pack_into("<I", radio, 20, 105)
        cases = [
            ("none.pcap", None, "No such file or directory (name a capture file (pcap or pcapng) that you may read)"),
            ("empty.pcap", b"", "the file is empty (was the capture ended before it began?)"),
            ("no-frames.pcap", sample[:24], "there is no frame in it (was anything captured?)"),
            ("text.pcap", b"not a capture, but some text", "unknown file format (it has to be a pcap or pcapng file)"),
            ("a.pcap.gz", b"\x1f\x8b\x08\x00 and so on", "it is compressed (decompress it first: gunzip FILE)"),
            (
                "cut.pcap",
                sample[: 24 + 16 + first + 16 + 10],
                "it breaks off in frame 2: truncated dump file; tried to read "
                f"{struct.unpack_from('<I', sample, 24 + 16 + first + 8)[0]} captured bytes, only got 10"
                " (capture again, or keep the 1 whole frames: editcap -r IN OUT 1-1)",
            ),
            (
                "radio.pcap",
                bytes(radio),
                "its link type is IEEE802_11 (802.11), which cannot be replayed"
                " (Ethernet, raw IP, BSD loopback (NULL, LOOP) and Linux cooked captures can be)",
            ),
        ]
        for name, data, why in cases:
            with self.subTest(name=name):
                self.refused(
                    self.replay_file(name, data),
                    COULD_NOT_RUN,
                    f"portcullis: cannot read the capture '{name}': {why}\n",
                )

    def test_a_capture_in_a_pipe_is_refused(self):
        ran = stage.run("replay", "--policy", "policy.toml", "--in", "/dev/null")
        self.refused(
            ran,
            COULD_NOT_RUN,
            "portcullis: cannot read the capture '/dev/null': it is not a regular file"
            " (it is read more than once: save it to a file first)\n",
        )

    def test_policies(self):
        (stage.path / "bad.toml").write_text('version = 1\n[unattributed]\nclass = "nobody"\n')
        ran = stage.run("replay", "--policy", "bad.toml", "--in", "sample.pcap")
        self.assertEqual((ran.returncode, ran.stdout), (NO, ""))
        self.assertIn("bad.toml:3:9: class 'nobody' is not defined", ran.stderr)
        self.refused(
            stage.run("replay", "--policy", "none.toml", "--in", "sample.pcap"),
            COULD_NOT_RUN,
            "portcullis: cannot read the policy 'none.toml': No such file or directory"
            " (name a policy file (TOML) that you may read)\n",
        )

    def test_outputs_that_cannot_be_written(self):
        self.refused(
            stage.replay("--verdicts", "no/folder/v.tsv", "--pass-out", "tmp"),
            COULD_NOT_RUN,
            "portcullis: cannot write 'no/folder/v.tsv': No such file or directory"
            " (name a file in a folder that exists, that you may write to and that has room)\n"
            "portcullis: cannot write 'tmp': Is a directory"
            " (name a file in a folder that exists, that you may write to and that has room)\n",
        )
        ran = stage.replay("--drop-out", "/dev/full")
        self.refused(
            ran,
            COULD_NOT_RUN,
            "portcullis: cannot write '/dev/full': No space left on device"
            " (name a file in a folder that exists, that you may write to and that has room)\n",
        )

    def test_command_lines(self):
        self.refused(
            stage.run("replay", "--in", "sample.pcap"),
            COULD_NOT_RUN,
            "portcullis: replay: --policy is required (portcullis replay --help)\n",
        )
        self.refused(
            stage.replay("--direction", "up"),
            COULD_NOT_RUN,
            "portcullis: replay: --direction: up not in {outbound,inbound,by-source} (portcullis replay --help)\n",
        )
        self.refused(
            stage.replay("--verdict", "x"),
            COULD_NOT_RUN,
            "portcullis: replay: '--verdict' was not expected (did you mean '--verdicts'?)\n",
        )

    def test_a_dataplane_that_is_missing_or_fails(self):
        self.refused(
            stage.replay(PORTCULLIS_DATAPLANE="/no/such/program"),
            COULD_NOT_RUN,
            "portcullis: PORTCULLIS_DATAPLANE names '/no/such/program', which is no program"
            " (set it to the path of portcullis-dataplane, or unset it)\n",
        )
        script = stage.path / "broken"
        script.write_text("#!/bin/sh\necho no memory >&2\nexit 2\n")
        script.chmod(0o755)
        self.refused(
            stage.replay(PORTCULLIS_DATAPLANE=str(script)),
            COULD_NOT_RUN,
            "portcullis: the dataplane ended with status 2 before it had judged the capture; it printed:\n"
            "    no memory\n",
        )

    def test_earlier_output_stays_when_a_replay_fails(self):
        kept = stage.path / "kept.tsv"
        kept.write_text("from before\n")
        if os.geteuid() == 0:
            shutil.chown(kept, NOBODY, NOBODY)
        ran = stage.replay("--verdicts", "kept.tsv", PORTCULLIS_DATAPLANE="/bin/false")
        self.assertEqual(ran.returncode, COULD_NOT_RUN)
        self.assertEqual(kept.read_text(), "from before\n")
        self.assertEqual([p.name for p in stage.path.glob("kept.tsv*")], ["kept.tsv"])


class Interruption(Case):
    def test_a_signal_ends_the_dataplane_and_leaves_nothing_behind(self):
        # A dataplane that would go on for ever: it never lets the CLI connect.
        script = stage.path / "endless"
        script.write_text('#!/bin/sh\necho $$ > "$TMPDIR/../endless.pid"\nexec sleep 600\n')
        script.chmod(0o755)
        pid_file = stage.path / "endless.pid"
        for number, name in [(signal.SIGINT, "Interrupt"), (signal.SIGTERM, "Terminated")]:
            with self.subTest(signal=name), contextlib.suppress(FileNotFoundError):
                pid_file.unlink()
            with self.subTest(signal=name):
                child = subprocess.Popen(
                    stage.command("replay", "--policy", "policy.toml", "--in", "sample.pcap"),
                    cwd=stage.path,
                    env={**stage.environment(), "PORTCULLIS_DATAPLANE": str(script)},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                deadline = time.monotonic() + 30
                while not (pid_file.exists() and pid_file.read_text().strip()):
                    self.assertLess(time.monotonic(), deadline, "the dataplane was not started")
                    time.sleep(0.02)
                child.send_signal(number)
                out, err = child.communicate(timeout=30)
                self.assertEqual((child.returncode, out), (COULD_NOT_RUN, ""))
                self.assertEqual(err, f"portcullis: interrupted by {name} (start it again)\n")
                self.assertEqual(stage.left_behind(), [])
                self.assertFalse(Path(f"/proc/{int(pid_file.read_text())}").exists())


if __name__ == "__main__":
    unittest.main()
