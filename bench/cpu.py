"""CPU time of each proxy for each small request, all its processes counted."""

from __future__ import annotations

from collections.abc import Sequence

from bench import wrk
from bench.peers.field import Sink, Subject, all_running, sink
from bench.peers.launch import placed
from bench.peers.programs import Program
from bench.processes import usage
from bench.series import Better, Series, alternating
from bench.setting import Setting

CONNECTIONS = 8
SECONDS = 2
CASES = {
    "alike": "GET, heads alike",
    "varied": "GET, each head different",
    "post": "POST of a metric",
}


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Load one proxy at a time, for each case and round.

    ``alike`` sends one request again and again and gets the same response's head each time;
    ``varied`` has another query, trace context and answer field each time, so that nothing about
    heads can be remembered, and one trace in a hundred is sampled; ``post`` logs a metric: the
    body and its length change, the responses' heads do not.
    """
    found = []
    with placed(setting.other_cores), sink(setting) as upstream:
        for case, title in CASES.items():
            folder = setting.folder / case
            with all_running(setting, programs, folder, port_for(upstream, case)) as subjects:
                found += _case(setting, case, title, subjects)
    return found


def port_for(upstream: Sink, case: str) -> int:
    """Which of the two servers responds to requests of the kind ``case``."""
    return upstream.varied if case == "varied" else upstream.alike


def _case(setting: Setting, case: str, title: str, subjects: Sequence[Subject]) -> list[Series]:
    by_name = {subject.name: subject for subject in subjects}
    cpu: dict[str, list[float]] = {name: [] for name in by_name}
    kernel: dict[str, list[float]] = {name: [] for name in by_name}
    rate: dict[str, list[float]] = {name: [] for name in by_name}
    for subject in subjects:
        load(subject, case, 1)  # connections are made and code is warm
    for turn, names in enumerate(alternating(list(by_name), setting.rounds), start=1):
        setting.say(f"cpu, {title}: round {turn} of {setting.rounds}")
        for name in names:
            before = usage(by_name[name].session)
            done = load(by_name[name], case, setting.choose(SECONDS, 1))
            after = usage(by_name[name].session)
            cpu[name].append((after.cpu - before.cpu) / done.requests * 1e6)
            kernel[name].append((after.kernel - before.kernel) / done.requests * 1e6)
            rate[name].append(done.rate)
    return [
        Series(f"cpu.{case}", f"CPU time per request: {title}", "µs", Better.LOWER, cpu),
        Series(f"kernel.{case}", f"In the kernel: {title}", "µs", Better.LOWER, kernel),
        Series(f"rate.{case}", f"Requests per second: {title}", "1/s", Better.HIGHER, rate),
    ]


def load(subject: Subject, case: str, seconds: int) -> wrk.Load:
    """Send requests of the kind ``case`` for some seconds."""
    return wrk.run(case, subject.port, subject.key, connections=CONNECTIONS, seconds=seconds)
