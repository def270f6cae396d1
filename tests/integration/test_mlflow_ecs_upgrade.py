"""MLflow 3.14 in ECS is upgraded by one command, under the load of its clients behind two gates.

The stand-in for ECS runs what Terraform renders: MLflow, and gates that find it by the DNS name of
Cloud Map.  ``make test-long`` has the versions that are no good, and the way back.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.deploy.outcome import ExitCode
from tests.support.ecs_upgrade import BROKEN, DEAF, UNFIT, EcsUpgrade, ecs_upgrade
from tests.support.maintenance import NEW, OLD, Told
from tests.support.shipped_tasks import MLFLOW

pytestmark = [pytest.mark.first, pytest.mark.timeout(3600)]


def ended(told: Told, code: int, words: str = "") -> None:
    """A command ended like this."""
    assert told.code == code, (told.code, told.output[-4000:], told.errors[-4000:])
    assert words in told.output + told.errors, (told.output[-4000:], told.errors[-4000:])


def figures(told: Told, capture: pytest.CaptureFixture[str]) -> None:
    """Print the seconds of each phase."""
    phases = ", ".join(f"{each['step']} {each['seconds']:.1f}" for each in told.document["phases"])
    with capture.disabled():
        print(f"\n{phases}")  # noqa: T201 - figures for a person


def upgraded(it: EcsUpgrade, capture: pytest.CaptureFixture[str]) -> None:
    """It is, and everybody finds the new task."""
    before = it.scene.addresses()
    told = it.command("upgrade", "--to", NEW, "--max", "15m")
    ended(told, ExitCode.DONE)
    figures(told, capture)
    it.runs(NEW, migrated=True)
    assert not it.scene.addresses() & before


def test_an_upgrade_is_not_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ecs_upgrade(tmp_path, capsys) as it:
        told = it.command("upgrade", "--to", NEW)
        ended(told, ExitCode.NOTHING_DONE, "has no address, and resolvers remember that for up to")
        it.prepare()
        upgraded(it, capsys)


@pytest.mark.long
def test_versions_that_are_no_good_are_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ecs_upgrade(tmp_path, capsys) as it:
        it.prepare()
        repository = it.scene.plane.pushed(MLFLOW)
        for tag, words in (
            (BROKEN, "mlflow db upgrade failed"),
            (DEAF, "does not start"),
            (UNFIT, "does not pass verification"),
        ):
            told = it.command("upgrade", "--to", f"{repository}:{tag}", "--max", "15m")
            ended(told, ExitCode.ROLLED_BACK, words)
            figures(told, capsys)
            it.runs(OLD, migrated=False)
        upgraded(it, capsys)


@pytest.mark.long
def test_an_upgrade_is_rolled_back_by_name_of_what_that_loses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The load ends before, since what it wrote since is what is lost."""
    with ecs_upgrade(tmp_path, capsys) as it:
        it.prepare()
        upgraded(it, capsys)
