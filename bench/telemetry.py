"""What telemetry costs: the gate with all of it, the gate as it is by default, and nginx.

By default the gate writes its access log and counts its metrics, and exports nothing.  With all of
it, traces of one request in a hundred and metrics go to a collector over OTLP, and the metrics for
CloudWatch to standard output.  Both write the same access log; nginx writes one with
the same fields.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench import cpu
from bench.peers.collector import collector
from bench.peers.field import all_running, sink
from bench.peers.launch import HOST, placed
from bench.peers.programs import Program, headgate_with
from bench.series import Better, Series, alternating
from bench.setting import CannotMeasureError, Setting
from bench.targets import ALL_TELEMETRY, GATE

RATIO = 0.01


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Load each program in turn, with each kind of request of the benchmark ``cpu``.

    Raises:
        CannotMeasureError: the collector was sent nothing.
    """
    found: list[Series] = []
    with placed(setting.other_cores), sink(setting) as upstream, collector(setting) as otlp:
        exporting = headgate_with(
            ALL_TELEMETRY,
            HEADGATE_TELEMETRY__OTLP__ENDPOINT=f"http://{HOST}:{otlp.port}",
            HEADGATE_TELEMETRY__TRACES__RATIO=str(RATIO),
            # One in a hundred of the clients' own traces is sampled: as many are to be exported.
            HEADGATE_TELEMETRY__TRACES__PARENTS_PER_SECOND="100000",
            HEADGATE_TELEMETRY__CLOUDWATCH__ENABLED="true",
        )
        for case, title in cpu.CASES.items():
            folder = setting.folder / case
            everyone = [*programs, exporting]
            port = cpu.port_for(upstream, case)
            with all_running(setting, everyone, folder, port) as subjects:
                by_name = {subject.name: subject for subject in subjects}
                spent: dict[str, list[float]] = {name: [] for name in by_name}
                for turn, names in enumerate(alternating(list(by_name), setting.rounds), start=1):
                    setting.say(f"telemetry, {title}: round {turn} of {setting.rounds}")
                    for name in names:
                        spent[name].append(cpu.cost(setting, by_name[name], case))
            found += _series(case, title, spent)
        if not otlp.traces() or not otlp.metrics():
            raise CannotMeasureError("the gate has exported nothing to the collector")
    return found


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
