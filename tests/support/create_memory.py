"""The memory of creates for processes of a test, each of which can be killed at any write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from headgate.creates import SIZE, CreateTable
from headgate.creates.places import Places
from headgate.testing.clock import ManualClock

WORD = 8
"""Bytes that a processor writes together."""


class KilledError(BaseException):
    """The process is killed; nothing that it would do after this is done."""


class KillableMemory(bytearray):
    """The memory; after ``writes`` more, the process that writes is killed.

    Of the write at which it is killed, so many ``words`` come to be.
    """

    writes: int | None = None
    words = 0

    def __setitem__(self, at: Any, data: Any) -> None:
        if self.writes is not None:
            if self.writes == 0:
                self.writes = None
                some = data[: self.words * WORD]
                super().__setitem__(slice(at.start, at.start + len(some)), some)
                raise KilledError
            self.writes -= 1
        super().__setitem__(at, data)


@dataclass
class ManualLock:
    """One lock for all processes, which one of them holds at a time."""

    living: set[int] = field(default_factory=set)
    stuck: bool = False
    held: bool = False

    def acquire(self) -> bool:
        """See ``Lock``; while it is ``stuck``, another process was stopped within its turn."""
        if self.stuck:
            return False
        assert not self.held, "a turn within a turn"
        self.held = True
        return True

    def release(self) -> None:
        """See ``Lock``."""
        self.held = False

    def lives(self, slot: int) -> bool:
        """See ``Lock``."""
        return slot in self.living


class Processes:
    """The processes that share a memory."""

    def __init__(self) -> None:
        self.memory = KillableMemory(SIZE)
        Places(self.memory).prepare()
        self.lock = ManualLock()
        self.clock = ManualClock()

    def start(self) -> tuple[int, CreateTable]:
        """Start one in the first free slot."""
        slot = next(each for each in range(256) if each not in self.lock.living)
        self.lock.living.add(slot)
        return slot, CreateTable(self.memory, self.lock, slot, self.clock)

    def kill(self, slot: int) -> None:
        """Kill one, as the kernel does."""
        self.lock.living.discard(slot)
        self.lock.held = False
