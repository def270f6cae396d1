"""What a head that resembles the one before it says anew.

Whoever keeps a connection sends nearly the same head again and again: a trace context, a length
or a date is another one, and the rest is the same to the byte.  What the rest means is known then,
and of some fields it is known that nothing but their own value depends on them.
"""

from __future__ import annotations

from typing import Final

# A line says the same whoever reads it: a token, a colon, one space, and then visible ASCII.
_SPACE: Final = 0x20
_VISIBLE: Final = bytes(range(0x20, 0x7F))
MAX_DIGITS: Final = 15

Change = tuple[bytes, bytes, bytes]
"""A field's name, the line that had it before, and the new one: they differ in the value alone."""


class Lines:
    """The lines of a head that is understood.

    ``new`` are those in which it differed from the head before it: where one head differed from
    the last, the next is likely to.
    """

    __slots__ = ("_all", "_new")

    def __init__(self, head: bytes, new: tuple[int, ...] = ()) -> None:
        self._all = head.split(b"\r\n")
        self._new = new

    def compare(self, head: bytes) -> tuple[Lines, list[Change]] | None:
        """The lines of another head, and which of them are others than these.

        ``None`` when the two differ in more than the plain values of fields.
        """
        found = Lines(head, self._new)
        lines, before = found._all, self._all
        if len(lines) != len(before) or lines[0] != before[0]:
            return None
        guess = before.copy()
        for at in self._new:
            guess[at] = lines[at]
        if guess != lines:
            found._new = tuple(at for at, line in enumerate(lines) if line != before[at])
        changes = []
        for at in found._new:
            if lines[at] != before[at]:
                change = _change(before[at], lines[at])
                if change is None:
                    return None
                changes.append(change)
        return found, changes


def _change(old: bytes, new: bytes) -> Change | None:
    """What becomes of a line that llhttp has read; its name is a token, therefore."""
    colon = new.find(b":")
    value_at = colon + 2
    if colon <= 0 or len(new) <= value_at or new[:value_at] != old[:value_at]:
        return None
    if new[colon + 1] != _SPACE or new[value_at] == _SPACE or new[-1] == _SPACE:
        return None
    return None if new.translate(None, _VISIBLE) else (new[:colon], old, new)


def exchanged(lines: bytes, old: bytes, new: bytes) -> bytes | None:
    """The ``lines`` with ``new`` in place of ``old``, which must be one of them, and once."""
    at = lines.find(old + b"\r\n")
    # What is there once, and begins a line, is that line and stands in no other.
    if at < 0 or (at and lines[at - 1] != 0x0A) or lines.find(old + b"\r\n", at + 1) >= 0:
        return None
    return lines[:at] + new + lines[at + len(old) :]


def length_of(value: bytes) -> int | None:
    """The length that ``value`` says, unless somebody might read it in another way."""
    return int(value) if value.isdigit() and len(value) <= MAX_DIGITS else None
