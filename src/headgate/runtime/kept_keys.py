"""The keys that a worker leaves to those that replace it: a file in memory that it adds to.

The file begins with the moment at which its keys were last compared with the store.  Parts follow:
first all keys, then what has changed, so that one change costs the same whatever the number of
keys.  Each part has its length and checksum before it, and the last part of what was read together
says up to where it was read: what a worker that was killed has half written is left out.  One
worker of a gate is enough to leave them.
"""

from __future__ import annotations

import os
import pickle
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from headgate.auth.keys.left import LeftKeys
from headgate.runtime.link import Link, memory_file
from headgate.stores.identity import Changes, Position
from headgate.stores.records import KeyRecord, PrincipalRecord

_MOMENT: Final = struct.Struct("d")
_PART: Final = struct.Struct("II")  # the length and the checksum of what follows
_TOGETHER: Final = 500
"""How many records make one part: to write more would hold up the threads that serve clients."""
_SPARE: Final = 1024 * 1024
"""Bytes of changes that are added before they are compared with what all keys take."""

_of_principal: Final = attrgetter(*(each.name for each in fields(PrincipalRecord)))
_of_key: Final = attrgetter(*(each.name for each in fields(KeyRecord)))

_FORM: Final = repr([[each.name for each in fields(kind)] for kind in (PrincipalRecord, KeyRecord)])
KIND: Final = f"keys-{zlib.crc32(_FORM.encode()):08x}"
"""What another version of Headgate could not read has another name there."""


class KeptKeys:
    """Leaves the keys of this worker, and has those that another one left; a ``KeysKeeper``.

    Args:
        link: to the supervisor, which has the file.
        leaves: whether this worker leaves any.
    """

    def __init__(self, link: Link, *, leaves: bool) -> None:
        self._link: Final = link
        self._leaves: Final = leaves
        self._file: int | None = None
        self._size = self._size_of_all = 0
        self._is_new = False

    @property
    def is_full(self) -> bool:
        """See ``KeysKeeper``."""
        return self._size - self._size_of_all > max(_SPARE, self._size_of_all)

    def write(self, changes: Changes) -> None:
        """See ``KeysKeeper``."""
        if not self._leaves:
            return
        if changes.complete:
            self.close()
            self._file, self._size, self._is_new = memory_file(KIND), _MOMENT.size, True
            os.pwrite(self._file, _MOMENT.pack(0.0), 0)
        if self._file is None:
            return
        for part in _parts(changes):
            content = pickle.dumps(part)
            head = _PART.pack(len(content), zlib.crc32(content))
            self._size += os.pwrite(self._file, head + content, self._size)
        if changes.complete:
            self._size_of_all = self._size

    def compared(self, at: float) -> None:
        """See ``KeysKeeper``; called in the thread of the event loop, as the link wants it."""
        if self._file is not None:
            os.pwrite(self._file, _MOMENT.pack(at), 0)
            if self._is_new:
                self._is_new = False
                self._link.keep_file(KIND, os.dup(self._file))

    def left(self) -> LeftKeys | None:
        """The keys that were left last; ``None``: none were."""
        content = self._link.kept(KIND)
        if content is None or len(content) < _MOMENT.size:
            return None
        last: Position | None = None
        principals: dict[str, PrincipalRecord] = {}
        keys: dict[str, KeyRecord] = {}
        unfinished: list[_Part] = []
        for part in _read_parts(content):
            unfinished.append(part)
            position = part[0]
            if position is None:
                continue
            last = position
            for _, some_principals, some_keys in unfinished:
                principals.update((each[0], PrincipalRecord(*each)) for each in some_principals)
                keys.update((each[0], KeyRecord(*each)) for each in some_keys)
            unfinished = []
        if last is None:
            return None
        (compared_at,) = _MOMENT.unpack_from(content)
        return LeftKeys(
            Changes(last, True, list(principals.values()), list(keys.values())), compared_at
        )

    def close(self) -> None:
        """Write no more; what was left stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


_Part = tuple[Position | None, Sequence[Any], Sequence[Any]]


def _parts(changes: Changes) -> Iterator[_Part]:
    """Changes in pieces; the records are plain tuples, which are written many times as fast."""
    principals = [_of_principal(each) for each in changes.principals]
    for at in range(0, len(principals), _TOGETHER):
        yield None, principals[at : at + _TOGETHER], ()
    for at in range(0, len(changes.keys), _TOGETHER):
        yield None, (), [_of_key(each) for each in changes.keys[at : at + _TOGETHER]]
    yield changes.position, (), ()


def _read_parts(content: bytes) -> Iterator[_Part]:
    at = _MOMENT.size
    while at + _PART.size <= len(content):
        length, checksum = _PART.unpack_from(content, at)
        at += _PART.size
        part = content[at : at + length]
        if len(part) < length or zlib.crc32(part) != checksum:
            return
        yield pickle.loads(part)  # noqa: S301 - written by this program, in memory of its own
        at += length
