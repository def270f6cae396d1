"""What a second worker adds."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from bench import wrk
from bench.peers.field import Subject, running, sink
from bench.peers.programs import Program
from bench.processes import cpu_by_process
from bench.series import Better, Series, alternating
from bench.setting import CannotMeasureError, Setting

CONNECTIONS = 256
"""So many that chance gives both workers about as many of them."""
SECONDS = 3


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Load each program with one worker and with two, in turn.

    ``workers.rate`` is how many times the requests per second of one worker two reach, here; the
    load and the server behind take their cores from what there is.
    ``workers.carry`` is how many times as many two would carry with a core each.  Two that share
    the work evenly carry twice as many, unless a request costs more CPU time with two than with
    one; that it costs less, which an uneven machine can bring about, is not counted.

    Raises:
        CannotMeasureError: a program does not start two workers.
    """
    by_name = {program.name: program for program in programs}
    rate: dict[str, list[float]] = {name: [] for name in by_name}
    carry: dict[str, list[float]] = {name: [] for name in by_name}
    with sink(setting) as upstream, contextlib.ExitStack() as stack:
        pairs = {
            name: [
                stack.enter_context(
                    running(
                        setting,
                        program,
                        setting.folder / f"{name}-{workers}",
                        upstream.alike,
                        workers=workers,
                        anywhere=True,
                    )
                )
                for workers in (1, 2)
            ]
            for name, program in by_name.items()
        }
        for turn, order in enumerate(alternating(list(by_name), setting.rounds), start=1):
            setting.say(f"workers: round {turn} of {setting.rounds}")
            for name in order:
                one, two = (_load(subject, setting) for subject in pairs[name])
                if two.processes <= one.processes:
                    raise CannotMeasureError(f"{name} runs one worker when asked for two")
                rate[name].append(two.rate / one.rate)
                carry[name].append(_carry(one, two))
    return [
        Series(
            "workers.rate",
            "Two workers over one: requests per second",
            "times",
            Better.HIGHER,
            rate,
        ),
        Series("workers.carry", "Two workers over one: by CPU time", "times", Better.HIGHER, carry),
    ]


@dataclass(frozen=True)
class _Loaded:
    """A program under load.

    ``rate``: requests per second.  ``cost``: seconds of CPU time for each request.  ``busiest``:
    the share of that which fell to the process that did most of the work.
    """

    processes: int
    rate: float
    cost: float
    busiest: float


def _carry(one: _Loaded, two: _Loaded) -> float:
    return min(1.0, one.cost / two.cost) / two.busiest


def _load(subject: Subject, setting: Setting) -> _Loaded:
    before = cpu_by_process(subject.session)
    load = wrk.run(
        "alike",
        subject.port,
        subject.key,
        connections=CONNECTIONS,
        seconds=setting.choose(SECONDS, 1),
    )
    after = cpu_by_process(subject.session)
    spent = [cpu - before.get(process, 0.0) for process, cpu in after.items()]
    return _Loaded(
        processes=len(after),
        rate=load.rate,
        cost=sum(spent) / load.requests,
        busiest=max(spent) / sum(spent),
    )
