"""Load by the standard MLflow client while a story unfolds, and what came of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import ServerProcess

CLIENT = Path(__file__).with_name("logging_client.py")
OPERATIONS_PER_RUN = 9
RUN_SECONDS = 150.0
"""How long one run may take: the client waits 120 s for a response."""


@dataclass(frozen=True)
class LoadResult:
    """What the client says of itself; ``longest`` is its slowest operation, in seconds."""

    experiment: str
    runs: int
    operations: int
    failures: list[str]
    longest: float
    slowest: str


class Load:
    """A client that logs."""

    def __init__(self, process: ServerProcess, stop: Path, runs: int) -> None:
        self._process = process
        self._stop = stop
        self._runs = runs

    def go_on(self, runs: int) -> None:
        """Wait until the client has logged so many more runs."""
        goal = self._logged() + runs
        self._process.wait_until(
            lambda: self._logged() >= goal or None, f"{goal} runs", runs * RUN_SECONDS
        )

    def go_on_for(self, seconds: float) -> None:
        """Let so much time pass, however little the client gets done in it."""
        until = time.monotonic() + seconds
        self._process.wait_until(
            lambda: time.monotonic() >= until or None, "time", seconds + RUN_SECONDS
        )

    def finish(self) -> LoadResult:
        """Let the client log what is still due, and end."""
        self._stop.touch()
        code = self._process.wait(self._runs * 30 + RUN_SECONDS)
        if code:
            raise self._process.failure(f"ended with exit code {code}")
        return LoadResult(**self._lines()[-1])

    def _logged(self) -> int:
        lines = self._lines()
        return int(lines[-1]["runs"]) if lines else 0

    def _lines(self) -> list[dict[str, Any]]:
        text = self._process.output.read_text(encoding="utf-8")
        # MLflow's client says things of its own in between.
        whole = (line for line in text.splitlines(keepends=True) if line.endswith("\n"))
        return [json.loads(line) for line in whole if line.startswith("{")]


@contextmanager
def running_load(folder: Path, url: str, key: str, label: str, runs: int) -> Iterator[Load]:
    """Run the client against ``url`` with its standard settings until the block ends."""
    stop = folder / f"{label}.stop"
    command = [sys.executable, str(CLIENT), label, str(runs), str(stop)]
    environment = {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_TRACKING_TOKEN": key,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    with ServerProcess(command, environment, folder, f"{label}-client") as process:
        yield Load(process, stop, runs)
