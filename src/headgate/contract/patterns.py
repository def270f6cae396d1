"""Finds, of many path patterns, the first that a path fits, in a few steps.

A pattern is written as FastAPI has it: ``{name}`` stands for one segment, or a part of one, and
``{name:path}`` for anything, slashes included, or nothing.  MLflow tries its routes in order, so
of all patterns that fit the one with the lowest rank decides.  Each step looks a segment up in a
table; no path, however made, costs more than time in proportion to its length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

_PARAMETER = re.compile(r"{\w+}")
_ANYTHING = re.compile(r"{\w+:path}")


class Match(NamedTuple, Generic[T]):
    """What a pattern stands for, and which of several comes first."""

    rank: int
    value: T


@dataclass(slots=True)
class _Node(Generic[T]):
    """The patterns that have begun alike so far."""

    static: dict[bytes, _Node[T]] = field(default_factory=dict)
    affixed: list[tuple[bytes, bytes, _Node[T]]] = field(default_factory=list)
    any_segment: _Node[T] | None = None
    rests: list[tuple[_Rest, Match[T]]] = field(default_factory=list)
    end: Match[T] | None = None


class _Rest(NamedTuple):
    """A pattern from its first ``{name:path}`` on: the literal text between such parameters.

    ``segment``: after the last of them comes one segment, whatever it holds.
    """

    literals: tuple[bytes, ...]
    segment: bool

    @classmethod
    def of(cls, pattern: str) -> _Rest:
        """What a pattern that begins with ``{name:path}`` asks for."""
        literals = _ANYTHING.split(pattern)[1:]
        last, *others = _PARAMETER.split(literals[-1])
        if others not in ([], [""]) or any(map(_PARAMETER.search, literals[:-1])):
            raise ValueError(f"a parameter stands where no pattern of MLflow's has one: {pattern}")
        return cls(tuple(text.encode("ascii") for text in (*literals[:-1], last)), bool(others))

    def fits(self, path: bytes, start: int) -> bool:
        """Whether the path fits from ``start`` on, whatever the parameters come to."""
        end = len(path)
        if self.segment:
            end = path.rfind(b"/", start) + 1
            if end in (0, len(path)):
                return False
        for literal in self.literals[:-1]:
            at = path.find(literal, start, end)
            if at < 0:
                return False
            start = at + len(literal)
        return path.endswith(self.literals[-1], start, end)


class Patterns(Generic[T]):
    """Patterns with a value each."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, pattern: str, rank: int, value: T) -> None:
        """Add a pattern that begins with ``/``; of equal patterns the lower rank stays.

        Raises:
            ValueError: for a pattern that is unlike any of MLflow's.
        """
        match = Match(rank, value)
        node = self._root
        at = 1
        while not _ANYTHING.match(pattern, at):
            segment, slash, _ = pattern[at:].partition("/")
            node = _child(node, segment)
            at += len(segment) + 1
            if not slash:
                if node.end is None or rank < node.end.rank:
                    node.end = match
                return
        node.rests.append((_Rest.of(pattern[at:]), match))

    def find(self, path: bytes) -> T | None:
        """The value of the first pattern, by rank, that ``path`` fits."""
        match = _find(self._root, path, 1, None)
        return None if match is None else match.value


def _child(node: _Node[T], segment: str) -> _Node[T]:
    """The node after one more segment of a pattern."""
    before, *after = _PARAMETER.split(segment)
    if not after:
        return node.static.setdefault(segment.encode("ascii"), _Node())
    if len(after) > 1:
        raise ValueError(f"two parameters in one segment: {segment}")
    if before or after[0]:
        prefix, suffix = before.encode("ascii"), after[0].encode("ascii")
        for known_prefix, known_suffix, child in node.affixed:
            if (known_prefix, known_suffix) == (prefix, suffix):
                return child
        node.affixed.append((prefix, suffix, _Node()))
        return node.affixed[-1][2]
    if node.any_segment is None:
        node.any_segment = _Node()
    return node.any_segment


def _find(node: _Node[T], path: bytes, start: int, best: Match[T] | None) -> Match[T] | None:
    """The lowest in rank of ``best`` and what fits below ``node`` from ``start`` on."""
    for rest, match in node.rests:
        if (best is None or match.rank < best.rank) and rest.fits(path, start):
            best = match
    end = path.find(b"/", start)
    segment = path[start:] if end < 0 else path[start:end]
    for child in _children(node, segment):
        if end >= 0:
            best = _find(child, path, end + 1, best)
        elif child.end is not None and (best is None or child.end.rank < best.rank):
            best = child.end
    return best


def _children(node: _Node[T], segment: bytes) -> list[_Node[T]]:
    static = node.static.get(segment)
    found = [] if static is None else [static]
    for prefix, suffix, child in node.affixed:
        inner = len(segment) - len(prefix) - len(suffix)
        if inner > 0 and segment.startswith(prefix) and segment.endswith(suffix):
            found.append(child)
    if node.any_segment is not None and segment:
        found.append(node.any_segment)
    return found
