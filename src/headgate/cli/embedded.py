"""The MLflow server that ``headgate up`` runs as a child process.

The child is a separate program in its own session: a terminal's Ctrl-C reaches the gate alone,
which drains before it stops MLflow.  MLflow runs under ``headgate.deploy.parent_watch``, so that it
also ends when this process is killed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from headgate.deploy import parent_watch
from headgate.errors import HeadgateError

# The first start creates a database, which takes 10 to 20 s on a small machine.
START_LIMIT = 180.0
# Seconds that MLflow has to finish requests after SIGTERM; by default it waits indefinitely.
STOP_GRACE = 10.0
POLL_INTERVAL = 0.2
LOG_TAIL_BYTES = 16 * 1024


class MLflowEndedError(HeadgateError):
    """The MLflow server exited unexpectedly."""


def server_command(port: int, python: str = sys.executable) -> list[str]:
    """The command line of an MLflow server that stores everything in its working folder.

    ``python`` is the interpreter of the environment whose MLflow it is.

    The paths are relative, so that no character in the folder's name can break the database
    URI, and the folder can be moved.
    """
    return [
        *(python, "-m", "mlflow", "server"),
        *("--backend-store-uri", "sqlite:///mlflow.db"),
        *("--artifacts-destination", "./artifacts"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
    ]


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` without variables of MLflow and Headgate, and with ours.

    MLflow reads a variable for each of its options: one that is meant for the user's client,
    such as a tracking URI or a token, must not affect the server.
    """
    ours = ("MLFLOW_", "_MLFLOW_", "HEADGATE_")
    kept = {name: value for name, value in environment.items() if not name.startswith(ours)}
    return kept | {
        # The job runner starts eight more processes of 70 to 110 MB each.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        # The server runs in the data folder; Python must not import files from there.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def probe_health(host: str, port: int, timeout: float) -> str | None:
    """Request ``/health``: ``None`` if the MLflow server is healthy, otherwise the problem.

    ``timeout`` is in seconds.  Proxies in the environment are not used.
    """
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        body = response.read(256)
    except TimeoutError:
        return f"no response within {timeout:g} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    except http.client.HTTPException:
        return "the response is not HTTP"
    finally:
        connection.close()
    if response.status != http.client.OK or body.strip() != b"OK":
        return f"/health answered {response.status}, which is not MLflow's response"
    return None


class EmbeddedServer:
    """One server process, as a context manager that stops it at the end.

    ``command`` runs in ``folder`` and writes its output to ``log``; it must serve ``/health`` on
    ``port`` of 127.0.0.1.
    """

    def __init__(self, command: Sequence[str], folder: Path, port: int) -> None:
        self._command = command
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "mlflow.log"

    @property
    def url(self) -> str:
        """The URL of the server, without a path."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process that all of the server's descend from."""
        return self._running().pid

    @property
    def runs(self) -> bool:
        """Whether the process has not exited."""
        return not self._ended_within(0)

    @property
    def exit_code(self) -> int:
        """That of the process, which has exited."""
        return self._running().returncode

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start the server; what it printed the last time is kept in another file."""
        with contextlib.suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".log.old"))
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
                [
                    sys.executable,
                    "-I",
                    "-S",
                    parent_watch.__file__,
                    str(STOP_GRACE),
                    *self._command,
                ],
                cwd=self._folder,
                env=server_environment(os.environ),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_until_healthy(
        self, tick: Callable[[float, str], None], limit: float = START_LIMIT
    ) -> None:
        """Wait until the server is healthy; call ``tick`` with the seconds and the last log line.

        Raises:
            MLflowEndedError: the process exited.
            HeadgateError: the server was not healthy after ``limit`` seconds.
        """
        began = time.monotonic()
        while True:
            if self._ended_within(POLL_INTERVAL):
                raise self.stopped()
            if probe_health("127.0.0.1", self._port, timeout=POLL_INTERVAL * 5) is None:
                return
            elapsed = time.monotonic() - began
            tick(elapsed, "".join(self.last_lines(1)))
            if elapsed > limit:
                raise HeadgateError(
                    f"MLflow is not healthy on {self.url} after {limit:.0f} s; "
                    f"its log is {self.log}"
                )

    def wait(self) -> int:
        """Block until the process exits; return its exit code."""
        return self._wait(None)

    def stopped(self) -> MLflowEndedError:
        """The error for a process that exited unexpectedly."""
        code = self._running().returncode
        return MLflowEndedError(f"MLflow exited with code {code}; its log is {self.log}")

    def stop(self) -> None:
        """Stop the server and all its processes, if it is running."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # the signal to stop, see ``parent_watch``
        # The gate's workers have the pipe too, so that while they run it does not close.
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        try:
            self._wait(STOP_GRACE * 1.5)
        except subprocess.TimeoutExpired:
            _kill_group(process.pid)
            process.wait()

    def last_lines(self, count: int) -> list[str]:
        """The last ``count`` non-empty lines of the log."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            text = log.read().decode(errors="replace")
        return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server was never started")
        return self._process

    def _ended_within(self, seconds: float) -> bool:
        try:
            self._wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _wait(self, seconds: float | None) -> int:
        process = self._running()
        before = process.returncode
        code = process.wait(seconds)
        if before is None:
            _kill_group(process.pid)  # its command, if ``parent_watch`` itself was killed
        return code


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
