"""The filter as it is shipped, between m0 and m1: the dataplane, the control process, the command line.

Both programs run as an ordinary user, with the capabilities that their systemd units give them and no others.
"""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from processes import BIN, Process, die_with_parent, samples, wait_for

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534

# How the dataplane holds the two interfaces.
DEVICES = {
    "af_packet": "net_af_packet{n},iface=m{n}",
    "af_xdp": "net_af_xdp{n},iface=m{n},force_copy=1",
}

UNITS = {
    "af_packet": ["portcullis-dataplane.service"],
    "af_xdp": ["portcullis-dataplane.service", "af-xdp.conf"],
}

POLICY = """version = 1

[[pool]]
prefix = "100.64.0.0/24"
class = "residential"

[[pool]]
prefix = "2001:db8:1000::/48"
class = "residential"

[[pool]]
prefix = "100.64.1.0/24"
class = "business"

[[pool]]
prefix = "2001:db8:1001::/48"
class = "business"

[[class]]
name = "residential"
drop = ["smtp", "netbios-smb"]

[[class]]
name = "business"
drop = [{drop}]
reject = [{reject}]

[unattributed]
class = "residential"

[smarthosts]
addresses = ["192.0.2.25", "2001:db8:25::25"]
"""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket: those are of the file system, whatever namespace listens."""

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def as_its_unit_runs(*files):
    """The words before a program's own: what systemd does, by its unit and drop-ins, to its user and rights."""
    text = "".join((ROOT / "packaging" / "systemd" / name).read_text() for name in files)
    named = " ".join(re.findall(r"^AmbientCapabilities=(.*)$", text, re.MULTILINE)).split()
    capabilities = ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in named)])
    return [
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
        f"--bounding-set={capabilities}", f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}",
        "--pdeathsig=KILL",  # the kernel forgets with the change of user that it shall die with its parent
        "--",
    ]  # fmt: skip


class Filter:
    """Forwards nothing until it has the policy. close() ends both programs."""

    def __init__(self, border, folder, kind, policy=POLICY):
        self._policy_text = policy
        self._policy = folder / "policy.toml"
        sockets = folder / f"run-{kind}"
        sockets.mkdir()
        os.chown(sockets, NOBODY, NOBODY)
        self._api = sockets / "control.sock"
        self._dataplane_socket = sockets / "dataplane.sock"
        self._folder = folder
        self._programs = []
        self._write_policy(drop=(), reject=())
        inside, outside = (DEVICES[kind].format(n=n) for n in (0, 1))
        try:
            self.dataplane = self._start(
                border, "portcullis-dataplane", UNITS[kind], "--test-mode", "--wait-for-policy", "--socket", self._dataplane_socket,
                "--subscriber-slots", 4096, "--active-subscribers", 1024, "--inside", inside, "--outside", outside,
            )  # fmt: skip
            self.dataplane.wait_for_log("forwarding with")
            self.control = self._start(
                border, "portcullis-control", ["portcullis-control.service"], "--policy", self._policy, "--dataplane-socket", self._dataplane_socket,
                "--api-socket", self._api, "--listen", "127.0.0.1:0",
            )  # fmt: skip
            self.dataplane.wait_for_log(r"policy effective, generation 1\b")
        except BaseException:
            self.close()
            raise

    def _start(self, border, name, units, *words):
        # No PID namespace around them: signals and exit statuses are theirs.
        program = self._folder / name  # a copy: it may not be for everybody to read where it was built
        if not program.exists():
            shutil.copy(BIN / name, program)
        command = ["ip", "netns", "exec", border["mid"], *as_its_unit_runs(*units), program, *words]
        out = Process(name, command, self._folder)
        self._programs.append(out)
        return out

    def close(self):
        for program in reversed(self._programs):
            if program.process.poll() is None:
                program.process.terminate()
                try:
                    program.process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    pass
            program.close()
        self._programs.clear()

    def cli(self, *words, status=0):
        """What the command line prints."""
        ran = subprocess.run(
            [BIN / "portcullis", *map(str, words)], capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == status, f"portcullis {words} ended with {ran.returncode}: {ran.stderr}"
        return ran.stdout

    def get(self, path):
        connection = UnixConnection(self._api)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def metrics(self):
        return samples(self.get("/metrics"))

    def subscribers(self):
        """{(subscriber, rule, what): value} of all who had drops; what: frames, bytes or flows."""
        answer = json.loads(self.cli("show", "subscribers", "--top", 1000, "--socket", self._api, "--json"))
        return {
            (one["subscriber"], row["rule"], what): row[what]
            for one in answer["subscribers"]
            for row in one["dropped"]
            for what in ("frames", "bytes", "flows")
        }

    def _write_policy(self, drop, reject):
        self._business = drop, reject
        listed = {key: ", ".join(f'"{rule}"' for rule in rules) for key, rules in (("drop", drop), ("reject", reject))}
        self._policy.write_text(self._policy_text.format(**listed))

    def apply(self, business=(), reject=()):
        """From the return on, `business` drops and rejects these rules, and no frame is judged by the policy before."""
        if (business, reject) == self._business:
            return  # the control process publishes no policy twice
        self._write_policy(business, reject)
        self.cli("check", self._policy)
        said = self.cli("apply", self._policy, "--socket", self._api)
        assert re.search(r"^change \d+ is effective, generation \d+$", said, re.MULTILINE), said

    def follow(self, command, *words):
        """`portcullis capture` or `events`, once the dataplane copies frames for it; what it prints is in its stdout."""
        before = self.dataplane.log().count("captures judged frames")
        process = subprocess.Popen(
            [BIN / "portcullis", command, "--dataplane-socket", self._dataplane_socket, "--socket", self._api, *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent,
        )  # fmt: skip

        def copies():
            assert process.poll() is None, process.stderr.read().decode()
            return self.dataplane.log().count("captures judged frames") > before

        try:
            wait_for(copies, f"frames for portcullis {command}", 30)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return process
