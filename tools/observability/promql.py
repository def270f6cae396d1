"""Pieces of PromQL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def duration(seconds: int) -> str:
    """Seconds as Prometheus writes them, in the largest unit that they are a multiple of."""
    return next(f"{seconds // size}{unit}" for unit, size in _UNITS if seconds % size == 0)


def any_of(values: Iterable[str]) -> str:
    """A regular expression for any of these values, which are plain words."""
    return "|".join(values)


def indented(text: str, by: int = 2) -> str:
    """Each line of ``text`` further to the right."""
    return "\n".join(" " * by + line for line in text.split("\n"))
