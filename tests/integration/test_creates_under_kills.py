"""Workers are killed under MLflow's own client: no run is doubled, and none given to two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.gate import Gate, create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_versions import python_with
from tests.support.workers import kill_worker, worker_pids

PROGRAM = Path(__file__).parents[1] / "support/creating_client.py"
CLIENTS = 4
BETWEEN = 6
"""Creates between two kills."""
PROGRESS_SECONDS = 120.0
END_SECONDS = 300.0
"""A client that repeats a request for the seventh time waits for two minutes before."""


@dataclass
class Told:
    """What the clients were given."""

    runs: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass
class Counted:
    """What came of it, as MLflow has it."""

    doubled: int
    joined: int
    lost: int
    told: Told
    results: Counter[str]


def _told(files: list[Path]) -> Told:
    told = Told()
    for line in "".join(each.read_text() for each in files).splitlines():
        said = json.loads(line)
        for kind, where in (("run", told.runs), ("model", told.models), ("failed", told.failed)):
            if kind in said:
                where.append(said[kind])
    return told


def _in_mlflow(server: MlflowServer, path: str, field: str, experiment: str) -> set[str]:
    """The ids of all runs, or logged models, of an experiment."""
    found, page = set(), ""
    while True:
        message = {"experiment_ids": [experiment], "max_results": 50, "page_token": page}
        response = server.call("POST", f"2.0/mlflow/{path}/search", message)
        kind = "run_id" if field == "runs" else "model_id"
        found |= {each["info"][kind] for each in response.get(field, [])}
        page = response.get("next_page_token", "")
        if not page:
            return found


@contextmanager
def _clients(
    gate: Gate, experiment: str, python: Path, folder: Path, key: str
) -> Iterator[list[Path]]:
    """Clients that create until the block ends; the files of what they say."""
    end, files, running = folder / "end", [], []
    environment = {**os.environ, "MLFLOW_TRACKING_TOKEN": key}
    try:
        for number in range(CLIENTS):
            file = folder / f"client-{number}"
            command = [str(python), str(PROGRAM), gate.url, experiment, str(number), str(end)]
            with file.open("wb") as output, (folder / f"errors-{number}").open("wb") as errors:
                running.append(
                    subprocess.Popen(command, stdout=output, stderr=errors, env=environment)
                )
            files.append(file)
        yield files
    finally:
        end.touch()
        for each in running:
            try:
                each.wait(END_SECONDS)
            finally:
                each.kill()


def _count(
    server: MlflowServer, folder: Path, version: str, kills: int, *, reconcile: bool
) -> Counted:
    """Let clients create while workers are killed, and compare with what MLflow has."""
    key = create_key(folder / "data", "client")
    name = f"creates-{folder.name}-{version}-{reconcile}"
    created = server.call("POST", "2.0/mlflow/experiments/create", {"name": name})
    experiment = str(created["experiment_id"])
    settings = {
        "HEADGATE_LISTEN__WORKERS": "2",
        "HEADGATE_UPSTREAMS__DEFAULT__CREATES__RECONCILE": str(reconcile).lower(),
    }
    with running_gate(folder, server.url, settings) as gate:
        with _clients(gate, experiment, python_with(version), folder, key) as files:
            for number in range(kills):

                def progressed(before: int = len(_told(files).runs)) -> bool | None:
                    return len(_told(files).runs) >= before + BETWEEN or None

                gate.process.wait_until(progressed, "creates", PROGRESS_SECONDS)
                pids = worker_pids(gate.process)
                kill_worker(gate.process, pids[number % len(pids)], signal.SIGKILL)
        told = _told(files)
        events = [each for each in gate.events() if each["event"] == "create_reconciled"]
    has = {
        "runs": _in_mlflow(server, "runs", "runs", experiment),
        "models": _in_mlflow(server, "logged-models", "models", experiment),
    }
    given = {"runs": told.runs, "models": told.models}
    return Counted(
        sum(len(has[kind] - {*given[kind]}) for kind in has),
        sum(len(given[kind]) - len({*given[kind]}) for kind in has),
        sum(len({*given[kind]} - has[kind]) for kind in has),
        told,
        Counter(str(each["result"]) for each in events),
    )


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
    counted = _count(mlflow_server, tmp_path, version, kills, reconcile=True)
    told = counted.told
    print(f"{version}: {len(told.runs)} runs, {len(told.models)} models, {counted.results}")  # noqa: T201 - the figures are what is wanted
    assert told.failed == []
    assert (counted.doubled, counted.joined, counted.lost) == (0, 0, 0)
    assert len(told.runs) >= kills * BETWEEN


@pytest.mark.long
def test_without_it_runs_are_doubled(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    """The control: how many are doubled depends on the moments, so that nothing is asserted."""
    counted = _count(mlflow_server, tmp_path, "3.17.2", 20, reconcile=False)
    print(f"doubled: {counted.doubled} of {len(counted.told.runs)} runs and as many models")  # noqa: T201 - the figures are what is wanted
    assert (counted.joined, counted.lost) == (0, 0)
    assert not counted.results
