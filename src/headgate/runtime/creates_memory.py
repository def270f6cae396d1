"""The memory of creates in doubt: shared by the workers of a gate, and by the next gate.

It is a file in memory, so that locks on it can tell who lives: the kernel releases those of a
process that ends, however it ends.  They are locks of processes (``F_SETLK``), not of open files:
what a worker starts beside itself must not keep its locks.  One rule comes with them: a process
that closes any descriptor of the file, or unmaps it, gives up its locks; so no worker does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import struct
import time
from collections.abc import Callable, Sequence
from typing import Final

from headgate.creates import LAYOUT, OWNERS, SIZE, CreateTable
from headgate.creates.places import Places, slots_in_turn
from headgate.runtime.lasting_memory import LastingMemory

NAME: Final = f"creates-{LAYOUT}"
_TURN: Final = 0
_SLOTS: Final = 1
"""The byte whose lock is the turn, and the first of those whose locks are the owners'."""
_PATIENCE: Final = 0.005
"""Seconds. A turn lasts some 20 microseconds; who is stopped within one is not waited for here."""
_FLOCK: Final = struct.Struct("hhqqi4x")
"""``struct flock`` (fcntl(2)): type, whence, start, length, process."""


class CreatesMemory:
    """Made before the workers are forked.

    Args:
        memory: of the gate.

    Raises:
        OSError: no memory is left.
    """

    def __init__(self, memory: LastingMemory) -> None:
        self._memory = memory.mapped(NAME, SIZE)
        Places(self._memory).prepare()
        self._file = memory.files()[NAME]
        self._token = secrets.token_hex(6)

    def table(self, clock: Callable[[], float] = time.monotonic) -> CreateTable | None:
        """The table of this process; ``None``: too many processes use it."""
        lock = KernelLock(self._file)
        slot = lock.take_slot(self.free_first())
        return None if slot is None else CreateTable(self._memory, lock, slot, clock)

    def free_first(self) -> Sequence[int]:
        """The slots, in the order in which a process that starts is to try them.

        The one whose last process has ended last comes last: until the next has a number of its
        own, that one would seem to live.
        """
        return slots_in_turn(self._memory)

    def name_of(self, table: CreateTable) -> str:
        """The name of a process for those of other gates: no other has ever had it."""
        return f"{self._token}.{table.me}"

    def is_gone(self, table: CreateTable, name: str) -> bool:
        """Whether the process of that name was one of this gate, and lives no more."""
        token, _, number = name.partition(".")
        return token == self._token and not table.lives(int(number))


class KernelLock:
    """The locks of one process on the file."""

    def __init__(self, file: int) -> None:
        self._file = file

    def take_slot(self, order: Sequence[int] = range(OWNERS)) -> int | None:
        """A slot of owners that is this process's until it ends; ``None``: all are taken."""
        for slot in order:
            with contextlib.suppress(BlockingIOError, PermissionError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _SLOTS + slot)
                return slot
        return None

    def acquire(self) -> bool:
        """See ``Lock``."""
        until = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(BlockingIOError, PermissionError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _TURN)
                return True
            if time.monotonic() >= until:
                return False
            os.sched_yield()

    def release(self) -> None:
        """See ``Lock``."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _TURN)

    def lives(self, slot: int) -> bool:
        """See ``Lock``; a process does not see its own locks."""
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _SLOTS + slot, 1, 0)
        found = fcntl.fcntl(self._file, fcntl.F_GETLK, asked)
        return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)
