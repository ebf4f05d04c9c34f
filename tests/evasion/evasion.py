"""What an evasion is, and how one is attempted."""

from collections.abc import Callable
from dataclasses import dataclass

from client import Conversation, Shape, Wire, plain
from listeners import Listeners
from namespaces import FAR4, FAR6

DATA_BYTES = 320  # enough that IPv6 fragments of it start above any floor


@dataclass
class Attempt:
    """One try at one port of one server, by a subscriber that nobody else is."""

    wire: Wire
    listeners: Listeners
    near: str
    far: str
    port: int
    other_port: int  # what a decoy pretends to be
    shape: Shape
    beside: bool
    data: bytes

    def conversation(self, **fields) -> Conversation:
        return Conversation(self.wire, self.near, self.far, self.port, **{"shape": self.shape, "beside": self.beside} | fields)


def connect_and_talk(attempt: Attempt) -> None:
    conversation = attempt.conversation()
    if conversation.connect():
        conversation.talk(attempt.data)


@dataclass(frozen=True)
class Evasion:
    """`shape` is given the port of the decoy too: a function (other port) -> Shape."""

    name: str
    source: str  # the line of the domain facts: mostly an RFC
    shows: str
    shape: Callable[[int], Shape] = lambda _: plain
    attack: Callable[[Attempt], None] = connect_and_talk
    family: int = 4
    far: str | None = None
    near: str | None = None  # a subscriber of its own choice; by default one of a pool
    port: int = 25
    mirror: int = 443
    # Whether the bytes reach the application when nothing filters; if not, why.
    unreached_because: str = ""
    # Whether the same shape to the mirror port passes the filter; if not, the reason that the filter has.
    mirror_refused_for: str = ""
    # The handshake can take another way, so that only the data meet the filter.
    beside_too: bool = True
    # The filter must let it through: a neighbour of the evasions.
    harmless: bool = False

    @property
    def server(self) -> str:
        return self.far or (FAR4 if self.family == 4 else FAR6)


def shaped(make) -> Callable[[int], Shape]:
    """For shapes without a decoy: make(near, far, segment) -> frames or one frame."""
    def shape(near, far, segment, ident):
        made = make(near, far, segment)
        return made if isinstance(made, list) else [made]
    return lambda _: shape
