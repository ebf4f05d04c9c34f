"""A small TCP that speaks raw frames, so that every segment can take any shape on its way.

A shape is a function (near address, far address, segment, ident) -> frames; `ident` is new for every transmission, for
those that cut segments into fragments.
"""

import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from frames import ACK, ETHERTYPE_IPV4, ETHERTYPE_IPV6, FIN, PSH, SYN, TCP, Segment, ethernet, ipv4, ipv6, tcp
from namespaces import inside

Shape = Callable[[str, str, Segment, int], list[bytes]]

ETH_P_ALL, PACKET_OUTGOING = 3, 4
ATTEMPTS = 4
SECONDS_AN_ATTEMPT = 1.0
INITIAL_SEQUENCE = 0x01000000


def plain(near: str, far: str, segment: Segment, ident: int) -> list[bytes]:
    return [ethernet((ipv6 if ":" in near else ipv4)(near, far, segment))]


@dataclass(frozen=True)
class Answer:
    """A TCP segment that came back."""

    source: str
    source_port: int
    port: int
    sequence: int
    acknowledgement: int
    flags: int


def read_answer(frame: bytes) -> tuple[str, Answer] | None:
    """(address it is for, segment), if it is TCP."""
    ethertype = struct.unpack_from("!H", frame, 12)[0]
    if ethertype == ETHERTYPE_IPV4:
        if frame[23] != TCP:
            return None
        source, destination, at = socket.inet_ntop(socket.AF_INET, frame[26:30]), socket.inet_ntop(socket.AF_INET, frame[30:34]), 14 + (frame[14] & 15) * 4
    elif ethertype == ETHERTYPE_IPV6:
        if frame[20] != TCP:
            return None
        source, destination, at = socket.inet_ntop(socket.AF_INET6, frame[22:38]), socket.inet_ntop(socket.AF_INET6, frame[38:54]), 54
    else:
        return None
    source_port, port, sequence, acknowledgement, _, flags = struct.unpack_from("!HHIIBB", frame, at)
    return destination, Answer(source, source_port, port, sequence, acknowledgement, flags)


class Wire:
    """The two ends in sub: s0 leads through the filter, b0 beside it. What comes back is sorted by address."""

    def __init__(self, namespace: str) -> None:
        self._inboxes: dict[str, queue.Queue] = {}
        self._stopping = threading.Event()
        self._ident = 0
        self._lock = threading.Lock()
        with inside(namespace):
            self._through, self._beside = self._open("s0"), self._open("b0")
        self._threads = [threading.Thread(target=self._loop, args=(one,), daemon=True) for one in (self._through, self._beside)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self._through.close()
        self._beside.close()

    def inbox(self, address: str) -> queue.Queue:
        return self._inboxes.setdefault(address, queue.Queue())

    def ident(self) -> int:
        with self._lock:
            self._ident = self._ident % 0xFFFF + 1
            return self._ident

    def send(self, frames: list[bytes], beside: bool = False) -> None:
        for frame in frames:
            (self._beside if beside else self._through).send(frame)

    @staticmethod
    def _open(device: str) -> socket.socket:
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        out.bind((device, ETH_P_ALL))
        out.settimeout(0.2)
        return out

    def _loop(self, one: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                frame, sender = one.recvfrom(65536)
            except TimeoutError:
                continue
            answer = None if sender[2] == PACKET_OUTGOING else read_answer(frame)
            if answer is not None and answer[0] in self._inboxes:
                self._inboxes[answer[0]].put(answer[1])


@dataclass
class Conversation:
    """One connection of one subscriber. `beside`: the handshake takes another way, only the data passes the filter."""

    wire: Wire
    near: str
    far: str
    port: int
    shape: Shape = plain
    near_port: int = 40001
    beside: bool = False

    def __post_init__(self) -> None:
        self.inbox = self.wire.inbox(self.near)
        self.sequence = INITIAL_SEQUENCE
        self.acknowledgement = 0

    def segment(self, flags: int, payload: bytes = b"", **fields) -> Segment:
        return tcp(self.near_port, self.port, payload, flags=flags, sequence=self.sequence, acknowledgement=self.acknowledgement, **fields)

    def send(self, segment: Segment, beside: bool = False, shape: Shape | None = None) -> None:
        shape = plain if beside else shape or self.shape
        self.wire.send(shape(self.near, self.far, segment, self.wire.ident()), beside)

    def wait(self, wanted: Callable[[Answer], bool], seconds: float = SECONDS_AN_ATTEMPT) -> Answer | None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                answer = self.inbox.get(timeout=left)
            except queue.Empty:
                break
            if answer.source_port == self.port and answer.port == self.near_port and wanted(answer):
                return answer
        return None

    def connect(self, flags: int = SYN, payload: bytes = b"", **fields) -> bool:
        """The three-way handshake. False: no answer."""
        for _ in range(ATTEMPTS):
            self.send(self.segment(flags, payload, **fields), self.beside)
            answer = self.wait(lambda a: a.flags & (SYN | ACK) == SYN | ACK)
            if answer is not None:
                self.sequence = answer.acknowledgement
                self.acknowledgement = answer.sequence + 1 & 0xFFFFFFFF
                self.send(self.segment(ACK), self.beside)
                return True
        return False

    def talk(self, data: bytes, flags: int = PSH | ACK, **fields) -> bool:
        """Sends `data` in one segment. False: it was not acknowledged."""
        end = self.sequence + len(data) + (1 if flags & FIN else 0) & 0xFFFFFFFF
        for _ in range(ATTEMPTS):
            self.send(self.segment(flags, data, **fields))
            if self.wait(lambda a: a.flags & ACK and a.acknowledgement == end):
                self.sequence = end
                return True
        return False
