"""The network of the evasion suite: three namespaces, made here and always removed.

    sub --s0======m0-- mid --m1======n0-- net        through the filter, or a plain bridge in its place
    sub --b0=========================b1-- net        beside it: what an asymmetric path or an accomplice would use
                                    r0==r1  net      where the stand-in (stand_in.py) hands packets to net's kernel

No kernel owns the subscribers' addresses in sub, so nothing there answers or resets what the scenarios do.
"""

import contextlib
import ctypes
import os
import re
import subprocess
import time
from pathlib import Path

from frames import INTERNET_MAC, SUBSCRIBER_MAC

PREFIX = "portcullis-evasion"
CLONE_NEWNET = 0x40000000
# The stand-in's packets reach net's kernel at this address.
STAND_IN_MAC = "02:00:00:00:00:03"

FAR4, FAR6 = "203.0.113.25", "2001:db8:f00::25"
SMARTHOST4, SMARTHOST6 = "192.0.2.25", "2001:db8:25::25"
# What subscribers without IPv4 call them (RFC 6052).
FAR_NAT64, SMARTHOST_NAT64 = "64:ff9b::cb00:7119", "64:ff9b::c000:219"
# Hosts whose stacks put overlapping fragments together (stand_in.py says how).
LAST_WINS4, LAST_WINS6 = "203.0.113.26", "2001:db8:f00::26"
FIRST_WINS4, FIRST_WINS6 = "203.0.113.27", "2001:db8:f00::27"
VXLAN_END = "203.0.113.8"

libc = ctypes.CDLL(None, use_errno=True)


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


