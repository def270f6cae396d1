"""Places in shared memory that the processes of a gate give out while it runs.

Some series cannot be laid out before the start: those of upstreams, which a reload may bring, and
those of rare combinations of labels, of which there are more than a page may show.  They have a
fixed number of places.  The first process that needs one claims it, under a lock that the system
releases when its holder dies, and all others see it from then on.  A place is never given away
again, so a series never changes its meaning, and no counter goes down.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

_COUNT: Final = 8
"""Bytes of the number of places that are taken; it is written after the place."""


class Claims:
    """A table of records, each of which is added once; made before the workers are forked.

    Args:
        places: how many records there can be.
        width: the most bytes that a record has; none ends in a zero byte.
    """

    def __init__(self, places: int, width: int) -> None:
        self._places = places
        self._width = width
        self._memory = mmap.mmap(-1, _COUNT + places * width)
        self._count = memoryview(self._memory)[:_COUNT].cast("q")
        self._seen: list[bytes] = []
        self._index: dict[bytes, int] = {}
        # Locks of files hold between processes; a mutex, between the threads of one.
        self._file = os.memfd_create("headgate-claims", os.MFD_CLOEXEC)
        self._mutex = threading.Lock()
        weakref.finalize(self, os.close, self._file)

    def records(self) -> Sequence[bytes]:
        """Every record, in the order in which they were claimed."""
        if self._count[0] != len(self._seen):
            with self._locked():
                self._read()
        return self._seen

    def find(self, record: bytes) -> int | None:
        """The place of a record, if it has one."""
        self.records()
        return self._index.get(record)

    def claim(self, record: bytes, fits: Callable[[Sequence[bytes]], bool]) -> int | None:
        """The place of a record, which gets one if it has none.

        Args:
            record: what is to have a place.
            fits: whether it may have one beside those that are there already.

        Returns:
            ``None`` if there is none left, or it does not fit.
        """
        with self._locked():
            self._read()
            at = self._index.get(record)
            if at is not None:
                return at
            at = len(self._seen)
            if at == self._places or len(record) > self._width or not fits(self._seen):
                return None
            start = _COUNT + at * self._width
            self._memory[start : start + len(record)] = record
            self._count[0] = at + 1
            self._read()
            return at

    def _read(self) -> None:
        for at in range(len(self._seen), self._count[0]):
            start = _COUNT + at * self._width
            record = self._memory[start : start + self._width].rstrip(b"\0")
            self._index[record] = at
            self._seen.append(record)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._mutex:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


class UpstreamPlaces:
    """The places of upstreams among the series of metrics.

    The first 16 that are ever configured have one each, and keep it: one that a reload removes and
    another brings back goes on with its counts.  All others share the place of ``other``.

    Args:
        places: how many have one of their own.
        other: the name that stands for all others.
    """

    def __init__(self, places: int, other: str) -> None:
        self._others_place = places
        self._other = other
        self._claims = Claims(places, 255)

    def place(self, name: str) -> int:
        """The place of an upstream, which gets one if there is one left."""
        record = name.encode()
        at = self._claims.find(record)
        if at is None and name != self._other:
            at = self._claims.claim(record, lambda _taken: True)
        return self._others_place if at is None else at

    def names(self) -> list[str]:
        """The names of those that have a place, in the order of their places."""
        return [record.decode() for record in self._claims.records()]
