"""A service that runs ``gw:1``, the commands of operators, and what these show."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from headgate.deploy.clock import Clock
from headgate.deploy.ecs import journal
from headgate.deploy.ecs.holding import Holding
from headgate.deploy.ecs.journal import Journal
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.ordering import Order, Prepared
from headgate.deploy.ecs.records import Strategy, Target
from headgate.deploy.ecs.rollback import Rollback
from headgate.deploy.ecs.rollout import Rollout
from headgate.deploy.ecs.watching import Site
from headgate.deploy.outcome import Outcome, Verification, Verify
from headgate.deploy.phases import Phase, Phases, Source
from tests.unit.deploy.ecs.memory_plane import Hand, MemoryPlane, World

TARGET = Target("ml", "gateway")
GOOD = "registry/good@sha256:1"
NEWER = "registry/good@sha256:2"
CRASH = "registry/crash@sha256:3"
HANG = "registry/hang@sha256:4"
UNFIT = "registry/unfit@sha256:5"


@dataclass
class Notes:
    """A reporter that remembers."""

    phases: list[Phase] = field(default_factory=list)
    lines: list[tuple[Source, str]] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)

    def begun(self, step: StrEnum) -> None:
        """See ``Reporter``."""

    def ended(self, phase: Phase) -> None:
        """See ``Reporter``."""
        self.phases.append(phase)

    def news(self, source: Source, text: str) -> None:
        """See ``Reporter``."""
        self.lines.append((source, text))

    def status(self, text: str) -> None:
        """See ``Reporter``."""
        self.statuses.append(text)

    def of(self, source: Source) -> list[str]:
        """What one source said."""
        return [text for each, text in self.lines if each is source]


class Scene:
    """A world with its operators."""

    def __init__(self, strategy: Strategy = Strategy.ROLLING) -> None:
        self.clock = Hand()
        self.world = World(self.clock, strategy)
        self.first = self.world.add_revision(GOOD).arn
        self.world.run(self.first)
        self.notes = Notes()
        self._nonces = itertools.count()

    def site(self, plane: MemoryPlane) -> Site:
        """What a command of an operator works with."""
        self.notes = Notes()
        clock: Clock = self.clock
        name = f"arn:aws:iam::123456789012:user/{plane.operator}"
        nonce = f"n{next(self._nonces)}"
        holding = Holding(plane, clock, TARGET, name, "host:1", nonce)
        return Site(TARGET, plane, clock, self.notes, holding, Phases(clock, self.notes))

    def verify(self) -> Verification:
        """Passes if only good images serve, and some do."""
        serving = self.world.serving()
        passed = bool(serving) and all("/good@" in each for each in serving)
        return Verification(passed, f"{'all' if passed else 'not all'} steps passed")

    def deploy(
        self,
        image: str,
        plane: MemoryPlane | None = None,
        verify_test: Verify | None = None,
        unverified: bool = False,
        **options: Any,
    ) -> Outcome:
        """``headgate ecs deploy``."""
        verify = None if unverified else self.verify
        site = self.site(plane or MemoryPlane(self.world))
        order = Order(image, **{"watch": 120.0, "timeout": 600.0, **options})
        return Rollout(site, order, prepared, verify, verify_test).run()

    def rollback(self, to: str = "", plane: MemoryPlane | None = None) -> Outcome:
        """``headgate ecs rollback``."""
        site = self.site(plane or MemoryPlane(self.world))
        return Rollback(site, to, 600.0, self.verify).run()

    def journal(self) -> Journal:
        """The journal now."""
        return journal.read(self.world.journal, "/journal")

    def good(self) -> str:
        """``family:number`` of the good revision."""
        found = self.journal().good
        return "" if found is None else short(found.revision)

    def running(self) -> set[str]:
        """``family:number`` of all tasks that run."""
        self.world.advance()
        return {short(each.revision) for each in self.world.tasks}


def prepared(image: str) -> Prepared:
    """A copy of the template with an image."""
    return Prepared({"image": image}, {"headgate:template": "gw:1"}, image, "gw:1")


def at_call(name: str, what: Callable[[], None], occurrence: int = 1) -> Callable[[int, str], None]:
    """Does something at an occurrence of a call."""
    seen = 0

    def strike(_number: int, called: str) -> None:
        nonlocal seen
        seen += called == name
        if called == name and seen == occurrence:
            what()

    return strike
