#!/usr/bin/env python3
"""`portcullis capture` and `portcullis events` against a running dataplane: which frames, byte by byte, read by tshark
and tcpdump."""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import unittest

import veth_wire
from processes import BIN, Stage, http_get, samples, wait_for

POLICY = """version = 1
[[pool]]
prefix = "100.64.0.0/16"
class = "residential"
[[class]]
name = "residential"
drop = ["smtp"]
monitor = ["netbios-smb"]
[unattributed]
class = "residential"
"""


def frame(source, port, size=0, destination="198.51.100.9"):
    tcp = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 0x50, 2, 1024, 0, 0) + bytes(size)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0, 64, 6, 0) + socket.inet_aton(source) + socket.inet_aton(destination)
    return bytes.fromhex("020000000002020000000001") + struct.pack("!H", 0x0800) + ip + tcp


class CaptureTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        cls.wire = cls.stage.enter_context(veth_wire.Wire(1))
        cls.folder = cls.stage.folder
        (cls.folder / "policy.toml").write_text(POLICY)
        cls.dataplane = cls.stage.start(
            "dataplane",
            *cls.wire.in_mid(
                BIN / "portcullis-dataplane", "--test-mode", "--wait-for-policy", "--socket", cls.folder / "dp.sock",
                "--subscriber-slots", 100000, "--inside", "net_af_packet0,iface=m0", "--outside", "net_af_packet1,iface=w0",
            ),
        )
        cls.control = cls.stage.control()
        wait_for(lambda: cls.metrics()["portcullis_policy_generation"] > 0, "a policy is effective")
        cls.inside_end = veth_wire.End(cls.wire.sub, "s0")
        cls.outside_end = veth_wire.End(cls.wire.net, "n0")
        cls.addClassCleanup(cls.inside_end.close)
        cls.addClassCleanup(cls.outside_end.close)

    @classmethod
    def metrics(cls):
        return samples(http_get(cls.control.port, "/metrics"))

    def follow(self, command, *words, stdout=subprocess.PIPE):
        """The command, once the dataplane captures for it."""
        before = self.dataplane.log().count("captures judged frames")
        process = subprocess.Popen(
            [BIN / "portcullis", command, "--dataplane-socket", self.folder / "dp.sock", "--socket", self.folder / "control.sock", *map(str, words)],
            stdout=stdout, stderr=subprocess.PIPE,
        )
        self.addCleanup(process.kill)

        def captures():
            self.assertIsNone(process.poll(), process.stderr.read() if process.poll() is not None else "")
            return self.dataplane.log().count("captures judged frames") > before

        wait_for(captures, "the dataplane captures")
        return process

    def capture(self, send, *words):
        """What a capture with `words` writes while `send` is sent, as (comment, bytes, length on the wire)."""
        path = self.folder / f"{self.id()}.pcapng"
        process = self.follow("capture", "-w", path, *words)
        for one in send:
            self.inside_end.send(one)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, said)
        self.assertIn(b" 0 lost", said)
        done = subprocess.run(
            ["tshark", "-r", path, "-T", "json", "-x", "--no-duplicate-keys"], capture_output=True, timeout=60, check=True)
        out = []
        for packet in json.loads(done.stdout):
            layers = packet["_source"]["layers"]
            comment = layers.get("pkt_comment", layers["frame"])
            text = json.dumps(comment)
            raw = layers["frame_raw"]
            data = raw[0] if isinstance(raw, list) else raw
            out.append((text, bytes.fromhex(data), int(layers["frame"]["frame.len"])))
        return out

    def test_dropped_frames_with_their_verdict(self):
        mail = [frame("100.64.0.7", 25, size) for size in (0, 100, 1400)]
        others = [frame("100.64.0.7", 80), frame("100.64.0.7", 445)]
        got = self.capture([*others, *mail, *others], "--count", 3)
        self.assertEqual([data for _, data, _ in got], mail)
        self.assertEqual([length for _, _, length in got], [len(one) for one in mail])
        for comment, _, _ in got:
            self.assertIn("verdict=drop reason=rule rule=smtp subscriber=100.64.0.7 direction=outbound generation=1", comment)

    def test_by_verdict_and_length(self):
        got = self.capture([frame("100.64.0.7", 80, 200)], "--verdict", "pass", "--snaplen", 60, "--count", 1)
        self.assertEqual([(data, length) for _, data, length in got], [(frame("100.64.0.7", 80, 200)[:60], 254)])

    def test_by_subscriber(self):
        got = self.capture(
            [frame(f"100.64.0.{host}", 25) for host in range(1, 30)], "--subscriber", "100.64.0.16/29", "--count", 8)
        self.assertEqual([data for _, data, _ in got], [frame(f"100.64.0.{host}", 25) for host in range(16, 24)])

    def test_by_reason_and_rule(self):
        send = [frame("100.64.0.7", port) for port in (80, 445, 25)]
        got = self.capture(send, "--verdict", "all", "--reason", "monitored", "--count", 1)
        self.assertEqual([data for _, data, _ in got], [send[1]])
        self.assertIn("rule=netbios-smb", got[0][0])
        got = self.capture(send, "--verdict", "all", "--rule", "smtp", "--count", 1)
        self.assertEqual([data for _, data, _ in got], [send[2]])

    def test_a_pipe_to_tcpdump(self):
        process = self.follow("capture", "--count", 2)
        reader = subprocess.Popen(["tcpdump", "-n", "-e", "-r", "-"], stdin=process.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(reader.kill)
        for host in (1, 2):
            self.inside_end.send(frame(f"100.64.0.{host}", 25))
        shown, said = reader.communicate(timeout=60)
        self.assertEqual(len(shown.splitlines()), 2, (shown, said))
        self.assertIn(b"100.64.0.2.40000 > 198.51.100.9.25", shown)
        self.assertEqual(process.wait(timeout=60), 0)

    def test_one_capture_at_a_time_and_wrong_words(self):
        first = self.follow("capture", "--seconds", 600)
        words = [BIN / "portcullis", "capture", "--dataplane-socket", self.folder / "dp.sock", "--socket", self.folder / "control.sock"]

        def refused(*more):
            done = subprocess.run([*words, "-w", "/dev/null", *more], capture_output=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2)
            return done.stderr.decode()

        self.assertIn("somebody else captures", refused())
        self.assertIn("rule 'smpt' is not known (did you mean 'smtp'?)", refused("--rule", "smpt"))
        self.assertIn("reason 'rul' is not known (did you mean 'rule'?)", refused("--reason", "rul"))
        self.assertIn("is not an address or prefix", refused("--subscriber", "100.64.0.1/24"))
        # What is refused writes nothing, which a reader of a pipe could take for a capture.
        for wrong in (["--rule", "smpt"], []):
            done = subprocess.run([*words, "-w", "-", *wrong], capture_output=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, b""))
        first.terminate()
        first.communicate(timeout=60)
        # And then the next one may.
        self.assertEqual(len(self.capture([frame("100.64.0.7", 25)], "--count", 1)), 1)

    def test_no_terminal_gets_a_capture(self):
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        for to in ("-", os.ttyname(theirs), "/dev/stdout"):
            done = subprocess.run(
                [BIN / "portcullis", "capture", "--dataplane-socket", self.folder / "dp.sock",
                 "--socket", self.folder / "control.sock", "--seconds", "1", "-w", to],
                stdout=theirs, stderr=subprocess.PIPE, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, to)
            self.assertIn(b"pcapng is not for terminals", done.stderr)
        os.set_blocking(ours, False)
        with self.assertRaises(BlockingIOError):
            os.read(ours, 1)

    def test_events(self):
        process = self.follow("events", "--count", 9, "--window", 600)
        for _ in range(3):
            for host in (1, 2):
                self.inside_end.send(frame(f"100.64.0.{host}", 25))
            self.inside_end.send(frame("100.64.0.1", 25, destination="198.51.100.10"))
        shown, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, said)
        events = [json.loads(line) for line in shown.splitlines()]
        self.assertEqual(
            [(one["src"], one["dst"], one["dport"], one["rule"], one["reason"]) for one in events],
            [("100.64.0.1", "198.51.100.9", 25, "smtp", "rule"), ("100.64.0.2", "198.51.100.9", 25, "smtp", "rule"),
             ("100.64.0.1", "198.51.100.10", 25, "smtp", "rule")])

    def test_metrics(self):
        before = self.metrics()["portcullis_captured_frames_total"]
        self.capture([frame("100.64.0.7", 25)] * 5, "--count", 5)
        # Earlier tests' frames may be counted late, too: the books look every second.
        wait_for(lambda: self.metrics()["portcullis_captured_frames_total"] >= before + 5, "captured frames are counted")
        self.assertEqual(self.metrics()["portcullis_conservation_error_frames"], 0)


if __name__ == "__main__":
    veth_wire.skip_unless_root()
    for program in ("tshark", "tcpdump"):
        if shutil.which(program) is None:
            print(f"skipped: {program} is not installed")
            sys.exit(77)
    unittest.main(verbosity=2)
