#!/usr/bin/env python3
"""Tries every evasion against real Linux TCP listeners, first past a plain bridge, then past the filter.

    evasion_test.py BINARY_DIR [--only TEXT] [--bridge-only] [--keep-logs DIR]

Without the filter each evasion must reach the application (or say why this Linux refuses it): that shows that the test
can fail. With the filter not one byte and no connection may reach it, and the same shape to a harmless port must pass,
where the filter does not refuse the shape itself.

Exit: 0 all as it should be, 1 something is not, 2 could not run, 77 skipped (not root, or a program is missing).
"""

import argparse
import ipaddress
import os
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from catalogue import all_evasions
from client import Conversation, Wire
from evasion import DATA_BYTES, Attempt, Evasion
from filter import SECONDS_TO_START, Filter
from listeners import Listeners
from namespaces import FAR4, Network
from stand_in import StandIn

TCP_PORTS, UDP_PORTS = (25, 139, 443, 445, 587), (25, 443)
SKIPPED = 77
AT_ONCE = 160
SECONDS_TO_ARRIVE = 1.0
WITHOUT_FILTER, WITH_FILTER = 0, 1  # which phase: the attempts of each have addresses of their own


@dataclass
class Result:
    """Of one evasion; None: not tried."""

    evasion: Evasion
    unfiltered: bool | None = None
    filtered: bool | None = None
    mirror: bool | None = None
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Try:
    """One attempt: of which evasion, to which of its ports, with the handshake beside the filter or not."""

    evasion: Evasion
    to_mirror: bool
    beside: bool
    number: int
    phase: int

    @property
    def near(self) -> str:
        if self.evasion.near:
            return self.evasion.near.format(1 + self.phase * 100 + self.number % 100)
        second = 64 + 2 * self.phase + (1 if self.beside else 0)
        if self.evasion.family == 4:
            return f"100.{second}.{self.number // 200}.{1 + self.number % 200}"
        return str(ipaddress.ip_address(f"2001:db8:1{second:02x}:{self.number % 256:x}00::{self.number // 256:x}:9"))

    @property
    def port(self) -> int:
        return self.evasion.mirror if self.to_mirror else self.evasion.port

    @property
    def data(self) -> bytes:
        return f"EHLO {self.evasion.name}-{self.port}\r\n".encode().ljust(DATA_BYTES, b".")


class Stage:
    """The listeners, the stand-in and the wire, through both phases."""

    def __init__(self, network: Network) -> None:
        self.listeners = Listeners(network.net, TCP_PORTS, UDP_PORTS)
        self.stand_in = StandIn(network.net)
        self.wire = Wire(network.sub)

    def close(self) -> None:
        for one in (self.wire, self.stand_in, self.listeners):
            one.close()

    def wait_until_it_forwards(self, the_filter: Filter) -> None:
        conversation = Conversation(self.wire, "100.127.255.1", FAR4, 443)
        deadline = time.monotonic() + SECONDS_TO_START
        while not conversation.connect():
            the_filter.check_alive()
            if time.monotonic() > deadline:
                raise RuntimeError(f"the filter forwards nothing after {SECONDS_TO_START} s")

    def attempt(self, one: Try) -> tuple[bool, bool]:
        """(whether all the data arrived, whether anything at all did)."""
        other = 587 if one.to_mirror and one.evasion.mirror == 443 else 443
        one.evasion.attack(
            Attempt(self.wire, self.listeners, one.near, one.evasion.server, one.port, other, one.evasion.shape(other), one.beside, one.data)
        )
        complete = self.listeners.wait_for(one.near, one.port, one.data, SECONDS_TO_ARRIVE)
        received = self.listeners.received(one.near, one.port)
        # Beside the filter a connection is made on purpose; what counts is what comes through.
        return complete, bool(received.data) or (received.accepted > 0 and not one.beside)

    def attempt_all(self, tries: list[Try]) -> dict[Try, tuple[bool, bool]]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(tries, pool.map(self.attempt, tries)))


def tries_of(evasions: list[Evasion], phase: int, to_mirror: tuple[bool, ...]) -> list[Try]:
    out, number = [], 0
    for evasion in evasions:
        for mirror in to_mirror:
            for beside in (False, True) if evasion.beside_too else (False,):
                out.append(Try(evasion, mirror, beside, number, phase))
            number += 1
    return out


