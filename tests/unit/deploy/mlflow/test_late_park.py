"""A gate that says too late that it has parked: nobody waits once the command is over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from headgate.deploy.mlflow.errors import ParkingError
from headgate.deploy.mlflow.parked import LATE_SECONDS
from headgate.deploy.mlflow.site import Limits
from headgate.deploy.mlflow.upgrade import Wanted, upgrade
from headgate.deploy.outcome import ExitCode
from tests.unit.deploy.mlflow.memory_world import NEW, OLD, MemoryParking, World
from tests.unit.deploy.mlflow.scene import site_of


@dataclass
class SlowWorld(World):
    """Its store does what it was asked so many seconds later."""

    late: float = 0.0
    asked: str = ""
    due: float = 0.0

    def passes_time(self, seconds: float) -> None:
        """See ``World``."""
        super().passes_time(seconds)
        if self.asked and self.time >= self.due:
            self.park, self.park_sentence, self.asked = "park-late", self.asked, ""


class SlowParking(MemoryParking):
    """Parks, and does not say so."""

    def __init__(self, world: SlowWorld, error: BaseException) -> None:
        super().__init__(world)
        self._slow = world
        self._error = error

    def park(self, sentence: str, admits: str) -> str:
        """See ``Parking``."""
        self._slow.asked, self._slow.due = sentence, self._slow.time + self._slow.late
        raise self._error


@pytest.mark.parametrize("late", [0.5, 5.0, LATE_SECONDS - 1])
@pytest.mark.parametrize(
    "error",
    [ParkingError("the store has not responded in 15 s", retryable=True), KeyboardInterrupt()],
    ids=["no response", "interrupted"],
)
def test_a_park_that_comes_late_is_ended(late: float, error: BaseException) -> None:
    world = SlowWorld(late=late)
    site = replace(site_of(world), parking=SlowParking(world, error))
    outcome = upgrade(site, Limits(), Wanted(NEW.number))
    assert outcome.code is ExitCode.ROLLED_BACK
    world.passes_time(3600)
    assert world.assert_whole() == OLD.place


def test_a_refusal_is_not_waited_for() -> None:
    world = SlowWorld(late=float("inf"))
    before = world.time
    site = replace(site_of(world), parking=SlowParking(world, ParkingError("you may not park")))
    assert upgrade(site, Limits(), Wanted(NEW.number)).code is ExitCode.ROLLED_BACK
    assert world.time - before < LATE_SECONDS
