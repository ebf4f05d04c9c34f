#!/usr/bin/env python3
"""A bump in the wire: what is not dropped goes through byte by byte, links are mirrored or not, and a port that goes
away takes nothing else with it."""

import contextlib
import random
import struct
import unittest

import veth_wire
from processes import BIN, Stage, http_get, samples, wait_for

POLICY = """version = 1
[[pool]]
prefix = "100.64.0.0/10"
class = "residential"
[[class]]
name = "residential"
drop = ["smtp"]
[unattributed]
class = "residential"
[unclassifiable]
default = "pass"
"""
JUMBO_MTU = 9000
RING = "framesz=16384,blocksz=16384,framecnt=256"

CONFIG = f"""version = 1
test_mode = true
subscriber_slots = 5000000
socket = "{{socket}}"
[[pair]]
inside = "net_af_packet0,iface=m0,{RING}"
outside = "net_af_packet1,iface=w0,{RING}"
mtu = {JUMBO_MTU}
mirror_link = true
[[pair]]
inside = "net_af_packet2,iface=m1,{RING}"
outside = "net_af_packet3,iface=w1,{RING}"
mtu = {JUMBO_MTU}
"""


def mac(number):
    return bytes([2, 0, 0, 0, 9, number])


ETHERNET = mac(1) + mac(2)


def ethernet(ethertype, payload):
    return ETHERNET + struct.pack("!H", ethertype) + payload


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(payload, protocol=6, source=(100, 64, 0, 7), destination=(198, 51, 100, 9)):
    def header(check):
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, check) + bytes(source) + bytes(destination)

    return header(checksum(header(0))) + payload


def tcp(port, size=0):
    return struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 0x50, 2, 1024, 0, 0) + random.Random(size).randbytes(size)


def ipv6(payload, following=6):
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + bytes(range(16)) + bytes(range(16, 32)) + payload


def tagged(tag, inner):
    return inner[:12] + struct.pack("!HH", 0x8100, tag) + inner[12:]


def frames_that_pass():
    """One of everything that travels on a border."""
    dice = random.Random(20)
    web = ethernet(0x0800, ipv4(tcp(443)))
    out = {
        "web": web,
        "web, padded to 60 bytes with what was in memory": web + dice.randbytes(60 - len(web)) if len(web) < 60 else web,
        "UDP": ethernet(0x0800, ipv4(struct.pack("!HHHH", 53, 53, 108, 0) + dice.randbytes(100), 17)),
        "IPv6": ethernet(0x86DD, ipv6(tcp(80))),
        # None of IPv4: packet sockets put those together before anybody sees them.
        "a fragment": ethernet(0x86DD, ipv6(struct.pack("!BBHI", 17, 0, 185 << 3, 7) + dice.randbytes(64), 44)),
        "IPv4 that is none": ethernet(0x0800, dice.randbytes(40)),
        "IPv6 that is none": ethernet(0x86DD, dice.randbytes(40)),
        "ARP": ethernet(0x0806, bytes.fromhex("0001080006040001") + dice.randbytes(20)),
        "LLDP": bytes.fromhex("0180c200000e") + mac(1) + struct.pack("!H", 0x88CC) + dice.randbytes(46),
        "spanning tree": bytes.fromhex("0180c2000000") + mac(1) + struct.pack("!H", 38) + b"\x42\x42\x03" + dice.randbytes(43),
        "a broadcast": b"\xff" * 6 + mac(1) + struct.pack("!H", 0x0800) + ipv4(tcp(443)),
        "pause": bytes.fromhex("0180c2000001") + mac(1) + struct.pack("!HH", 0x8808, 1) + bytes(44),
        "MACsec": ethernet(0x88E5, dice.randbytes(80)),
        "a VLAN tag": tagged(7, web),
        "a priority": tagged(0xE000, web),
        "two VLAN tags": tagged(100, tagged(7, web)),
        "four VLAN tags": tagged(1, tagged(2, tagged(3, tagged(4, web)))),
        "MPLS": ethernet(0x8847, struct.pack("!II", 100 << 12 | 64, 200 << 12 | 1 << 8 | 64) + ipv4(tcp(443))),
        "PPPoE": ethernet(0x8864, struct.pack("!BBHHH", 0x11, 0, 9, len(ipv4(tcp(443))) + 2, 0x0021) + ipv4(tcp(443))),
        "PPPoE discovery": ethernet(0x8863, dice.randbytes(50)),
        "an unknown ethertype": ethernet(0x9999, dice.randbytes(200)),
        "a header and nothing behind it": ethernet(0x0800, b""),
        "a full frame": ethernet(0x0800, ipv4(tcp(443, 1500 - 40))),
        "a full frame with a tag": tagged(5, ethernet(0x0800, ipv4(tcp(443, 1500 - 40)))),
        "jumbo": ethernet(0x0800, ipv4(tcp(443, JUMBO_MTU - 40))),
        "jumbo with a tag": tagged(9, ethernet(0x0800, ipv4(tcp(443, JUMBO_MTU - 44)))),
    }
    for number in range(40):
        out[f"noise {number}"] = ETHERNET + dice.randbytes(dice.choice([2, 3, 10, 46, 100, 600, 1400]))
    return out


