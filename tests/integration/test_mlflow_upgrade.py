"""MLflow 3.14 is upgraded by one command, under the load of its own clients behind two gates.

Whatever becomes of the command, the clients notice nothing but a wait: no operation fails, none is
lost and none is doubled.  ``make test-long`` kills it at every step.  With ``HEADGATE_RECORD`` the
figures of each case go to that file, from which ``make docs`` makes a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headgate.deploy.mlflow.phases import BACK, FORWARD, Kind, Step
from headgate.deploy.outcome import ExitCode
from tests.support.maintenance import MaintenanceScene, Told
from tests.support.maintenance_killed import END
from tests.support.maintenance_story import Scenes, Story
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
MIDDLE = 0.3


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    """One scene for each database: a case that changes the version returns to the old one."""
    with Scenes(tmp_path_factory) as found:
        yield found


@contextmanager
def story(
    scenes: Scenes, kind: str, case: str, capture: pytest.CaptureFixture[str]
) -> Iterator[Story]:
    """Run clients on a scene; in the end, nothing has failed, is lost or is doubled."""
    with scenes.story(kind) as it:
        yield it
        verdict = it.verdict(case)
        with capture.disabled():
            print(f"{case}, {kind}: {verdict}")  # noqa: T201 - figures for a person
        verdict.assert_unnoticed()
        if it.is_upgraded:
            ended(it.scene.rolled_back(), ExitCode.DONE)


def ended(told: Told, code: int, words: str = "") -> None:
    """A command ended like this."""
    assert told.code == code, (told.code, told.output[-4000:], told.errors[-4000:])
    assert words in told.output + told.errors, (told.output[-4000:], told.errors[-4000:])


def figures(told: Told, capture: pytest.CaptureFixture[str]) -> None:
    """Print the seconds of each phase."""
    phases = ", ".join(f"{each['step']} {each['seconds']:.1f}" for each in told.document["phases"])
    with capture.disabled():
        print(f"\n{phases}")  # noqa: T201 - figures for a person


def killed(scene: MaintenanceScene, told: Told, step: str) -> None:
    """A command was killed, and the journal says in which step."""
    ended(told, KILLED)
    assert scene.step() == (Step.UNPARK if step == END else step)


def test_an_upgrade_is_not_noticed(scenes: Scenes, capsys: pytest.CaptureFixture[str]) -> None:
    """On SQLite; the next test has PostgreSQL."""
    with story(scenes, "sqlite", "upgraded", capsys) as it:
        told = it.scene.upgrade()
        ended(told, ExitCode.DONE)
        figures(told, capsys)
        it.is_new()


@pytest.mark.parametrize("kind", ["postgresql", pytest.param("sqlite", marks=pytest.mark.long)])
def test_a_migration_that_fails_is_taken_back_and_a_killed_command_continued(
    kind: str, scenes: Scenes, capsys: pytest.CaptureFixture[str]
) -> None:
    case = "migration failed half-way, restored; then killed while it migrated, continued"
    with story(scenes, kind, case, capsys) as it:
        told = it.scene.upgrade("--to", it.broken())
        ended(told, ExitCode.ROLLED_BACK, "the disk is full after 3 steps")
        figures(told, capsys)
        it.is_old()

        killed(it.scene, it.scene.upgrade(killed_at=Step.MIGRATE, after=1.0), Step.MIGRATE)
        told = it.scene.upgrade("--continue")
        ended(told, ExitCode.DONE)
        figures(told, capsys)
        it.is_new()


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_version_that_is_no_good_is_taken_back(
    kind: str, scenes: Scenes, capsys: pytest.CaptureFixture[str]
) -> None:
    case = "one version that does not start and one that does not pass verification, restored"
    with story(scenes, kind, case, capsys) as it:
        for place, words in ((it.deaf(), "exit-code"), (it.unfit(), "verif")):
            told = it.scene.upgrade("--to", place)
            ended(told, ExitCode.ROLLED_BACK, words)
            figures(told, capsys)
            it.is_old()


@pytest.mark.long
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_command_that_is_killed_at_any_step_is_rolled_back(
    kind: str, step: str, scenes: Scenes, capsys: pytest.CaptureFixture[str]
) -> None:
    with story(scenes, kind, f"killed at '{step}', rolled back", capsys) as it:
        after = MIDDLE if step in LASTING else 0.0
        killed(it.scene, it.scene.upgrade(killed_at=step, after=after), step)
        ended(it.scene.command("rollback"), ExitCode.ROLLED_BACK)
        it.is_old()


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_the_way_back_is_gone_on_with_however_often_it_is_killed(
    kind: str, scenes: Scenes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command goes on where the one before was killed, and is killed at the next step."""
    case = f"migration failed; the way back killed at each of its {len(STEPS_BACK)} steps"
    with story(scenes, kind, case, capsys) as it:
        first, *others = STEPS_BACK
        killed(it.scene, it.scene.upgrade("--to", it.broken(), killed_at=first), first)
        for step in others:
            killed(it.scene, it.scene.upgrade("--continue", killed_at=step), step)
        ended(it.scene.upgrade("--continue"), ExitCode.ROLLED_BACK)
        it.is_old()


KILLS = [
    (step, after)
    for step in (*STEPS, END)
    for after in ((MIDDLE, 0.0) if step in LASTING else (0.0,))
]
"""In the middle of a lasting step, and again when the next command has taken it over."""


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_an_upgrade_is_gone_on_with_however_often_it_is_killed(
    kind: str, scenes: Scenes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command goes on where the one before was killed, and is killed at the next step."""
    case = f"killed {len(KILLS)} times, at every step and in the middle of it, continued each time"
    with story(scenes, kind, case, capsys) as it:
        arguments: tuple[str, ...] = ()
        for step, after in KILLS:
            killed(it.scene, it.scene.upgrade(*arguments, killed_at=step, after=after), step)
            arguments = ("--continue",)
        ended(it.scene.upgrade("--continue"), ExitCode.DONE)
        it.is_new()


@pytest.mark.long
def test_clients_wait_for_an_operator_who_comes_after_the_lease(
    scenes: Scenes, capsys: pytest.CaptureFixture[str]
) -> None:
    with story(scenes, "postgresql", "killed; continued after the lease had ended", capsys) as it:
        killed(it.scene, it.scene.upgrade(killed_at=Step.MIGRATE, after=0.5), Step.MIGRATE)
        seconds_until(it.refuses, LEASE_SECONDS)
        ended(it.scene.upgrade("--continue"), ExitCode.DONE)
        it.is_new()
