"""A border on which the policy changes: a stream of frames with known verdicts, and the commands that change it.

Every frame of the stream goes from a subscriber to port 25. The policy `open` passes it, `shut` drops it.
"""

import json
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from captures import pcap_bytes  # noqa: E402
from frames import ethernet, ipv4, tcp  # noqa: E402
from processes import BIN, http_get, samples  # noqa: E402

DONE, NO, COULD_NOT_RUN = 0, 1, 2

RECORD_BYTES = 56  # rules/verdict_record.h
VERDICT_AT = 8 + 16 + 16 + 4 + 2 + 2 + 3

HEAD = """version = 1
[[pool]]
prefix = "100.64.0.0/24"
class = "residential"
[unattributed]
class = "residential"
[smarthosts]
files = ["smarthosts.list"]
[[class]]
name = "residential"
"""


def policy_text(shut):
    return HEAD + ("drop = [\"smtp\"]\n" if shut else "drop = []\n")


def write_policies(folder):
    """open.toml, shut.toml, broken.toml and their list; `open` is where control begins."""
    (folder / "smarthosts.list").write_text("192.0.2.25\n")
    for name, shut in [("open", False), ("shut", True), ("policy", False)]:
        (folder / f"{name}.toml").write_text(policy_text(shut))
    (folder / "broken.toml").write_text(policy_text(True) + "nonsense = 1\n")


def write_stream(folder, frames):
    one = [
        ethernet(ipv4(f"100.64.0.{i % 200 + 1}", "203.0.113.25", tcp(40_000 + i % 20_000, 25)))
        for i in range(1_000)
    ]
    (folder / "stream.pcap").write_bytes(pcap_bytes((one * (frames // 1_000 + 1))[:frames]))


def start_dataplane(stage, pace, records=None, more=()):
    return stage.start(
        "dataplane",
        BIN / "portcullis-dataplane",
        "--replay", stage.folder / "stream.pcap",
        "--direction", "outbound",
        "--wait-for-policy",
        "--subscriber-slots", 4_096,
        "--socket", stage.folder / "dp.sock",
        "--pace", pace,
        "--linger",
        *(["--verdict-records", records] if records else []),
        *more,
    )


def verdicts(records):
    """'p' or 'd' for each frame of a record file, in order."""
    data = Path(records).read_bytes()
    assert len(data) % RECORD_BYTES == 0
    return "".join("pd"[data[at + VERDICT_AT]] for at in range(0, len(data), RECORD_BYTES))


def runs_of(text):
    """[(letter, length)] of equal neighbours."""
    out = []
    for letter in text:
        if out and out[-1][0] == letter:
            out[-1][1] += 1
        else:
            out.append([letter, 1])
    return [tuple(run) for run in out]


class Operator:
    """Runs the command line against the control of a stage."""

    def __init__(self, stage):
        self.stage = stage

    def run(self, *words, **more):
        return subprocess.run(
            [BIN / "portcullis", *map(str, words), "--socket", self.stage.folder / "control.sock"],
            capture_output=True, text=True, timeout=120, cwd=self.stage.folder, **more,
        )

    def apply(self, name, *more):
        return self.run("apply", f"{name}.toml", *more)

    def history(self):
        return json.loads(self.run("history", "--json").stdout)


def metrics(control):
    return samples(http_get(control.port, "/metrics"))


def frames_by_verdict(of):
    """(passed, dropped), outbound."""
    return tuple(
        of[f'portcullis_frames_total{{direction="outbound",verdict="{verdict}"}}'] for verdict in ["pass", "drop"]
    )
