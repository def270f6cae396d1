"""Reads the fields of a journal: strictly, because what follows from it cannot be undone."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

Named = TypeVar("Named", bound=StrEnum)
Read = TypeVar("Read")


class Fields:
    """The fields of one JSON object.

    Each method raises ``ValueError`` with what is wrong, in a clause; the journal says where it is
    kept, and how to go on.

    Args:
        document: the object.
        names: the fields that it has to have; it may have no others.
    """

    def __init__(self, document: object, *names: str) -> None:
        if not isinstance(document, dict):
            raise ValueError(f"an object was expected, not {type(document).__name__}")
        if document.keys() != set(names):
            different = sorted(document.keys() ^ set(names))
            raise ValueError(f"missing or unknown members: {', '.join(different)}")
        self._fields: dict[str, Any] = document

    def require(self, name: str, known: int) -> None:
        """Refuse another version of the journal than this Headgate knows."""
        if self._fields[name] != known:
            raise ValueError(
                f"it has {name} {self._fields[name]!r}, and this Headgate knows {known}: use the "
                "version of Headgate that wrote it"
            )

    def text(self, name: str) -> str:
        """A text."""
        value = self._fields[name]
        if not isinstance(value, str):
            raise ValueError(f"'{name}' is not a text")
        return value

    def texts(self, *names: str) -> dict[str, str]:
        """Several texts."""
        return {name: self.text(name) for name in names}

    def named(self, name: str, names: type[Named]) -> Named:
        """A text that is one of these names."""
        return names(self.text(name))

    def number(self, name: str) -> float:
        """A number."""
        value = self._fields[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"'{name}' is not a number")
        return float(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._fields[name]
        if not isinstance(value, bool):
            raise ValueError(f"'{name}' is not true or false")
        return value

    def each(self, name: str, read: Callable[[object], Read]) -> tuple[Read, ...]:
        """What ``read`` makes of the items of a list."""
        value = self._fields[name]
        if not isinstance(value, list):
            raise ValueError(f"'{name}' is not a list")
        return tuple(map(read, value))

    def one(self, name: str, read: Callable[[object], Read]) -> Read:
        """What ``read`` makes of an object."""
        return read(self._fields[name])

    def optional(self, name: str, read: Callable[[object], Read]) -> Read | None:
        """What ``read`` makes of an object, or ``None`` where there is none."""
        value = self._fields[name]
        return None if value is None else read(value)
