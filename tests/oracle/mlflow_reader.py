"""Asks the worker of one version of MLflow what its code reads."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.mlflow_versions import python_with

WORKERS = Path(__file__).parent


class Sent(NamedTuple):
    """A request as it reaches MLflow."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Told(NamedTuple):
    """What MLflow's code made of a request; see ``worker``."""

    reached: bool
    status: int
    calls: str
    path: dict[str, str]
    query: dict[str, list[str]]
    body: dict[str, list[Any]]


class MlflowReader:
    """A worker that is running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read(self, requests: Sequence[Sent]) -> list[Told]:
        """What MLflow reads in each of ``requests``."""
        if not requests:
            return []
        asked = [
            {**request._asdict(), "body": request.body.decode("latin-1")} for request in requests
        ]
        return [Told(**each) for each in self.exchange(json.dumps(asked))]

    def exchange(self, line: str) -> Any:
        """What the worker has to say to a line."""
        to_worker, from_worker = self._process.stdin, self._process.stdout
        assert to_worker is not None
        assert from_worker is not None
        to_worker.write(line + "\n")
        to_worker.flush()
        response = from_worker.readline()
        assert response, f"the worker ended with {self._process.wait()}"
        return json.loads(response)


@contextmanager
def running_reader(version: str, folder: Path, worker: str = "worker.py") -> Iterator[MlflowReader]:
    """A worker beside MLflow of that version, which writes into ``folder`` if anywhere."""
    kept = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
    with (
        (folder / f"worker-{version}.log").open("wb") as log,
        subprocess.Popen(
            [python_with(version), WORKERS / worker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=kept | {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/none.db"},
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            started = process.stdout.readline()
            assert started, (folder / f"worker-{version}.log").read_text()[-2000:]
            assert json.loads(started)["version"] == version
            yield MlflowReader(process)
        finally:
            process.kill()
