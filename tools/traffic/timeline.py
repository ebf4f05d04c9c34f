"""Interleaves flows in time, as a wire at the border carries them, and keeps the share of mail."""

import heapq

from traffic import abuse, everyday, fragments, headers, mail, oddities
from traffic.flow import World
from traffic.intent import OUTBOUND

# Every scenario of the ONCE lists occurs once in a capture, and in a long one once in this many frames: about a
# hundred of theirs are to port 25.
FRAMES_OF_A_ROUND = 20_000
FRAMES_MIN = 1000
# A round has begun all of its scenarios by then, so that they are whole before the last frame.
_BEGUN_BY_PERCENT = 85

_DURATION_US = 60_000_000
_FRAMES_OF_A_FLOW = 6  # about, on average: it only decides how long the capture lasts

_ONCE = mail.ONCE + abuse.ONCE + fragments.ONCE + headers.ONCE + oddities.ONCE
_BACKGROUND = everyday.SCENARIOS + mail.RECEIVING + abuse.SCANS
# Of flows to port 25, so many percent are spam.
_SPAM_PERCENT = 94
# From here on, mail is nothing but spam: sessions have two directions, and one of them is not to port 25.
_ALL_SPAM_SHARE = 40


def _weighted(scenarios):
    """A list to draw from evenly."""
    return [scenario for weight, scenario in scenarios for _ in range(weight)]


def _is_to_port_25(frame):
    return frame.kind.intent.rule == "smtp" and frame.kind.direction == OUTBOUND


class Timeline:
    """`frames` frames, of which `smtp_share` percent go from a subscriber to TCP port 25, in order of time."""

    def __init__(self, world: World, frames, smtp_share):
        self._world = world
        self._frames = frames
        self._smtp_share = smtp_share
        self._waiting = []  # heap of (time, number, frame); the number keeps frames of one moment in order
        self._planned = 0
        self._planned_smtp = 0
        self._background = _weighted(_BACKGROUND)
        self._sending = _weighted(mail.SENDING)

    def __iter__(self):
        rng = self._world.rng
        rounds = max(1, self._frames // FRAMES_OF_A_ROUND)
        frames_of_a_round = self._frames // rounds
        once_gap = frames_of_a_round * _BEGUN_BY_PERCENT // 100 // len(_ONCE)
        begun_once = 0
        flow_gap_us = _DURATION_US * _FRAMES_OF_A_FLOW // self._frames
        next_flow_us = 0
        written = 0
        while written < self._frames:
            current_round, step = divmod(begun_once, len(_ONCE))
            if current_round < rounds and written >= current_round * frames_of_a_round + step * once_gap:
                self._begin(_ONCE[step], next_flow_us)
                begun_once += 1
            elif not self._waiting or self._waiting[0][0] > next_flow_us:
                self._begin(self._choose(), next_flow_us)
                next_flow_us += rng.randrange(2 * flow_gap_us + 2)
            else:
                yield heapq.heappop(self._waiting)[2]
                written += 1

    def _choose(self):
        rng = self._world.rng
        if self._planned_smtp * 100 >= self._smtp_share * self._planned:
            return self._background[rng.randrange(len(self._background))]
        if self._smtp_share >= _ALL_SPAM_SHARE or rng.randrange(100) < _SPAM_PERCENT:
            return abuse.spam
        return self._sending[rng.randrange(len(self._sending))]

    def _begin(self, scenario, start_us):
        for frame in scenario(self._world, start_us):
            heapq.heappush(self._waiting, (frame.time_us, self._planned, frame))
            self._planned += 1
            self._planned_smtp += _is_to_port_25(frame)
