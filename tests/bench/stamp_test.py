#!/usr/bin/env python3
"""The peers' frames are stamped as ours are: what a testpmd transmits is looked at. Usage: tests/bench/stamp_test.py [-v] [TEST...]"""

import itertools
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench_programs import BIN, PROGRAM, SHORT, figures, has_testpmd  # noqa: E402
from captures import pcap_bytes  # noqa: E402

LIBRARY = BIN / "portcullis-bench-stamp.so"
SETTINGS = "sources=stamped subscribers=100000 ip_offset=14 port0=outbound port1=inbound seed=5"
SUBSCRIBERS = 100_000
POOL = 0x6440_0000  # 100.64.0.0
SOURCE, DESTINATION = 26, 30  # where their IPv4 addresses are
FRAMES = 256  # whole bursts of 64, in which numbers are drawn by four

# The real testpmd; what it transmits is written into files of $TRANSMITTED.
WRITES_FILES = """#!/bin/bash
for word; do
    case $word in net_pcap?,*) word+=",tx_pcap=$TRANSMITTED/${word:8:1}.pcap" ;; esac
    words+=("$word")
done
exec TESTPMD "${words[@]}"
"""

# Has of testpmd nothing but that it asks for commands; says $GREETING first.
ONLY_ASKS = """#!/bin/sh
printf '%s\\ntestpmd> ' "$GREETING"
while read -r _; do printf 'testpmd> '; done
"""


def drawn(seed):
    """The subscribers of a queue's frames, as SourceStamp draws them: four of Knuth's MMIX generators in turn."""
    states = [seed * 4 + i for i in range(4)]
    while True:
        for i, state in enumerate(states):
            states[i] = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            yield (states[i] >> 32) * SUBSCRIBERS >> 32


def subscribers(path, offset):
    """Of the first frames of a file that DPDK's pcap port wrote, with nanoseconds."""
    data, at, out = path.read_bytes(), 24, []
    while at < len(data) and len(out) < SUBSCRIBERS:
        address = at + 16 + offset
        out.append(int.from_bytes(data[address : address + 4], "big") - POOL)
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
    return out


class StampTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def first_in_path(self, script, **variables):
        """Lets `script` be what the bench finds as dpdk-testpmd."""
        programs = self.folder / "programs"
        programs.mkdir()
        testpmd = programs / "dpdk-testpmd"
        testpmd.write_text(script.replace("TESTPMD", str(shutil.which("dpdk-testpmd"))))
        testpmd.chmod(0o755)
        environment = mock.patch.dict(os.environ, {"PATH": f"{programs}:{os.environ['PATH']}", **variables})
        environment.start()
        self.addCleanup(environment.stop)


