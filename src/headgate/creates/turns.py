"""The turns in which the processes change what they share, one at a time.

A turn lasts microseconds, but a process may be kept from running within one, by whatever else its
machine does.  The others do not wait for that: what they cannot do now they do in their next turn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from headgate.creates.places import Places
from headgate.creates.records import Lock


class BusyError(Exception):
    """Another process was stopped within its turn: it is to be tried again in a moment."""


class Turns:
    """The turns of one process.

    Args:
        lock: held by the process whose turn it is.
        places: the memory.
        me: the number of this process.
    """

    def __init__(self, lock: Lock, places: Places, me: int) -> None:
        self._lock = lock
        self._places = places
        self._me = me
        self._due: list[Callable[[], None]] = []
        self._living: dict[int, bool] | None = None  # what is known in this turn

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Have a turn; yields whether it could be had.  What is due is done first."""
        held = self._lock.acquire()
        try:
            if held:
                self._living = {}
                while self._due:  # one that fails keeps none of the others from being made
                    self._due.pop(0)()
            yield held
        finally:
            if held:
                self._living = None
                self._lock.release()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Have a turn.

        Raises:
            BusyError: it could not be had.
        """
        with self.turn() as held:
            if not held:
                raise BusyError
            yield

    def do(self, change: Callable[[], None], *, alone: bool = False) -> None:
        """Change something in a turn: in this one, or in the next that can be had.

        Args:
            change: does it.
            alone: whether it may be done without, if need be.
        """
        with self.turn() as held:
            if held or alone:
                change()
            else:
                self._due.append(change)

    def catch_up(self) -> bool:
        """Do what is due, if that can be had; whether anything still is."""
        if self._due:
            with self.turn():
                pass
        return bool(self._due)

    def lives(self, owner: int) -> bool:
        """Whether a process lives, by its number; asked of the kernel once in a turn."""
        if owner == self._me:
            return True
        known = None if self._living is None else self._living.get(owner)
        if known is None:
            slot = self._places.slot_of(owner)
            known = slot is not None and self._lock.lives(slot)
            if self._living is not None:
                self._living[owner] = known
        return known
