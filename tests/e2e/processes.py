"""The real programs for end-to-end tests: started in a folder of their own, and ended whatever happens."""

import collections
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("PORTCULLIS_BIN", ROOT / "build" / "release" / "bin")).resolve()
SAMPLE = ROOT / "tools" / "sample"

PR_SET_PDEATHSIG = 1


def die_with_parent():
    """In a child: SIGKILL when this test dies, even by SIGKILL."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program with its log, ended by close()."""

    def __init__(self, name, words, folder, environment=None):
        self.name = name
        self.log_path = folder / f"{name}-{time.monotonic_ns()}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
                env=os.environ | {key: str(value) for key, value in (environment or {}).items()},
            )

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, pattern, seconds=60):
        """The match of `pattern` in the log, as soon as it is there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(pattern, self.log())
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"{self.name} did not say {pattern!r}:\n{self.log()}")

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=60)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, seconds=60):
        """SIGTERM, and the exit status."""
        self.process.terminate()
        return self.process.wait(timeout=seconds)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=60)


def endless_ports(folder, frames=2000):
    """The options of a dataplane that receives the first frames of the sample over and over, as fast as it can, on both
    sides. They all lie in the port's memory at once: not the whole sample."""
    capture = folder / "endless.pcap"
    data = (SAMPLE / "sample.pcap").read_bytes()
    end = 24
    for _ in range(frames):
        end += 16 + int.from_bytes(data[end + 8 : end + 12], "little")
    capture.write_bytes(data[:end])
    devices = [f"net_pcap{n},rx_pcap={capture},infinite_rx=1" for n in (0, 1)]
    return ["--test-mode", "--inside", devices[0], "--outside", devices[1]]


class Stage(contextlib.ExitStack):
    """A folder with the sample's policy, and the processes that run in it."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="portcullis-e2e-"))
        self.environment = {}  # of its processes, besides ours
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        for name in ["policy.toml", "smarthosts.list"]:
            shutil.copy(SAMPLE / name, self.folder / name)

    def start(self, name, *words):
        out = Process(name, words, self.folder, self.environment)
        self.callback(out.close)
        return out

    def dataplane(self, *more):
        return self.start(
            "dataplane",
            BIN / "portcullis-dataplane",
            "--replay", SAMPLE / "sample.pcap",
            "--direction", "by-source",
            "--wait-for-policy",
            "--subscriber-slots", 2_000_000,
            "--socket", self.folder / "dp.sock",
            *more,
        )

    def control(self, *more):
        out = self.start(
            "control",
            BIN / "portcullis-control",
            "--policy", self.folder / "policy.toml",
            "--dataplane-socket", self.folder / "dp.sock",
            "--api-socket", self.folder / "control.sock",
            "--listen", "127.0.0.1:0",
            *more,
        )
        out.port = int(out.wait_for_log(r"serving http://127\.0\.0\.1:(\d+)/metrics")[1])
        return out


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def http_get(port, path, seconds=30):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=seconds) as answer:
        return answer.read().decode()


SAMPLE_LINE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (\S+)$')


def samples(text):
    """Series to value."""
    out = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = SAMPLE_LINE.match(line).groups()
            assert name not in out, f"{name} twice"
            out[name] = float(value)
    return out


def wait_for(holds, what, seconds=60):
    """What `holds` returns, as soon as that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        out = holds()
        if out:
            return out
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


class Watcher:
    """Scrapes /metrics in a thread, and notes every counter that went backwards."""

    def __init__(self, port, period=0.05):
        self.port = port
        self.period = period
        self.scrapes = []
        self.problems = []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        before = {}
        while not self.stopped.is_set():
            try:
                now = samples(http_get(self.port, "/metrics"))
            except OSError as error:
                self.problems.append(f"scrape failed: {error}")
                break
            for name, value in before.items():
                # The top subscribers change; a counter may leave their list.
                if "_total" in name and not name.startswith("portcullis_top_subscriber"):
                    if now.get(name, -1) < value:
                        self.problems.append(f"{name}: {value} -> {now.get(name)}")
            if now["portcullis_conservation_error_frames"] != 0:
                self.problems.append("frames left by no counted door")
            self.scrapes.append(now)
            before = now
            self.stopped.wait(self.period)

    def latest(self, name):
        """A series of the latest scrape; None before the first one."""
        return self.scrapes[-1][name] if self.scrapes else None

    def stop(self):
        self.stopped.set()
        self.thread.join()


def expected_counters():
    """The samples that the whole sample capture must leave, by series; and frames dropped by subscriber and rule."""
    data = json.loads((SAMPLE / "expected.json").read_text())
    out = collections.Counter()
    for row in data["outcomes"]:
        side, verdict, reason, rule = (row[key] for key in ["direction", "verdict", "reason", "rule"])
        both = f'{{direction="{side}",verdict="{verdict}"}}'
        out["portcullis_frames_total" + both] += row["frames"]
        out["portcullis_bytes_total" + both] += row["bytes"]
        out[f'portcullis_received_frames_total{{direction="{side}"}}'] += row["frames"]
        out[f'portcullis_received_bytes_total{{direction="{side}"}}'] += row["bytes"]
        done = "dropped" if verdict == "drop" else "passed"
        by_reason = f'{{direction="{side}",reason="{reason}"}}'
        out[f"portcullis_{done}_frames_total{by_reason}"] += row["frames"]
        out[f"portcullis_{done}_bytes_total{by_reason}"] += row["bytes"]
        if verdict == "pass":
            out[f'portcullis_transmitted_frames_total{{direction="{side}"}}'] += row["frames"]
            out[f'portcullis_transmitted_bytes_total{{direction="{side}"}}'] += row["bytes"]
        if reason == "rule":
            out[f'portcullis_rule_dropped_frames_total{{direction="{side}",rule="{rule}"}}'] += row["frames"]
            out[f'portcullis_dropped_flows_total{{rule="{rule}"}}'] += row["initial_syns"]
        if reason == "monitored":
            out[f'portcullis_monitored_frames_total{{rule="{rule}"}}'] += row["frames"]
            out[f'portcullis_monitored_flows_total{{rule="{rule}"}}'] += row["initial_syns"]
        if reason == "smarthost":
            out["portcullis_smarthost_frames_total"] += row["frames"]
        if reason == "exempt":
            out[f'portcullis_exempt_frames_total{{rule="{rule}"}}'] += row["frames"]
    subscribers = collections.Counter()
    for one in data["subscribers"]:
        for row in one["rows"]:
            if row["verdict"] == "drop" and row["rule"]:
                subscribers[one["subscriber"], row["rule"]] += row["frames"]
    return out, subscribers
