"""How much memory the gate needs for a very large artifact, and what the gate costs in time.

One artifact goes up and down through a gate to a real MLflow server, and straight to that server
in the same run.  On the way up MLflow is the slow side; at the end a reader that rests makes the
client the slow one.  A gate that did not hold the fast side back would show it in its peak.
Sizes are bytes and times are seconds, in the JSON too.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ByteSize, TypeAdapter

from bench.processes import Usage, usage
from bench.result import Result
from bench.transfer import Artifact
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.mlflow_server import MlflowServer, running_mlflow

LIMIT = 100_000_000  # bytes, all processes of the gate together
REST_SECONDS = 3.0
TARGET = "/api/2.0/mlflow-artifacts/artifacts/bench/large"
_WARM_UP = Artifact(8 * 1024 * 1024)


class _Way(NamedTuple):
    """A server to send to, and what to present there."""

    host: str
    port: int
    target: str
    field: str


class _Measured(NamedTuple):
    """One direction: seconds of each transfer, the gate's CPU seconds and peak bytes."""

    direction: str
    direct: list[float]
    gate: list[float]
    cpu: float
    peak: int


def run(arguments: Sequence[str]) -> Result:
    """Run the benchmark; ``--help`` tells the options."""
    parser = argparse.ArgumentParser(prog="python -m bench memory", description=__doc__)
    size = TypeAdapter(ByteSize).validate_python
    parser.add_argument("--size", type=size, default=size("2GiB"), help="of the artifact (2GiB)")
    parser.add_argument("--rounds", type=int, default=3, help="transfers of each kind (3)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as name:
        folder = Path(name)
        key = create_key(folder / "data", "bench")
        with running_mlflow(folder) as server, running_gate(folder, server.url) as gate:
            return _measure(server, gate, key, Artifact(options.size), options.rounds)


def _measure(server: MlflowServer, gate: Gate, key: str, artifact: Artifact, rounds: int) -> Result:
    direct = _Way(server.host, server.port, TARGET, "Connection: close")
    through = _Way(gate.host, gate.port, TARGET, bearer(key))
    for way in (direct, through):
        _WARM_UP.upload(*way)
        _WARM_UP.download(*way)
    idle = usage(gate.process.pid)
    measured = [
        _direction("upload", artifact.upload, direct, through, gate, rounds),
        _direction("download", artifact.download, direct, through, gate, rounds),
    ]
    artifact.download(*through, rest=REST_SECONDS)
    return _result(artifact.size, idle, measured, usage(gate.process.pid).peak)


def _direction(
    name: str,
    transfer: Callable[[str, int, str, str], float],
    direct: _Way,
    through: _Way,
    gate: Gate,
    rounds: int,
) -> _Measured:
    before = usage(gate.process.pid)
    straight, passed = [], []
    for _ in range(rounds):
        straight.append(transfer(*direct))
        passed.append(transfer(*through))
    after = usage(gate.process.pid)
    return _Measured(name, straight, passed, (after.cpu - before.cpu) / rounds, after.peak)


def _result(size: int, idle: Usage, measured: Sequence[_Measured], peak: int) -> Result:
    rows = [("(idle)", "", "", "", "", "", _megabytes(idle.peak))]
    figures: dict[str, Any] = {}
    for m in measured:
        direct, gate = statistics.median(m.direct), statistics.median(m.gate)
        times = (f"{direct:.1f} s", f"{gate:.1f} s", f"{gate / direct:.2f}")
        cost = (f"{size / gate / 1e6:.0f} MB/s", f"{m.cpu:.1f} s", _megabytes(m.peak))
        rows.append((m.direction, *times, *cost))
        figures[m.direction] = {**m._asdict(), "ratio": gate / direct}
    rows.append((f"reader rests {REST_SECONDS:g} s", "", "", "", "", "", _megabytes(peak)))
    return Result(
        name="memory",
        title=f"An artifact of {size / 2**30:g} GiB, through the gate and straight to MLflow",
        header=("", "direct", "gate", "ratio", "gate's rate", "gate's CPU", "gate's peak"),
        rows=rows,
        figures={
            "size": size,
            "gate_processes": idle.processes,
            "idle_peak": idle.peak,
            "peak": peak,
            **figures,
        },
        targets={f"the gate's peak memory is below {_megabytes(LIMIT)}": peak < LIMIT},
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