def chosen_evasions(only: str, network: Network) -> list[Evasion]:
    every = all_evasions()
    if not network.has_vxlan:
        print("note: this kernel has no VXLAN; tunnel-vxlan-linux is left out", file=sys.stderr)
        every = [evasion for evasion in every if evasion.name != "tunnel-vxlan-linux"]
    return [evasion for evasion in every if only in evasion.name]


def judge(evasions: list[Evasion], unfiltered: dict, filtered: dict) -> list[Result]:
    results = []
    for evasion in evasions:
        def outcomes(of: dict, mirror: bool, which: int) -> list[bool]:
            return [seen[which] for one, seen in of.items() if one.evasion is evasion and one.to_mirror == mirror]

        result, wrong = Result(evasion), []
        result.unfiltered = all(outcomes(unfiltered, False, 0))
        if not result.unfiltered and not evasion.unreached_because:
            wrong.append("does not arrive without the filter either: this test cannot fail")
        if filtered:
            # Of what is harmless all must arrive; of the others not a byte.
            result.filtered = all(outcomes(filtered, False, 0)) if evasion.harmless else any(outcomes(filtered, False, 1))
            result.mirror = all(outcomes(filtered, True, 0))
            if result.filtered != evasion.harmless:
                wrong.append("PASSES THE FILTER" if result.filtered else "the filter drops what is harmless")
            expected = not evasion.unreached_because and not evasion.mirror_refused_for
            if result.mirror and evasion.mirror_refused_for:
                wrong.append(f"the mirror passes, although the filter should refuse the shape ({evasion.mirror_refused_for})")
            if not result.mirror and expected:
                wrong.append("the same shape to the mirror port does not arrive")
        result.wrong = tuple(wrong)
        results.append(result)
    return results


def print_table(results: list[Result]) -> None:
    def word(value: bool | None) -> str:
        return {True: "yes", False: "no", None: "-"}[value]

    rows = [("scenario", "without filter", "with filter", "mirror", "remark")]
    for result in results:
        evasion = result.evasion
        remarks = [f"without filter: {evasion.unreached_because}"] if evasion.unreached_because and not result.unfiltered else []
        remarks += [f"mirror refused: {evasion.mirror_refused_for}"] if evasion.mirror_refused_for and result.mirror is False else []
        remarks += [f"WRONG: {one}" for one in result.wrong]
        rows.append((evasion.name, word(result.unfiltered), word(result.filtered), word(result.mirror), "; ".join(remarks)))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)) + "  " + row[4])


def run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    with Network() as network:
        evasions = chosen_evasions(options.only, network)
        stage = Stage(network)
        try:
            network.bridge_up()
            unfiltered = stage.attempt_all(tries_of(evasions, WITHOUT_FILTER, (False, True)))
            network.bridge_down()
            filtered, trouble = {}, []
            if not options.bridge_only:
                with Filter(network, options.binary_dir, options.keep_logs) as the_filter:
                    stage.wait_until_it_forwards(the_filter)
                    filtered = stage.attempt_all(tries_of(evasions, WITH_FILTER, (False, True)))
                    trouble = the_filter.trouble()
        finally:
            stage.close()
    results = judge(evasions, unfiltered, filtered)
    print_table(results)
    wrong = sum(1 for result in results if result.wrong)
    for line in trouble:
        print(f"WRONG: {line}")
    print(f"{len(results)} evasions, {wrong} wrong, {time.monotonic() - started:.0f} s")
    return 1 if wrong or trouble else 0


def skip_reason(options: argparse.Namespace) -> str | None:
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    for program in ("ip", "bridge", "ethtool", "sysctl"):
        if shutil.which(program) is None:
            return f"needs the program {program}"
    if not options.bridge_only:
        for program in ("portcullis-dataplane", "portcullis-control"):
            if not (options.binary_dir / program).exists():
                return f"needs {options.binary_dir / program}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary_dir", type=Path)
    parser.add_argument("--only", default="", help="evasions whose name contains this")
    parser.add_argument("--bridge-only", action="store_true", help="only show what arrives without the filter")
    parser.add_argument("--keep-logs", type=Path, help="a folder for the programs' output")
    options = parser.parse_args()
    reason = skip_reason(options)
    if reason is not None:
        print(f"skipped: {reason}")
        return SKIPPED
    # So that the namespaces go whatever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    threading.stack_size(512 * 1024)
    try:
        return run(options)
    except (RuntimeError, OSError) as error:
        print(f"could not run: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
