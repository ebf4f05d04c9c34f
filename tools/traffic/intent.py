"""What each frame is meant to become, and the ledger that adds it up.

The scenario that makes a frame says its verdict as it makes it. Nothing here looks at the bytes of a frame, and no
filter is asked: what a filter says of the capture can be held against expected.json.
"""

import json
from typing import NamedTuple

OUTBOUND, INBOUND = "outbound", "inbound"


class Intent(NamedTuple):
    """A verdict and its reason, by the labels of rules/verdict.h."""

    verdict: str
    reason: str
    rule: str | None = None


NO_RULE = Intent("pass", "no-rule")
NOT_IP = Intent("pass", "not-ip")
LATER_FRAGMENT = Intent("pass", "non-first-fragment")
SMTP_DROPPED = Intent("drop", "rule", "smtp")
SMTP_MONITORED = Intent("pass", "monitored", "smtp")
SMTP_TO_SMARTHOST = Intent("pass", "smarthost", "smtp")
SMTP_EXEMPT = Intent("pass", "exempt", "smtp")
SMTP_ALLOWED = Intent("pass", "class-allows", "smtp")
SMB_DROPPED = Intent("drop", "rule", "netbios-smb")
SMB_ALLOWED = Intent("pass", "class-allows", "netbios-smb")


def fault(reason):
    """Dropped because it cannot be classified: the sample policy drops every fault."""
    return Intent("drop", reason)


class Kind(NamedTuple):
    """Frames that one scenario sends in one direction with one intent."""

    scenario: str
    direction: str
    intent: Intent


class Frame:
    """One frame on its way to the capture."""

    __slots__ = ("time_us", "data", "kind", "subscriber", "initial_syn")

    def __init__(self, time_us, data, kind, subscriber, initial_syn=False):
        self.time_us = time_us  # since the beginning of the capture
        self.data = data
        self.kind = kind
        self.subscriber = subscriber  # a network.Prefix; None: the frame has no IP header
        self.initial_syn = initial_syn  # it shows a TCP header with SYN and without ACK


class _Tally:
    """Frames, their bytes, and the initial SYNs among them."""

    __slots__ = ("frames", "bytes", "initial_syns")

    def __init__(self):
        self.frames = self.bytes = self.initial_syns = 0

    def add(self, frame):
        self.frames += 1
        self.bytes += len(frame.data)
        self.initial_syns += frame.initial_syn

    def merge(self, other):
        self.frames += other.frames
        self.bytes += other.bytes
        self.initial_syns += other.initial_syns

    def as_dict(self):
        return {"frames": self.frames, "bytes": self.bytes, "initial_syns": self.initial_syns}


def _merged(tallies, name_of):
    """`tallies`, by kind, added up by name_of(kind), as dicts in order of names."""
    out = {}
    for kind, tally in tallies.items():
        out.setdefault(name_of(kind), _Tally()).merge(tally)
    return {name: out[name].as_dict() for name in sorted(out)}


def _outcome(kind):
    # An empty rule sorts where None cannot.
    return kind.direction, kind.intent.verdict, kind.intent.reason, kind.intent.rule or ""


def _rows(tallies):
    """One row for each direction, verdict, reason and rule."""
    return [
        {"direction": direction, "verdict": verdict, "reason": reason, "rule": rule or None, **tally}
        for (direction, verdict, reason, rule), tally in _merged(tallies, _outcome).items()
    ]


class Ledger:
    """Counts frames as they are written."""

    def __init__(self):
        self._order = []  # the index of each frame's kind, in order of frames
        self._kinds = {}  # Kind to index
        self._totals = {}  # Kind to _Tally
        self._subscribers = {}  # Prefix to {Kind: _Tally}

    def count(self, frame):
        self._order.append(self._kinds.setdefault(frame.kind, len(self._kinds)))
        self._totals.setdefault(frame.kind, _Tally()).add(frame)
        if frame.subscriber is not None:
            own = self._subscribers.setdefault(frame.subscriber, {})
            own.setdefault(frame.kind, _Tally()).add(frame)

    def _by_rule(self):
        """For each rule, what became of the frames that it names."""
        out = {}
        for rule in sorted({kind.intent.rule for kind in self._totals if kind.intent.rule}):
            named = {kind: tally for kind, tally in self._totals.items() if kind.intent.rule == rule}
            out[rule] = _merged(named, lambda kind: "dropped" if kind.intent.reason == "rule" else kind.intent.reason)
        return out

    def verdicts(self):
        return _merged(self._totals, lambda kind: kind.intent.verdict)

    def render(self, options):
        """expected.json: JSON with a line for each thing that one may want to grep. See tools/sample/README.md."""
        totals = {
            "verdict": self.verdicts(),
            "direction": _merged(self._totals, lambda kind: kind.direction),
            "reason": _merged(self._totals, lambda kind: kind.intent.reason),
            "rule": self._by_rule(),
        }
        kinds = [{"scenario": k.scenario, "direction": k.direction, **k.intent._asdict()} for k in self._kinds]
        subscribers = [{"subscriber": str(p), "rows": _rows(self._subscribers[p])} for p in sorted(self._subscribers)]
        parts = [
            f'"options": {json.dumps(options)}',
            f'"totals": {json.dumps(totals, indent=1)}',
            f'"outcomes": {_lines(_rows(self._totals))}',
            f'"kinds": {_lines(kinds)}',
            f'"subscribers": {_lines(subscribers)}',
            f'"frame_kinds": {_wrapped(self._order)}',
        ]
        return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(rows):
    return "[\n " + ",\n ".join(json.dumps(row) for row in rows) + "\n]"


def _wrapped(numbers, on_a_line=40):
    lines = (",".join(map(str, numbers[at : at + on_a_line])) for at in range(0, len(numbers), on_a_line))
    return "[\n " + ",\n ".join(lines) + "\n]"