@contextlib.contextmanager
def inside(namespace: str):
    """The calling thread is in `namespace`: sockets made here stay there."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        enter(there)
        try:
            yield
        finally:
            enter(home)


def enter(namespace_file) -> None:
    if libc.setns(namespace_file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def remove_left_overs() -> None:
    """Namespaces of runs that were killed before they could clean up."""
    for path in Path("/run/netns").glob(f"{PREFIX}-*"):
        owner = re.fullmatch(rf"{PREFIX}-(\d+)-\w+", path.name)
        if owner and not Path(f"/proc/{owner.group(1)}").exists():
            subprocess.run(["ip", "netns", "delete", path.name], capture_output=True, timeout=30, check=False)


class Network:
    def __init__(self) -> None:
        remove_left_overs()
        self.has_vxlan = False
        self.sub, self.mid, self.net = (f"{PREFIX}-{os.getpid()}-{name}" for name in ("sub", "mid", "net"))

    def __enter__(self) -> "Network":
        try:
            self._build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.remove()

    def remove(self) -> None:
        for name in (self.sub, self.mid, self.net):
            if Path(f"/run/netns/{name}").exists():
                subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=30, check=False)

    def bridge_up(self) -> None:
        """In the filter's place: something that drops nothing."""
        self._ip(self.mid, "link", "add", "bridge", "type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
        for port in ("m0", "m1"):
            self._ip(self.mid, "link", "set", port, "master", "bridge")
        # A bridge that hands frames to netfilter judges lengths, and drops some.
        self._sysctl(self.mid, **{f"bridge__bridge-nf-call-{table}": 0 for table in ("iptables", "ip6tables", "arptables")})
        self._ip(self.mid, "link", "set", "bridge", "up")
        with inside(self.mid):
            self._wait_until_forwarding()

    def bridge_down(self) -> None:
        self._ip(self.mid, "link", "delete", "bridge")

    def _wait_until_forwarding(self) -> None:
        # /sys shows the namespace of whoever mounted it: ask the tool instead.
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            shown = subprocess.run(["bridge", "link", "show"], capture_output=True, text=True, timeout=10, check=False).stdout
            if shown.count("state forwarding") == 2:
                return
            time.sleep(0.05)
        raise RuntimeError("the bridge does not forward after 10 s")

    def _ip(self, namespace: str, *arguments: str) -> None:
        run("ip", "-n", namespace, *arguments)

    def _sysctl(self, namespace: str, **values: int) -> None:
        settings = [f"net.{key.replace('__', '.')}={value}" for key, value in values.items()]
        run("ip", "netns", "exec", namespace, "sysctl", "-q", "-e", "-w", *settings)

    def _build(self) -> None:
        for name in (self.sub, self.mid, self.net):
            run("ip", "netns", "add", name)
            self._ip(name, "link", "set", "lo", "up")
        for name in (self.sub, self.mid):
            self._sysctl(name, ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)
        self._sysctl(
            self.net,
            ipv6__conf__default__accept_ra=0, ipv6__conf__default__accept_dad=0, ipv6__conf__default__router_solicitations=0,
            ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0,
            ipv4__conf__all__accept_source_route=1, ipv4__conf__default__accept_source_route=1,
            ipv6__conf__all__accept_source_route=1, ipv6__conf__default__accept_source_route=1,
            ipv6__conf__all__seg6_enabled=1, ipv6__conf__default__seg6_enabled=1,
            ipv6__conf__all__rpl_seg_enabled=1, ipv6__conf__default__rpl_seg_enabled=1,
            ipv4__conf__all__accept_local=1, ipv4__conf__default__accept_local=1, ipv4__ip_forward=0,
            # Data in a SYN reaches the application without a cookie (RFC 7413; 0x602: of every listener).
            ipv4__tcp_fastopen=0x602,
        )
        self._link(self.sub, "s0", SUBSCRIBER_MAC, self.mid, "m0", "02:00:00:00:01:00")
        self._link(self.mid, "m1", "02:00:00:00:01:01", self.net, "n0", INTERNET_MAC)
        self._link(self.sub, "b0", SUBSCRIBER_MAC, self.net, "b1", INTERNET_MAC)
        self._link(self.net, "r0", "02:00:00:00:01:02", self.net, "r1", STAND_IN_MAC)
        for address in (FAR4, SMARTHOST4, LAST_WINS4, FIRST_WINS4, VXLAN_END):
            self._ip(self.net, "address", "add", f"{address}/32", "dev", "lo")
        for address in (FAR6, SMARTHOST6, FAR_NAT64, SMARTHOST_NAT64, LAST_WINS6, FIRST_WINS6):
            self._ip(self.net, "address", "add", f"{address}/128", "dev", "lo", "nodad")
        self._routes()
        self.has_vxlan = self._vxlan()

    def _link(self, ns_a: str, a: str, mac_a: str, ns_b: str, b: str, mac_b: str) -> None:
        self._ip(ns_a, "link", "add", a, "address", mac_a, "type", "veth", "peer", "name", b, "address", mac_b, "netns", ns_b)
        for namespace, device in ((ns_a, a), (ns_b, b)):
            # What a kernel leaves to its network card would reach the filter unfinished.
            run("ip", "netns", "exec", namespace, "ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            self._ip(namespace, "link", "set", device, "up")

    def _vxlan(self) -> bool:
        """A tunnel that ends at net's own kernel. False: this kernel has none."""
        try:
            self._ip(self.net, "link", "add", "vxlan0", "address", INTERNET_MAC, "type", "vxlan", "id", "7", "local", VXLAN_END, "dstport", "4789")
        except RuntimeError:
            return False
        self._ip(self.net, "link", "set", "vxlan0", "up")
        return True

    def _routes(self) -> None:
        """Subscribers with an even second byte answer through the filter, those with an odd one beside it."""
        for device, gateway4, gateway6 in (("n0", "169.254.0.1", "fe80::1"), ("b1", "169.254.0.2", "fe80::2")):
            for gateway in (gateway4, gateway6):
                self._ip(self.net, "neighbour", "add", gateway, "lladdr", SUBSCRIBER_MAC, "dev", device, "nud", "permanent")
        through4, through6 = ("via", "169.254.0.1", "dev", "n0", "onlink"), ("via", "fe80::1", "dev", "n0", "onlink")
        beside4, beside6 = ("via", "169.254.0.2", "dev", "b1", "onlink"), ("via", "fe80::2", "dev", "b1", "onlink")
        self._ip(self.net, "route", "add", "default", *through4)
        self._ip(self.net, "-6", "route", "add", "default", *through6)
        for odd in (65, 67, 69):
            self._ip(self.net, "route", "add", f"100.{odd}.0.0/16", *beside4)
            self._ip(self.net, "-6", "route", "add", f"2001:db8:1{odd:02x}::/48", *beside6)
