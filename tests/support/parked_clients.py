"""Clients of every kind that wait at parked gates, what each of them saw, and what MLflow has then.

The clients are processes of ``parked_clients_load``, in Pythons with several versions of MLflow.
"""

from __future__ import annotations

import datetime as dt
import json
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from tests.support.gate import Gate
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_versions import CURRENT, python_with
from tests.support.parked_clients_load import MLFLOW_KINDS, POLL_TIMEOUT, POLLED, Plan, Saw
from tests.support.parked_clients_world import MADE, TRACED, Target, made
from tests.support.processes import clean_environment

READY_SECONDS: Final = 300.0
END_SECONDS: Final = 900.0
PLAIN: Final = ("plain OTLP", "page", "curl", *POLLED)
"""The kinds that are no clients of MLflow's."""


@dataclass(frozen=True)
class Crowd:
    """One process with clients.

    Attributes:
        version: of MLflow, in the process.
        key: of the gate.
        clients: how many of each kind.
        gate: which gate they ask.
    """

    version: str
    key: str
    clients: Mapping[str, int]
    gate: int = 0


@dataclass(frozen=True)
class Park:
    """How long, and how it is begun and ended.

    Attributes:
        seconds: from its beginning to its end.
        spread: seconds within which the clients start.
        begin: parks; returns once nothing is under way.
        end: unparks.
        during: called once all clients have started.
        poll_timeout: seconds that those who ask again and again wait for a response.
    """

    seconds: float
    spread: float
    begin: Callable[[], None]
    end: Callable[[], None]
    during: Callable[[], None] = lambda: None
    poll_timeout: float = POLL_TIMEOUT


@dataclass(frozen=True)
class Row:
    """What the clients of one kind saw; ``worst`` is one of the errors."""

    kind: str
    clients: int
    succeeded: int
    failed: int
    refused: int
    longest: float
    median: float
    lost: int
    doubled: int
    worst: str

    def cells(self) -> list[str]:
        """The row of a table in Markdown."""
        return [
            self.kind,
            *(f"{each:,}" for each in (self.clients, self.succeeded, self.failed, self.refused)),
            f"{self.longest:.1f}",
            f"{self.median:.1f}",
            *(f"{each:,}" for each in (self.lost, self.doubled)),
        ]


HEADINGS: Final = (
    "Kind",
    "Clients",
    "Succeeded",
    "Failed",
    "429 seen",
    "Longest wait, s",
    "Median wait, s",
    "Lost",
    "Doubled",
)


