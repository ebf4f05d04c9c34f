#!/usr/bin/env python3
"""A border with real clients and real servers in network namespaces, the shipped filter between them.

    PORTCULLIS_BIN=build/release/bin tests/border/border_test.py [-v] [CLASS[.TEST]...]

Every test runs on DPDK's af_packet and on its af_xdp port. Exit status 77: skipped, with the reason.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

import clients
import servers
from netns import inside
from network import BUSINESS, CUSTOMERS, FAR4, FAR6, FAR_MTU, RESIDENTIAL, SMARTHOST4, SMARTHOST6, Border
from processes import BIN, Process, wait_for
from the_filter import DEVICES, Filter

PROGRAMS = [
    "ip", "ethtool", "nft", "sysctl", "unshare", "ss", "/usr/sbin/exim4", "swaks", "/usr/sbin/smbd", "/usr/sbin/nmbd", "smbclient",
    "nmblookup", "/usr/sbin/dnsmasq", "dig", "openssl", "curl", "iperf3", "ping", "udhcpc", "timeout", "tcpdump",
]  # fmt: skip
SKIPPED = 77
IP_MTU_DISCOVER, IP_MTU, IP_PMTUDISC_DO = 10, 14, 2
IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_PMTUDISC_DO = 23, 24, 2
ETHERNET_HEADER_BYTES = 14


class World(contextlib.ExitStack):
    """The network and its servers, which stand through all tests."""

    def __init__(self):
        super().__init__()
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        # Short: Samba's sockets lie below it.
        self.folder = Path(tempfile.mkdtemp(prefix="pcb-"))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)
        border = self.border = self.enter_context(Border())
        cert = servers.certificate(self.folder)
        self.cert = cert[0]
        foreign = [address for one in CUSTOMERS for address in (one.foreign4, one.foreign6)]
        self.foreign_mail = self._keep(servers.MailServer(border, self.folder, "foreign", foreign, cert))
        self.smarthost = self._keep(servers.MailServer(border, self.folder, "smarthost", [SMARTHOST4, SMARTHOST6], cert))
        self.outer_samba = self._keep(servers.Samba(border, "net", self.folder, "outer"))
        self.inner_samba = self._keep(servers.Samba(border, "sub", self.folder, "inner"))
        self._keep(servers.name_server(border, self.folder))
        web, self.big_file = servers.web_server(border, self.folder, "net", cert)
        self._keep(web)
        for address in (RESIDENTIAL.foreign4, RESIDENTIAL.foreign6):
            self._keep(servers.iperf_server(border, self.folder, address))
        self._keep(servers.Echo(border, "net", [RESIDENTIAL.foreign4, RESIDENTIAL.foreign6]))
        self._keep(servers.Echo(border, "sub", [RESIDENTIAL.near4, RESIDENTIAL.near6]))
        self._keep(servers.Echo(border, "far", [FAR4, FAR6]))
        servers.wait_until_listening(border, self.folder, "net", 25, 587, 465, 445, 139, 53, 443, 5201)
        servers.wait_until_listening(border, self.folder, "sub", 445, 139)

    def _keep(self, one):
        self.callback(one.close)
        return one


world = None


def setUpModule():
    global world
    world = World()


def tearDownModule():
    global world
    gone, world = world, None
    if gone is not None:
        gone.close()


class Tests:
    """What holds of either kind of port."""

    KIND = None

    @classmethod
    def setUpClass(cls):
        cls.border = world.border
        cls.filter = Filter(world.border, world.folder, cls.KIND)
        cls.addClassCleanup(cls.filter.close)
        world.callback(cls.filter.close)  # a second time, or the first if this test is ended by a signal
        cls._find_neighbours()
        cls.before = cls.sent(), cls.filter.subscribers()

    @classmethod
    def _find_neighbours(cls):
        """Before anything is counted: whatever waits for a neighbour's address can be given up by the kernel."""
        for customer in CUSTOMERS:
            for server in (customer.foreign4, customer.foreign6):

                def answers(server=server):
                    return clients.attempt(cls.border, "sub", "ping", "-n", "-c1", "-W1", server)[0] == 0

                wait_for(answers, f"ping to {server}", 30)

    @classmethod
    def sent(cls):
        """{(slot, rule, what): value} of what the customers' kernels and the internet's have sent to the filter."""
        out = {}
        for namespace in ("sub", "net"):
            listed = json.loads(cls.border.run(namespace, "nft", "-j", "list", "counters"))["nftables"]
            for one in (row["counter"] for row in listed if "counter" in row):
                label, family, kind, *flows = one["name"].split("_")
                customer = CUSTOMERS[int(label[1:])]
                slot = customer.slot4 if family == "ip" else customer.slot6
                rule = {"smtp": "smtp", "smb": "netbios-smb"}[kind]
                values = (
                    {"flows": one["packets"]}
                    if flows
                    else {"frames": one["packets"], "bytes": one["bytes"] + ETHERNET_HEADER_BYTES * one["packets"]}
                )
                for what, value in values.items():
                    out[slot, rule, what] = out.get((slot, rule, what), 0) + value
        return out

    def assert_counted(self, customer, before, drops_before):
        """Since then, all that was sent of `customer` to ports of rules has been dropped, and counted, exactly."""
        slots = (customer.slot4, customer.slot6)

        def difference():
            # The books first: what is sent in between is no error yet, and is in the next look.
            counted, sent = self.filter.subscribers(), self.sent()
            return {
                key: (value - before[key], counted.get(key, 0) - drops_before.get(key, 0))
                for key, value in sent.items()
                if key[0] in slots and value - before[key] != counted.get(key, 0) - drops_before.get(key, 0)
            }

        deadline = time.monotonic() + 20
        while difference() and time.monotonic() < deadline:
            time.sleep(0.2)
        self.assertEqual(difference(), {}, "(sent, counted)")
        return {key: value - before[key] for key, value in self.sent().items() if key[0] in slots}

    def tearDown(self):
        # The residential customer's class drops both rules in every policy of these tests.
        self.assert_counted(RESIDENTIAL, *self.before)
        metrics = self.filter.metrics()
        self.assertEqual(metrics["portcullis_conservation_error_frames"], 0)
        self.assertIsNone(self.filter.dataplane.process.poll(), self.filter.dataplane.log())
        self.assertIsNone(self.filter.control.process.poll(), self.filter.control.log())

    def all_at_once(self, attempts):
        """{name: what its function returns}"""
        with ThreadPoolExecutor(len(attempts)) as pool:
            return dict(zip(attempts, pool.map(lambda function: function(), attempts.values())))

    def test_mail(self):
        self.filter.apply(business=())
        arrive = {}
        for name, server, mail in [
            ("smarthost4", SMARTHOST4, world.smarthost), ("smarthost6", SMARTHOST6, world.smarthost),
            ("foreign4", RESIDENTIAL.foreign4, world.foreign_mail), ("foreign6", RESIDENTIAL.foreign6, world.foreign_mail),
            ("business4", BUSINESS.foreign4, world.foreign_mail), ("business6", BUSINESS.foreign6, world.foreign_mail),
        ]:  # fmt: skip
            for port in (25, 587, 465):
                arrive[f"{self.KIND}-{name}-{port}"] = (server, port, mail, not (name.startswith("foreign") and port == 25))

        def send(name):
            server, port, _, passes = arrive[name]
            return clients.send_mail(self.border, server, port, f"token-{name}-", world.cert, 60 if passes else clients.SECONDS)

        results = self.all_at_once({name: (lambda name=name: send(name)) for name in arrive})
        for name, (_, _, mail, passes) in arrive.items():
            with self.subTest(name):
                status, text = results[name]
                self.assertEqual(status == 0, passes, text)
                self.assertEqual(mail.has(f"token-{name}-"), passes)

    def test_windows_shares(self):
        self.filter.apply(business=())
        tries = {}
        for name, customer in (("residential", RESIDENTIAL), ("business", BUSINESS)):
            seconds = 60 if customer is BUSINESS else clients.SECONDS
            for family, outer, inner in ((4, customer.foreign4, customer.near4), (6, customer.foreign6, customer.near6)):
                for port in (445, 139):
                    tries[name, family, port, "out"] = lambda outer=outer, port=port, seconds=seconds: clients.read_share(
                        self.border, "sub", world.outer_samba, outer, port, seconds
                    )
                    tries[name, family, port, "in"] = lambda inner=inner, port=port, seconds=seconds: clients.read_share(
                        self.border, "net", world.inner_samba, inner, port, seconds
                    )
            tries[name, 4, 137, "out"] = lambda customer=customer, seconds=seconds: clients.look_up_name(
                self.border, "sub", world.outer_samba, customer.foreign4, "OUTER", seconds
            )
            tries[name, 4, 137, "in"] = lambda customer=customer, seconds=seconds: clients.look_up_name(
                self.border, "net", world.inner_samba, customer.near4, "INNER", seconds
            )
        for (name, family, port, way), (through, text) in self.all_at_once(tries).items():
            with self.subTest(customer=name, family=family, port=port, way=way):
                self.assertEqual(through, name == "business", text)

    def test_counters_are_exact_for_each_customer(self):
        self.filter.apply(business=("smtp", "netbios-smb"))
        before, drops_before = self.sent(), self.filter.subscribers()
        tries = {}
        for customer in CUSTOMERS:
            for server in (customer.foreign4, customer.foreign6):
                tries[server, 25] = lambda server=server: clients.send_mail(self.border, server, 25, "counted", world.cert, 4)[0]
                tries[server, 445] = lambda server=server: clients.attempt(self.border, "sub", "curl", "-m", 3, f"telnet://[{server}]:445" if ":" in server else f"telnet://{server}:445")[0]
            tries[customer.near4, 139] = lambda customer=customer: clients.read_share(self.border, "net", world.inner_samba, customer.near4, 139, 4)[0]
            tries[customer.near4, 137] = lambda customer=customer: clients.look_up_name(self.border, "net", world.inner_samba, customer.near4, "INNER", 4)[0]
        self.all_at_once(tries)
        for customer in CUSTOMERS:
            sent = self.assert_counted(customer, before, drops_before)
            # More than a SYN each way, of either family: so the equality above was about something.
            self.assertGreaterEqual(sent[customer.slot4, "smtp", "flows"], 2)
            self.assertGreaterEqual(sent[customer.slot6, "smtp", "frames"], 2)
            self.assertGreaterEqual(sent[customer.slot4, "netbios-smb", "frames"], 4)
            self.assertGreaterEqual(sent[customer.slot6, "netbios-smb", "flows"], 1)

    def _connect(self, server, port):
        with inside(self.border["sub"]):
            out = socket.create_connection((server, port), timeout=20)
        self.addCleanup(out.close)
        self.assertIn(b"220 ", out.recv(1000))
        return out

    def test_policy_changes_while_connections_are_open(self):
        self.filter.apply(business=())
        for server in (BUSINESS.foreign4, BUSINESS.foreign6):
            with self.subTest(server):
                before, drops_before = self.sent(), self.filter.subscribers()
                mail, submission = self._connect(server, 25), self._connect(server, 587)
                self.filter.apply(business=("smtp",))
                mail.sendall(b"EHLO customer.example\r\n")
                submission.sendall(b"EHLO customer.example\r\n")
                self.assertIn(b"250", submission.recv(2000))
                mail.settimeout(2)
                with self.assertRaises(TimeoutError):
                    mail.recv(2000)
                # TCP tries again, and is let through: to it this was a bad line.
                self.filter.apply(business=())
                mail.settimeout(60)
                self.assertIn(b"250", mail.recv(2000))
                slot = BUSINESS.slot6 if ":" in server else BUSINESS.slot4
                drops = self.filter.subscribers()
                lost = drops[slot, "smtp", "frames"] - drops_before.get((slot, "smtp", "frames"), 0)
                self.assertGreaterEqual(lost, 1)
                self.assertLessEqual(lost, self.sent()[slot, "smtp", "frames"] - before[slot, "smtp", "frames"])

    def test_open_connections_end_at_once_when_they_are_rejected(self):
        for server in (BUSINESS.foreign4, BUSINESS.foreign6):
            with self.subTest(server):
                self.filter.apply(business=())
                mail, submission = self._connect(server, 25), self._connect(server, 587)
                self.filter.apply(reject=("smtp",))
                mail.sendall(b"EHLO customer.example\r\n")
                submission.sendall(b"EHLO customer.example\r\n")
                mail.settimeout(60)
                with self.assertRaises(ConnectionResetError):
                    mail.recv(2000)
                self.assertIn(b"250", submission.recv(2000))

    def test_rejected_clients_are_told(self):
        self.filter.apply(reject=("smtp", "netbios-smb"))
        before, drops_before = self.sent(), self.filter.subscribers()
        for server in (BUSINESS.foreign4, BUSINESS.foreign6):
            with self.subTest(server, protocol="mail"):
                # In place of a time-out, which is what swaks says of a drop.
                status, text = clients.send_mail(self.border, server, 25, "rejected", world.cert, 60)
                self.assertNotEqual(status, 0)
                self.assertIn("Connection refused", text)
                self.assertEqual(clients.send_mail(self.border, server, 587, "not-rejected", world.cert, 60)[0], 0)
            with self.subTest(server, protocol="datagrams"):
                self.assertEqual(
                    clients.error_of_datagram(self.border, "sub", server, 137), errno.EACCES if ":" in server else errno.EHOSTUNREACH
                )
        through, text = clients.read_share(self.border, "sub", world.outer_samba, BUSINESS.foreign4, 445, 60)
        self.assertFalse(through)
        self.assertIn("NT_STATUS_CONNECTION_REFUSED", text)
        self.assert_counted(BUSINESS, before, drops_before)

    def test_answers_are_limited(self):
        self.filter.apply(reject=("netbios-smb",))
        before, drops_before, answers_before = self.sent(), self.filter.subscribers(), self.answers()
        count = 300
        clients.send_datagrams(self.border, "sub", BUSINESS.near4, BUSINESS.foreign4, 137, count)
        sent = self.assert_counted(BUSINESS, before, drops_before)
        self.assertGreaterEqual(sent[BUSINESS.slot4, "netbios-smb", "frames"], count)

        def rejected():
            return {name: value - answers_before[name] for name, value in self.answers().items() if value > answers_before[name]}

        # Ten a second for one subscriber: even a slow machine does not take half a minute for all of them.
        wait_for(lambda: sum(rejected().values()) >= count, f"an answer or none to {count} datagrams: {rejected()}", 30)
        self.assertGreaterEqual(rejected()["icmp"], 10)
        self.assertGreater(rejected()["rate-limit"], 0)

    def answers(self):
        """{what was answered, or why not: frames}"""
        pattern = re.compile(r'portcullis_reject(?:ed|_unanswered)_frames_total\{\w+="([^"]+)"\}')
        return {found[1]: value for name, value in self.filter.metrics().items() if (found := pattern.fullmatch(name))}

    def test_capture_for_tcpdump(self):
        self.filter.apply(business=("smtp",))
        for family, near, server in (("IP", BUSINESS.near4, BUSINESS.foreign4), ("IP6", BUSINESS.near6, BUSINESS.foreign6)):
            with self.subTest(server):
                capture = self.filter.follow("capture", "--rule", "smtp", "--subscriber", near, "--count", 1, "-w", "-")
                reader = subprocess.Popen(
                    ["tcpdump", "-n", "-r", "-"], stdin=capture.stdout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
                try:
                    clients.send_mail(self.border, server, 25, "captured", world.cert, 4)
                    shown, _ = reader.communicate(timeout=60)
                    self.assertEqual(capture.wait(timeout=30), 0)
                finally:
                    for process in (reader, capture):
                        process.kill()
                        process.wait()
                    capture.stdout.close()
                    capture.stderr.close()
                self.assertRegex(
                    shown.decode(), rf"^\S+ {family} {re.escape(near)}\.\d+ > {re.escape(server)}\.25: Flags \[S[EW]*\]", "a SYN"
                )

    def test_drop_events(self):
        self.filter.apply(business=("smtp",))
        events = self.filter.follow("events", "--subscriber", BUSINESS.near4, "--rule", "smtp", "--count", 2, "--window", 600)
        try:
            clients.send_mail(self.border, BUSINESS.foreign4, 25, "told", world.cert)  # long enough for a second SYN
            shown, _ = events.communicate(timeout=60)
        finally:
            events.kill()
            events.communicate()
        told = [json.loads(line) for line in shown.splitlines()]
        self.assertEqual(
            [(one["subscriber"], one["rule"], one["direction"], one["src"], one["dst"], one["proto"], one["dport"]) for one in told],
            [(BUSINESS.slot4, "smtp", "outbound", BUSINESS.near4, BUSINESS.foreign4, "tcp", 25)],
        )

    def test_bulk_transfer_while_policies_change(self):
        self.filter.apply(business=())
        stop, applied = threading.Event(), []

        def change():
            while not stop.is_set():
                self.filter.apply(business=() if len(applied) % 2 else ("smtp",))
                applied.append(1)

        with ThreadPoolExecutor(1) as pool:
            changes = pool.submit(change)
            try:
                result = clients.iperf(self.border, RESIDENTIAL.foreign4, "-t", "3")
            finally:
                stop.set()
            changes.result(timeout=60)
        self.assertGreater(result["end"]["sum_received"]["bytes"], 1 << 20)
        self.assertGreaterEqual(len(applied), 2)

    def test_iperf3(self):
        for server in (RESIDENTIAL.foreign4, RESIDENTIAL.foreign6):
            for more in ([], ["-R"]):
                with self.subTest(server=server, more=more):
                    result = clients.iperf(self.border, server, "-n", "16M", *more)
                    self.assertGreaterEqual(result["end"]["sum_sent"]["bytes"], 16 << 20)
                    # The receiver stops counting when it hears that the sender is done.
                    self.assertGreater(result["end"]["sum_received"]["bytes"], 4 << 20)
            with self.subTest(server=server, udp=True):
                # Slow enough for machines that do other things beside.
                result = clients.iperf(self.border, server, "-u", "-b", "1M", "-l", "1200", "-t", "1")
                self.assertIn("sum", result["end"], result)
                self.assertEqual(result["end"]["sum"]["lost_packets"], 0)
                self.assertGreater(result["end"]["sum"]["packets"], 50)

    def test_dns(self):
        for server in (RESIDENTIAL.foreign4, RESIDENTIAL.foreign6):
            for more in ([], ["+tcp"]):
                with self.subTest(server=server, more=more):
                    status, text = clients.attempt(self.border, "sub", "dig", f"@{server}", "+short", "www.border.example", *more)
                    self.assertEqual((status, text.strip()), (0, servers.ZONE_ADDRESS))
            with self.subTest(server=server, truncated=True):
                # Too long for the datagrams that the client offers: asked again over TCP.
                status, text = clients.attempt(
                    self.border, "sub", "dig", f"@{server}", "+bufsize=512", "+noall", "+answer", "long.border.example", "TXT"
                )
                self.assertEqual((status, text.count(servers.LONG_TEXT)), (0, 12), text)

    def test_https(self):
        digest = hashlib.sha256(world.big_file.read_bytes()).hexdigest()
        for server in (RESIDENTIAL.foreign4, RESIDENTIAL.foreign6):
            with self.subTest(server):
                status, text = clients.fetch(self.border, server, "big", world.cert)
                self.assertEqual((status, text.split()[0]), (0, digest), text)

    def test_ping(self):
        for namespace, source, server in [
            ("sub", RESIDENTIAL.near4, RESIDENTIAL.foreign4), ("sub", RESIDENTIAL.near6, RESIDENTIAL.foreign6),
            ("net", RESIDENTIAL.foreign4, RESIDENTIAL.near4), ("net", RESIDENTIAL.foreign6, RESIDENTIAL.near6),
        ]:  # fmt: skip
            for size in (56, 4000):
                with self.subTest(server=server, size=size):
                    status, text = clients.attempt(
                        self.border, namespace, "ping", "-n", "-i", "0.05", "-c", "5", "-W", "10", "-s", size, "-I", source, server
                    )
                    self.assertEqual(status, 0, text)
                    self.assertIn(" 5 received, 0% packet loss", text)

    def test_large_datagrams(self):
        """Six fragments each: as the sender cut them, both ways, v4 and v6."""
        for namespace, source, server in [
            ("sub", RESIDENTIAL.near4, RESIDENTIAL.foreign4), ("sub", RESIDENTIAL.near6, RESIDENTIAL.foreign6),
            ("net", RESIDENTIAL.foreign4, RESIDENTIAL.near4), ("net", RESIDENTIAL.foreign6, RESIDENTIAL.near6),
        ]:  # fmt: skip
            with self.subTest(server):
                datagrams = [os.urandom(8000) for _ in range(10)]
                came_back = clients.echo(self.border, namespace, source, server, servers.Echo.PORT, datagrams)
                self.assertEqual(len(came_back), len(datagrams))

    def test_path_mtu_discovery(self):
        for family, server, near, level, discover, do, mtu, headers in [
            (socket.AF_INET, FAR4, RESIDENTIAL.near4, socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU, 28),
            (socket.AF_INET6, FAR6, RESIDENTIAL.near6, socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO, IPV6_MTU, 48),
        ]:
            with self.subTest(server):
                self.border.ip("sub", "-6" if family == socket.AF_INET6 else "-4", "route", "flush", "cache")
                with inside(self.border["sub"]):
                    one = socket.socket(family, socket.SOCK_DGRAM)
                with one:
                    one.setsockopt(level, discover, do)
                    one.bind((near, 0))
                    one.settimeout(10)
                    one.connect((server, servers.Echo.PORT))
                    self.assertEqual(one.getsockopt(level, mtu), 1500)
                    one.send(b"x" * (1500 - headers))

                    def has_heard():
                        return one.getsockopt(level, mtu) == FAR_MTU

                    wait_for(has_heard, "the router's answer that the datagram is too big", 20)
                    data = b"y" * (FAR_MTU - headers)
                    # The answer to the first datagram stands in the socket as an error.
                    with contextlib.suppress(OSError):
                        one.send(b"z")
                    one.send(data)
                    wait_for(lambda: one.recv(2000) == data, "the datagram that fits", 20)

    def test_neighbours_find_each_other(self):
        macs = {name: json.loads(self.border.ip(name, "-j", "link", "show", device))[0]["address"] for name, device in (("sub", "s0"), ("net", "n0"))}
        for namespace, device, other, target4, target6 in [
            ("sub", "s0", "net", "100.64.0.1", "2001:db8:1000::1"), ("net", "n0", "sub", RESIDENTIAL.near4, RESIDENTIAL.near6),
        ]:  # fmt: skip
            for target in (target4, target6):
                with self.subTest(namespace=namespace, target=target):
                    self.border.ip(namespace, "neigh", "flush", "dev", device)
                    status, text = clients.attempt(self.border, namespace, "ping", "-n", "-c", "1", "-W", "10", target)
                    self.assertEqual(status, 0, text)
                    found = json.loads(self.border.ip(namespace, "-j", "neigh", "show", target, "dev", device))
                    self.assertEqual([one.get("lladdr") for one in found], [macs[other]])

    def test_duplicate_addresses_are_noticed(self):
        """Duplicate address detection asks from the unspecified address, by multicast."""
        self.border.sysctl("sub", ipv6__conf__all__accept_dad=1, ipv6__conf__s0__accept_dad=1)
        taken = "2001:db8:1000::1"  # the gateway's
        self.border.ip("sub", "address", "add", f"{taken}/64", "dev", "s0")
        self.addCleanup(self.border.ip, "sub", "address", "delete", f"{taken}/64", "dev", "s0")
        wait_for(lambda: "dadfailed" in self.border.ip("sub", "-6", "address", "show", "dev", "s0"), "the duplicate noticed", 20)

    def test_dhcp(self):
        script = world.folder / f"lease-{self.KIND}.sh"
        lease = world.folder / f"lease-{self.KIND}"
        script.write_text(f'#!/bin/sh\n[ "$1" = bound ] && echo "$ip $serverid" > {lease}\nexit 0\n')
        script.chmod(0o755)
        status, text = clients.attempt(self.border, "sub", "udhcpc", "-i", "s0", "-f", "-q", "-n", "-t", "10", "-T", "2", "-s", script, seconds=40)
        self.assertEqual(status, 0, text)
        address, server = lease.read_text().split()
        self.assertRegex(address, r"^100\.64\.0\.1\d\d$")
        self.assertEqual(server, "100.64.0.1")


class AfPacket(Tests, unittest.TestCase):
    KIND = "af_packet"


class AfXdp(Tests, unittest.TestCase):
    KIND = "af_xdp"

    @classmethod
    def setUpClass(cls):
        trouble = trouble_without_the_filter(world.border, world.folder, cls.KIND)
        if trouble:
            raise unittest.SkipTest(f"DPDK's {cls.KIND} port does not forward on this kernel, with dpdk-testpmd either: {trouble}")
        super().setUpClass()


def trouble_without_the_filter(border, folder, kind):
    """What goes wrong when DPDK's own forwarder stands in the filter's place; nothing if all goes well."""
    devices = [word for n in (0, 1) for word in ("--vdev", DEVICES[kind].format(n=n))]
    testpmd = Process(
        "testpmd",
        border.words(
            "mid", "dpdk-testpmd", "--no-huge", "-m", "512", "--no-pci", "--no-telemetry", "--no-shconf", "--lcores", "(0-1)@(0-1)", *devices,
            "--", "--forward-mode=io", "--no-mlockall", "--total-num-mbufs=16384", "--stats-period=1",
        ),
        folder,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while clients.attempt(border, "sub", "ping", "-n", "-c1", "-W1", RESIDENTIAL.foreign4)[0] != 0:
            if testpmd.process.poll() is not None or time.monotonic() > deadline:
                return "no ping arrives: " + " ".join(testpmd.log().split())[-300:]
        for server in (RESIDENTIAL.foreign4, RESIDENTIAL.foreign6):
            for last in (False, False, True):  # a busy machine may lose some
                text = clients.attempt(border, "sub", "ping", "-n", "-i", "0.05", "-c", "10", "-W", "5", "-s", "4000", server)[1]
                if " 10 received" in text:
                    break
                if last:
                    return f"ping -s 4000 {server}: " + text.strip().splitlines()[-1]
        return None
    finally:
        testpmd.close()
        for device in ("m0", "m1"):
            border.ip("mid", "link", "set", device, "xdp", "off")


def skip_reason():
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    missing += [str(BIN / name) for name in ("portcullis", "portcullis-control", "portcullis-dataplane") if not (BIN / name).exists()]
    return f"needs {', '.join(missing)}" if missing else None


if __name__ == "__main__":
    reason = skip_reason()
    if reason is not None:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    # So that everything goes, whatever ends this.
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what ends unittest
    try:
        unittest.main()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # while everything is put away
        tearDownModule()
