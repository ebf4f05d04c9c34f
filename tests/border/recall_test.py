#!/usr/bin/env python3
"""What payload signatures find of real sessions on odd ports, and what they must not take for it.

    PORTCULLIS_BIN=build/release/bin tests/border/recall_test.py [-v] [CLASS[.TEST]...]

Real clients and servers speak through the shipped filter, which only monitors, and what passes is recorded. The
recording is then judged by `portcullis replay` as it is, and with only one side of every session. Prints a table with
precision and recall. Exit status 77: skipped, with the reason.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

import odd_sessions
import servers
from network import Border
from odd_servers import PYTHON, OddServers
from processes import BIN, Process, wait_for
from recordings import ACK, MONITORS, SYN, finding, flows_of, judge, read_recording
from the_filter import Filter

PROGRAMS = [
    "ip", "ethtool", "nft", "sysctl", "unshare", "ss", "timeout", "tcpdump", "openssl", "/usr/sbin/exim4", "swaks", "curl", "/usr/sbin/smbd",
    "smbclient", "smbpasswd", "/usr/sbin/vsftpd", "/usr/sbin/dovecot", "/usr/sbin/sshd", "ssh", "/usr/sbin/ngircd", "/usr/sbin/dnsmasq", "dig",
    "git", "iperf3",
]  # fmt: skip
MODULES = ["aiosmtpd", "pyftpdlib"]
SKIPPED = 77
SESSIONS_EACH = 3
SEGMENTS_MAX = 3  # with payload, of both directions together

class World(contextlib.ExitStack):
    """The network, its servers and the filter."""

    def __init__(self):
        super().__init__()
        try:
            # Short: Samba's sockets lie below it.
            self.folder = Path(tempfile.mkdtemp(prefix="pcr-"))
            self.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.folder.chmod(0o755)
            self.border = self.enter_context(Border())
            self.servers = OddServers(self.border, self.folder, servers.certificate(self.folder))
            self.callback(self.servers.close)
            for namespace in ("net", "sub"):
                servers.wait_until_listening(self.border, self.folder, namespace, *self.servers.ports(namespace))
            self.filter = Filter(self.border, self.folder, "af_packet", MONITORS)
            self.callback(self.filter.close)
        except BaseException:
            self.close()
            raise

    def record(self):
        """(frames, [(sessions, begin, end)]) of all sessions, one after the other."""
        path = self.folder / "recording.pcap"
        words = ["tcpdump", "-i", "s0", "-w", path, "--immediate-mode", "-U", "-B", "65536", "-Z", "root", "tcp"]
        tcpdump = Process("tcpdump", ["ip", "netns", "exec", self.border["sub"], *words], self.folder)
        try:
            tcpdump.wait_for_log("listening on")
            spans = []
            for sessions in odd_sessions.FOUND + odd_sessions.NOT_FOUND:
                if sessions.postfix and not self.servers.has_postfix:
                    print(f"not tried, Postfix is not unpacked: {sessions.made_by}")
                    continue
                begin = time.time()
                for _ in range(SESSIONS_EACH):
                    sessions.run(self)
                spans.append((sessions, begin, time.time()))
            self._wait_until_written(path)
            tcpdump.signal(signal.SIGINT)
            tcpdump.process.wait(timeout=60)
            assert "\n0 packets dropped by kernel" in tcpdump.log(), tcpdump.log()
        finally:
            tcpdump.close()
        return read_recording(path), spans


    @staticmethod
    def _wait_until_written(path):
        """Until what was sent last has been recorded: the file has not grown for a second."""
        sizes = []

        def stands_still():
            sizes.append(path.stat().st_size)
            return len(sizes) > 20 and sizes[-1] == sizes[-20]

        wait_for(stands_still, "a recording that does not grow", 30)


class Row:
    """A kind of sessions: what was found of them."""

    def __init__(self, sessions):
        self.sessions = sessions
        self.findings = []  # of each flow: (rule, segment) or None

    def found(self):
        return [one for one in self.findings if one is not None]

    def right(self):
        return [one for one in self.found() if one[0] in self.sessions.rules]

    def text(self):
        segments = sorted({segment for _, segment in self.found()})
        return f"{len(self.found())} of {len(self.findings)}", ", ".join(map(str, segments)) or "-"


def table_of(frames, spans, policy, folder):
    """A row for each of `spans`."""
    verdicts = judge(frames, policy, folder)
    flows = flows_of(frames)
    rows = []
    for sessions, begin, end in spans:
        row = Row(sessions)
        row.findings = [finding(flow, verdicts) for flow in flows if begin <= flow.begin <= end]
        rows.append(row)
    assert sum(len(row.findings) for row in rows) == len(flows), "a flow that no session made"
    return rows


def quality(rows):
    """(precision, recall): of the flows found, those found rightly; of those to be found, those that were."""
    found = sum(len(row.found()) for row in rows)
    right = sum(len(row.right()) for row in rows)
    to_find = sum(len(row.findings) for row in rows if row.sessions.rules)
    return right / found if found else 1.0, right / to_find


def side_of(frames, whose):
    """The frames that the clients sent, or the servers."""
    clients = {frame.ends for frame in frames if frame.ends and frame.flags & (SYN | ACK) == SYN}
    return [frame for frame in frames if frame.ends and (frame.ends in clients) == (whose == "client")]


def print_tables(tables):
    print(f"\n| {'protocol':15} | {'server and client':48} | {' | '.join(f'{name:>11} | at segment' for name in tables)} |")
    for rows in zip(*tables.values()):
        cells = " | ".join(f"{found:>11} | {at:>10}" for found, at in (row.text() for row in rows))
        print(f"| {rows[0].sessions.protocol:15} | {rows[0].sessions.made_by:48} | {cells} |")
    for name, rows in tables.items():
        precision, recall = quality(rows)
        print(f"{name}: {sum(len(row.findings) for row in rows)} flows, precision {precision:.3f}, recall {recall:.3f}")


class RealSessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with World() as world:
            cls.frames, cls.spans = world.record()
            cls.live = cls._found_live(world)
        cls.temporary = tempfile.TemporaryDirectory(prefix="pcr-")  # removed at the end, however that comes
        cls.folder = Path(cls.temporary.name)
        cls.policy = cls.folder / "policy.toml"
        cls.policy.write_text(MONITORS)
        cls.tables = {
            "both sides": table_of(cls.frames, cls.spans, cls.policy, cls.folder),
            "client only": table_of(side_of(cls.frames, "client"), cls.spans, cls.policy, cls.folder),
            "server only": table_of(side_of(cls.frames, "server"), cls.spans, cls.policy, cls.folder),
        }
        print_tables(cls.tables)

    @staticmethod
    def _found_live(world):
        """Flows by rule, when what the filter says stands still."""
        seen = []

        def stands_still():
            metrics = world.filter.metrics()
            seen.append({rule: metrics[f'portcullis_signature_flows_total{{class="residential",rule="{rule}"}}'] for rule in ("smtp-anywhere", "smb-anywhere", "session-anywhere")})
            time.sleep(0.5)
            return len(seen) > 3 and seen[-1] == seen[-4]

        wait_for(stands_still, "counters that stand still", 30)
        return seen[-1]

    def test_each_session_in_the_clear_is_found_within_three_payload_segments(self):
        for row in self.tables["both sides"]:
            if not row.sessions.rules:
                continue
            with self.subTest(row.sessions.made_by):
                self.assertEqual(len(row.findings), SESSIONS_EACH)
                self.assertEqual(row.right(), row.findings)
                self.assertLessEqual(max(segment for _, segment in row.found()), SEGMENTS_MAX)

    def test_no_session_of_another_protocol_is_found(self):
        for name, rows in self.tables.items():
            for row in rows:
                if not row.sessions.rules:
                    with self.subTest(row.sessions.made_by, table=name):
                        self.assertGreaterEqual(len(row.findings), SESSIONS_EACH)
                        self.assertEqual(row.found(), [])

    def test_one_side_alone_never_tells_another_protocol(self):
        for name, rows in self.tables.items():
            for row in rows:
                with self.subTest(row.sessions.made_by, table=name):
                    self.assertEqual(row.right(), row.found())

    def test_the_live_filter_found_as_many(self):
        replayed = dict.fromkeys(self.live, 0)
        for row in self.tables["both sides"]:
            for rule, _ in row.found():
                replayed[rule] += 1
        self.assertEqual(self.live, replayed)

    def test_an_encrypted_session_is_found_from_its_middle_on(self):
        encrypted = [flow for flow in flows_of(self.frames) if any(self._is_encrypted(index) for index in flow.payloads)]
        self.assertEqual(len(encrypted), SESSIONS_EACH)
        for flow in encrypted:
            first = min(index for index in flow.payloads if self._is_encrypted(index))
            rest = [self.frames[index] for index in flow.frames if index >= first]
            verdicts = judge(rest, self.policy, self.folder)
            self.assertEqual(finding(flows_of(rest)[0], verdicts), ("smb-anywhere", 1))

    def _is_encrypted(self, index):
        payload = self.frames[index].payload
        return payload[:1] == b"\0" and payload[4:8] == b"\xfdSMB"


def reason_to_skip():
    """Why this cannot run here, if it cannot."""
    if os.geteuid() != 0:
        return "needs root: network namespaces, and servers that change their user"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    missing += [str(BIN / name) for name in ("portcullis", "portcullis-dataplane", "portcullis-control") if not (BIN / name).exists()]
    missing += [name for name in MODULES if subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True, check=False).returncode]
    return f"missing: {' '.join(missing)} (tools/install_packages test, tools/dev build)" if missing else None


if __name__ == "__main__":
    why = reason_to_skip()
    if why:
        print(f"SKIPPED: {why}")
        sys.exit(SKIPPED)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything goes, whatever ends this
    unittest.main()
