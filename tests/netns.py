"""Network namespaces for tests: uniquely named, and removed whatever happens to the test that made them."""

import contextlib
import ctypes
import os
import re
import subprocess
from pathlib import Path

CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


def run(*command, seconds=30):
    """What the command printed; RuntimeError with its own words if it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@contextlib.contextmanager
def inside(namespace):
    """The calling thread is in `namespace`: sockets made here stay there."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        _enter(there)
        try:
            yield
        finally:
            _enter(home)


def _enter(namespace_file):
    if libc.setns(namespace_file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespaces(contextlib.AbstractContextManager):
    """PREFIX-PID-NAME for each name; those of runs that were killed before they could clean up go first."""

    def __init__(self, prefix, *names):
        self._full = {name: f"{prefix}-{os.getpid()}-{name}" for name in names}
        for path in Path("/run/netns").glob(f"{prefix}-*"):
            owner = re.fullmatch(rf"{re.escape(prefix)}-(\d+)-\w+", path.name)
            if owner and not Path(f"/proc/{owner.group(1)}").exists():
                _delete(path.name)

    def __enter__(self):
        try:
            for name in self._full.values():
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "set", "lo", "up")
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        for name in self._full.values():
            if Path(f"/run/netns/{name}").exists():
                _delete(name)

    def __getitem__(self, name):
        return self._full[name]

    def words(self, name, *command):
        """What runs `command` in a namespace: it and all its children die when the caller ends it."""
        return [
            "ip", "netns", "exec", self[name],
            "unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
            # The namespace goes with its first process, which must not be one that changes its user: the kernel
            # forgets then that it shall die with its parent.
            "sh", "-c", '"$@"; exit $?', "sh", *command,
        ]  # fmt: skip

    def ip(self, name, *arguments):
        return run("ip", "-n", self[name], *arguments)

    def run(self, name, *command, seconds=30):
        return run("ip", "netns", "exec", self[name], *command, seconds=seconds)

    def sysctl(self, name, **values):
        """`net.` is left out, and a dot of a key is written __."""
        self.run(name, "sysctl", "-q", "-w", *(f"net.{key.replace('__', '.')}={value}" for key, value in values.items()))

    def veth(self, name_a, a, name_b, b):
        """A cable. What a kernel leaves to its network card would arrive unfinished: nothing is left to it."""
        self.ip(name_a, "link", "add", a, "type", "veth", "peer", "name", b, "netns", self[name_b])
        for name, device in ((name_a, a), (name_b, b)):
            self.run(name, "ethtool", "-K", device, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
            self.ip(name, "link", "set", device, "up")


def _delete(name):
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=30, check=False)
