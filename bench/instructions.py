"""Instructions of each program for each small request, in user space, counted by valgrind.

Seconds depend on the load that others put on the machine, instructions do not: they show what a
change of code is worth where seconds are too rough.  What the kernel does is not counted.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench import cpu
from bench.dataplane import example_request
from bench.http_client import KeptConnection
from bench.peers.collector import collector
from bench.peers.field import Subject, running, sink
from bench.peers.launch import placed
from bench.peers.programs import Program
from bench.series import Better, Series
from bench.setting import CannotMeasureError, Setting
from bench.telemetry import exporting

REQUESTS = (500, 4500)
"""Of two processes: what one more request takes is the difference, without start and end."""
STOP_SECONDS = 300.0
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
_COUNT = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--trace-children=yes", "--quiet")


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Count once for each program and kind of request; counting again gives nearly the same.

    The gate is measured as it is by default, and with all telemetry too.

    Raises:
        CannotMeasureError: there is no valgrind.
    """
    if shutil.which("valgrind") is None:
        raise CannotMeasureError("needs valgrind: apt-get install valgrind")
    found: dict[str, dict[str, list[float]]] = {case: {} for case in cpu.CASES}
    with placed(setting.other_cores), sink(setting) as upstream, collector(setting) as otlp:
        for case, counted in found.items():
            for program in (*programs, exporting(otlp.port)):
                setting.say(f"instructions, {case}: {program.name}")
                folder = setting.folder / f"{program.name}-{case}"
                port = cpu.port_for(upstream, case)
                counted[program.name] = [_per_request(setting, program, folder, case, port)]
    return [
        Series(
            f"instructions.{case}",
            f"Instructions per request: {title}",
            "thousands",
            Better.LOWER,
            found[case],
        )
        for case, title in cpu.CASES.items()
    ]


def _per_request(
    setting: Setting, program: Program, folder: Path, case: str, upstream_port: int
) -> float:
    few, many = REQUESTS if not setting.quick else (20, 40)
    counts = []
    for requests in (few, many):
        output = folder / f"counts-{requests}"
        output.mkdir(parents=True)
        output.chmod(0o777)  # workers of nginx are nobody's processes
        under = [*_COUNT, f"--cachegrind-out-file={output}/%p"]
        subfolder = folder / str(requests)
        with running(setting, program, subfolder, upstream_port, under=under) as subject:
            _send(subject, case, requests)
            process = subject.running.process
            process.signal(program.stop)  # each process writes its count at its end
            process.wait(STOP_SECONDS)
        counts.append(_total(output))
    return (counts[1] - counts[0]) / (many - few) / 1e3


def _send(subject: Subject, case: str, requests: int) -> None:
    """One request after the other on one connection, as those of the benchmark ``cpu``."""
    with KeptConnection(subject.port, subject.key) as connection:
        for number in range(1, requests + 1):
            connection.say(example_request(case, subject.key, number))


def _total(output: Path) -> int:
    """What all processes have counted."""
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in output.iterdir()]
    found = [_TOTAL.search(text) for text in texts]
    if not found or None in found:
        raise CannotMeasureError("a process has not written what it counted")
    return sum(int(each[1]) for each in found if each is not None)
