"""What a head that resembles the one before it says anew.

Whoever keeps a connection sends nearly the same head again and again: a trace context, a length
or a date is another one, and the rest is the same to the byte.  What the rest means is known then,
and of some fields it is known that nothing but their own value depends on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

# Visible ASCII says the same whoever reads it.
_VALUE: Final = re.compile(rb"[!-~](?:[ -~]*[!-~])?")
MAX_DIGITS: Final = 15


class Pattern:
    """What heads have in common that differ in nothing but the plain values of certain fields.

    ``names``: those of the fields, as spelled and in order.

    Args:
        lines: one of the heads.
        places: which of the lines are those of the fields, in order.
        names: see above.
    """

    __slots__ = ("_first", "_rest", "names", "places")

    def __init__(self, lines: list[bytes], places: list[int], names: list[bytes]) -> None:
        self.places = places
        self.names = names
        parts, start = [], 0
        for place, name in zip(places, names, strict=True):
            parts.append(b"\r\n".join([*lines[start:place], name + b": "]))
            start = place + 1
        parts.append(b"\r\n".join(lines[start:]))
        self._first = parts[0]
        self._rest = [b"\r\n" + part for part in parts[1:]]

    def values(self, head: bytes) -> list[bytes] | None:
        """The values of the fields in ``head``; ``None`` when it is none of these heads."""
        at = len(self._first)
        if head[:at] != self._first:
            return None
        found = []
        for part in self._rest:
            value = _VALUE.match(head, at)
            if value is None:
                return None
            start, end = at, value.end()
            at = end + len(part)
            if head[end:at] != part:
                return None
            found.append(head[start:end])
        return found if at == len(head) else None


def pattern_of(
    last: bytes, head: bytes, known: Pattern | None
) -> tuple[Pattern, list[bytes]] | None:
    """The pattern of two heads that follow one another, and the values that the first one has.

    ``known`` is the pattern that the first was one of: what has varied before is likely to go on.
    ``None`` when the two differ in more than the plain values of fields.
    """
    before, lines = last.split(b"\r\n"), head.split(b"\r\n")
    if len(before) != len(lines):
        return None
    found = {at for at, line in enumerate(lines) if line != before[at]}
    places = sorted(found.union(known.places) if known is not None else found)
    names = []
    for place in places:
        name, colon, _ = before[place].partition(b": ")
        if not (place and name and colon) or b":" in name:
            return None
        names.append(name)
    if not names:
        return None
    pattern = Pattern(lines, places, names)
    values = pattern.values(last)
    return (pattern, values) if values is not None else None


class Template:
    """Lines of a head in which some values are to be filled in.

    Args:
        lines: as they stand in a head.
        fields: those to be filled in: which value each takes, its name, and the value that it has
            now; each is a line of its own.

    Raises:
        LookupError: one of them does not stand there, or more than once.
    """

    __slots__ = ("_first", "_rest")

    def __init__(self, lines: bytes, fields: Iterable[tuple[int, bytes, bytes]]) -> None:
        found = []
        whole = b"\r\n" + lines
        for which, name, value in fields:
            line = b"\r\n%b: %b\r\n" % (name, value)
            place = whole.find(line)
            # What is there once is that line, and stands in no other.
            if place < 0 or whole.find(line, place + 1) >= 0:
                raise LookupError(name)
            start = place + len(name) + 2  # in ``lines``, which are two bytes shorter
            found.append((start, start + len(value), which))
        found.sort()
        self._first = lines[: found[0][0]]
        self._rest = []
        for (_, end, which), following in zip(found, [*found[1:], None], strict=True):
            until = following[0] if following is not None else len(lines)
            self._rest.append((which, lines[end:until]))

    def fill(self, values: Sequence[bytes]) -> bytes:
        """The lines with each field's one of the ``values``."""
        parts = [self._first]
        for which, part in self._rest:
            parts.append(values[which])
            parts.append(part)
        return b"".join(parts)


def length_of(value: bytes) -> int | None:
    """The length that ``value`` says, unless somebody might read it in another way."""
    return int(value) if value.isdigit() and len(value) <= MAX_DIGITS else None
