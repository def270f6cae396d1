"""What a head that resembles the one before it says anew.

Whoever keeps a connection sends nearly the same head again and again: a trace context, a length
or a date is another one, and the rest is the same to the byte.  What the rest means is known then,
and of some fields it is known that nothing but their own value depends on them.
"""

from __future__ import annotations

import re

# Lines that say the same whoever reads them: one space, and visible ASCII from end to end.
_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): [!-~](?:[ -~]*[!-~])?")
_LENGTH = re.compile(rb"[0-9]{1,15}")

Change = tuple[bytes, bytes, bytes]
"""A field's name, the line that had it before, and the new one: they differ in the value alone."""


def changes(head: bytes, known: bytes) -> list[Change] | None:
    """The lines of ``head`` that are others than those of ``known``, which is understood.

    ``None`` when the two differ in more than the plain values of fields.
    """
    lines, before = head.split(b"\r\n"), known.split(b"\r\n")
    if len(lines) != len(before):
        return None
    found = []
    for line, old in zip(lines, before, strict=True):
        if line != old:
            match = _LINE.fullmatch(line)
            if match is None:
                return None
            value_at = match.end(1) + 2
            if old[:value_at] != line[:value_at]:
                return None
            found.append((match[1], old, line))
    return found


def exchanged(lines: bytes, old: bytes, new: bytes) -> bytes | None:
    """The ``lines`` with ``new`` in place of ``old``, which must be one of them, and once."""
    at = lines.find(old + b"\r\n")
    # What is there once, and begins a line, is that line and stands in no other.
    if at < 0 or (at and lines[at - 1] != 0x0A) or lines.find(old + b"\r\n", at + 1) >= 0:
        return None
    return lines[:at] + new + lines[at + len(old) :]


def length_of(value: bytes) -> int | None:
    """The length that ``value`` says, unless somebody might read it in another way."""
    return int(value) if _LENGTH.fullmatch(value) is not None else None
