"""The dataplane between veth interfaces in namespaces of its own, and raw frames at both ends: byte by byte."""

import contextlib
import ctypes
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

PREFIX = "pcwire"
CLONE_NEWNET = 0x40000000
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
ETH_P_ALL = 3

libc = ctypes.CDLL(None, use_errno=True)


def skip_unless_root():
    if os.geteuid() != 0:
        print("skipped: makes network namespaces, which needs root")
        sys.exit(77)


def run(*words, seconds=30):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def remove_left_overs():
    """Namespaces of runs that were killed before they could clean up."""
    for path in Path("/run/netns").glob(f"{PREFIX}-*"):
        owner = re.fullmatch(rf"{PREFIX}-(\d+)-\w+", path.name)
        if owner and not Path(f"/proc/{owner.group(1)}").exists():
            subprocess.run(["ip", "netns", "delete", path.name], capture_output=True, timeout=30, check=False)


@contextlib.contextmanager
def inside(namespace):
    """This thread's sockets are made in `namespace`."""
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


class End:
    """A raw socket on an interface: what is sent is on the wire as it is, what comes is as it was on the wire."""

    def __init__(self, namespace, interface):
        self.interface = interface
        with inside(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.bind((interface, ETH_P_ALL))

    def close(self):
        self.socket.close()

    def send(self, frame):
        self.socket.send(frame)

    def _receive_one(self):
        data, control, _, _ = self.socket.recvmsg(1 << 17, 512)
        for level, kind, value in control:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, _, _, _, _, tci, tpid = struct.unpack_from("=IIIHHHH", value)
                if status & TP_STATUS_VLAN_VALID:
                    # The kernel keeps the outermost tag beside the frame.
                    kind_of_tag = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                    data = data[:12] + struct.pack("!HH", kind_of_tag, tci) + data[12:]
        return data

    def receive(self, count, seconds=30):
        """The next `count` frames, or those that came in time."""
        out = []
        deadline = time.monotonic() + seconds
        while len(out) < count:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                break
            with contextlib.suppress(OSError):  # a link that goes down says so once
                out.append(self._receive_one())
        return out

    def receive_nothing(self, seconds=0.3):
        return self.receive(1, seconds) == []


class Wire:
    """`pairs` bumps in the wire: s0 - m0 [dataplane] w0 - n0, s1 - m1 [dataplane] w1 - n1, ..."""

    def __init__(self, pairs, mtu=1500):
        skip_unless_root()
        remove_left_overs()
        self.pairs = pairs
        self.mtu = mtu
        self.sub, self.mid, self.net = (f"{PREFIX}-{os.getpid()}-{name}" for name in ("sub", "mid", "net"))

    def __enter__(self):
        try:
            for namespace in (self.sub, self.mid, self.net):
                run("ip", "netns", "add", namespace)
                for which in ("all", "default"):
                    run("ip", "netns", "exec", namespace, "sysctl", "-q", "-w", f"net.ipv6.conf.{which}.disable_ipv6=1")
            for pair in range(self.pairs):
                self._link(self.sub, f"s{pair}", f"02:00:00:00:{pair:02x}:01", f"m{pair}")
                self._link(self.net, f"n{pair}", f"02:00:00:00:{pair:02x}:02", f"w{pair}")
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        for namespace in (self.sub, self.mid, self.net):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, timeout=30, check=False)

    def _link(self, namespace, end, mac, middle):
        run("ip", "-n", namespace, "link", "add", end, "address", mac, "mtu", self.mtu,
            "type", "veth", "peer", "name", middle, "netns", self.mid)
        for where, device in ((namespace, end), (self.mid, middle)):
            # What a kernel leaves to its network card would reach the filter unfinished.
            run("ip", "netns", "exec", where, "ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            run("ip", "-n", where, "link", "set", device, "up")

    def in_mid(self, *words):
        return ["ip", "netns", "exec", self.mid, *words]

    def link(self, namespace, device):
        """What `ip` says of it; nothing when it is gone."""
        done = subprocess.run(["ip", "-n", namespace, "-j", "link", "show", device], capture_output=True, text=True, timeout=30, check=False)
        return json.loads(done.stdout)[0] if done.returncode == 0 else {}

    def has_carrier(self, namespace, device):
        flags = self.link(namespace, device).get("flags", [])
        return "LOWER_UP" in flags and "NO-CARRIER" not in flags
