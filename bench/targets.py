"""What the gate must reach, and whether a run reached it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.series import Estimate, Series

GATE = "headgate"
ALL_TELEMETRY = "headgate, all telemetry"
"""The gate with traces of 1 % of the requests, and metrics for OTLP and CloudWatch."""


class Sense(enum.StrEnum):
    """How a figure is compared with its limit."""

    AT_MOST = "at most"
    BELOW = "below"
    AT_LEAST = "at least"

    def holds(self, figure: float, limit: float) -> bool:
        """Whether ``figure`` keeps to ``limit``."""
        if self is Sense.AT_MOST:
            return figure <= limit
        return figure < limit if self is Sense.BELOW else figure >= limit


class Judgement(enum.StrEnum):
    """What a run says about a target."""

    MET = "met"
    MISSED = "missed"
    NOT_MEASURED = "not measured"
    NEEDS_CORES = "needs more cores"


@dataclass(frozen=True)
class Target:
    """A limit on the figure of ``subject`` in ``series``, or on its ratio to that of ``against``.

    With fewer than ``cores`` cores the figure says nothing about the gate, and is not judged.
    """

    series: str
    sense: Sense
    limit: float
    against: str | None = None
    cores: int = 1
    subject: str = GATE


@dataclass(frozen=True)
class Verdict:
    """A target and what a run says about it; without a figure where it was not measured."""

    target: Target
    title: str
    unit: str
    figure: Estimate | None
    judgement: Judgement


TARGETS = (
    *(
        target
        for case in ("alike", "varied", "post")
        for target in (
            Target(f"cpu.{case}", Sense.AT_MOST, 1.15, "nginx"),
            Target(f"cpu.{case}", Sense.BELOW, 1, "nginx+auth_request"),
            Target(f"cpu.{case}", Sense.BELOW, 0.25, "caddy"),
        )
    ),
    *(
        target
        for case, limit in (("alike", 1.35), ("varied", 1.4), ("post", 1.35))
        for target in (
            Target(f"telemetry.{case}", Sense.AT_MOST, 1.15, "nginx"),
            Target(f"telemetry.{case}", Sense.AT_MOST, limit, "nginx", subject=ALL_TELEMETRY),
            Target(f"telemetry.added-{case}", Sense.AT_MOST, 3),
        )
    ),
    *(
        Target(f"bulk.{direction}-{count}", Sense.AT_LEAST, 0.8, "nginx")
        for direction in ("up", "down")
        for count in (1, 16)
    ),
    *(
        Target(f"dataplane.deciding-{case}", Sense.AT_MOST, 8)
        for case in ("alike", "varied", "post")
    ),
    Target("uploads.peak", Sense.AT_MOST, 80),
    Target("idle.memory", Sense.AT_MOST, 20),
    Target("keys.start-sqlite", Sense.AT_MOST, 3),
    Target("keys.start-postgresql", Sense.AT_MOST, 3),
    *(
        Target(f"tokens.{case}", Sense.AT_MOST, 1.15, "headgate, a key")
        for case in ("alike", "varied")
    ),
    Target("reads.rate", Sense.AT_LEAST, 0.9, "mlflow"),
    Target("workers.rate", Sense.AT_LEAST, 1.8, cores=4),
    Target("workers.carry", Sense.AT_LEAST, 1.8),
)


def judge(series: Mapping[str, Series], cores: int, benchmarks: Sequence[str]) -> list[Verdict]:
    """The verdict on each target of ``benchmarks``.

    Args:
        series: what a run measured, by name.
        cores: how many cores the machine has.
        benchmarks: those that the run was to do.
    """
    return [
        _judge(target, series.get(target.series), cores)
        for target in TARGETS
        if target.series.partition(".")[0] in benchmarks
    ]


def _judge(target: Target, series: Series | None, cores: int) -> Verdict:
    unit = "" if target.against is None else f"times {target.against}"
    needed = {target.subject, target.against or target.subject}
    if series is None or not needed <= series.samples.keys():
        return Verdict(target, target.series, unit, None, Judgement.NOT_MEASURED)
    if target.against is None:
        figure, unit = series.estimate(target.subject), series.unit
    else:
        figure = series.ratio(target.subject, target.against)
    if cores < target.cores:
        judgement = Judgement.NEEDS_CORES
    else:
        met = target.sense.holds(figure.median, target.limit)
        judgement = Judgement.MET if met else Judgement.MISSED
    title = series.title if target.subject == GATE else f"{target.subject}: {series.title}"
    return Verdict(target, title, unit, figure, judgement)
