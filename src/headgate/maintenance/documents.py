"""Directives as values of JSON, in which the store and a gate's own memory keep them.

A reader ignores fields that it does not know, so that a later version may add some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, TypeVar

from headgate.maintenance.directive import Directive, Park, ReadOnly

_Value = TypeVar("_Value")
_LATEST: Final = 253_402_300_799
"""The last second of the year 9999, in seconds since the epoch."""


class UnreadableDirectiveError(Exception):
    """A document is not as Headgate writes it; the message says how."""


def park_document(park: Park | None) -> dict[str, Any] | None:
    """A park as a value of JSON; ``None`` stays ``None``."""
    return None if park is None else asdict(park)


def read_only_document(read_only: ReadOnly | None) -> dict[str, Any] | None:
    """The same for the read-only switch."""
    return None if read_only is None else asdict(read_only)


def directive_document(directive: Directive) -> dict[str, Any]:
    """A whole directive as a value of JSON."""
    return {
        "upstream": directive.upstream,
        "revision": directive.revision,
        "asked": directive.asked,
        "park": park_document(directive.park),
        "read_only": read_only_document(directive.read_only),
    }


def read_park(value: object) -> Park | None:
    """What ``park_document`` has written.

    Raises:
        UnreadableDirectiveError: it is something else.
    """
    if value is None:
        return None
    found = _object(value)
    return Park(
        _text(found, "id"),
        _text(found, "by"),
        _text(found, "sentence"),
        _time(found, "started_at"),
        _time(found, "ends_at"),
        _typed(found, "lease", bool),
        _text(found, "admits"),
    )


def read_read_only(value: object) -> ReadOnly | None:
    """What ``read_only_document`` has written.

    Raises:
        UnreadableDirectiveError: it is something else.
    """
    if value is None:
        return None
    found = _object(value)
    return ReadOnly(
        _text(found, "id"),
        _text(found, "by"),
        _text(found, "sentence"),
        _time(found, "started_at"),
        _time(found, "ends_at"),
    )


def read_directive(value: object) -> Directive:
    """What ``directive_document`` has written.

    Raises:
        UnreadableDirectiveError: it is something else.
    """
    found = _object(value)
    return Directive(
        _text(found, "upstream"),
        _typed(found, "revision", int),
        read_park(found.get("park")),
        read_read_only(found.get("read_only")),
        _typed(found, "asked", int),
    )


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UnreadableDirectiveError("it is no JSON object")
    return value


def _typed(found: Mapping[str, object], name: str, kind: type[_Value]) -> _Value:
    value = found.get(name)
    if type(value) is not kind:
        raise UnreadableDirectiveError(f"{name} is missing, or is not as Headgate writes it")
    return value


def _text(found: Mapping[str, object], name: str) -> str:
    text = _typed(found, name, str)
    if not text.isprintable():
        raise UnreadableDirectiveError(f"{name} has characters that cannot be shown")
    return text


def _time(found: Mapping[str, object], name: str) -> float:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableDirectiveError(f"{name} is missing, or is no number of seconds")
    if not 0 <= value <= _LATEST:  # which NaN is not either
        raise UnreadableDirectiveError(f"{name} is no time that can be shown")
    return float(value)