@unittest.skipUnless(has_testpmd(), "needs dpdk-testpmd (package dpdk-dev)")
class TestpmdTest(StampTest):
    def run_beside(self, *words):
        transmitted = self.folder / "transmitted"
        transmitted.mkdir()
        self.first_in_path(WRITES_FILES, TRANSMITTED=str(transmitted))
        out = figures(self, "throughput", "--subscribers", SUBSCRIBERS, *SHORT, "--peer", "testpmd-io", *words)
        return out, subscribers(transmitted / "1.pcap", SOURCE), subscribers(transmitted / "0.pcap", DESTINATION)

    def test_the_bench_gives_it_our_frames(self):
        out, outbound, inbound = self.run_beside("--seed", 5)
        self.assertTrue(out["stamped"])
        self.assertTrue(out["peers"]["testpmd-io"]["stamped"])
        self.assertIn("every frame", out["peers"]["testpmd-io"]["includes"])
        for port, got in [(0, outbound), (1, inbound)]:
            self.assertGreater(len(set(got)), 1024)  # more than the file has
            self.assertEqual(got[:FRAMES], list(itertools.islice(drawn(5 + port), FRAMES)))

    def test_the_frames_of_the_file_when_asked_for(self):
        out, outbound, inbound = self.run_beside("--peer-sources", "file")
        self.assertTrue(out["stamped"])
        self.assertFalse(out["peers"]["testpmd-io"]["stamped"])
        self.assertNotIn("every frame", out["peers"]["testpmd-io"]["includes"])
        for got in (outbound, inbound):
            self.assertGreater(len(got), 1024)
            self.assertEqual(got[1024:2048], got[:1024])
            self.assertLessEqual(len(set(got)), 1024)

    def test_ports_that_have_no_frames_of_the_file(self):
        for port in ("null", "ring"):
            with self.subTest(port=port):
                out = figures(self, "throughput", "--subscribers", 1000, *SHORT, "--peer", "testpmd-io", "--port", port)
                self.assertEqual(out["stamped"], port == "ring")
                self.assertFalse(out["peers"]["testpmd-io"]["stamped"])

    def start_alone(self, settings):
        """A testpmd with the library, whose ports deliver FRAMES frames each time they are started."""
        plain = bytes(12) + b"\x08\0\x45" + bytes(45)
        (self.folder / "in.pcap").write_bytes(pcap_bytes([plain] * FRAMES))
        words = ["env", f"LD_PRELOAD={LIBRARY}", *settings, "stdbuf", "-oL", "dpdk-testpmd"]
        words += ["--lcores", "(0,1)@0", "--no-pci", "--no-telemetry", "--no-huge", "--no-shconf", "-m", "128"]
        for port in range(2):
            words += ["--vdev", f"net_pcap{port},rx_pcap={self.folder}/in.pcap,tx_pcap={self.folder}/{port}.pcap"]
        words += ["--", "-i", "--total-num-mbufs=4096", "--burst=64", "--no-flush-rx", "--disable-link-check"]
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )

        def end():
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def hear(self, process, mark):
        said = ""
        for line in process.stdout:
            said += line
            if mark in line:
                return said
        self.fail(f"it ended before {mark}: {said}")

    def forward_all(self, process):
        """The subscribers of all frames that port 0 received, and those of port 1: each transmits what the other receives."""
        process.stdin.write("clear port stats all\nstart\n")
        deadline = time.monotonic() + 60
        received = []
        while received != [FRAMES] * 2 and time.monotonic() < deadline:
            time.sleep(0.1)
            process.stdin.write("show port stats all\n")
            received = [int(self.hear(process, "RX-packets:").split("RX-packets:")[1].split()[0]) for _ in range(2)]
        self.assertEqual(received, [FRAMES] * 2)
        process.stdin.write("stop\nport stop all\n")
        self.hear(process, "Stopping ports...")
        self.hear(process, "Done")
        return subscribers(self.folder / "1.pcap", SOURCE), subscribers(self.folder / "0.pcap", DESTINATION)

    def test_a_port_that_is_started_again_is_not_stamped_twice(self):
        process = self.start_alone([f"PORTCULLIS_BENCH_STAMP={SETTINGS}"])
        said = self.hear(process, "port 1: a subscriber for every frame; queues: 1")
        self.assertIn("port 0: a subscriber for every frame; queues: 1", said)
        first = self.forward_all(process)
        process.stdin.write("port start all\n")
        again = self.forward_all(process)
        for port in range(2):
            numbers = drawn(5 + port)
            self.assertEqual(first[port], list(itertools.islice(numbers, FRAMES)))
            # The same stamp goes on; another one would begin with the first numbers again.
            self.assertEqual(again[port], list(itertools.islice(numbers, FRAMES)))
        rest, _ = process.communicate("quit\n", timeout=60)
        self.assertEqual(process.returncode, 0)
        self.assertNotIn("portcullis-bench-stamp", rest)

    def test_no_port_starts_with_settings_that_are_wrong(self):
        for settings, named in [
            ([], "PORTCULLIS_BENCH_STAMP: is not in the environment"),
            ([f"PORTCULLIS_BENCH_STAMP={SETTINGS} "], "no right value of seed"),
            (["PORTCULLIS_BENCH_STAMP=" + SETTINGS.replace("100000", "0")], "no right value of subscribers"),
        ]:
            with self.subTest(settings=settings):
                process = self.start_alone(settings)
                said, _ = process.communicate("quit\n", timeout=60)
                self.assertIn("portcullis-bench-stamp: no port is started: ", said)
                self.assertIn(named, said)
                self.assertIn("Fail to start port 0", said)
                self.assertNotIn("a subscriber for every frame", said)


class OtherProgramsTest(StampTest):
    def refused(self, *words, program=PROGRAM):
        done = subprocess.run(
            [program, "throughput", *SHORT, "--peer", "testpmd-io", *words], capture_output=True, text=True, timeout=120
        )
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_a_testpmd_that_does_not_say_it_stamps_is_refused(self):
        self.first_in_path(ONLY_ASKS, GREETING="portcullis-bench-stamp: port 0: a subscriber for every frame; queues: 1")
        said = self.refused()
        self.assertIn("testpmd-io does not receive the frames that we do", said)
        self.assertIn("port 1", said)
        self.assertIn("shared libraries, or give --peer-sources file", said)
        # Asked for nothing of that kind, it comes as far as its turn, in which it moves no frames.
        self.assertIn("moves no frames", self.refused("--peer-sources", "file"))

    def test_what_the_library_refuses_is_quoted(self):
        self.first_in_path(ONLY_ASKS, GREETING="portcullis-bench-stamp: no port is started: built for another release")
        self.assertIn("no port is started: built for another release", self.refused())

    def test_a_library_that_cannot_be_loaded_is_named(self):
        elsewhere = self.folder / "a b"
        elsewhere.mkdir()
        program = shutil.copy(PROGRAM, elsewhere)
        said = self.refused(program=program)
        self.assertIn(f"{elsewhere}/portcullis-bench-stamp.so: is not there", said)
        shutil.copy(LIBRARY, elsewhere)
        said = self.refused(program=program)
        self.assertIn(f"{elsewhere}/portcullis-bench-stamp.so: cannot be preloaded", said)

    def test_programs_without_dpdk_are_left_as_they_are(self):
        done = subprocess.run(["cat"], input="x", capture_output=True, text=True, env={**os.environ, "LD_PRELOAD": LIBRARY})
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "x", ""))


if __name__ == "__main__":
    unittest.main()
