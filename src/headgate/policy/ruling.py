"""The possible decisions on an operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from headgate.model import Action, Grants, ObjectField, ObjectKind, Operation


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request is allowed."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The request is denied.

    ``message`` is one sentence for the client: what the key may do, what the request needs, and
    what to ask the operator for.  ``needed`` is the missing grant, such as ``delete:models``, for
    the log.
    """

    message: str
    needed: str


class Requirement(NamedTuple):
    """The names that the objects in some fields of a request must have.

    Attributes:
        action: the action that the key needs ...
        family: ... on this family, which the requirement follows from.
        fields: the fields that name the objects.
        kind: ``EXPERIMENT`` or ``MODEL``: what to look up for each object.
        patterns: the allowed names; if empty, the request must name no object.
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

        The others are optional: MLflow does not act on their objects alone.
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
    """The decision depends on the names of the objects; ``headgate.policy.judge`` makes it."""

    grants: Grants
    operation: Operation
    requirements: tuple[Requirement, ...]

    @property
    def fields(self) -> tuple[ObjectField, ...]:
        """Where the request names the objects to look up, each field once."""
        found = (field for requirement in self.requirements for field in requirement.fields)
        return tuple(dict.fromkeys(found))


class ResolvedObject(NamedTuple):
    """An object that a request names, and the result of looking it up.

    Attributes:
        field: the field that names it.
        value: the value of the field.
        names: of the experiments that it belongs to, which may be several for a dataset; empty if
            the look-up failed.  A value that is itself a name needs no look-up.
        absent: MLflow has no such object.
    """

    field: ObjectField
    value: str
    names: tuple[str, ...] = ()
    absent: bool = False


Ruling = Allowed | Denied | NeedsObject

ALLOWED: Final = Allowed()
