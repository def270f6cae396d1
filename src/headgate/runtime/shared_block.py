"""A text in memory that processes share: a reader has one that was written whole.

It has two places, which are written in turn.  A number says how often it was written, and so which
place is the last; it grows once a text is in its place.  A writer that is killed in the middle
leaves the one before.  A reader that is overtaken by two writers finds that the digest in front of
the text does not fit, and reads again.
"""

from __future__ import annotations

import hashlib
from typing import Final

_CELL: Final = 8
_DIGEST: Final = 16
_HEAD: Final = _CELL + _DIGEST  # how long the text is, and its digest
_ATTEMPTS: Final = 1_000


class SharedBlock:
    """One text; of those who may write it, one does at a time.

    Args:
        memory: shared, all zero at first, of ``block_bytes(capacity)`` bytes.
        capacity: of the longest text, in bytes.
    """

    def __init__(self, memory: memoryview, capacity: int) -> None:
        self._number = memory[:_CELL].cast("Q")
        self._places = (
            memory[_CELL : _CELL + _HEAD + capacity],
            memory[_CELL + _HEAD + capacity :],
        )
        self._capacity = capacity

    @property
    def number(self) -> int:
        """How often it was written; 0: never."""
        return self._number[0]

    def write(self, text: bytes) -> None:
        """Put a text in place of the one before.

        Raises:
            ValueError: it is too long; nothing was written.
        """
        if len(text) > self._capacity:
            raise ValueError(f"{len(text)} bytes are more than there is room for")
        number = self._number[0] + 1
        place = self._places[number % 2]
        place[:_CELL] = len(text).to_bytes(_CELL, "little")
        place[_CELL:_HEAD] = _digest(number, text)
        place[_HEAD : _HEAD + len(text)] = text
        self._number[0] = number

    def read(self) -> tuple[int, bytes]:
        """How often it was written, and what was last; 0 and nothing if it never was.

        Raises:
            ValueError: the memory is damaged.
        """
        for _ in range(_ATTEMPTS):
            number = self._number[0]
            if number == 0:
                return 0, b""
            place = self._places[number % 2]
            length = int.from_bytes(place[:_CELL], "little")
            if length <= self._capacity:
                text = bytes(place[_HEAD : _HEAD + length])
                if bytes(place[_CELL:_HEAD]) == _digest(number, text):
                    return number, text
        raise ValueError("what is in shared memory is not what was written there")


def block_bytes(capacity: int) -> int:
    """How much memory a block takes for texts of that many bytes."""
    return _CELL + 2 * (_HEAD + capacity + -capacity % _CELL)


def _digest(number: int, text: bytes) -> bytes:
    return hashlib.blake2b(number.to_bytes(_CELL, "little") + text, digest_size=_DIGEST).digest()
