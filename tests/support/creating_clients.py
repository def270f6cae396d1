"""MLflow's own clients that create without a pause while gates or workers die, and what came of it.

They are processes of ``creating_client``.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_versions import python_with
from tests.support.waiting import seconds_until

PROGRAM: Final = Path(__file__).with_name("creating_client.py")
CLIENTS: Final = 4
BETWEEN: Final = 6
"""Creates between two kills."""
PROGRESS_SECONDS: Final = 120.0
END_SECONDS: Final = 300.0
"""A client that repeats a request for the seventh time waits for two minutes before."""


@dataclass
class Told:
    """What the clients were given."""

    runs: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass
class Counted:
    """What came of it, as MLflow has it.

    Attributes:
        doubled: what MLflow has, and no client knows of.
        joined: what two clients were given.
        lost: what a client was given, and MLflow does not have.
    """

    doubled: int
    joined: int
    lost: int
    told: Told


def told_by(files: list[Path]) -> Told:
    """What the clients have said so far."""
    told = Told()
    for line in "".join(each.read_text() for each in files).splitlines():
        said = json.loads(line)
        for kind, where in (("run", told.runs), ("model", told.models), ("failed", told.failed)):
            if kind in said:
                where.append(said[kind])
    return told


def counted_while(
    server: MlflowServer,
    url: str,
    key: str,
    folder: Path,
    version: str,
    kills: int,
    kill: Callable[[int], None],
) -> Counted:
    """Let clients create at ``url`` while ``kill`` is called with each number below ``kills``.

    Between two calls the clients create ``BETWEEN`` more runs.
    """
    name = f"creates-{folder.parent.name}-{folder.name}"
    created = server.call("POST", "2.0/mlflow/experiments/create", {"name": name})
    experiment = str(created["experiment_id"])
    with _clients(url, experiment, python_with(version), folder, key) as files:
        for number in range(kills):
            goal = len(told_by(files).runs) + BETWEEN
            _wait_for_runs(files, goal)
            kill(number)
    told = told_by(files)
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
    )


def _wait_for_runs(files: list[Path], goal: int) -> None:
    seconds_until(lambda: len(told_by(files).runs) >= goal, PROGRESS_SECONDS)


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
    url: str, experiment: str, python: Path, folder: Path, key: str
) -> Iterator[list[Path]]:
    """Clients that create until the block ends; the files of what they say."""
    end, files, running = folder / "end", [], []
    environment = {**os.environ, "MLFLOW_TRACKING_TOKEN": key}
    try:
        for number in range(CLIENTS):
            file = folder / f"client-{number}"
            command = [str(python), str(PROGRAM), url, experiment, str(number), str(end)]
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
