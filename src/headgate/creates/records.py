"""What the table of creates says and is asked: values, and the words for how a create stands."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from mmap import mmap
from typing import Protocol

Memory = mmap | bytearray


class Lock(Protocol):
    """Keeps processes apart, and knows which live; the kernel frees what a killed one holds."""

    def acquire(self) -> bool:
        """Wait for the lock, for moments; whether it is held now."""

    def release(self) -> None:
        """Let the others go on."""

    def lives(self, slot: int) -> bool:
        """Whether a process uses this slot of owners."""


class State(enum.IntEnum):
    """How far a create is: the byte that says what of the rest of its place is valid.

    ``SENT``: MLflow has it, and there is no response.  ``KEPT``: MLflow's response is here.
    ``WRITING``: it is being written to a client, which may have it.
    """

    FREE = 0
    SENT = 1
    KEPT = 2
    WRITING = 3


class Doubt(enum.IntEnum):
    """Whether the client of a create will have its response, while its owner lives.

    ``DOUBTFUL``: it has left, or may have.  ``LAPSED``: its create was sent once more, so nobody
    may claim this one.  MLflow may have a run of it that is nobody's, or make it yet.
    """

    NONE = 0
    DOUBTFUL = 1
    LAPSED = 2


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a create beside its state.

    Attributes:
        serial: its number, which tells it from others that stand in the same place later.
        owner: the process that sent it to MLflow; 0 once nobody waits for MLflow any more.
        claimer: the process that has claimed it, or writes its response; 0: none.
        sent_at: when it was sent.
        status: of MLflow's response; 0 before.
        lines_length: bytes of the header lines that are kept.
        length: bytes of all that is kept.
        id: of what was created; empty while that is not known.
    """

    serial: int
    owner: int
    claimer: int
    sent_at: float
    status: int = 0
    lines_length: int = 0
    length: int = 0
    id: bytes = b""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one create stands; ``serial`` tells it from one that stands there later."""

    index: int
    serial: int


@dataclass(frozen=True, slots=True)
class Response:
    """A response of MLflow's as it is kept; ``lines`` are its header lines."""

    status: int
    lines: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A create in doubt that has been claimed.

    Attributes:
        place: where it stands.
        failed: MLflow has responded that it failed: there is no point in waiting for it.
    """

    place: Place
    failed: bool


class Standing(enum.Enum):
    """How the creates of one digest stand, the first of these that is true of one."""

    CLAIMABLE = enum.auto()
    """One may be claimed."""
    UNSETTLED = enum.auto()
    """The client of one has perhaps left: its process has not reported yet that it has not, or the
    response is being written, and the kernel will say in a moment."""
    UNDER_WAY = enum.auto()
    """One is under way, and its client is there."""
    NONE = enum.auto()


class Verdict(enum.Enum):
    """What may be made of the runs that MLflow has for a create in doubt."""

    JOINED = enum.auto()
    """One of them is this claim's, and nobody else gets it."""
    NONE = enum.auto()
    """None of them is free."""
    OPEN = enum.auto()
    """One alike is under way, and any of them may be its."""
    SEVERAL = enum.auto()
    """There are more than there are creates in doubt: somebody else has made some of them."""


class Notes(Protocol):
    """Takes down what becomes of a create that is under way, wherever that is remembered."""

    def keep(self, place: Place, response: Response, made: str) -> None:
        """MLflow's response is here, and ``made`` is the id in it."""

    def leave(self, place: Place) -> None:
        """The client is gone, or is about to be; its request is still under way at MLflow."""

    def abandon(self, place: Place, *, status: int = 0) -> None:
        """There will be no response to keep; ``status``: what MLflow responded if it failed."""

    def forget(self, place: Place) -> None:
        """Nothing was created: when it is sent again it is a new one."""

    def written(self, place: Place) -> None:
        """The client has the response, if the kernel is right: it is given out."""

    def unwritten(self, place: Place) -> None:
        """The client left before it had all of the response."""

    def release(self, claim: Claim) -> None:
        """The client of the request that claimed it has left, too: it may be claimed again."""
