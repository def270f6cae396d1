"""Workers are killed under MLflow's own client: no run is doubled, and none given to two."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.support.creating_clients import BETWEEN, Counted, counted_while
from tests.support.gate import create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.workers import kill_worker, worker_pids


def _count(
    server: MlflowServer, folder: Path, version: str, kills: int, *, reconcile: bool
) -> tuple[Counted, Counter[str]]:
    """Let clients create while workers are killed; also how often a create was reconciled."""
    key = create_key(folder / "data", "client")
    settings = {
        "HEADGATE_LISTEN__WORKERS": "2",
        "HEADGATE_UPSTREAMS__DEFAULT__CREATES__RECONCILE": str(reconcile).lower(),
    }
    with running_gate(folder, server.url, settings) as gate:

        def kill(number: int) -> None:
            pids = worker_pids(gate.process)
            kill_worker(gate.process, pids[number % len(pids)], signal.SIGKILL)

        counted = counted_while(server, gate.url, key, folder, version, kills, kill)
        events = [each for each in gate.events() if each["event"] == "create_reconciled"]
    return counted, Counter(str(each["result"]) for each in events)


@pytest.mark.parametrize(
    ("version", "kills"),
    [
        ("3.17.2", 5),
        pytest.param("3.17.2", 20, marks=pytest.mark.long),
        pytest.param("2.22.5", 20, marks=pytest.mark.long),
    ],
)
def test_no_run_is_doubled_and_none_given_to_two(
    mlflow_server: MlflowServer, tmp_path: Path, version: str, kills: int
) -> None:
    counted, results = _count(mlflow_server, tmp_path, version, kills, reconcile=True)
    told = counted.told
    print(f"{version}: {len(told.runs)} runs, {len(told.models)} models, {results}")  # noqa: T201 - the figures are what is wanted
    assert told.failed == []
    assert (counted.doubled, counted.joined, counted.lost) == (0, 0, 0)
    assert len(told.runs) >= kills * BETWEEN


@pytest.mark.long
def test_without_it_runs_are_doubled(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    """The control: how many are doubled depends on the moments, so that nothing is asserted."""
    counted, results = _count(mlflow_server, tmp_path, "3.17.2", 20, reconcile=False)
    print(f"doubled: {counted.doubled} of {len(counted.told.runs)} runs and as many models")  # noqa: T201 - the figures are what is wanted
    assert (counted.joined, counted.lost) == (0, 0)
    assert not results
