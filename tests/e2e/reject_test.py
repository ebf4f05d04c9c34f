#!/usr/bin/env python3
"""A rejecting class: the kernel of a real client believes the answers, nobody outside hears of them, and no more are
sent than the limits say."""

import errno
import socket
import struct
import time
import unittest

import veth_wire
from processes import BIN, Stage, http_get, samples, wait_for

POLICY = """version = 1
[[pool]]
prefix = "100.64.0.0/16"
class = "residential"
[[pool]]
prefix = "2001:db8:1::/48"
class = "residential"
[[pool]]
prefix = "100.65.0.0/16"
class = "silent"
[[class]]
name = "residential"
reject = ["smtp", "netbios-smb", "mail-anywhere"]
[[class]]
name = "silent"
drop = ["smtp"]
[unattributed]
class = "residential"
[[signature]]
name = "mail-anywhere"
protocol = "smtp"
"""
SUB_MAC, NET_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
CLIENT4, SERVER4 = "100.64.0.7", "198.51.100.9"
CLIENT6, SERVER6 = "2001:db8:1::7", "2001:db8:ffff::9"
BURST_OF_ONE = 10  # answers to one subscriber at once


def syn(source, port, sequence=1):
    """A frame with a TCP SYN from the address `source`; its checksums are nobody's concern."""
    tcp = struct.pack("!HHIIBBHHH", 40000, port, sequence, 0, 0x50, 2, 1024, 0, 0)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0, 64, 6, 0) + socket.inet_aton(source) + socket.inet_aton(SERVER4)
    macs = bytes.fromhex(NET_MAC.replace(":", "") + SUB_MAC.replace(":", ""))
    return macs + struct.pack("!H", 0x0800) + ip + tcp


class RejectTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        cls.wire = cls.stage.enter_context(veth_wire.Wire(1))
        cls.addresses()
        folder = cls.stage.folder
        (folder / "policy.toml").write_text(POLICY)
        cls.dataplane = cls.stage.start(
            "dataplane",
            *cls.wire.in_mid(
                BIN / "portcullis-dataplane", "--test-mode", "--wait-for-policy", "--socket", folder / "dp.sock",
                "--subscriber-slots", 300000, "--inside", "net_af_packet0,iface=m0", "--outside", "net_af_packet1,iface=w0",
            ),
        )
        cls.control = cls.stage.control()
        wait_for(lambda: cls.metrics()["portcullis_policy_generation"] > 0, "a policy is effective")
        cls.inside_end = veth_wire.End(cls.wire.sub, "s0")
        cls.outside_end = veth_wire.End(cls.wire.net, "n0")
        cls.addClassCleanup(cls.inside_end.close)
        cls.addClassCleanup(cls.outside_end.close)

    @classmethod
    def addresses(cls):
        for namespace, device, own, other, mac in (
            (cls.wire.sub, "s0", (CLIENT4, CLIENT6), (SERVER4, SERVER6), NET_MAC),
            (cls.wire.net, "n0", (SERVER4, SERVER6), (CLIENT4, CLIENT6), SUB_MAC),
        ):
            veth_wire.run("ip", "netns", "exec", namespace, "sysctl", "-q", "-w",
                          f"net.ipv6.conf.{device}.disable_ipv6=0", f"net.ipv6.conf.{device}.accept_dad=0")
            veth_wire.run("ip", "-n", namespace, "link", "set", "lo", "up")
            for mine, theirs, bits in zip(own, other, ("32", "128")):
                veth_wire.run("ip", "-n", namespace, "address", "add", f"{mine}/{bits}", "dev", device, *(["nodad"] if bits == "128" else []))
                veth_wire.run("ip", "-n", namespace, "route", "add", f"{theirs}/{bits}", "dev", device)
                veth_wire.run("ip", "-n", namespace, "neighbour", "add", theirs, "lladdr", mac, "dev", device, "nud", "permanent")

    @classmethod
    def metrics(cls):
        return samples(http_get(cls.control.port, "/metrics"))

    def settled_metrics(self):
        """The metrics, once what earlier tests sent is counted: the books look every second."""
        last = {}

        def settled():
            nonlocal last
            before, last = last, self.metrics()
            names = [name for name in last if "frames_total" in name]
            if before and all(before.get(name) == last[name] for name in names):
                return True
            time.sleep(1.5)
            return False

        wait_for(settled, "counters come to rest")
        return last

    def wait_for_sum(self, before, count):
        """The metrics, once `count` more rejected frames are counted, answered or not."""
        names = [name for name in before if name.startswith(("portcullis_rejected_frames_total", "portcullis_reject_unanswered"))]

        def sum_of(values):
            return sum(values[name] for name in names)

        def all_counted():
            now = self.metrics()
            return now if sum_of(now) - sum_of(before) >= count else None

        after = wait_for(all_counted, f"{count} rejected frames are counted")
        self.assertEqual(sum_of(after) - sum_of(before), count)
        return after

    def test_a_client_is_refused_at_once(self):
        for family, server in ((socket.AF_INET, SERVER4), (socket.AF_INET6, SERVER6)):
            for port in (25, 445):
                with self.subTest(server=server, port=port), veth_wire.inside(self.wire.sub):
                    with socket.socket(family, socket.SOCK_STREAM) as client:
                        client.settimeout(20)
                        began = time.monotonic()
                        with self.assertRaises(ConnectionRefusedError):
                            client.connect((server, port))
                        # An unanswered SYN is repeated after one second: this was the first one.
                        self.assertLess(time.monotonic() - began, 20)

    def test_datagrams_are_prohibited(self):
        for family, server, expected in (
            (socket.AF_INET, SERVER4, errno.EHOSTUNREACH),
            (socket.AF_INET6, SERVER6, errno.EACCES),
        ):
            with self.subTest(server=server), veth_wire.inside(self.wire.sub):
                with socket.socket(family, socket.SOCK_DGRAM) as client:
                    client.settimeout(20)
                    client.connect((server, 137))
                    client.send(b"who are you")
                    with self.assertRaises(OSError) as caught:
                        client.recv(100)
                    self.assertEqual(caught.exception.errno, expected)

    def test_other_connections_are_none_of_our_business(self):
        with veth_wire.inside(self.wire.net):
            listener = socket.create_server((SERVER4, 587))
        self.addCleanup(listener.close)
        with veth_wire.inside(self.wire.sub):
            client = socket.create_connection((SERVER4, 587), timeout=20)
        self.addCleanup(client.close)
        listener.settimeout(20)
        served, _ = listener.accept()
        self.addCleanup(served.close)
        client.sendall(b"EHLO\r\n")
        served.settimeout(20)
        self.assertEqual(served.recv(100), b"EHLO\r\n")

    def session(self, family, server, port):
        """A client and a server that talk to each other: two sockets."""
        with veth_wire.inside(self.wire.net):
            listener = socket.create_server((server, port), family=family)
        self.addCleanup(listener.close)
        with veth_wire.inside(self.wire.sub):
            client = socket.create_connection((server, port), timeout=20)
        self.addCleanup(client.close)
        listener.settimeout(20)
        served, _ = listener.accept()
        self.addCleanup(served.close)
        # At its end it says so once: what it repeated would be counted in other tests.
        served.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        served.settimeout(20)
        return client, served

    def test_a_session_that_a_signature_recognises_is_reset(self):
        flows = 'portcullis_signature_flows_total{class="residential",rule="mail-anywhere"}'
        resets = 'portcullis_rejected_frames_total{answer="tcp-reset"}'
        for family, server in ((socket.AF_INET, SERVER4), (socket.AF_INET6, SERVER6)):
            with self.subTest(server=server):
                before = self.settled_metrics()
                client, served = self.session(family, server, 2526)
                served.sendall(b"220 mx.example ESMTP\r\n")
                self.assertEqual(client.recv(100), b"220 mx.example ESMTP\r\n")
                client.sendall(b"EHLO client.example\r\n")
                with self.assertRaises(ConnectionResetError):
                    client.recv(100)
                # The server has heard nothing of it.
                served.settimeout(1)
                with self.assertRaises(TimeoutError):
                    served.recv(100)
                after = self.wait_for_sum(before, 1)
                self.assertEqual(after[flows] - before.get(flows, 0), 1)
                self.assertEqual(after[resets] - before[resets], 1)

    def test_a_session_that_only_begins_like_mail_goes_on(self):
        for family, server in ((socket.AF_INET, SERVER4), (socket.AF_INET6, SERVER6)):
            with self.subTest(server=server):
                client, served = self.session(family, server, 2121)
                for sender, receiver, line in (
                    (served, client, b"220 ftp.example\r\n"), (client, served, b"USER anonymous\r\n"), (served, client, b"331 password?\r\n"),
                    (client, served, b"PASS EHLO \r\n"), (served, client, b"230 welcome\r\n"), (client, served, b"QUIT\r\n"),
                ):
                    sender.sendall(line)
                    self.assertEqual(receiver.recv(100), line)

    def test_answers_are_limited_and_counted(self):
        self.inside_end.receive(10000, 0.5)
        self.outside_end.receive(10000, 0.2)
        before = self.settled_metrics()
        for number in range(60):
            self.inside_end.send(syn("100.64.9.9", 25, number))
        after = self.wait_for_sum(before, 60)
        answered = after['portcullis_rejected_frames_total{answer="tcp-reset"}'] - before['portcullis_rejected_frames_total{answer="tcp-reset"}']
        limited = after['portcullis_reject_unanswered_frames_total{reason="rate-limit"}'] - before['portcullis_reject_unanswered_frames_total{reason="rate-limit"}']
        self.assertEqual(answered + limited, 60)
        self.assertGreaterEqual(answered, BURST_OF_ONE)
        resets = [frame for frame in self.inside_end.receive(1000, 1) if frame[34:36] == struct.pack("!H", 25)]
        self.assertEqual(len(resets), answered)
        for frame in resets:
            self.assertEqual(frame[47], 0x14, "RST and ACK")
        # Nothing of it went outside: neither the SYNs nor the answers.
        self.assertEqual([frame for frame in self.outside_end.receive(1000, 0.5) if frame[12:14] == b"\x08\x00"], [])
        self.assertEqual(after["portcullis_conservation_error_frames"], 0)

    def test_who_is_nobodys_subscriber_is_not_answered(self):
        self.inside_end.receive(10000, 0.5)
        before = self.settled_metrics()
        for number in range(5):
            self.inside_end.send(syn("203.0.113.77", 25, number))  # in no pool: an answer might be sent out again
            self.inside_end.send(syn("100.65.0.1", 25, number))  # of a class that only drops
        after = self.wait_for_sum(before, 5)
        self.assertEqual(
            after['portcullis_reject_unanswered_frames_total{reason="not-answerable"}'] - before['portcullis_reject_unanswered_frames_total{reason="not-answerable"}'], 5)
        self.assertEqual([frame for frame in self.inside_end.receive(100, 0.5) if frame[34:36] == struct.pack("!H", 25)], [])


if __name__ == "__main__":
    veth_wire.skip_unless_root()
    unittest.main(verbosity=2)
