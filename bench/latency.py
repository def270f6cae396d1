"""How much later a response arrives through a proxy than directly from the server, at low load."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Sequence

from bench.http_client import KeptConnection
from bench.peers.field import all_running, sink
from bench.peers.launch import placed
from bench.peers.programs import Program
from bench.series import Better, Series
from bench.setting import Setting

DIRECT = "direct"
REQUESTS = 2000
_WARM_UP = 100
_BLOCK = 50
"""Requests on one connection before it is the next one's turn."""


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Ask the server and each proxy in turn, one request at a time on one connection each."""
    median: dict[str, list[float]] = {program.name: [] for program in programs}
    late: dict[str, list[float]] = {program.name: [] for program in programs}
    requests = setting.choose(REQUESTS, REQUESTS // 10)
    with (
        placed(setting.other_cores),
        sink(setting) as upstream,
        all_running(setting, programs, setting.folder / "proxies", upstream.alike) as subjects,
    ):
        for turn in range(1, setting.rounds + 1):
            setting.say(f"latency: round {turn} of {setting.rounds}")
            with contextlib.ExitStack() as stack:
                ways = {DIRECT: stack.enter_context(KeptConnection(upstream.alike, ""))}
                for subject in subjects:
                    ways[subject.name] = stack.enter_context(
                        KeptConnection(subject.port, subject.key)
                    )
                taken = _ask_in_turn(ways, requests)
            direct = taken.pop(DIRECT)
            for name, microseconds in taken.items():
                median[name].append(statistics.median(microseconds) - statistics.median(direct))
                late[name].append(_percentile_99(microseconds) - _percentile_99(direct))
    return [
        Series("latency.p50", "Added latency, median", "µs", Better.LOWER, median),
        Series("latency.p99", "Added latency, 99th percentile", "µs", Better.LOWER, late),
    ]


def _ask_in_turn(ways: dict[str, KeptConnection], requests: int) -> dict[str, list[float]]:
    """Microseconds until each response, for each subject."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for connection in ways.values():
        _ask(connection, _WARM_UP)
    for _ in range(requests // _BLOCK):
        for name, connection in ways.items():
            taken[name] += _ask(connection, _BLOCK)
    return taken


def _ask(connection: KeptConnection, requests: int) -> list[float]:
    taken = []
    for _ in range(requests):
        started = time.perf_counter_ns()
        connection.ask()
        taken.append((time.perf_counter_ns() - started) / 1e3)
    return taken


def _percentile_99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]
