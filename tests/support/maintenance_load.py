"""Several of MLflow's own clients, while something happens to MLflow, and what came of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.mlflow_versions import python_with
from tests.support.processes import ServerProcess, clean_environment

CLIENT: Final = Path(__file__).with_name("maintenance_client.py")
EXPORTER: Final = CLIENT.with_name("maintenance_exporter.py")
COMPARISON: Final = Path(__file__).with_name("maintenance_comparison.py")
PAUSE: Final = 0.3
"""Seconds between two cycles of a client, so that the comparison stays short enough to be read."""
START_SECONDS: Final = 180.0
CYCLE_SECONDS: Final = 600.0
"""How long a cycle may take: MLflow's client repeats a request for four minutes."""
COMPARISON_SECONDS: Final = 600.0
_ENVIRONMENT: Final = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}


@dataclass(frozen=True)
class ClientAt:
    """One client: where it sends its requests, its key, and the interpreter that it runs on.

    ``program``: ``CLIENT``, or ``EXPORTER``.
    """

    url: str
    key: str
    label: str
    python: Path = Path(sys.executable)
    program: Path = CLIENT


@dataclass(frozen=True)
class Verdict:
    """What came of the operations of all clients.

    Attributes:
        operations: how many there were.
        failures: what clients received in place of a success.
        lost: what MLflow has acknowledged and does not have, or not as it was sent.
        doubled: what MLflow has and no client knows of.
        longest: seconds that the slowest operation took.
        slowest: which that was.
        counts: how many objects of each kind MLflow has.
        exports: how many OpenTelemetry's own exporter made, which are no operations of the above.
        given_up: how many of these it gave up.
        waits: seconds that the slowest operation of each kind took.
    """

    operations: int
    failures: Sequence[str]
    lost: Sequence[str]
    doubled: Sequence[str]
    longest: float
    slowest: str
    counts: Mapping[str, int]
    exports: int = 0
    given_up: int = 0
    waits: Mapping[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """The figures alone, for a table."""
        return {
            "operations": self.operations,
            "failed": len(self.failures),
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "longest": round(self.longest, 1),
            "exports": self.exports,
            "given_up": self.given_up,
            "waits": {kind: round(wait, 1) for kind, wait in self.waits.items()},
        }

    def assert_unnoticed(self) -> None:
        """Every operation succeeded, and everything is there once and whole."""
        assert not self.failures, self.failures
        assert not self.lost, self.lost
        assert not self.doubled, self.doubled
        assert self.counts["run"] > 0, self.counts
        assert self.counts["trace"] > 0, self.counts

    def __str__(self) -> str:
        counts = ", ".join(f"{number} {kind}s" for kind, number in self.counts.items())
        return (
            f"{self.operations} operations, {len(self.failures)} failed, {len(self.lost)} lost, "
            f"{len(self.doubled)} doubled; longest {self.longest:.1f} s ({self.slowest}); "
            f"{self.given_up} of {self.exports} exports given up; {counts}"
        )


class MaintenanceLoad:
    """The clients, each a process of its own."""

    def __init__(self, processes: Sequence[ServerProcess], stop: Path) -> None:
        self._processes = processes
        self._stop = stop

    def cycles(self) -> list[int]:
        """How many each client has done."""
        return [len(_lines(process)) for process in self._processes]

    def go_on(self, cycles: int = 1) -> None:
        """Wait until every client has done so many more."""
        goals = [done + cycles for done in self.cycles()]
        for number, process in enumerate(self._processes):
            process.wait_until(
                lambda process=process, goal=goals[number]: (  # type: ignore[misc]
                    len(_lines(process)) >= goal or None
                ),
                f"{goals[number]} cycles",
                START_SECONDS + cycles * CYCLE_SECONDS,
            )

    def finish(self) -> list[dict[str, Any]]:
        """Let the clients come to their end; what each cycle has to say."""
        self._stop.touch()
        lines = []
        until = time.monotonic() + CYCLE_SECONDS
        for process in self._processes:
            code = process.wait(max(until - time.monotonic(), 1))
            if code:
                raise process.failure(f"ended with exit code {code}")
            lines += _lines(process)
        return lines

    def verdict(self, mlflow: str, key: str = "") -> Verdict:
        """Let the clients come to their end, and compare with what the MLflow at ``mlflow`` has.

        ``key`` is for a gate in front of it.
        """
        everything = self.finish()
        found = reconcile(everything, mlflow, key)
        exports = [cycle for cycle in everything if cycle["slowest"] == "export"]
        cycles = [cycle for cycle in everything if cycle["slowest"] != "export"]
        slowest = max(cycles, key=lambda cycle: float(cycle["longest"]))
        return Verdict(
            operations=sum(cycle["operations"] for cycle in cycles),
            failures=[failure for cycle in cycles for failure in cycle["failures"]],
            lost=found["lost"],
            doubled=found["doubled"],
            longest=slowest["longest"],
            slowest=f"{slowest['slowest']} of {slowest['name']}",
            counts=found["counts"],
            exports=len(exports),
            given_up=sum(bool(cycle["failures"]) for cycle in exports),
            waits=_waits(everything),
        )


@contextmanager
def maintenance_load(
    folder: Path, clients: Sequence[ClientAt], cycles: int = 1, pause: float = PAUSE
) -> Iterator[MaintenanceLoad]:
    """Run the clients with their standard settings until the block ends.

    Each does at least so many ``cycles``.  The block begins when each has done its first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stop = folder / "clients.stop"
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                ServerProcess(
                    [
                        *(str(client.python), str(client.program), client.label),
                        *(str(cycles), str(pause), str(stop)),
                    ],
                    {
                        **_ENVIRONMENT,
                        "MLFLOW_TRACKING_URI": client.url,
                        **({"MLFLOW_TRACKING_TOKEN": client.key} if client.key else {}),
                    },
                    folder,
                    f"client-{client.label}",
                )
            )
            for client in clients
        ]
        load = MaintenanceLoad(processes, stop)
        load.go_on()
        yield load


def _lines(process: ServerProcess) -> list[dict[str, Any]]:
    text = process.output.read_text(encoding="utf-8")
    # MLflow's client says things of its own in between.
    whole = (line for line in text.splitlines(keepends=True) if line.endswith("\n"))
    return [json.loads(line) for line in whole if line.startswith('{"experiment"')]


def _waits(cycles: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for cycle in cycles:
        for kind, seconds in cycle["waits"].items():
            found[kind] = max(seconds, found.get(kind, 0.0))
    return found


def clients_at(
    urls: Sequence[str], key: str, label: str, versions: Sequence[str]
) -> list[ClientAt]:
    """A client for each version, turn by turn at each address, and an exporter at the last."""
    return [
        *(
            ClientAt(urls[number % len(urls)], key, f"{label}-{number}", python_with(version))
            for number, version in enumerate(versions)
        ),
        ClientAt(urls[-1], key, f"{label}-exporter", program=EXPORTER),
    ]


def reconcile(cycles: Sequence[Mapping[str, Any]], mlflow: str, key: str = "") -> dict[str, Any]:
    """What the MLflow at ``mlflow`` has beside, or without, what the clients know of."""
    done = subprocess.run(
        [sys.executable, str(COMPARISON)],
        env=clean_environment()
        | _ENVIRONMENT
        | {"MLFLOW_TRACKING_URI": mlflow, **({"MLFLOW_TRACKING_TOKEN": key} if key else {})},
        input="".join(json.dumps(cycle) + "\n" for cycle in cycles),
        capture_output=True,
        text=True,
        timeout=COMPARISON_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))
