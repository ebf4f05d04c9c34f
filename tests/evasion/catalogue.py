#!/usr/bin/env python3
"""All evasions, and the page that lists them for readers.

    catalogue.py           write EVASIONS.md
    catalogue.py --check   write nothing; exit 1 if it differs
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import evasions_fragments
import evasions_headers
import evasions_link
import evasions_tcp
import evasions_tunnels
from evasion import Evasion

MODULES = (evasions_tcp, evasions_fragments, evasions_headers, evasions_link, evasions_tunnels)
PAGE = Path(__file__).resolve().parent / "EVASIONS.md"


def all_evasions() -> list[Evasion]:
    out = [evasion for module in MODULES for evasion in module.EVASIONS]
    names = [evasion.name for evasion in out]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"named twice: {', '.join(sorted(twice))}")
    return out


def page() -> str:
    lines = ["# Evasions", "", "Made by catalogue.py. The mirror is the same shape to a port that no rule names.", ""]
    for module in MODULES:
        lines += [f"## {module.__doc__.splitlines()[0]}", "", "| evasion | what it does | source | without the filter | mirror |", "|---|---|---|---|---|"]
        for one in module.EVASIONS:
            reached = f"does not arrive: {one.unreached_because}" if one.unreached_because else "arrives"
            mirror = f"refused: {one.mirror_refused_for}" if one.mirror_refused_for else "does not arrive" if one.unreached_because else "passes"
            lines.append(f"| {one.name} | {one.shows}{'; passes' if one.harmless else ''} | {one.source} | {reached} | {mirror} |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        if not PAGE.is_file() or PAGE.read_text() != page():
            print(f"{PAGE.name} is not what catalogue.py makes: run it")
            return 1
        return 0
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
