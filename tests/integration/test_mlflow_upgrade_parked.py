"""MLflow is replaced by hand behind two parked gates, under the load of its own clients.

``test_mlflow_upgrade`` does the same with one command.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.maintenance import NEW, maintenance_scene
from tests.support.maintenance_load import maintenance_load

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize(
    "kind", [pytest.param("postgresql", marks=pytest.mark.long), pytest.param("sqlite")]
)
def test_no_operation_fails_and_none_is_lost_or_doubled(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        maintenance_scene(tmp_path, kind) as scene,
        maintenance_load(tmp_path / "clients", scene.clients()) as load,
    ):
        started = time.monotonic()
        scene.park()
        drained = time.monotonic()
        scene.mlflow.upgraded(NEW)
        replaced = time.monotonic()
        scene.unpark()
        load.go_on()
        verdict = load.verdict(scene.mlflow.url)
    with capsys.disabled():
        print(  # noqa: T201 - figures for a person
            f"\n{kind}: drained in {drained - started:.1f} s, replaced in "
            f"{replaced - drained:.1f} s; {verdict}"
        )
    verdict.assert_unnoticed()
