"""Runs a server program for a test: started, waited for by condition, and stopped for certain."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.support.patience import patience

T = TypeVar("T")

POLL_SECONDS = 0.02
STOP_SECONDS = 15.0
_LOG_TAIL = 4000  # characters of a log that a failure shows


class ServerError(AssertionError):
    """A server did not do what its test relies on; the message ends with the server's log."""


class ServerProcess:
    """One server program in a process group of its own, with its output in files.

    ``folder/name.out`` and ``folder/name.err`` receive standard output and standard error.
    The program sees the environment of the tests without any ``HEADGATE_`` or ``MLFLOW_``
    variable, plus ``environment``, so that a developer's own settings change no result.
    ``descriptors``: those of this process that the program gets too.
    Use it as a context manager, or call ``stop``.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        name: str,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.output = folder / f"{name}.out"
        self.errors = folder / f"{name}.err"
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                env=clean_environment() | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
                pass_fds=descriptors,
            )

    @property
    def pid(self) -> int:
        """The process id of the program itself, which is also its group's id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, or ``None`` while the program runs."""
        return self._process.poll()

    def wait_until(self, condition: Callable[[], T | None], what: str, seconds: float) -> T:
        """Return the first result of ``condition`` that is not ``None``.

        ``seconds`` is how long it takes where nothing else runs (``patience``).

        Raises:
            ServerError: when the program ends first, or it takes longer.
        """
        limit = patience(seconds)
        deadline = time.monotonic() + limit
        while (result := condition()) is None:
            if time.monotonic() > deadline:
                raise self.failure(f"{what}: not within {limit:g} s")
            self._pause(what)
        return result

    def wait_for_line(self, pattern: str, seconds: float) -> re.Match[str]:
        """Return the first match of ``pattern`` in the program's standard error.

        Raises:
            ServerError: as ``wait_until`` does.
        """
        regex = re.compile(pattern)
        return self.wait_until(
            lambda: regex.search(_text(self.errors)), f"a line like {pattern!r}", seconds
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program, not to its children."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Wait for the program's own end and return its exit code; ``seconds`` as before.

        Raises:
            ServerError: when it still runs then.
        """
        limit = patience(seconds)
        try:
            return self._process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            raise self.failure(f"still runs after {limit:g} s") from None

    def stop(self) -> None:
        """Ask the program to end; after ``STOP_SECONDS`` kill it.  No child outlives the call."""
        try:
            self._process.terminate()
            self._process.wait(timeout=patience(STOP_SECONDS))
        except subprocess.TimeoutExpired:
            pass  # killed with its group below
        finally:
            _kill_group(self.pid)
            self._process.wait()

    def failure(self, message: str) -> ServerError:
        """Make the error that says ``message`` and shows the end of the log."""
        log = (_text(self.output) + _text(self.errors))[-_LOG_TAIL:]
        return ServerError(f"{self.name}: {message}; its log ends:\n{log}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _pause(self, what: str) -> None:
        """Let a moment pass, and notice when the program ends in it."""
        try:
            code = self._process.wait(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            return
        raise self.failure(f"ended with exit code {code} while the test waited for {what}")


def clean_environment() -> dict[str, str]:
    """The environment of the tests without settings of Headgate, MLflow and Python's streams."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HEADGATE_", "MLFLOW_", "PYTHONUNBUFFERED"))
    }


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # all of the group may have ended by themselves
        os.killpg(group, signal.SIGKILL)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
