#!/usr/bin/env python3
"""Who is suspected of what: made-up customers through the real dataplane and control, told by `portcullis show suspects`.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/suspects_test.py [-v] [TEST...]
"""

import json
import random
import struct
import subprocess
import unittest

from processes import BIN, Stage, http_get, samples, wait_for

POLICY = """version = 1
[[pool]]
prefix = "100.64.0.0/16"
class = "residential"
[[class]]
name = "residential"
drop = ["smtp", "netbios-smb", "telnet"]
monitor = ["mail-anywhere"]
[unattributed]
class = "residential"
[[rule]]
name = "telnet"
transport = ["tcp"]
outbound_destination_ports = [23]
[[signature]]
name = "mail-anywhere"
protocol = "smtp"
"""

SPAMBOT, CLIENT, WORM, TELNET, VICTIM, ELSEWHERE, SERVER, STRANGER = (
    "100.64.0.1", "100.64.0.2", "100.64.0.3", "100.64.0.4", "100.64.0.5", "100.64.0.6", "100.64.0.7", "203.0.113.9")


def number(address):
    return struct.unpack("!I", bytes(map(int, address.split("."))))[0]


def syn(source, destination, port, source_port=49152, payload=b""):
    """With a payload it is no SYN, but a segment of a connection."""
    tcp = struct.pack("!HHIIBBHHH", source_port, port, 0, 0, 0x50, 0x10 if payload else 0x02, 1024, 0, 0) + payload
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, number(source), destination)
    return bytes(12) + b"\x08\x00" + ip + tcp


def frames():
    """What each of the customers sends, mixed. Fixed seed: the same estimates every time but for the sketches' own seed."""
    far = number("198.18.0.0")
    out = []
    out += [syn(SPAMBOT, far + i, 25) for i in range(60) for _ in range(3)]  # three SYNs a connection, as systems do
    out += [syn(CLIENT, far + i, 25) for i in range(2) for _ in range(200)]
    out += [syn(WORM, far + i, 445) for i in range(500)]
    out += [syn(TELNET, far + i, 23) for i in range(40)]
    # Mail on a port that no rule names, which the class only monitors; and to a customer who has a server there.
    mail = b"EHLO example\r\nMAIL FROM:<a@example>\r\n"
    out += [syn(ELSEWHERE, far + i, 2526, payload=mail) for i in range(50)]
    out += [syn(STRANGER, number(SERVER), 2526, 40_000 + i, mail) for i in range(50)]
    # From outside to a customer: says nothing about it. By a stranger, in no pool: nobody's.
    out += [syn(STRANGER, number(VICTIM), 445, 40_000 + i) for i in range(100)]
    random.Random(1).shuffle(out)
    return out


def write_capture(path):
    out = [struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for frame in frames():
        out.append(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    path.write_bytes(b"".join(out))


class SuspectsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        (cls.stage.folder / "policy.toml").write_text(POLICY)
        capture = cls.stage.folder / "customers.pcap"
        write_capture(capture)
        cls.stage.start(
            "dataplane", BIN / "portcullis-dataplane", "--replay", capture, "--direction", "by-source", "--wait-for-policy",
            "--linger", "--socket", cls.stage.folder / "dp.sock")
        cls.control = cls.stage.control()
        cls.wait_until_judged()

    @classmethod
    def suspects(cls):
        return json.loads(http_get(cls.control.port, "/api/v1/suspects?top=100"))

    @classmethod
    def wait_until_judged(cls):
        wait_for(lambda: cls.suspects()["under_watch"] == 5, "five subscribers under watch", 120)
        wait_for(
            lambda: sum(one["attempts_24h"] for one in cls.suspects()["suspects"]) == 180 + 500 + 40 + 50, "all attempts", 120)

    def test_a_each_is_what_it_looks_like(self):
        found = {one["subscriber"]: one for one in self.suspects()["suspects"]}
        self.assertEqual(set(found), {SPAMBOT, WORM, TELNET, ELSEWHERE})
        for name, behaviour, destinations, flows in [
            (SPAMBOT, "spambot", 60, 180), (WORM, "smb-scanner", 500, 500), (TELNET, "port-scanner", 40, 40),
                (ELSEWHERE, "spambot", 50, 50)]:
            with self.subTest(behaviour=behaviour):
                one = found[name]
                self.assertEqual((one["behaviour"], one["suspicion"]), (behaviour, "likely"))
                self.assertIn("mostly-new-destinations", one["signals"])
                self.assertIn("fan-out-5m", one["signals"])
                # Four standard errors.
                self.assertAlmostEqual(one["destinations_5m"], destinations, delta=4 * 0.07 * destinations)
                self.assertAlmostEqual(one["destinations_24h"], destinations, delta=4 * 0.092 * destinations)
                self.assertEqual(sum(row["flows"] for row in one["outbound_by_rule"]), flows)
        # The rule beyond the second, which slots count together with it, is told by itself here.
        self.assertEqual([row["rule"] for row in found[TELNET]["outbound_by_rule"]], ["telnet"])
        # And so is a signature whose flows are not dropped.
        self.assertEqual(found[ELSEWHERE]["outbound_by_rule"], [{"rule": "mail-anywhere", "frames": 50, "flows": 50}])
        text = subprocess.run(
            [BIN / "portcullis", "show", "suspects", "--socket", self.stage.folder / "control.sock"],
            capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertRegex(text, rf"{ELSEWHERE} +likely spambot .* 50 +mail-anywhere 50 ")

    def test_b_the_mail_client_is_no_suspect(self):
        every = json.loads(http_get(self.control.port, "/api/v1/subscribers?top=100"))["subscribers"]
        watched = {one["subscriber"]: one["watch"] for one in every}
        self.assertEqual((watched[CLIENT]["behaviour"], watched[CLIENT]["suspicion"]), ("mail-client", "none"))
        self.assertEqual(watched[CLIENT]["attempts_24h"], 400)
        self.assertIn(watched[CLIENT]["destinations_24h"], [1, 2])  # one of 128 pairs looks like one
        # Whom strangers tried to reach has drops, but did nothing.
        self.assertIsNone(watched[VICTIM])
        text = subprocess.run(
            [BIN / "portcullis", "show", "subscribers", "--socket", self.stage.folder / "control.sock"],
            capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertRegex(text, rf"{CLIENT} .* mail-client\n")
        self.assertRegex(text, rf"{WORM} .* likely smb-scanner\n")

    def test_c_metrics_count_them(self):
        found = samples(http_get(self.control.port, "/metrics"))

        def watched(behaviour, suspicion):
            return found[f'portcullis_watched_subscribers{{behaviour="{behaviour}",suspicion="{suspicion}"}}']

        for behaviour, count in [("spambot", 2), ("smb-scanner", 1), ("port-scanner", 1)]:
            self.assertEqual(watched(behaviour, "likely") + watched(behaviour, "possible"), count, behaviour)
        self.assertEqual(watched("mail-client", "none"), 1)
        self.assertEqual(sum(v for k, v in found.items() if k.startswith("portcullis_watched_subscribers{")), 5)
        self.assertEqual(found["portcullis_unwatched_dropped_frames_total"], 0)

    def test_d_control_may_die(self):
        self.control.kill()
        type(self).control = self.stage.control()
        self.wait_until_judged()
        found = {one["subscriber"]: one["suspicion"] for one in self.suspects()["suspects"]}
        self.assertEqual(set(found), {SPAMBOT, WORM, TELNET, ELSEWHERE})
        self.assertEqual(found[WORM], "likely")  # by 24 hours, however long this test takes


if __name__ == "__main__":
    unittest.main()
