"""The journal: what is being done to MLflow, what can be returned to, and what was measured.

It is one JSON document in the folder of state, replaced before each step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

from headgate.deploy.mlflow import records
from headgate.deploy.mlflow.phases import FORWARD, Kind, Step, is_back
from headgate.deploy.mlflow.records import Snapshot, Version
from headgate.errors import HeadgateError

FORMAT: Final = 1
MOST_MEASURED: Final = 10

Named = TypeVar("Named", bound=StrEnum)


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
    fields = _members(document, "format", "in_progress", "last", "measured")
    if fields["format"] != FORMAT:
        raise ValueError(
            f"it has format {fields['format']!r}, and this Headgate knows {FORMAT}: use the "
            "version of Headgate that wrote it"
        )
    if not isinstance(fields["measured"], list):
        raise ValueError("'measured' is not a list")
    return Journal(
        _optional(fields["in_progress"], _move),
        _optional(fields["last"], _move),
        tuple(map(_measured, fields["measured"])),
    )


Read = TypeVar("Read")


def _optional(document: object, read_: Callable[[object], Read]) -> Read | None:
    return None if document is None else read_(document)


_TEXTS: Final = (
    *("id", "host", "database", "gate", "upstream", "operator", "park", "credential", "cause"),
)


def _move(document: object) -> Move:
    others = ("kind", "source", "target", "step", "started_at", "put_back", "snapshot")
    fields = _members(document, *_TEXTS, *others)
    move = Move(
        **{name: _text(fields, name) for name in _TEXTS},
        kind=_named(fields, "kind", Kind),
        source=_version(fields["source"]),
        target=_version(fields["target"]),
        step=_named(fields, "step", Step),
        started_at=_number(fields, "started_at"),
        put_back=_optional(fields["put_back"], _snapshot),
        snapshot=_optional(fields["snapshot"], _snapshot),
    )
    if not move.back and move.step not in FORWARD[move.kind]:
        raise ValueError(f"no {move.kind.value} has a step '{move.step.value}'")
    if (move.put_back is None) is (move.kind is Kind.ROLLBACK):
        raise ValueError("a rollback, and nothing else, has a snapshot that is put back")
    return move


def _version(document: object) -> Version:
    fields = _members(document, "number", "head", "place")
    return Version(_text(fields, "number"), _text(fields, "head"), _text(fields, "place"))


def _snapshot(document: object) -> Snapshot:
    texts = ("place", "head", "digest")
    fields = _members(document, *texts, "kind", "at", "size", "external", "tables")
    tables = fields["tables"]
    if not isinstance(tables, list) or not all(isinstance(each, str) for each in tables):
        raise ValueError("'tables' is not a list of texts")
    if not isinstance(fields["external"], bool):
        raise ValueError("'external' is not true or false")
    return Snapshot(
        **{name: _text(fields, name) for name in texts},
        kind=_named(fields, "kind", records.Kind),
        at=_number(fields, "at"),
        size=int(_number(fields, "size")),
        external=fields["external"],
        tables=tuple(tables),
    )


def _measured(document: object) -> Measured:
    names = ("at", "snapshot", "migrate", "start")
    fields = _members(document, *names, "database")
    numbers = {name: _number(fields, name) for name in names}
    return Measured(database=int(_number(fields, "database")), **numbers)


def _members(document: object, *names: str) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise ValueError(f"an object was expected, not {type(document).__name__}")
    if document.keys() != set(names):
        different = sorted(document.keys() ^ set(names))
        raise ValueError(f"missing or unknown members: {', '.join(different)}")
    return document


def _named(fields: Mapping[str, Any], name: str, names: type[Named]) -> Named:
    return names(_text(fields, name))


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise ValueError(f"'{name}' is not a text")
    return value


def _number(fields: Mapping[str, Any], name: str) -> float:
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"'{name}' is not a number")
    return float(value)