@dataclass
class Report:
    """What came of it.

    Attributes:
        rows: one for each kind.
        saws: what each client saw.
        before: bytes of memory of each gate before the park.
        during: the same while all clients waited.
        parked: when nothing was under way any more, in seconds since the epoch.
        ended: when the park ended.
        sent: when MLflow was sent each request from then on.
    """

    rows: Sequence[Row]
    saws: Sequence[Saw]
    before: Sequence[int]
    during: Sequence[int]
    parked: float
    ended: float
    sent: Sequence[float]

    def row(self, kind: str) -> Row:
        """The row of one kind."""
        return next(each for each in self.rows if each.kind == kind)

    def sent_while_parked(self) -> int:
        """How many requests MLflow was sent while it should have had none."""
        return sum(self.parked <= each < self.ended for each in self.sent)

    def released(self, seconds: int = 60) -> list[int]:
        """How many requests MLflow was sent in each second after the park."""
        found = Counter(int(each - self.ended) for each in self.sent if each >= self.ended)
        return [found[second] for second in range(min(max(found, default=0), seconds) + 1)]

    def table(self) -> str:
        """The rows in Markdown."""
        lines = [HEADINGS, ["---"] * len(HEADINGS), *(row.cells() for row in self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


class _Process:
    """A process with clients, which waits until it may begin."""

    def __init__(self, crowd: Crowd, plan: Plan, home: Path, stack: ExitStack) -> None:
        self.output = home / f"{plan.name}.out"
        errors = stack.enter_context((home / f"{plan.name}.err").open("wb"))
        output = stack.enter_context(self.output.open("wb"))
        self.errors = Path(errors.name)
        settings = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GIT_PYTHON_REFRESH": "quiet",
            "HOME": str(home),
        }
        self._process = subprocess.Popen(
            [python_with(crowd.version), "-m", "tests.support.parked_clients_load"],
            env=clean_environment() | settings,
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
        )
        stack.callback(self.stop)
        self._say(json.dumps(asdict(plan)))

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        stdin: IO[bytes] = self._process.stdin
        stdin.write(line.encode() + b"\n")
        stdin.flush()

    def wait_until_ready(self, deadline: float) -> None:
        while "ready" not in self.output.read_text():
            running = self._process.poll() is None and time.monotonic() < deadline
            assert running, self.errors.read_text()[-3000:]
            _pause()

    def go(self) -> None:
        self._say("go")

    def saw(self) -> list[Saw]:
        self._process.wait(END_SECONDS)
        assert self._process.returncode == 0, self.errors.read_text()[-3000:]
        return [Saw(**each) for each in json.loads(self.output.read_text().splitlines()[-1])]

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


def watch(
    crowds: Sequence[Crowd], gates: Sequence[Gate], mlflow: MlflowServer, target: Target, park: Park
) -> Report:
    """Let clients wait at parked gates, and say what they saw and what MLflow has afterwards.

    Raises:
        AssertionError: the clients could not be started, or do not end.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parked-clients-")))
        processes = [
            _Process(crowd, _plan(crowd, gates, target, park, number), home, stack)
            for number, crowd in enumerate(crowds)
        ]
        deadline = time.monotonic() + READY_SECONDS
        for process in processes:
            process.wait_until_ready(deadline)
        before = [memory(gate) for gate in gates]
        began = time.monotonic()
        park.begin()
        parked = time.time()
        for process in processes:
            process.go()
        _wait_until(began + park.spread)
        park.during()
        _wait_until(began + park.seconds)
        during = [memory(gate) for gate in gates]
        ended = time.time()
        park.end()
        saws = [saw for process in processes for saw in process.saw()]
    rows = _rows(saws, made(mlflow, target))
    sent = [at for gate in gates for at in map(_sent_at, gate.outcomes()) if at >= parked]
    return Report(rows, saws, before, during, parked, ended, sent)


def _plan(crowd: Crowd, gates: Sequence[Gate], target: Target, park: Park, number: int) -> Plan:
    return Plan(
        gates[crowd.gate].url,
        crowd.key,
        target.experiment,
        target.run,
        f"p{number}-{target.experiment}",
        crowd.clients,
        park.spread,
        park.seconds,
        target.digest,
        poll_timeout=park.poll_timeout,
    )


def _rows(saws: Iterable[Saw], world: Mapping[str, Counter[str]]) -> list[Row]:
    kinds: dict[str, list[Saw]] = defaultdict(list)
    for saw in saws:
        kinds[saw.kind].append(saw)
    return [_row(kind, found, world.get(kind, Counter())) for kind, found in kinds.items()]


def _row(kind: str, saws: Sequence[Saw], there: Counter[str]) -> Row:
    counted = kind in (*MADE, *TRACED)
    waits = [saw.waited for saw in saws]
    failed = sum(saw.failed for saw in saws)
    errors = Counter(saw.error for saw in saws if saw.error)
    return Row(
        kind,
        len(saws),
        sum(saw.asked for saw in saws) - failed,
        failed,
        sum(saw.refused for saw in saws),
        max(waits),
        statistics.median(waits),
        sum(saw.ok and not there[saw.name] for saw in saws) if counted else 0,
        sum(there[saw.name] > 1 for saw in saws) if counted else 0,
        errors.most_common(1)[0][0] if errors else "",
    )


def _sent_at(outcome: Mapping[str, Any]) -> float:
    """When MLflow was sent a request, in seconds since the epoch; 0: it was not."""
    if not outcome.get("upstream") or not outcome.get("attempts"):
        return 0.0
    at = dt.datetime.fromisoformat(outcome["time"]).timestamp()
    return at - float(outcome["upstream_ms"]) / 1000


def memory(gate: Gate) -> int:
    """The bytes of memory of a gate's processes; what they share counts once."""
    pids = [gate.process.pid]
    for pid in pids:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        pids += [int(each) for each in children.split()]
    rolled = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    lines = [line.split() for text in rolled for line in text.splitlines()]
    return sum(int(line[1]) * 1024 for line in lines if line[0] == "Pss:")


def split(kinds: Mapping[str, int], versions: Sequence[str]) -> list[tuple[str, dict[str, int]]]:
    """Divide clients among processes: MLflow's among the versions, the others with none of it."""
    found: list[tuple[str, dict[str, int]]] = []
    for number, version in enumerate(versions):
        part = {
            kind: (count + len(versions) - 1 - number) // len(versions)
            for kind, count in kinds.items()
            if kind in MLFLOW_KINDS
        }
        found.append((version, {kind: count for kind, count in part.items() if count}))
    others = {kind: count for kind, count in kinds.items() if kind in PLAIN}
    if others:
        found.append((CURRENT, others))
    return found


def _wait_until(moment: float) -> None:
    while time.monotonic() < moment:
        _pause()


def _pause() -> None:
    threading.Event().wait(0.05)
