"""The filter itself, as it is shipped: the dataplane on m0 and m1, the control process with a policy."""

import http.client
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from namespaces import Network, inside, libc

POLICY = Path(__file__).resolve().parent / "policy.toml"
SECONDS_TO_START = 30
SECONDS_TO_END = 10
METRICS_PORT = 9925  # in a namespace of its own


PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Whatever kills this test takes the programs with it."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Filter:
    """Runs from `with` to its end. The dataplane forwards nothing until it has the policy."""

    def __init__(self, network: Network, binary_dir: Path, logs: Path | None) -> None:
        self._network = network
        self._binary_dir = binary_dir.resolve()
        self._folder = tempfile.TemporaryDirectory(prefix="portcullis-evasion-")
        self._logs = logs or Path(self._folder.name)
        self._programs: list[tuple[str, subprocess.Popen]] = []

    def __enter__(self) -> "Filter":
        try:
            folder = Path(self._folder.name)
            self._start("portcullis-dataplane", "--test-mode", "--wait-for-policy", "--socket", str(folder / "dataplane.sock"),
                        "--inside", "net_pcap0,rx_iface_in=m0,tx_iface=m0", "--outside", "net_pcap1,rx_iface_in=m1,tx_iface=m1")
            self._wait_for(folder / "dataplane.sock")
            self._start("portcullis-control", "--policy", str(POLICY), "--dataplane-socket", str(folder / "dataplane.sock"),
                        "--listen", f"127.0.0.1:{METRICS_PORT}", "--api-socket", str(folder / "control.sock"))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._end()

    def check_alive(self) -> None:
        for name, program in self._programs:
            if program.poll() is not None:
                raise RuntimeError(f"{name} ended with status {program.returncode}: {self._log_of(name)}")

    def trouble(self) -> list[str]:
        """What the filter's own counters complain about: frames that left by no door, or by two."""
        self.check_alive()
        try:
            metrics = self._metrics()
        except OSError as error:
            return [f"the control process answers no scrape: {error}"]
        out = [f"{name} is {metrics[name]:g}, not 0" for name in metrics if name.startswith("portcullis_conservation_error_frames") and metrics[name]]
        if not any(name.startswith("portcullis_conservation_error_frames") for name in metrics):
            out.append("portcullis_conservation_error_frames is not exported")
        if not sum(value for name, value in metrics.items() if name.startswith("portcullis_dropped_frames_total")):
            out.append("portcullis_dropped_frames_total counts nothing")
        return out

    def _metrics(self) -> dict[str, float]:
        with inside(self._network.mid):
            connection = http.client.HTTPConnection("127.0.0.1", METRICS_PORT, timeout=10)
            connection.connect()
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line and line[0] != "#")}

    def _start(self, name: str, *arguments: str) -> None:
        command = ["ip", "netns", "exec", self._network.mid, str(self._binary_dir / name), *arguments]
        with open(self._logs / f"{name}.log", "wb") as log:
            program = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent
            )
            self._programs.append((name, program))

    def _wait_for(self, socket: Path) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not socket.exists():
            self.check_alive()
            if time.monotonic() > deadline:
                raise RuntimeError(f"no {socket.name} after {SECONDS_TO_START} s: {self._log_of('portcullis-dataplane')}")
            time.sleep(0.05)

    def _log_of(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text(errors="replace").strip()[-2000:]

    def _end(self) -> None:
        for _, program in reversed(self._programs):
            program.terminate()
            try:
                program.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        self._programs.clear()
        self._folder.cleanup()
