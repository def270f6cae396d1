"""A real MLflow tracking server: SQLite, local artifacts, everything below one folder."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ServerProcess

START_SECONDS = 180.0  # the first start creates the tables; a busy machine is slow at it
_ENVIRONMENT = {
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


@contextmanager
def running_mlflow(folder: Path) -> Iterator[MlflowServer]:
    """Run ``mlflow server`` on a free port until the block ends.

    Raises:
        ServerError: when it is not healthy within ``START_SECONDS``.
    """
    artifacts = folder / "artifacts"
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(artifacts)),
        *("--host", "127.0.0.1", "--port", "0", "--workers", "1"),
    ]
    with ServerProcess(command, _ENVIRONMENT, folder, "mlflow") as process:
        announced = process.wait_for_line(r"running on http://([\d.]+):(\d+)", START_SECONDS)
        host, port = announced[1], int(announced[2])
        process.wait_until(
            lambda: _is_healthy(host, port) or None, "an answer of /health", START_SECONDS
        )
        yield MlflowServer(host, port, artifacts, process)


def _is_healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
