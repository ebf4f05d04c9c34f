"""What a golden scenario is: frames, a policy, and the verdict that each frame should get in each direction.

Expectations are written beside the frames, by hand and from what the product is meant to do; nothing here
looks at what it does.
"""

from dataclasses import dataclass
from pathlib import Path

from captures import pcap_bytes
from frames import ethernet, ipv4, ipv6, tcp

HERE = Path(__file__).resolve().parent
DIRECTIONS = ("outbound", "inbound")
TSV_HEADER = "frame\tdirection\tverdict\treason\trule\twhat"
NO_RULE = "-"

# The cast. Who is in which pool, and who is a smarthost, is the same in all policies unless a title says otherwise.
SUBSCRIBER, NEIGHBOUR, MAIL_SERVER, SMARTHOST = "100.64.7.9", "100.64.7.10", "203.0.113.25", "192.0.2.25"
SUBSCRIBER6, NEIGHBOUR6 = "2001:db8:107:900::9", "2001:db8:107:a00::9"
MAIL_SERVER6, SMARTHOST6 = "2001:db8:f00::25", "2001:db8:25::25"
HIGH_PORT = 40000


@dataclass(frozen=True)
class Outcome:
    verdict: str
    reason: str
    rule: str = NO_RULE


def drop(reason: str, rule: str = NO_RULE) -> Outcome:
    return Outcome("drop", reason, rule)


def passes(reason: str = "no-rule", rule: str = NO_RULE) -> Outcome:
    return Outcome("pass", reason, rule)


PASS = passes()
SMTP = drop("rule", "smtp")
SMB = drop("rule", "netbios-smb")

# One outcome for all policies, or one for each by the name of the policy.
Expectation = Outcome | dict[str, Outcome]


def fault(reason: str, else_if_passed: Outcome | None = None) -> Expectation:
    """Dropped for `reason`; with [unclassifiable] on pass, passed for it, unless something else decides then."""
    return {"default": drop(reason), "lenient": else_if_passed or passes(reason)}


@dataclass(frozen=True)
class Row:
    what: str
    frame: bytes
    outbound: Expectation | None = None  # None: not replayed in that direction
    inbound: Expectation | None = None


@dataclass(frozen=True)
class Scenario:
    name: str  # kebab-case
    title: str
    source: str  # where the requirement comes from
    rows: list[Row]
    # Names under policies/, each with a folder of its own: the first is the scenario's, the others have the policy's
    # name (or the second of a pair) behind it. Empty: the folder's own policy.toml.
    policies: tuple[str | tuple[str, str], ...] = ("default",)
    before_policy: str | None = None  # instead of a policy: what the dataplane does until it has one
    commit_capture: bool = True  # False: too large, made when the test runs

    def folders(self) -> list[tuple[str, str | None]]:
        """(folder, shared policy or None)."""
        if not self.policies:
            return [(self.name, None)]
        out = []
        for i, given in enumerate(self.policies):
            policy, suffix = given if isinstance(given, tuple) else (given, given)
            out.append((self.name if i == 0 else f"{self.name}-{suffix}", policy))
        return out


def outcome_of(expectation: Expectation, policy: str | None) -> Outcome:
    return expectation if isinstance(expectation, Outcome) else expectation[policy]


def expected_tsv(scenario: Scenario, policy: str | None) -> str:
    lines = [TSV_HEADER]
    for direction in DIRECTIONS:
        for number, row in enumerate(scenario.rows, 1):
            expectation = getattr(row, direction)
            if expectation is not None:
                o = outcome_of(expectation, policy)
                lines.append(f"{number}\t{direction}\t{o.verdict}\t{o.reason}\t{o.rule}\t{row.what}")
    return "\n".join(lines) + "\n"


def scenario_toml(scenario: Scenario, policy: str | None) -> str:
    title = scenario.title if policy in (None, "default") else f"{scenario.title} (policy: {policy})"
    lines = [f'title = "{title}"', f'source = "{scenario.source}"']
    if scenario.before_policy is not None:
        lines.append(f'before_policy = "{scenario.before_policy}"')
    else:
        lines.append(f'policy = "{"policy.toml" if policy is None else f"../policies/{policy}.toml"}"')
    return "\n".join(lines) + "\n"


def files_of(scenario: Scenario) -> dict[str, bytes]:
    """Every generated file, by its path below this folder."""
    check(scenario)
    out = {}
    for folder, policy in scenario.folders():
        out[f"{folder}/scenario.toml"] = scenario_toml(scenario, policy).encode()
        out[f"{folder}/expected.tsv"] = expected_tsv(scenario, policy).encode()
        if scenario.commit_capture:
            out[f"{folder}/frames.pcap"] = capture_of(scenario)
    return out


def capture_of(scenario: Scenario) -> bytes:
    return pcap_bytes([row.frame for row in scenario.rows])


def check(scenario: Scenario) -> None:
    for direction in DIRECTIONS:
        given = [getattr(row, direction) is not None for row in scenario.rows]
        if any(given) and not all(given):
            raise ValueError(f"{scenario.name}: only some frames have an expectation {direction}")


def catalogue(scenarios: list[Scenario]) -> bytes:
    """The list of all scenarios for readers."""
    lines = ["# Golden scenarios", "", "Made by make_scenarios.py, as everything in these folders but policy.toml.", ""]
    lines += ["| folder | shows | source |", "|---|---|---|"]
    for scenario in scenarios:
        for folder, policy in scenario.folders():
            suffix = f" (policy: {policy})" if policy not in (None, "default") else ""
            lines.append(f"| {folder} | {scenario.title}{suffix} | {scenario.source} |")
    return ("\n".join(lines) + "\n").encode()


# --- Rows that many scenarios share ----------------------------------------------------------------------


def same(what: str, frame: bytes, expectation: Expectation) -> Row:
    """The same outcome in both directions."""
    return Row(what, frame, expectation, expectation)


def both_ways(wrap, what: str, mail=SMTP, web=PASS, elsewhere=PASS, family: int = 4) -> list[Row]:
    """Mail and, as its neighbour, web, out and in. `wrap(source, destination, segment)` makes the frame.

    `mail` is the outcome of mail in the direction where the rule looks at its port, `elsewhere` in the other.
    """
    near, far = (SUBSCRIBER, MAIL_SERVER) if family == 4 else (SUBSCRIBER6, MAIL_SERVER6)
    return [
        Row(f"{what}: to port 25", wrap(near, far, tcp(HIGH_PORT, 25)), mail, elsewhere),
        Row(f"{what}: to port 443", wrap(near, far, tcp(HIGH_PORT, 443)), web, web),
        Row(f"{what}: from port 25", wrap(far, near, tcp(25, HIGH_PORT, flags=0x12)), elsewhere, mail),
        Row(f"{what}: from port 443", wrap(far, near, tcp(443, HIGH_PORT, flags=0x12)), web, web),
    ]


def plain(source: str, destination: str, segment) -> bytes:
    """Just Ethernet and IP."""
    return ethernet((ipv6 if ":" in source else ipv4)(source, destination, segment))
