#!/usr/bin/env python3
"""Writes the golden scenarios' folders: frames.pcap, expected.tsv, scenario.toml, and the list of them all.

    make_scenarios.py           write what changed
    make_scenarios.py --check   write nothing; exit 1 if a file is missing, differs or is left over
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scenarios_ipv4
import scenarios_ipv6
import scenarios_link
import scenarios_payload
import scenarios_policy
import scenarios_ports
import scenarios_tunnels
from scenario import HERE, Scenario, catalogue, files_of

MODULES = (scenarios_ports, scenarios_policy, scenarios_payload, scenarios_link, scenarios_ipv4, scenarios_ipv6, scenarios_tunnels)
GENERATED_NAMES = ("scenario.toml", "expected.tsv", "frames.pcap")


def all_scenarios() -> list[Scenario]:
    out = [scenario for module in MODULES for scenario in module.SCENARIOS]
    folders = [folder for scenario in out for folder, _ in scenario.folders()]
    twice = {folder for folder in folders if folders.count(folder) > 1}
    if twice:
        raise ValueError(f"two scenarios have the folder {', '.join(sorted(twice))}")
    return out


def generated_files() -> dict[str, bytes]:
    scenarios = all_scenarios()
    out = {"SCENARIOS.md": catalogue(scenarios)}
    for scenario in scenarios:
        out |= files_of(scenario)
    return out


def left_over(generated: dict[str, bytes], root: Path) -> list[str]:
    found = {str(path.relative_to(root)) for name in GENERATED_NAMES for path in root.glob(f"*/{name}")}
    return sorted(found - generated.keys())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    generated = generated_files()
    stale = [name for name, data in generated.items() if not (HERE / name).is_file() or (HERE / name).read_bytes() != data]
    extra = left_over(generated, HERE)
    for name in stale:
        print(f"{name}: {'differs from what this makes' if check else 'written'}")
        if not check:
            (HERE / name).parent.mkdir(exist_ok=True)
            (HERE / name).write_bytes(generated[name])
    for name in extra:
        print(f"{name}: no scenario makes it any more; remove it")
    return 1 if extra or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
