"""When each alert fires, and what is near it and must not fire: cases for ``promtool test rules``.

Values are those of Prometheus' unit tests, one each 30 seconds: ``0+6x60`` adds 6 sixty times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tools.observability.alerts import Alert

TARGET: Final = {"job": "headgate", "instance": "gate:9464"}
"""The labels that Prometheus gives to the series of a target; each series here has them."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing alert: its labels besides ``severity``, and the sentence about what is so now."""

    labels: Mapping[str, str]
    detail: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a gate exposes, and whether an alert fires at a time.

    Attributes:
        alert: the one that is looked at.
        title: what happens.
        series: values by series, without the labels of the target.
        at: after which time it is looked at.
        fires: what fires; nothing by default.
        not_before: a time shortly before, at which nothing fires yet.
    """

    alert: Alert
    title: str
    series: Mapping[str, str]
    at: str
    fires: Sequence[Firing] = field(default_factory=tuple)
    not_before: str = ""


JOB: Final = {"job": TARGET["job"]}


def requests(family: str = "runs", reason: str = "ok", status: str = "2xx") -> str:
    """A series of requests."""
    labels = f'family="{family}", method="read", status="{status}", reason="{reason}"'
    return f"headgate_requests_total{{{labels}}}"


def histogram(name: str, labels: str, buckets: Mapping[str, str]) -> dict[str, str]:
    """The series of a histogram, whose last bucket is the count."""
    inner = f"{labels}, " if labels else ""
    outer = f"{{{labels}}}" if labels else ""
    *_, count = buckets.values()
    return {
        **{f'{name}_bucket{{{inner}le="{bound}"}}': values for bound, values in buckets.items()},
        f"{name}_count{outer}": count,
    }