MAIL = [ethernet(0x0800, ipv4(tcp(25))), tagged(7, ethernet(0x0800, ipv4(tcp(25, 100)))), ethernet(0x86DD, ipv6(tcp(25)))]


class WireTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        cls.wire = cls.stage.enter_context(veth_wire.Wire(2, mtu=JUMBO_MTU))
        folder = cls.stage.folder
        (folder / "policy.toml").write_text(POLICY)
        (folder / "dataplane.toml").write_text(CONFIG.format(socket=folder / "dp.sock"))
        cls.dataplane = cls.stage.start(
            "dataplane", *cls.wire.in_mid(BIN / "portcullis-dataplane", "--config", folder / "dataplane.toml", "--wait-for-policy")
        )
        cls.control = cls.stage.control()
        wait_for(lambda: cls.metrics()["portcullis_policy_generation"] > 0, "a policy is effective")
        cls.ends = {}
        for pair in range(2):
            for namespace, letter in ((cls.wire.sub, "s"), (cls.wire.net, "n")):
                name = f"{letter}{pair}"
                cls.ends[name] = veth_wire.End(namespace, name)
                cls.addClassCleanup(cls.ends[name].close)

    @classmethod
    def metrics(cls):
        return samples(http_get(cls.control.port, "/metrics"))

    def check_alive(self):
        self.assertIsNone(self.dataplane.process.poll(), self.dataplane.log())

    def check_through(self, sender, receiver, frames):
        """Each of `frames` comes through as it was sent, and nothing else does."""
        for name, frame in frames.items():
            self.ends[sender].send(frame)
        received = self.ends[receiver].receive(len(frames))
        for (name, sent), came in zip(frames.items(), received):
            self.assertEqual(sent.hex(), came.hex(), name)
        self.assertEqual(len(received), len(frames), self.dataplane.log())
        self.assertTrue(self.ends[receiver].receive_nothing())

    def test_0_the_ports_have_the_mtu_of_the_configuration(self):
        for device in ("m0", "w0", "m1", "w1"):
            self.assertEqual(self.wire.link(self.wire.mid, device)["mtu"], JUMBO_MTU)

    def test_1_all_that_is_not_dropped_goes_through_unchanged(self):
        frames = frames_that_pass()
        before = self.metrics()
        for pair in range(2):
            with self.subTest("outbound", pair=pair):
                for mail in MAIL:
                    self.ends[f"s{pair}"].send(mail)
                self.check_through(f"s{pair}", f"n{pair}", frames)
            with self.subTest("inbound", pair=pair):
                self.check_through(f"n{pair}", f"s{pair}", frames)
        sent = {"net_af_packet0": len(frames) + len(MAIL), "net_af_packet1": len(frames),
                "net_af_packet2": len(frames) + len(MAIL), "net_af_packet3": len(frames)}
        bytes_of_frames = sum(map(len, frames.values()))

        def counted(name, port):
            series = f'portcullis_port_{name}{{port="{port}"}}'
            return self.metrics()[series] - before[series]

        for port, count in sent.items():
            wait_for(lambda: counted("received_frames_total", port) == count, f"{port} counts {count} frames received")
            wait_for(lambda: counted("transmitted_bytes_total", port) >= bytes_of_frames, f"{port} counts bytes transmitted")
            self.assertEqual(counted("transmitted_frames_total", port), len(frames))
            self.assertEqual(counted("transmitted_bytes_total", port), bytes_of_frames)
            self.assertEqual(counted("receive_missed_frames_total", port), 0)
        mail = 'portcullis_rule_dropped_frames_total{direction="outbound",rule="smtp"}'
        wait_for(lambda: self.metrics().get(mail, 0) >= 2 * len(MAIL), "mail of both pairs is counted")
        after = self.metrics()
        self.assertEqual(after["portcullis_conservation_error_frames"], 0)
        self.assertEqual(after[mail], 2 * len(MAIL))
        # A veth says 10 Gbit/s of itself.
        for port in sent:
            self.assertEqual(after[f'portcullis_port_link_up{{port="{port}"}}'], 1)
            self.assertEqual(after[f'portcullis_port_link_speed_bytes_per_second{{port="{port}"}}'], 1.25e9)

    def test_2_links_are_mirrored_where_that_is_configured(self):
        wire = self.wire
        some = {"web": ethernet(0x0800, ipv4(tcp(443)))}
        veth_wire.run("ip", "-n", wire.sub, "link", "set", "s0", "down")
        wait_for(lambda: not wire.has_carrier(wire.net, "n0"), "the far side of pair 0 loses its link")
        wait_for(lambda: self.metrics()['portcullis_port_link_taken_down{port="net_af_packet1"}'] == 1, "the metric says so")
        self.check_through("s1", "n1", some)
        veth_wire.run("ip", "-n", wire.sub, "link", "set", "s0", "up")
        wait_for(lambda: wire.has_carrier(wire.net, "n0"), "the far side of pair 0 has its link back")
        wait_for(lambda: self.metrics()['portcullis_port_link_taken_down{port="net_af_packet1"}'] == 0, "the metric says so")
        wait_for(lambda: self.goes("s0", "n0"), "frames pass again")
        self.ends["n0"].receive(1000, 0.3)
        self.check_through("n0", "s0", some)

        # Pair 1 mirrors nothing.
        veth_wire.run("ip", "-n", wire.net, "link", "set", "n1", "down")
        wait_for(lambda: self.metrics()['portcullis_port_link_up{port="net_af_packet3"}'] == 0, "the lost link is seen")
        self.assertTrue(wire.has_carrier(wire.sub, "s1"))
        self.assertEqual(self.metrics()['portcullis_port_link_taken_down{port="net_af_packet2"}'], 0)
        self.ends["s1"].send(some["web"])  # has nowhere to go
        veth_wire.run("ip", "-n", wire.net, "link", "set", "n1", "up")
        wait_for(lambda: self.goes("s1", "n1"), "frames pass again")
        self.check_alive()

    def goes(self, sender, receiver):
        """Whether a frame goes through. A link that was down says so once."""
        with contextlib.suppress(OSError):
            self.ends[sender].send(ethernet(0x9999, b"hello"))
        return self.ends[receiver].receive(1, 0.2) != []

    def test_3_a_port_that_goes_away_takes_nothing_with_it(self):
        veth_wire.run("ip", "-n", self.wire.mid, "link", "delete", "w1")
        wait_for(lambda: self.metrics()['portcullis_port_link_up{port="net_af_packet3"}'] == 0, "the lost port is seen")
        for _ in range(100):
            self.ends["s1"].send(ethernet(0x0800, ipv4(tcp(443))))
        self.ends["n0"].receive(1000, 0.3)
        self.check_through("s0", "n0", frames_that_pass())
        self.check_alive()
        self.assertEqual(self.metrics()["portcullis_conservation_error_frames"], 0)
        self.assertEqual(self.dataplane.end(), 0, self.dataplane.log())


if __name__ == "__main__":
    veth_wire.skip_unless_root()
    unittest.main(verbosity=2)
