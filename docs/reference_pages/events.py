"""The page of events, from ``headgate.events``: names, levels, and what docstrings say."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import types
import typing
from collections.abc import Iterator

from docs.reference_pages.markdown import GENERATED, table
from headgate.events import EVENTS, Event, field_names
from headgate.model import Endpoint

_INTRODUCTION = """# Events

What the event log tells besides the [fields that every line has](log-fields.md#the-event-log):
the names that `event` can have, and the fields of each. Warnings and errors of libraries are lines
named `log`.

"""
_TYPES = {str: "string", int: "integer", float: "number", bool: "true or false"}


def page() -> str:
    """The whole page."""
    rows = ((f"[`{each.name}`](#{each.name})", each.level, meaning(each)) for each in EVENTS)
    header = ("Event", "Level", "What happened")
    return GENERATED + _INTRODUCTION + table(header, rows) + "".join(map(_section, EVENTS))


def _section(kind: type[Event]) -> str:
    rows = list(_field_rows(kind))
    if not rows:
        return f"\n## `{kind.name}`\n\n{meaning(kind)}\n"
    fields = table(("Field", "Type", "What it says"), rows)
    return f"\n## `{kind.name}`\n\n{meaning(kind)}\n\n{fields}"


def _field_rows(kind: type[Event]) -> Iterator[tuple[str, str, str]]:
    hints = typing.get_type_hints(kind)
    for name in field_names(kind):
        kind_of_value, when = _type(hints[name])
        yield f"`{name}`", kind_of_value, field_meanings(kind)[name] + when


def meaning(kind: type[Event]) -> str:
    """What the docstring of an event says before its attributes."""
    return " ".join(_docstring(kind).partition("\nAttributes:")[0].split()).replace("``", "`")


def field_meanings(kind: type[Event]) -> dict[str, str]:
    """What the docstrings of an event and its bases say of each field."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if dataclasses.is_dataclass(each):
            _, _, attributes = _docstring(each).partition("\nAttributes:\n")
            for match in re.finditer(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
                found[match[1]] = " ".join(match[2].split()).replace("``", "`")
    return found


def _docstring(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _type(hint: object) -> tuple[str, str]:
    """The type in JSON, and when the field is there if it is not always."""
    if isinstance(hint, types.UnionType):
        (inner,) = (each for each in hint.__args__ if each is not types.NoneType)
        return _type(inner)[0], " (where there is one)"
    if typing.get_origin(hint) is tuple:
        return "list of strings", ""
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return ", ".join(f"`{each.value}`" for each in hint), ""
    if hint is Endpoint:
        return "string", ""
    assert isinstance(hint, type)  # noqa: S101 - a new type of field needs a line here
    return _TYPES[hint], ""
