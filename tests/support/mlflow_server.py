"""A real MLflow tracking server: SQLite, local artifacts, everything below one folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import ServerProcess
from tests.support.raw import RawResponse, ask

START_SECONDS = 180.0  # the first start creates the tables; a busy machine is slow at it
ENVIRONMENT = {
    # Each of the eight job consumers would hold about 100 MB, and no test submits a job.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class MlflowServer:
    """A running server: where it listens, and the folder of its artifacts."""

    host: str
    port: int
    artifacts: Path
    process: ServerProcess

    @property
    def url(self) -> str:
        """The server's own address, which no client of the gate should ever see."""
        return f"http://{self.host}:{self.port}"

    def ask(self, method: str, target: str, *fields: str, body: bytes = b"") -> RawResponse:
        """Send one request straight to the server, as no client of the gate can."""
        return ask(self.host, self.port, method, target, *fields, body=body)

    def call(self, method: str, path: str, message: Mapping[str, Any]) -> Any:
        """Send one JSON message to MLflow's REST API below ``/api`` and return its response.

        Raises:
            AssertionError: when the response is no success.
        """
        body = json.dumps(message).encode()
        response = self.ask(method, f"/api/{path}", "Content-Type: application/json", body=body)
        assert response.status == 200, response
        return json.loads(response.body)


@contextmanager
def running_mlflow(
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    database: str | None = None,
    artifacts: Path | None = None,
    static_prefix: str = "",
    options: Sequence[str] = (),
    python: Path | None = None,
    under: Sequence[str] = (),
) -> Iterator[MlflowServer]:
    """Run ``mlflow server`` on a free port until the block ends.

    ``database`` and ``artifacts`` are those that several servers share; without them the server
    has its own below ``folder``.  ``static_prefix`` is the path that it runs under, ``options``
    are further ones of the command line.  ``python`` is the interpreter of another version,
    ``under`` a program that runs it, such as ``opentelemetry-instrument``.
    ``environment`` adds settings, such as ``UVICORN_HTTP=h11``: without it uvicorn takes httptools
    where that is installed, as it is beside a gate.

    Raises:
        ServerError: when it is not healthy within ``START_SECONDS``.
    """
    artifacts = artifacts or folder / "artifacts"
    store = database or f"sqlite:///{folder / 'mlflow.db'}"
    command = [
        *under,
        *(str(python or sys.executable), "-m", "mlflow", "server"),
        *(("--backend-store-uri", store) if "--artifacts-only" not in options else ()),
        *("--artifacts-destination", str(artifacts)),
        *("--host", "127.0.0.1", "--port", "0", "--workers", "1"),
        *(("--static-prefix", static_prefix) if static_prefix else ()),
        *options,
    ]
    with ServerProcess(command, ENVIRONMENT | dict(environment or {}), folder, "mlflow") as process:
        announced = process.wait_for_line(
            r"(?:running on|Listening at:) http://([\d.]+):(\d+)", START_SECONDS
        )
        host, port = announced[1], int(announced[2])
        process.wait_until(
            lambda: is_healthy(host, port, static_prefix) or None,
            "a response of /health",
            START_SECONDS,
        )
        yield MlflowServer(host, port, artifacts, process)


def is_healthy(host: str, port: int, static_prefix: str = "") -> bool:
    """Whether a server responds as a healthy one does."""
    try:
        return ask(host, port, "GET", f"{static_prefix}/health").status == 200
    except OSError:
        return False  # uvicorn announces its address a moment before it accepts
