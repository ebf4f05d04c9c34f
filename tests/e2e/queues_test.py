#!/usr/bin/env python3
"""Two workers, each with a queue of its own on every port: nothing is lost between them or counted twice, and every
subscriber is counted exactly, whichever worker judged its frames."""

import json
import socket
import struct
import subprocess
import unittest

import veth_wire
from processes import BIN, Stage, http_get, samples, wait_for

POLICY = """version = 1
[[pool]]
prefix = "100.64.0.0/16"
class = "residential"
[[class]]
name = "residential"
drop = ["smtp", "netbios-smb"]
[unattributed]
class = "residential"
"""
HOSTS = 64
SERVER = "198.51.100.9"
# Small enough for every queue to hold all of one round, should no worker come to run meanwhile.
ROUNDS, FRAMES_A_ROUND = 20, 2 * HOSTS


def frame(outbound, host, port):
    """A TCP segment between a subscriber and a server's port."""
    own = (f"100.64.1.{host}", 1024 + host)
    source, destination = (own, (SERVER, port)) if outbound else ((SERVER, port), own)
    tcp = struct.pack("!HHIIBBHHH", source[1], destination[1], 1, 0, 0x50, 0x10, 1024, 0, 0)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0, 64, 6, 0) + socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    return bytes.fromhex("020000000002020000000001") + struct.pack("!H", 0x0800) + ip + tcp


class QueuesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        cls.wire = cls.stage.enter_context(veth_wire.Wire(2))
        folder = cls.stage.folder
        (folder / "policy.toml").write_text(POLICY)
        ports = [
            word
            for pair in (0, 1)
            for word in (
                "--inside", f"net_af_packet{2 * pair},iface=m{pair},qpairs=2",
                "--outside", f"net_af_packet{2 * pair + 1},iface=w{pair},qpairs=2",
            )
        ]  # fmt: skip
        cls.dataplane = cls.stage.start(
            "dataplane",
            *cls.wire.in_mid(
                BIN / "portcullis-dataplane", "--test-mode", "--wait-for-policy", "--workers", 2, "--socket", folder / "dp.sock",
                "--subscriber-slots", 100000, *ports,
            ),
        )  # fmt: skip
        cls.control = cls.stage.control()
        wait_for(lambda: cls.metrics()["portcullis_policy_generation"] > 0, "a policy is effective on both workers")
        cls.ends = {}
        for pair in (0, 1):
            for namespace, letter in ((cls.wire.sub, "s"), (cls.wire.net, "n")):
                name = f"{letter}{pair}"
                cls.ends[name] = veth_wire.End(namespace, name)
                cls.addClassCleanup(cls.ends[name].close)

    @classmethod
    def metrics(cls):
        return samples(http_get(cls.control.port, "/metrics"))

    def test_two_workers_and_two_pairs_count_exactly(self):
        passed = dropped = 0
        for _ in range(ROUNDS):
            for pair in (0, 1):
                for sender, receiver, outbound in ((f"s{pair}", f"n{pair}", True), (f"n{pair}", f"s{pair}", False)):
                    expected = []
                    for host in range(HOSTS):
                        for port in (25, 443):
                            one = frame(outbound, host, port)
                            self.ends[sender].send(one)
                            if port == 443:
                                expected.append(one)
                    came = self.ends[receiver].receive(len(expected))
                    # Workers overtake each other: in order are the frames of one queue alone.
                    self.assertEqual(sorted(came), sorted(expected))
                    passed += HOSTS
                    dropped += HOSTS

        def total(of, name):
            return sum(value for series, value in of.items() if series.startswith(name + "{"))

        # Drops come through last: nobody waited for them.
        wait_for(lambda: total(self.metrics(), "portcullis_received_frames_total") >= passed + dropped, "all frames are counted")
        now = self.metrics()
        self.assertEqual(total(now, "portcullis_received_frames_total"), passed + dropped)
        self.assertEqual(total(now, "portcullis_transmitted_frames_total"), passed)
        for direction in ("outbound", "inbound"):
            series = f'portcullis_rule_dropped_frames_total{{direction="{direction}",rule="smtp"}}'
            self.assertEqual(now[series], dropped / 2)
        self.assertEqual(total(now, "portcullis_port_receive_missed_frames_total"), 0)
        self.assertEqual(now["portcullis_conservation_error_frames"], 0)
        # Each worker had its share.
        for worker in (0, 1):
            self.assertGreater(now[f'portcullis_worker_cycles_per_frame{{worker="{worker}"}}'], 0)
        shown = subprocess.run(
            [BIN / "portcullis", "show", "subscribers", "--top", "1000", "--json", "--socket", self.stage.folder / "control.sock"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        counted = {
            one["subscriber"]: row["frames"] for one in json.loads(shown.stdout)["subscribers"] for row in one["dropped"] if row["rule"] == "smtp"
        }
        self.assertEqual(counted, {f"100.64.1.{host}": dropped / HOSTS for host in range(HOSTS)})
        self.assertEqual(self.dataplane.end(), 0, self.dataplane.log())


if __name__ == "__main__":
    veth_wire.skip_unless_root()
    unittest.main(verbosity=2)
