"""The answers to whether a key may do something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from headgate.model import Action, Grants, ObjectField, ObjectKind, Operation


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may pass."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The request may not pass.

    ``message`` is one sentence for who sent it: what the key may do, what this needs, whom to ask
    for what.  ``needed`` is the grant that is lacking, such as ``delete:models``, for a log.
    """

    message: str
    needed: str


class Requirement(NamedTuple):
    """What the objects that some fields of a request name must be called.

    Attributes:
        action: what the key must be allowed to do ...
        family: ... with this family, to which the requirement is due.
        fields: where the objects are named.
        kind: ``EXPERIMENT`` or ``MODEL``: what to look up for each of them.
        patterns: what it may be called; without any, none may be named.
        must_name: whether one of the ``leading`` fields has to name an object.
    """

    action: Action
    family: str
    fields: tuple[ObjectField, ...]
    kind: ObjectKind
    patterns: tuple[str, ...]
    must_name: bool

    @property
    def leading(self) -> tuple[ObjectField, ...]:
        """The fields of which one has to name an object.

        The others name what may be there besides: MLflow acts on nothing of theirs alone.
        """
        first = self.fields[0]
        return tuple(
            field
            for field in self.fields
            if field is first
            or field.instead
            or (field.kind is first.kind and not field.may_be_new and "." not in field.name)
        )


class NeedsObject(NamedTuple):
    """It depends on what the objects are called; ``headgate.policy.judge`` decides."""

    grants: Grants
    operation: Operation
    requirements: tuple[Requirement, ...]

    @property
    def fields(self) -> tuple[ObjectField, ...]:
        """Where the request names the objects to look up, each field once."""
        found = (field for requirement in self.requirements for field in requirement.fields)
        return tuple(dict.fromkeys(found))


class ResolvedObject(NamedTuple):
    """An object that a request names, and what came of looking it up.

    Attributes:
        field: where it is named.
        value: what stands there.
        names: of the experiments that it lies in, which may be several for a data set; empty if
            they could not be found out.  Where a value is a name itself, nothing need be looked up.
        absent: MLflow said that there is no such object.
    """

    field: ObjectField
    value: str
    names: tuple[str, ...] = ()
    absent: bool = False


Decision = Allowed | Denied | NeedsObject

ALLOWED: Final = Allowed()
