"""What a metric is, and what its labels are."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final

NONE: Final = "none"
"""The label value for what does not apply; no label is ever empty."""

OTHER: Final = "other"
"""The label value for all that has no value of its own."""


class Kind(enum.StrEnum):
    """What a metric's values mean, in the terms of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Over(enum.Enum):
    """What the value of a gauge is, of those that the processes have set.

    A process that has not set it does not count.  Counters and histograms are always sums.
    """

    SUM = "sum"
    MAX = "largest"
    MIN = "smallest"


class Shown(enum.Enum):
    """Which series of a metric are exposed.

    ``ALWAYS``: all of them, from the start.  ``WITH_GROUP``: those of a first label's value for
    which anything was counted, by this metric or another one with that label.  ``ONCE_COUNTED``:
    those that are not 0.  A gauge that is not a sum is shown once a process has set it, and a
    series of an upstream while the upstream is in force.
    """

    ALWAYS = "always"
    WITH_GROUP = "with its group"
    ONCE_COUNTED = "once counted"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and every value that it can have.

    ``text``: what the values are, where the machine or the configuration has to be asked.
    ``named``: all values but the last are places, whose names are found while the gate runs
    (``headgate.telemetry.names``).
    """

    name: str
    values: tuple[str, ...]
    text: str = ""
    named: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: as Prometheus knows it.
        kind: what its values mean.
        unit: of its values, by UCUM, as OpenTelemetry writes it.
        text: what is counted, in one sentence.
        labels: in the order in which they are given when something is counted.
        bounds: the upper bounds of the buckets of a histogram, in its unit; one more has no bound.
        scale: what one of the whole numbers in memory stands for, in the unit.
        shown: which series are exposed.
        over: what the value of a gauge is, of those of all processes.
        most: how many series it has at most, where not every combination of labels can have one
            (``headgate.telemetry.request_series``); 0: each has.
        exemplars: whether its buckets have exemplars.
    """

    name: str
    kind: Kind
    unit: str
    text: str
    labels: tuple[Label, ...] = ()
    bounds: tuple[float, ...] = ()
    scale: float = 1.0
    shown: Shown = Shown.ALWAYS
    over: Over = Over.SUM
    most: int = 0
    exemplars: bool = False

    @property
    def cells(self) -> int:
        """How many numbers one series has: a histogram's are its buckets and the sum."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1

    def series(self, upstreams: int) -> int:
        """How many series there can be, as Prometheus counts them.

        Args:
            upstreams: how many upstreams are configured.
        """
        lines = len(self.bounds) + 3 if self.kind is Kind.HISTOGRAM else 1
        counts = (upstreams if label.named else len(label.values) for label in self.labels)
        return lines * (self.most or math.prod(counts))
