#!/usr/bin/env python3
"""Every reason of the table has a golden scenario, for each verdict that it may give, in each direction.

    reasons_test.py SOURCE_DIR [BINARY_DIR]

The table is what `portcullis reasons --json` prints, or else what rules/verdict.h says.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DIRECTIONS = ("outbound", "inbound")
# What cannot happen: BCP 38 is about what leaves.
IMPOSSIBLE = {("spoofed", "drop", "inbound")}


def table_of_program(binary_dir: Path) -> dict[str, set[str]] | None:
    program = binary_dir / "portcullis"
    if not program.exists():
        return None
    run = subprocess.run([program, "reasons", "--json"], capture_output=True, text=True, timeout=30, check=False)
    if run.returncode != 0:
        return None
    answer = json.loads(run.stdout)
    rows = answer if isinstance(answer, list) else answer["reasons"]
    return {row["reason"]: verdicts(row["may_pass"], row["may_drop"]) for row in rows}


def table_of_header(source_dir: Path) -> dict[str, set[str]]:
    text = (source_dir / "rules" / "verdict.h").read_text()
    rows = re.findall(r'\{Reason::\w+,\s*"([a-z0-9-]+)",\s*(true|false),\s*(true|false),', text)
    count = int(re.search(r"kReasonCount = (\d+)", text).group(1))
    if len(rows) != count:
        raise SystemExit(f"rules/verdict.h: found {len(rows)} rows of {count} in kReasons; has its form changed?")
    return {label: verdicts(may_pass == "true", may_drop == "true") for label, may_pass, may_drop in rows}


def verdicts(may_pass: bool, may_drop: bool) -> set[str]:
    return ({"pass"} if may_pass else set()) | ({"drop"} if may_drop else set())


def covered() -> set[tuple[str, str, str]]:
    out = set()
    for path in HERE.glob("*/expected.tsv"):
        for line in path.read_text().splitlines()[1:]:
            _, direction, verdict, reason, _, _ = line.split("\t")
            out.add((reason, verdict, direction))
    return out


def main() -> int:
    table = (table_of_program(Path(sys.argv[2])) if len(sys.argv) > 2 else None) or table_of_header(Path(sys.argv[1]))
    required = {(reason, verdict, direction) for reason, some in table.items() for verdict in some for direction in DIRECTIONS}
    have = covered()
    missing, unknown = required - IMPOSSIBLE - have, have - required
    for reason, verdict, direction in sorted(missing):
        print(f"no scenario: {verdict} for {reason}, {direction}; add one to a scenarios_*.py")
    for reason, verdict, direction in sorted(unknown):
        print(f"a scenario expects what the table rules out: {verdict} for {reason}, {direction}")
    print(f"{len(required - IMPOSSIBLE) - len(missing)} of {len(required - IMPOSSIBLE)} (reason, verdict, direction) have a scenario")
    return 1 if missing or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
