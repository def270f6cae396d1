"""MLflow 3.14 is upgraded by one command, under the load of its own clients behind two gates.

Whatever becomes of the command, the clients notice nothing but a wait: no operation fails, none is
lost and none is doubled.  ``make test-long`` kills it at every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headgate.deploy.mlflow.phases import BACK, FORWARD, Kind, Step
from headgate.deploy.outcome import ExitCode
from tests.support.maintenance import (
    NEW,
    OLD,
    UPSTREAM,
    MaintenanceScene,
    MlflowUnit,
    Told,
    maintenance_scene,
)
from tests.support.maintenance_killed import END
from tests.support.maintenance_load import MaintenanceLoad, maintenance_load
from tests.support.maintenance_unit import BROKEN, DEAF, UNFIT
from tests.support.waiting import seconds_until

pytestmark = [pytest.mark.first, pytest.mark.timeout(3600)]

KINDS = ("postgresql", "sqlite")
KILLED = -9
LEASE_SECONDS = 120.0
STEPS = tuple(step.value for step in FORWARD[Kind.UPGRADE])
LASTING = (Step.SNAPSHOT, Step.MIGRATE, Step.START, Step.VERIFY)
"""Those that take longer than a moment, in the middle of which a command may be killed."""
STEPS_BACK = tuple(step.value for step in BACK)
"""Of the way back after a migration that failed."""


class Story:
    """The scene and its clients, and what happens to them."""

    def __init__(self, scene: MaintenanceScene, load: MaintenanceLoad) -> None:
        assert isinstance(scene.mlflow, MlflowUnit)
        self.scene = scene
        self.unit = scene.mlflow.unit
        self.load = load
        self.old_head = scene.head()

    def is_old(self) -> None:
        """The old version runs on its database, and clients work with it."""
        assert (self.unit.version(), self.scene.head()) == (OLD, self.old_head)
        assert self.scene.step() == ""
        self.goes_on()

    def is_new(self) -> None:
        """The new version runs on the database that it migrated, and clients work with it."""
        assert self.unit.version() == NEW
        assert self.scene.head() != self.old_head
        assert self.scene.step() == ""
        self.goes_on()

    def refuses(self) -> bool:
        """Whether the lease has ended."""
        return bool(self.scene.ask("GET", UPSTREAM)["state"] == "refusing")

    def goes_on(self) -> None:
        """Nobody waits any more."""
        upstream = self.scene.ask("GET", UPSTREAM)
        assert upstream["park"] is None, upstream
        self.load.go_on()

    def broken(self) -> str:
        """A new version whose migration fails when some of its steps are done."""
        return self._bad(BROKEN)

    def unfit(self) -> str:
        """A new version that starts, and does not pass verification."""
        return self._bad(UNFIT)

    def deaf(self) -> str:
        """A new version that does not start."""
        return self._bad(DEAF)

    def _bad(self, name: str) -> str:
        place = self.unit.folder / name
        return str(place if place.exists() else self.unit.add(NEW, name))


@contextmanager
def story(folder: Path, kind: str, capture: pytest.CaptureFixture[str]) -> Iterator[Story]:
    """Run the scene; in the end, nothing has failed, is lost or is doubled."""
    with (
        maintenance_scene(folder, kind, unit=True) as scene,
        maintenance_load(folder / "clients", scene.clients()) as load,
    ):
        found = Story(scene, load)
        found.unit.add(NEW)
        yield found
        load.go_on()
        verdict = load.verdict(scene.mlflow.url)
    with capture.disabled():
        print(f"{kind}: {verdict}")  # noqa: T201 - figures for a person
    verdict.assert_unnoticed()


def ended(told: Told, code: int, words: str = "") -> None:
    """A command ended like this."""
    assert told.code == code, (told.code, told.output[-4000:], told.errors[-4000:])
    assert words in told.output + told.errors, (told.output[-4000:], told.errors[-4000:])


def figures(told: Told, capture: pytest.CaptureFixture[str]) -> None:
    """Print the seconds of each phase."""
    phases = ", ".join(f"{each['step']} {each['seconds']:.1f}" for each in told.document["phases"])
    with capture.disabled():
        print(f"\n{phases}")  # noqa: T201 - figures for a person


def test_an_upgrade_is_not_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On SQLite; the next test has PostgreSQL."""
    with story(tmp_path, "sqlite", capsys) as it:
        told = it.scene.upgrade()
        ended(told, ExitCode.DONE)
        figures(told, capsys)
        it.is_new()


@pytest.mark.parametrize("kind", ["postgresql", pytest.param("sqlite", marks=pytest.mark.long)])
def test_a_migration_that_fails_is_taken_back_and_a_killed_command_continued(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with story(tmp_path, kind, capsys) as it:
        told = it.scene.upgrade("--to", it.broken())
        ended(told, ExitCode.ROLLED_BACK, "the disk is full after 3 steps")
        figures(told, capsys)
        it.is_old()

        ended(it.scene.upgrade(killed_at=Step.MIGRATE, after=1.0), KILLED)
        assert it.scene.step() == Step.MIGRATE
        told = it.scene.upgrade("--continue")
        ended(told, ExitCode.DONE)
        figures(told, capsys)
        it.is_new()


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_version_that_is_no_good_is_taken_back(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with story(tmp_path, kind, capsys) as it:
        for place, words in ((it.deaf(), "exit-code"), (it.unfit(), "verif")):
            told = it.scene.upgrade("--to", place)
            ended(told, ExitCode.ROLLED_BACK, words)
            figures(told, capsys)
            it.is_old()


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_command_that_is_killed_at_any_step_is_rolled_back(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with story(tmp_path, kind, capsys) as it:
        for step in STEPS:
            after = 0.3 if step in LASTING else 0.0
            ended(it.scene.upgrade(killed_at=step, after=after), KILLED)
            assert it.scene.step() == step
            ended(it.scene.command("rollback"), ExitCode.ROLLED_BACK)
            it.is_old()


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_the_way_back_is_gone_on_with_when_it_is_killed_at_any_step(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with story(tmp_path, kind, capsys) as it:
        broken = it.broken()
        for step in STEPS_BACK:
            ended(it.scene.upgrade("--to", broken, killed_at=step), KILLED)
            assert it.scene.step() == step
            ended(it.scene.upgrade("--continue"), ExitCode.ROLLED_BACK)
            it.is_old()


CONTINUED = [
    *(("postgresql", step, 0.0) for step in (*STEPS, END)),
    *((kind, step, 0.3) for kind in KINDS for step in LASTING),
]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "step", "after"), CONTINUED)
def test_a_command_that_is_killed_at_any_step_is_continued(
    kind: str, step: str, after: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with story(tmp_path, kind, capsys) as it:
        ended(it.scene.upgrade(killed_at=step, after=after), KILLED)
        assert it.scene.step() == (Step.UNPARK if step == END else step)
        ended(it.scene.upgrade("--continue"), ExitCode.DONE)
        it.is_new()


@pytest.mark.long
def test_clients_wait_for_an_operator_who_comes_after_the_lease(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with story(tmp_path, "postgresql", capsys) as it:
        ended(it.scene.upgrade(killed_at=Step.MIGRATE, after=0.5), KILLED)
        seconds_until(it.refuses, LEASE_SECONDS)
        ended(it.scene.upgrade("--continue"), ExitCode.DONE)
        it.is_new()
