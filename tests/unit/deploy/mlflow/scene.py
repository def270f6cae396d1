"""Commands on a world in memory, each as a process of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from headgate.deploy.mlflow.rollback import rollback
from headgate.deploy.mlflow.site import AskForSnapshot, Limits, Site
from headgate.deploy.mlflow.upgrade import Wanted, go_on, upgrade
from headgate.deploy.outcome import Outcome
from headgate.deploy.phases import Phase, Phases, Source
from tests.unit.deploy.mlflow.memory_world import (
    NEW,
    MemoryClock,
    MemoryDatabase,
    MemoryFolder,
    MemoryHost,
    MemoryInterrupts,
    MemoryParking,
    World,
    verifying,
)


@dataclass
class Notes:
    """A reporter that keeps the news."""

    texts: list[str] = field(default_factory=list)

    def begun(self, step: StrEnum) -> None:
        """See ``Reporter``."""

    def ended(self, phase: Phase) -> None:
        """See ``Reporter``."""

    def news(self, source: Source, text: str) -> None:
        """See ``Reporter``."""
        self.texts.append(text)

    def status(self, text: str) -> None:
        """See ``Reporter``."""


def site_of(world: World, notes: Notes | None = None) -> Site:
    """What a new process works with."""
    reporter = notes or Notes()
    clock = MemoryClock(world)
    return Site(
        MemoryHost(world),
        MemoryDatabase(world),
        MemoryParking(world),
        MemoryFolder(world),
        MemoryInterrupts(world),
        clock,
        reporter,
        Phases(clock, reporter),
        verifying(world),
        "alice",
        "default",
        lambda what: f"headgate mlflow {what}",
    )


def upgrades(
    world: World,
    version: str = NEW.number,
    limits: Limits | None = None,
    ask: AskForSnapshot | None = None,
) -> Outcome:
    """``headgate mlflow upgrade``."""
    return upgrade(site_of(world), limits or Limits(), Wanted(version, ask))


def goes_on(world: World) -> Outcome:
    """``headgate mlflow upgrade --continue``."""
    return go_on(site_of(world), Limits())


def rolls_back(world: World, discard_since: str = "") -> Outcome:
    """``headgate mlflow rollback``."""
    return rollback(site_of(world), Limits(), discard_since)
