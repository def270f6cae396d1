"""Which settings a reload applies and which need a restart, as ``schema.py`` marks them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo

RESTART: dict[str, JsonValue] = {"restart": True}
"""Marks a setting, or a whole table, that needs a restart."""
RELOADED: dict[str, JsonValue] = {"restart": False}
"""Marks a setting in such a table that a reload applies."""

_Model = TypeVar("_Model", bound=BaseModel)


def needs_restart(field: FieldInfo, *, inherited: bool) -> bool:
    """Whether a setting needs a restart; ``inherited``: the mark of its table."""
    marks = field.json_schema_extra
    if isinstance(marks, dict) and "restart" in marks:
        return bool(marks["restart"])
    return inherited


def merged(started: _Model, wanted: _Model, *, restart: bool = False) -> _Model:
    """The settings ``wanted``, with those that need a restart as in ``started``."""
    changes: dict[str, Any] = {}
    for name, field in type(wanted).model_fields.items():
        stays = needs_restart(field, inherited=restart)
        before, after = getattr(started, name), getattr(wanted, name)
        if before == after:
            continue
        if isinstance(before, BaseModel) and isinstance(after, BaseModel):
            changes[name] = merged(before, after, restart=stays)
        elif stays:
            changes[name] = before
    return wanted.model_copy(update=changes) if changes else wanted


def waiting(
    started: BaseModel, wanted: BaseModel, *, restart: bool = False, path: str = ""
) -> Iterator[tuple[str, object, object]]:
    """Each setting that waits for a restart: its path, its value in force, and the new value."""
    for name, field in type(wanted).model_fields.items():
        stays = needs_restart(field, inherited=restart)
        before, after = getattr(started, name), getattr(wanted, name)
        if before == after:
            continue
        if isinstance(before, BaseModel) and isinstance(after, BaseModel):
            yield from waiting(before, after, restart=stays, path=f"{path}{name}.")
        elif stays:
            yield f"{path}{name}", before, after
