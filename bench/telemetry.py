"""What telemetry costs: the gate with all of it, the gate as it is by default, and nginx.

By default the gate writes its access log and counts its metrics, and exports nothing.  With all of
it, traces of one request in a hundred and metrics go to a collector over OTLP, and the metrics for
CloudWatch to standard output.  Both write the same access log; nginx writes one with
the same fields.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench import cpu
from bench.peers.collector import collector
from bench.peers.field import Subject, all_running, sink
from bench.peers.launch import HOST, placed
from bench.peers.programs import Program, headgate_with
from bench.processes import usage
from bench.series import Better, Series, alternating
from bench.setting import CannotMeasureError, Setting
from bench.targets import ALL_TELEMETRY, GATE

RATIO = 0.01
SECONDS = 4
EXPORT_SECONDS = 1.5
"""Until the spans of the last requests are exported: the gate gathers them for a second."""


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Load each program in turn, with each kind of request of the benchmark ``cpu``.

    Raises:
        CannotMeasureError: the collector was sent nothing.
    """
    found: list[Series] = []
    with placed(setting.other_cores), sink(setting) as upstream, collector(setting) as otlp:
        everyone = [*programs, exporting(otlp.port)]
        for case, title in cpu.CASES.items():
            folder = setting.folder / case
            port = cpu.port_for(upstream, case)
            with all_running(setting, everyone, folder, port) as subjects:
                by_name = {subject.name: subject for subject in subjects}
                spent: dict[str, list[float]] = {name: [] for name in by_name}
                for subject in subjects:
                    _cost(setting, subject, case)  # the first export loads what it needs
                for turn, names in enumerate(alternating(list(by_name), setting.rounds), start=1):
                    setting.say(f"telemetry, {title}: round {turn} of {setting.rounds}")
                    for name in names:
                        spent[name].append(_cost(setting, by_name[name], case))
            found += _series(case, title, spent)
        if not otlp.traces() or not otlp.metrics():
            raise CannotMeasureError("the gate has exported nothing to the collector")
    return found


def _cost(setting: Setting, subject: Subject, case: str) -> float:
    """Microseconds of CPU time for each request, the export of what it has left included."""
    before = usage(subject.session).cpu
    done = cpu.load(subject, case, setting.choose(SECONDS, 1))
    time.sleep(EXPORT_SECONDS)  # noqa: TID251 - nothing tells that it has exported
    return (usage(subject.session).cpu - before) / done.requests * 1e6


def exporting(port: int) -> Program:
    """The gate with all telemetry, and a collector at ``port``."""
    return headgate_with(
        ALL_TELEMETRY,
        HEADGATE_TELEMETRY__OTLP__ENDPOINT=f"http://{HOST}:{port}",
        HEADGATE_TELEMETRY__TRACES__RATIO=str(RATIO),
        # One in a hundred of the clients' own traces is sampled: as many are to be exported.
        HEADGATE_TELEMETRY__TRACES__PARENTS_PER_SECOND="100000",
        HEADGATE_TELEMETRY__CLOUDWATCH__ENABLED="true",
    )


def _series(case: str, title: str, spent: dict[str, list[float]]) -> list[Series]:
    added = [
        everything - default
        for everything, default in zip(spent[ALL_TELEMETRY], spent[GATE], strict=True)
    ]
    return [
        Series(f"telemetry.{case}", f"CPU time per request: {title}", "µs", Better.LOWER, spent),
        Series(
            f"telemetry.added-{case}",
            f"What all telemetry adds: {title}",
            "µs",
            Better.LOWER,
            {GATE: added},
        ),
    ]
