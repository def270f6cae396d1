"""The journal: what is being done to MLflow, what can be returned to, and what was measured.

It is one JSON document in the folder of state, replaced before each step.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Final

from headgate.deploy.fields import Fields
from headgate.deploy.mlflow import records
from headgate.deploy.mlflow.phases import FORWARD, Kind, Step, is_back
from headgate.deploy.mlflow.records import Snapshot, Version
from headgate.errors import HeadgateError

FORMAT: Final = 1
MOST_MEASURED: Final = 10


class JournalError(HeadgateError):
    """The journal cannot be read or written; the message says how to go on."""


@dataclass(frozen=True, slots=True)
class Move:
    """An upgrade or a rollback, from its first step to its end.

    Attributes:
        id: drawn at random; the sentence of the park has it, by which a park is known as one's own.
        kind: which of the two.
        host: as ``Host.name`` has it; ``database`` likewise, ``gate`` is its address.
        upstream: the name of the one that is parked.
        source: what runs before.
        target: what is to run.
        step: what the command does at the moment; it may be done, wholly or in part, or not.
        operator: who, and where the command runs.
        started_at: seconds since the epoch.
        put_back: the snapshot that a rollback restores.
        snapshot: the database as it was before: the way back.  None until it is whole.
        park: the id of the park, empty until there is one.
        credential: the id of the key that verifies, likewise.
        cause: why it goes back; empty on the way forward.
    """

    id: str
    kind: Kind
    host: str
    database: str
    gate: str
    upstream: str
    source: Version
    target: Version
    step: Step
    operator: str
    started_at: float
    put_back: Snapshot | None = None
    snapshot: Snapshot | None = None
    park: str = ""
    credential: str = ""
    cause: str = ""

    @property
    def back(self) -> bool:
        """Whether it goes back to ``source``."""
        return is_back(self.step)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one upgrade took, in seconds, for the estimates of later ones.

    ``database`` is in bytes.
    """

    at: float
    database: int
    snapshot: float
    migrate: float
    start: float


@dataclass(frozen=True, slots=True)
class Journal:
    """All of it.

    Attributes:
        in_progress: what was begun and not ended.
        last: the last upgrade, if it has not been rolled back.
        measured: the latest last.
    """

    in_progress: Move | None = None
    last: Move | None = None
    measured: tuple[Measured, ...] = ()

    def begin(self, move: Move) -> Journal:
        """With something in progress."""
        return replace(self, in_progress=move)

    def end(self, move: Move, measured: Measured | None = None) -> Journal:
        """With nothing in progress: ``move`` is what is over."""
        kept = self.measured if measured is None else (*self.measured, measured)
        last = move if move.kind is Kind.UPGRADE else None
        return Journal(None, self.last if move.back else last, kept[-MOST_MEASURED:])

    def to_text(self) -> str:
        """The document."""
        return json.dumps({"format": FORMAT} | asdict(self), indent=1) + "\n"


def read(text: str | None, place: str) -> Journal:
    """The journal of a text; an empty one if there is none yet.

    Raises:
        JournalError: the text is not a journal of this format.  It is never replaced unread,
            because it may name the only way back.
    """
    if text is None:
        return Journal()
    try:
        return _journal(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(
            f"the journal {place} cannot be read ({error}): put back the last version of it that "
            "is whole; if there is none, look where MLflow and its database stand before you "
            "remove it"
        ) from None


def _journal(document: object) -> Journal:
    fields = Fields(document, "format", "in_progress", "last", "measured")
    fields.require("format", FORMAT)
    return Journal(
        fields.optional("in_progress", _move),
        fields.optional("last", _move),
        fields.each("measured", _measured),
    )


_TEXTS: Final = (
    *("id", "host", "database", "gate", "upstream", "operator", "park", "credential", "cause"),
)


def _move(document: object) -> Move:
    others = ("kind", "source", "target", "step", "started_at", "put_back", "snapshot")
    fields = Fields(document, *_TEXTS, *others)
    move = Move(
        **fields.texts(*_TEXTS),
        kind=fields.named("kind", Kind),
        source=fields.one("source", _version),
        target=fields.one("target", _version),
        step=fields.named("step", Step),
        started_at=fields.number("started_at"),
        put_back=fields.optional("put_back", _snapshot),
        snapshot=fields.optional("snapshot", _snapshot),
    )
    if not move.back and move.step not in FORWARD[move.kind]:
        raise ValueError(f"no {move.kind.value} has a step '{move.step.value}'")
    if (move.put_back is None) is (move.kind is Kind.ROLLBACK):
        raise ValueError("a rollback, and nothing else, has a snapshot that is put back")
    return move


def _version(document: object) -> Version:
    texts = ("number", "head", "place")
    return Version(**Fields(document, *texts).texts(*texts))


def _snapshot(document: object) -> Snapshot:
    texts = ("place", "head", "digest")
    fields = Fields(document, *texts, "kind", "at", "size", "external", "tables")
    return Snapshot(
        **fields.texts(*texts),
        kind=fields.named("kind", records.Kind),
        at=fields.number("at"),
        size=int(fields.number("size")),
        external=fields.flag("external"),
        tables=fields.each("tables", _table),
    )


def _table(document: object) -> str:
    if not isinstance(document, str):
        raise ValueError("'tables' is not a list of texts")
    return document


def _measured(document: object) -> Measured:
    names = ("at", "snapshot", "migrate", "start")
    fields = Fields(document, *names, "database")
    numbers = {name: fields.number(name) for name in names}
    return Measured(database=int(fields.number("database")), **numbers)
