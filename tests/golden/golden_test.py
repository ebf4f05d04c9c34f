#!/usr/bin/env python3
"""Runs every golden scenario through the real dataplane and compares all it says with what is expected.

    golden_test.py BINARY_DIR [--only TEXT]

For each scenario and direction: `portcullis replay` must give every frame its verdict, reason and rule, and count just
those; `portcullis explain` must agree about every frame. Exit: 0 all as expected, 1 not, 2 could not run.
"""

import argparse
import collections
import json
import struct
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from captures import read_pcap
from make_scenarios import all_scenarios
from scenario import DIRECTIONS, HERE, NO_RULE, capture_of

AT_ONCE = 4
SECONDS = 60
# rules/verdict_record.h
RECORD = struct.Struct("=Q16s16sIHHBBBBBBBB")


@dataclass(frozen=True)
class Folder:
    path: Path
    capture: Path
    policy: Path | None
    before_policy: str | None
    expected: dict[str, list[tuple[str, str, str]]]  # by direction, a (verdict, reason, rule) a frame
    what: list[str]


def read_expected(path: Path) -> tuple[dict, list[str]]:
    expected, what = collections.defaultdict(list), {}
    for line in path.read_text().splitlines()[1:]:
        number, direction, verdict, reason, rule, text = line.split("\t")
        expected[direction].append((verdict, reason, rule))
        if int(number) != len(expected[direction]):
            raise ValueError(f"{path}: frame {number} is out of order")
        what[int(number)] = text
    return dict(expected), [what[number] for number in sorted(what)]


def read_folders(generated: Path, only: str) -> list[Folder]:
    captures = {folder: scenario for scenario in all_scenarios() for folder, _ in scenario.folders()}
    out = []
    for description in sorted(HERE.glob("*/scenario.toml")):
        path = description.parent
        if only not in path.name:
            continue
        fields = tomllib.loads(description.read_text())
        capture = path / "frames.pcap"
        if not capture.exists():
            capture = generated / f"{path.name}.pcap"
            capture.write_bytes(capture_of(captures[path.name]))
        policy = path / fields["policy"] if "policy" in fields else None
        out.append(Folder(path, capture, policy, fields.get("before_policy"), *read_expected(path / "expected.tsv")))
    return out


class Runner:
    def __init__(self, binary_dir: Path, scratch: Path) -> None:
        self._binary_dir = binary_dir
        self._scratch = scratch
        self._reasons = [row["reason"] for row in json.loads(self._run("portcullis", "reasons", "--json"))["reasons"]]

    def _run(self, program: str, *arguments: str | Path) -> str:
        command = [str(self._binary_dir / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def findings(self, folder: Folder, direction: str) -> list[str]:
        """What is not as expected, a line each."""
        try:
            if folder.before_policy is not None:
                return self._without_policy(folder, direction)
            return self._replayed(folder, direction) + self._explained(folder, direction)
        except (RuntimeError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
            return [str(error)]

    def _compare(self, folder: Folder, direction: str, program: str, got: list[tuple[str, str, str]]) -> list[str]:
        expected = folder.expected[direction]
        if len(got) != len(expected):
            return [f"{program} speaks of {len(got)} frames, the capture has {len(expected)}"]
        return [
            f"frame {number} ({what}): expected {' '.join(want)}, {program} says {' '.join(have)}"
            for number, (what, want, have) in enumerate(zip(folder.what, expected, got), 1)
            if want != have
        ]

    def _replayed(self, folder: Folder, direction: str) -> list[str]:
        table = self._scratch / f"{folder.path.name}-{direction}.tsv"
        answer = json.loads(self._run(
            "portcullis", "replay", "--policy", folder.policy, "--in", folder.capture, "--direction", direction,
            "--verdicts", table, "--json",
        ))
        lines = [line.split("\t") for line in table.read_text().splitlines()]
        column = {name: i for i, name in enumerate(lines[0])}
        got = [tuple(line[column[name]] for name in ("verdict", "reason", "rule")) for line in lines[1:]]
        out = self._compare(folder, direction, "replay", got)
        return out + self._counted(folder, direction, answer)

    def _counted(self, folder: Folder, direction: str, answer: dict) -> list[str]:
        """The dataplane's own counters, against frames and bytes by verdict, reason and rule."""
        expected = collections.Counter()
        for frame, outcome in zip(read_pcap(folder.capture), folder.expected[direction]):
            expected.update({(*outcome, "frames"): 1, (*outcome, "bytes"): len(frame)})
        got = collections.Counter()
        for row in answer["verdicts"]:
            outcome = (row["verdict"], row["reason"], row["rule"] or NO_RULE)
            got.update({(*outcome, "frames"): row["frames"], (*outcome, "bytes"): row["bytes"]})
        out = [
            f"{' '.join(key[:3])}: expected {expected[key]} {key[3]}, counted {got[key]}"
            for key in sorted(expected.keys() | got.keys())
            if expected[key] != got[key]
        ]
        conservation = answer["conservation"]
        passed = sum(1 for outcome in folder.expected[direction] if outcome[0] == "pass")
        whole = {"received": len(folder.what), "transmitted": passed, "dropped": len(folder.what) - passed, "error_frames": 0}
        out += [f"conservation: expected {whole[key]} {key}, counted {conservation[key]}" for key in whole if conservation[key] != whole[key]]
        return out

    def _explained(self, folder: Folder, direction: str) -> list[str]:
        inbound = ["--inbound"] if direction == "inbound" else []
        text = self._run("portcullis", "explain", "--policy", folder.policy, "--in", folder.capture, "--json", *inbound)
        got, at, decoder = [], 0, json.JSONDecoder()
        while text[at:].strip():
            at += len(text[at:]) - len(text[at:].lstrip())
            row, at = decoder.raw_decode(text, at)
            got.append((row["verdict"], row["reason"], row["rule"] or NO_RULE))
        return self._compare(folder, direction, "explain", got)

    def _without_policy(self, folder: Folder, direction: str) -> list[str]:
        records = self._scratch / f"{folder.path.name}-{direction}.records"
        self._run(
            "portcullis-dataplane", "--replay", folder.capture, "--direction", direction, "--before-policy",
            folder.before_policy, "--socket", self._scratch / f"{folder.path.name}-{direction}.sock",
            "--verdict-records", records, "--log-level", "error",
        )
        got = []
        for fields in RECORD.iter_unpack(records.read_bytes()):
            verdict, reason, rule = fields[9:12]
            got.append((("pass", "drop")[verdict], self._reasons[reason], NO_RULE if rule == 0xFF else str(rule)))
        return self._compare(folder, direction, "portcullis-dataplane", got)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary_dir", type=Path)
    parser.add_argument("--only", default="", help="scenarios whose folder's name contains this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="portcullis-golden-") as scratch:
        try:
            runner = Runner(options.binary_dir.resolve(), Path(scratch))
        except (RuntimeError, OSError) as error:
            print(f"could not run: {error}", file=sys.stderr)
            return 2
        folders = read_folders(Path(scratch), options.only)
        runs = [(folder, direction) for folder in folders for direction in DIRECTIONS if direction in folder.expected]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(lambda one: runner.findings(*one), runs))
    wrong = 0
    for (folder, direction), findings in zip(runs, results):
        for finding in findings:
            print(f"{folder.path.name}, {direction}: {finding}")
        wrong += bool(findings)
    frames = sum(len(folder.expected[direction]) for folder, direction in runs)
    print(f"{len(folders)} scenarios, {len(runs)} runs, {frames} verdicts: {wrong} runs wrong")
    return 1 if wrong or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
