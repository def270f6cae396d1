"""The phases of what a command does, with how long each took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from headgate.deploy.clock import Clock


class Source(StrEnum):
    """Who says a line of news."""

    ECS = "ecs"
    TASK = "task"
    MLFLOW = "mlflow"
    HEADGATE = "headgate"


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase that ended.

    Attributes:
        seconds: how long it took.
        passed: whether what it is for was reached.
        note: what it found.
    """

    step: StrEnum
    seconds: float
    passed: bool
    note: str = ""


class Reporter(Protocol):
    """Who is shown what happens while it happens."""

    def begun(self, step: StrEnum) -> None:
        """A phase begins."""

    def ended(self, phase: Phase) -> None:
        """A phase ended."""

    def news(self, source: Source, text: str) -> None:
        """Something happened that stays worth reading."""

    def status(self, text: str) -> None:
        """How things stand in this phase; the next status replaces it."""


class Running:
    """A phase under way.

    Attributes:
        note: what it found so far.
        failed: whether what it is for was not reached, though the command goes on.
    """

    def __init__(self) -> None:
        self.note = ""
        self.failed = False


class Phases:
    """The phases so far, each timed."""

    def __init__(self, clock: Clock, reporter: Reporter) -> None:
        self._clock = clock
        self._reporter = reporter
        self.ended: list[Phase] = []

    @contextmanager
    def phase(self, step: StrEnum) -> Iterator[Running]:
        """Time what the block does; an exception marks the phase as failed."""
        begun = self._clock.monotonic()
        self._reporter.begun(step)
        running = Running()
        passed = False
        try:
            yield running
            passed = not running.failed
        finally:
            seconds = self._clock.monotonic() - begun
            self.ended.append(Phase(step, seconds, passed, running.note))
            self._reporter.ended(self.ended[-1])
