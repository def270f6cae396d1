"""What a store keeps of creates, for the gates that share it.

``tests/unit/stores/test_create_stores.py`` holds every implementation to it.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Protocol

from headgate.creates import Response, Verdict
from headgate.creates.shared import Look, Progress


@dataclass(frozen=True, slots=True)
class Enter:
    """A create is to be sent to MLflow: add a row if there is none alike that is not given out.

    Attributes:
        id: of the row.
        digest: what it has in common with creates alike.
        forced: add it whatever else is there.
    """

    id: int
    digest: bytes
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Give:
    """The response is about to be given to a client; refused where another process may give it.

    A row that is no longer there, since the store has lost it, is added.

    Attributes:
        id: of the row.
        digest: of the create.
        made: the short form of the id of what was created; empty if that is not known.
    """

    id: int
    digest: bytes
    made: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """The client has the response, if the kernel is right."""

    id: int


@dataclass(frozen=True, slots=True)
class TakeBack:
    """The client left before it had the response that was given: the create is in doubt.

    Where it was not given, since another process has claimed the create, this is as ``Keep``.
    """

    id: int
    response: Response
    made: bytes


@dataclass(frozen=True, slots=True)
class Doubt:
    """The client of a create is gone, or MLflow's response was lost.

    Attributes:
        id: of the row.
        awaited: whether MLflow's response is still awaited.
        failed: whether MLflow has responded that it failed.
    """

    id: int
    awaited: bool
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Keep:
    """MLflow's response to a create in doubt is here, or is no longer awaited.

    The latter where somebody else was given what it has made.
    """

    id: int
    response: Response
    made: bytes


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing was created, or it is sent as a new one: there is nothing to remember."""

    id: int


@dataclass(frozen=True, slots=True)
class Release:
    """The request that had claimed a create waits no more: it may be claimed again."""

    id: int


@dataclass(frozen=True, slots=True)
class Note:
    """A create that has no row was given out: nobody else may be given what it made."""

    id: int
    digest: bytes
    made: bytes


Operation = Enter | Give | Written | TakeBack | Doubt | Keep | Forget | Release | Note
Answer = Look | bool | None
"""To ``Enter`` what there is, to ``Give`` whether it is allowed."""


class CreateStore(Protocol):
    """Creates as the gates know them; the methods may block.

    Each raises ``HeadgateError`` where the store cannot be read or written, and
    ``OlderSchemaError`` where it has no place for them yet; then nothing has changed.
    """

    def apply(self, me: str, operations: Sequence[Operation]) -> list[Answer]:
        """Do these in this order, as the process ``me``, and say that it lives: all or nothing."""
        ...

    def look(self, digest: bytes) -> Look:
        """The creates with that digest that are not given out."""
        ...

    def claim(self, me: str, row: int, seen: str) -> bool:
        """Claim a create whose claimer was ``seen``; whether nobody else was faster."""
        ...

    def progress(self, me: str, row: int, gone: Container[str]) -> Progress | None:
        """How a create stands that ``me`` has claimed; ``None``: there is nothing to wait for.

        ``gone``: processes that are known to have ended.
        """
        ...

    def join(
        self, me: str, row: int, digest: bytes, found: Sequence[bytes], gone: Container[str]
    ) -> tuple[Verdict, bytes]:
        """Take one of the things that MLflow has, by their short ids: see ``verdict``."""
        ...

    def prune(self) -> int:
        """Delete what is of no use any more; how many rows are left."""
        ...

    def leave(self, me: str) -> None:
        """A process ends: what it has not given out is in doubt."""
        ...

    def close(self) -> None:
        """Give back what the store holds; it cannot be used afterwards."""
        ...
