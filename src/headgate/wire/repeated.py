"""Understands a message head from the one before it on the same connection, without parsing it.

A client that keeps its connection sends nearly the same head with every request, and so does
MLflow: a trace context, a length or a date differs, and the rest is the same to the byte.  To parse
such a head anew is most of the cost of a small request (docs/explanation/performance.md).

Equal heads mean the same, so their meaning is kept as it is.  ``RepeatedHead`` is for heads that
differ in values.  It understands a head only if parsing it anew would give the same result:

1.  *The same fields.*  Outside the values of some fields the two heads are the same bytes.  So
    the start line is the same, and each field of the new head has its name, its colon and its line
    end where llhttp has found them in the old one.
2.  *Plain values.*  A value that differs is printable ASCII, not empty, after one space and with
    no space at its end.  It ends no line, and every parser reads it alike.
3.  *Nothing else depends on them.*  The caller says what each field is used for (``Use``).  The
    value of a ``FIXED`` field must be the same: framing, Connection, Host, credentials, the type
    of the content, and all that the gate decides by.  A ``READ`` value is interpreted anew.
4.  *One place to write it.*  A value that is passed on must stand exactly once in the lines that
    are, as a line of its own.  So fields that are given twice, or taken off by Connection, are
    parsed anew.

In doubt the head is parsed.  ``tests/unit/wire/test_request_repeated.py`` and
``test_response_repeated.py`` compare both ways for hostile heads.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable
from typing import Final

_VALUE: Final = re.compile(rb"[!-~](?:[ -~]*[!-~])?")
MAX_DIGITS: Final = 15


class Use(enum.Enum):
    """What is made of the value of a field."""

    PASSED = enum.auto()  # passed on, and not read
    READ = enum.auto()  # read, and not passed on as it stands
    DROPPED = enum.auto()  # neither
    FIXED = enum.auto()  # the meaning of the head depends on it


UseOf = Callable[[bytes, bytes], tuple[bytes, Use]]
"""Given a field's name as spelled, and its value: the lower-case name, and what it is used for."""


class RepeatedHead:
    """What heads have in common that differ only in the plain values of certain fields.

    Attributes:
        differing: which lines of such a head are those fields; the first line is 0.
        read: of the values those that are read: their index, and the field's lower-case name.
    """

    __slots__ = ("_first", "_passed_first", "_passed_rest", "_rest", "differing", "read")

    def __init__(
        self,
        texts: list[bytes],
        passed: tuple[bytes, list[tuple[int, bytes]]],
        differing: frozenset[int],
        read: list[tuple[int, bytes]],
    ) -> None:
        self._first = texts[0]
        self._rest = texts[1:]  # the text after each value
        self._passed_first, self._passed_rest = passed
        self.differing = differing
        self.read = read

    def values(self, head: bytes) -> list[bytes] | None:
        """The values of the fields in ``head``; ``None`` if it is not one of these heads."""
        at = len(self._first)
        if head[:at] != self._first:
            return None
        found = []
        for text in self._rest:
            value = _VALUE.match(head, at)
            if value is None:
                return None
            start, end = at, value.end()
            at = end + len(text)
            if head[end:at] != text:
                return None
            found.append(head[start:end])
        return found if at == len(head) else None

    def passed_on(self, values: list[bytes]) -> bytes:
        """The lines that are passed on from the head with these ``values``."""
        rest = self._passed_rest
        if not rest:
            return self._passed_first
        parts = [self._passed_first]
        for which, text in rest:
            parts.append(values[which])
            parts.append(text)
        return b"".join(parts)


def repeated_head(
    last: bytes, head: bytes, passed_on: bytes, use_of: UseOf, before: RepeatedHead | None
) -> RepeatedHead | None:
    """What two heads that follow one another have in common, if only plain values differ.

    Whether ``head`` has plain values too, ``RepeatedHead.values`` says.

    Args:
        last: the head before, which was parsed, or understood by ``before``.
        head: the new one.
        passed_on: the lines that were passed on from ``last``.
        use_of: what is made of a field, given the value that it had in ``last``.
        before: a field that has differed before is likely to differ again.
    """
    old, new = last.split(b"\r\n"), head.split(b"\r\n")
    if len(old) != len(new):
        return None
    differing = frozenset(at for at, line in enumerate(new) if line != old[at])
    if before is not None:
        differing |= before.differing
    texts, start = [], 0
    passed: list[tuple[int, bytes]] = []
    read: list[tuple[int, bytes]] = []
    for index, at in enumerate(sorted(differing)):
        spelled, colon, value = old[at].partition(b": ")
        if not (at and spelled and colon) or b":" in spelled or _VALUE.fullmatch(value) is None:
            return None
        name, use = use_of(spelled, value)
        if use is Use.FIXED:
            return None
        if use is Use.READ:
            read.append((index, name))
        elif use is Use.PASSED:
            passed.append((index, old[at]))
        texts.append(b"\r\n".join([*old[start:at], spelled + b": "]))
        start = at + 1
    texts.append(b"\r\n".join(old[start:]))
    found = _divided(passed_on, passed)
    if found is None:
        return None
    between = [texts[0], *(b"\r\n" + text for text in texts[1:])]
    return RepeatedHead(between, found, differing, read)


def _divided(
    lines: bytes, fields: Iterable[tuple[int, bytes]]
) -> tuple[bytes, list[tuple[int, bytes]]] | None:
    """The lines that are passed on, divided at the values of ``fields``.

    Returns:
        The text before the first value, then the index of each value and the text after it;
        ``None`` if one of the fields stands there more or less often than once.
    """
    whole = b"\r\n" + lines
    found: list[tuple[int, int, int]] = []
    for index, field in fields:
        line = b"\r\n%b\r\n" % field
        at = whole.find(line)
        # What is there once is that line, and stands in no other.
        if at < 0 or whole.find(line, at + 1) >= 0:
            return None
        # Positions in ``lines`` are two lower than in ``whole``.
        found.append((at + field.index(b": ") + 2, at + len(field), index))
    found.sort()
    starts = [start for start, _, _ in found] + [len(lines)]
    rest = [(index, lines[end : starts[at + 1]]) for at, (_, end, index) in enumerate(found)]
    return lines[: starts[0]], rest


def length_of(value: bytes) -> int | None:
    """The length that a plain value states, unless a parser could read it in another way."""
    return int(value) if value.isdigit() and len(value) <= MAX_DIGITS else None
