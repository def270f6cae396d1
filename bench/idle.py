"""Memory of a proxy for each client connection that rests between two requests."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from bench.http_client import KeptConnection
from bench.peers.field import Subject, running, sink
from bench.peers.launch import placed
from bench.peers.programs import Program
from bench.processes import usage
from bench.series import Better, Series, alternating
from bench.setting import Setting

CONNECTIONS = 5000
ROUNDS = 3
_WARM_UP = 200


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Open 5,000 connections to a new process, send a request on each, and leave them open."""
    count = setting.choose(CONNECTIONS, CONNECTIONS // 10)
    by_name = {program.name: program for program in programs}
    grown: dict[str, list[float]] = {name: [] for name in by_name}
    rounds = min(setting.rounds, ROUNDS)
    with placed(setting.other_cores), sink(setting) as upstream:
        for turn, order in enumerate(alternating(list(by_name), rounds), start=1):
            for name in order:
                setting.say(f"idle, {name}: round {turn} of {rounds}")
                folder = setting.folder / f"{name}-{turn}"
                with running(setting, by_name[name], folder, upstream.alike) as subject:
                    grown[name].append(_growth(subject, count))
    return [Series("idle.memory", "Memory per idle connection", "KB", Better.LOWER, grown)]


def _growth(subject: Subject, count: int) -> float:
    """KB of resident memory that each of ``count`` connections adds."""
    for _ in range(_WARM_UP):
        with KeptConnection(subject.port, subject.key) as connection:
            connection.ask()
    before = usage(subject.session).resident
    with contextlib.ExitStack() as stack:
        resting = []
        for _ in range(count):
            connection = stack.enter_context(KeptConnection(subject.port, subject.key))
            connection.ask()
            resting.append(connection)
        after = usage(subject.session).resident
        resting[0].ask()  # the oldest is open still, and so are the others
    return (after - before) / count / 1e3
