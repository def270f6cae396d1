"""The parts of a Grafana dashboard: rows of panels, each with its queries.

A query names the variables of the dashboard (``$job``, ``$instance``, ``$upstream``) and Grafana's
own ``$__rate_interval``; ``grafana.py`` puts all this into Grafana's form.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tools.observability.alerts import Alert

GATE: Final = 'job=~"$job", instance=~"$instance"'
UPSTREAM: Final = f'{GATE}, upstream=~"$upstream"'
RATE: Final = "$__rate_interval"


class Kind(enum.StrEnum):
    """How a panel shows its values."""

    TIME = "timeseries"
    STACKED = "stacked"  # a time series whose lines add up
    STAT = "stat"
    TABLE = "table"


class Unit(enum.StrEnum):
    """Units by Grafana's ids."""

    SHARE = "percentunit"
    SECONDS = "s"
    PER_SECOND = "reqps"
    COUNT_PER_SECOND = "cps"
    BYTES_PER_SECOND = "binBps"
    BYTES = "bytes"
    COUNT = "short"
    TIME = "dateTimeFromNow"
    YES_NO = "bool_yes_no"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel; ``legend`` is Grafana's template of a line's name."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: what it shows.
        text: how to read it, in sentences.
        unit: of its values.
        queries: at least one.
        kind: how it shows them.
        width: of the 24 columns of a row.
        steps: from which value on which colour, as Grafana's thresholds; the first has no value.
        watched_by: the alerts that look at the same values; the panel links their runbooks.
        exemplars: whether traces of single requests are shown.
    """

    title: str
    text: str
    unit: Unit
    queries: Sequence[Query]
    kind: Kind = Kind.TIME
    width: int = 8
    steps: Sequence[tuple[str, float | None]] = ()
    watched_by: Sequence[Alert] = ()
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below one title; ``collapsed``: until somebody opens it."""

    title: str
    panels: Sequence[Panel]
    collapsed: bool = False


def rates(metric: str, by: str, labels: str = GATE) -> str:
    """How often a second, by these labels."""
    return f"sum by ({by}) (rate({metric}{{{labels}}}[{RATE}]))"


def quantile(share: float, metric: str, by: str = "", labels: str = GATE) -> str:
    """The value that this share of the observations do not exceed, by these labels."""
    kept = f"{by}, le" if by else "le"
    return (
        f"histogram_quantile({share:g}, "
        f"sum by ({kept}) (rate({metric}_bucket{{{labels}}}[{RATE}])))"
    )


def red_from(value: float) -> Sequence[tuple[str, float | None]]:
    """Red from ``value`` up."""
    return (("green", None), ("red", value))


def red_below(value: float, good: float) -> Sequence[tuple[str, float | None]]:
    """Red below ``value``, green from ``good`` up."""
    return (("red", None), ("orange", value), ("green", good))
