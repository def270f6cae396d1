"""The strings of a parsed body, each with its path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from headgate.contract.body import snake_case

_MAX_NESTED: Final = 4
"""How many levels of JSON within a string are read."""


class Text(NamedTuple):
    """A string of a body; ``place``: its path, as snake-case names separated by ``.``."""

    place: str
    value: str

    @property
    def name(self) -> str:
        """The last of the names."""
        return self.place.rpartition(".")[2]


def texts(message: Mapping[str, Any]) -> Iterator[Text]:
    """All strings of a body, at any depth, including those of JSON within a string."""
    return _texts("", message, 0)


def _texts(place: str, value: Any, nested: int) -> Iterator[Text]:
    if isinstance(value, dict):
        for name, inner in value.items():
            spelled = snake_case(name)
            yield from _texts(f"{place}.{spelled}" if place else spelled, inner, nested)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(place, inner, nested)
    elif isinstance(value, str):
        yield Text(place, value)
        if nested < _MAX_NESTED and value.lstrip()[:1] in ("{", "["):
            yield from _texts(place, _parsed(value), nested + 1)


def _parsed(text: str) -> Any:
    """What MLflow would parse there; ``None`` if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
