"""``headgate ecs drill`` to its end: real gates and MLflow as tasks, and clients that go on.

They take five minutes each; ``test_ecs_rollback_page.py`` runs the command on a small service.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.deploy.ecs.faults import NOTICED, Fault
from headgate.deploy.outcome import ExitCode
from tests.support.ecs import Deployed, deployed
from tests.support.ecs_commands import Commands, commands
from tests.support.load import running_load
from tests.support.mlflow_versions import CURRENT

# Minutes, most of them real gates and clients.
pytestmark = [pytest.mark.first, pytest.mark.timeout(1200)]

RUNS = 2  # of the client, before and after
BACK_SECONDS = 120.0
"""A way back takes less, with the times that AWS publishes."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("ecs")) as found:
        yield found


@pytest.fixture
def ecs(
    scene: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    return commands(scene, monkeypatch, capsys)


@pytest.mark.long
@pytest.mark.parametrize("fault", Fault)
def test_a_fault_is_noticed_and_taken_back_without_a_failed_client(
    fault: Fault, ecs: Commands, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, before = tmp_path / "drill.md", ecs.scene.running()
    with running_load(tmp_path, ecs.scene.url, ecs.scene.key, f"drill-{fault}", 400) as load:
        load.go_on(RUNS)
        code, document = ecs.drill(fault, report)
        load.go_on(RUNS)
        result = load.finish()
    assert code == ExitCode.DONE, json.dumps(document, indent=1)
    assert result.failures == []
    assert ecs.scene.running() == before

    said = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    assert said["acts"] == document["acts"]
    first, second, last = said["acts"]
    assert [each["result"] for each in (first, second, last)] == ["done", "rolled_back", "done"]
    assert [each["step"] for each in second["phases"] if not each["passed"]] == [NOTICED[fault]]
    # Where no new task ever served, ECS has nothing to return from.
    assert 0 <= second["seconds_back"] < BACK_SECONDS, second
    assert 0 < last["seconds_back"] < BACK_SECONDS, last
    assert CURRENT in said["mlflow_before"]
    assert said["mlflow_after"] == said["mlflow_before"]
    _is_readable(report, said)
    with capsys.disabled():
        print(f"\n{fault}: {result.operations} operations, none failed")  # noqa: T201 - figures
        print(report.read_text(encoding="utf-8"))  # noqa: T201


def _is_readable(report: Path, said: dict[str, Any]) -> None:
    """The report for people says each phase with its time."""
    text = report.read_text(encoding="utf-8")
    assert "**Passed.**" in text
    assert "not run on real AWS" in text
    for act in said["acts"]:
        for phase in act["phases"]:
            assert f"| {phase['step']} | {phase['seconds']:.1f} s |" in text
