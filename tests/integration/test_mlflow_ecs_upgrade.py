"""MLflow 3.14 in ECS is upgraded by one command, under the load of its clients behind two gates.

The stand-in for ECS runs what Terraform renders: MLflow, and gates that find it by the DNS name of
Cloud Map.  ``make test-long`` has the versions that are no good, and the way back.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate.deploy.outcome import ExitCode
from tests.support.ecs_upgrade import BROKEN, DEAF, UNFIT, EcsUpgrade, ecs_upgrade, unnoticed
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
    it.serves(NEW, migrated=True)
    assert not it.scene.addresses() & before


def test_an_upgrade_is_not_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ecs_upgrade(tmp_path) as it, unnoticed(it, "load", "upgraded", capsys) as load:
        told = it.command("upgrade", "--to", NEW)
        ended(told, ExitCode.NOTHING_DONE, "has no address, and resolvers remember that for up to")
        it.prepare()
        upgraded(it, capsys)
        load.go_on()


@pytest.mark.long
@pytest.mark.parametrize(
    ("tag", "words", "case"),
    [
        (BROKEN, "mlflow db upgrade failed", "migration failed half-way, restored"),
        (DEAF, "does not start", "a version that does not start, restored"),
        (UNFIT, "does not pass verification", "one that does not pass verification, restored"),
    ],
)
def test_a_version_that_is_no_good_is_taken_back(
    tag: str, words: str, case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ecs_upgrade(tmp_path) as it, unnoticed(it, "load", case, capsys) as load:
        it.prepare()
        image = f"{it.scene.plane.pushed(MLFLOW)}:{tag}"
        told = it.command("upgrade", "--to", image, "--max", "15m")
        ended(told, ExitCode.ROLLED_BACK, words)
        figures(told, capsys)
        it.serves(OLD, migrated=False)
        load.go_on()


@pytest.mark.long
def test_an_upgrade_is_rolled_back_with_the_consent_that_it_asks_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What clients wrote since is lost, so those that know of it have ended before."""
    with ecs_upgrade(tmp_path) as it:
        it.prepare()
        with unnoticed(it, "before", "upgraded, to be rolled back", capsys) as load:
            upgraded(it, capsys)
            load.go_on()
        told = it.command("rollback", "--max", "15m")
        ended(told, ExitCode.NOTHING_DONE, "loses what was written since")
        since = set(re.findall(r"--discard-since ([-:\dTZ]+)", told.output + told.errors))
        told = it.command("rollback", "--discard-since", *since, "--max", "15m")
        ended(told, ExitCode.DONE)
        figures(told, capsys)
        it.serves(OLD, migrated=False)
        with unnoticed(it, "after", "after it was rolled back", capsys) as load:
            load.go_on()
