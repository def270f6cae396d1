"""How late reads are while keys are made and revoked, ten changes a second.

The reads that this is compared with meet the same changes, in the store of nobody: so both share
the machine with the program that makes them, and differ only in that a gate follows.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.peers.field import sink
from bench.peers.launch import HOST, placed
from bench.peers.programs import Program
from bench.population import CHANGES_PER_SECOND, configuration, populate, secret
from bench.series import Better, Series, alternating
from bench.setting import CannotMeasureError, Setting
from bench.targets import GATE
from tests.support.gate import Gate, running_gate

KEYS = 100_000
SECONDS = 20
STILL = "no changes"
CASES = {
    "p50": "median",
    "p99": "99th percentile",
    "p999": "99.9th percentile",
    "max": "the latest of all",
}


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Read at a fixed pace, with changes of the gate's store and with changes of another."""
    keys = setting.choose(KEYS, KEYS // 100)
    followed, other = setting.folder / "data", setting.folder / "other"
    populate(configuration(followed), keys)
    populate(configuration(other), keys)
    late: dict[str, dict[str, list[float]]] = {case: {GATE: [], STILL: []} for case in CASES}
    with sink(setting) as upstream, _gate(setting, programs[0], upstream.alike) as gate:
        for turn, names in enumerate(alternating([GATE, STILL], setting.rounds), start=1):
            setting.say(f"changes: round {turn} of {setting.rounds}")
            for name in names:
                data = followed if name == GATE else other
                with placed(setting.other_cores), _changing(data):
                    taken = _read(gate.port, setting.choose(SECONDS, 2))
                for case, value in _summed_up(taken).items():
                    late[case][name].append(value)
    what = f"Reads during {CHANGES_PER_SECOND} changes a second of {keys:,} keys"
    return [
        Series(f"changes.{case}", f"{what}: {title}", "ms", Better.LOWER, late[case])
        for case, title in CASES.items()
    ]


@contextmanager
def _gate(setting: Setting, program: Program, upstream_port: int) -> Iterator[Gate]:
    """A gate with one worker in front of a server, with its keys in ``folder/data``."""
    environment = {"HEADGATE_LISTEN__WORKERS": "1", **program.environment()}
    with contextlib.ExitStack() as stack:
        with placed(setting.proxy_cores):
            gate = stack.enter_context(
                running_gate(setting.folder, f"http://{HOST}:{upstream_port}", environment)
            )
        yield gate


@contextmanager
def _changing(data: Path) -> Iterator[None]:
    """Change the keys of a store until the block ends, in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", "bench.population", str(data)])  # noqa: S603
    try:
        yield
        if process.poll() is not None:
            raise CannotMeasureError("the program that changes keys has failed")
    finally:
        process.kill()
        process.wait()


def _read(port: int, seconds: int) -> list[float]:
    command = [sys.executable, "-m", "bench.paced", str(port), secret(0), str(seconds)]
    done = subprocess.run(  # noqa: S603 - our own command
        command, check=False, capture_output=True, text=True, timeout=seconds + 120
    )
    if done.returncode:
        raise CannotMeasureError(f"the reads have failed: {done.stderr[-2000:]}")
    found: list[float] = json.loads(done.stdout)
    return found


def _summed_up(microseconds: Sequence[float]) -> dict[str, float]:
    milliseconds = [each / 1e3 for each in microseconds]
    parts = statistics.quantiles(milliseconds, n=1000)
    return {
        "p50": parts[499],
        "p99": parts[989],
        "p999": parts[998],
        "max": max(milliseconds),
    }
