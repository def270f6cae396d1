"""The metrics of a gate, declared once.

From this table are made the layout of the shared memory that workers count in (``layout.py``), the
Prometheus text (``prometheus.py``) and the reference page.  Labels are closed sets, so the number
of series is fixed; no label names an object, a key or a person.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headgate.events import EndCause, Log, LossCause
from headgate.limits import LIMITS
from headgate.model import FAMILIES
from headgate.reasons import Reason

NONE: Final = "none"
"""The label value for what does not apply; no label is ever empty."""


class Kind(enum.StrEnum):
    """What a metric's values mean, in the terms of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Shown(enum.Enum):
    """Which series of a metric are exposed.

    ``ALWAYS``: all of them, from the start.  ``WITH_GROUP``: those of a first label's value for
    which anything was counted, by this metric or another one with that label.  ``ONCE_COUNTED``:
    those that are not 0.
    """

    ALWAYS = "always"
    WITH_GROUP = "with its group"
    ONCE_COUNTED = "once counted"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and every value that it can have."""

    name: str
    values: tuple[str, ...]


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
        worst: a gauge whose value is the largest of all processes, not their sum.
    """

    name: str
    kind: Kind
    unit: str
    text: str
    labels: tuple[Label, ...] = ()
    bounds: tuple[float, ...] = ()
    scale: float = 1.0
    shown: Shown = Shown.ALWAYS
    worst: bool = False

    @property
    def cells(self) -> int:
        """How many numbers one series has: a histogram's are its buckets and the sum."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1

    @property
    def series(self) -> int:
        """How many series there can be, as Prometheus counts them."""
        lines = len(self.bounds) + 3 if self.kind is Kind.HISTOGRAM else 1
        return lines * math.prod(len(label.values) for label in self.labels)


FAMILY: Final = Label("family", (NONE, *FAMILIES))
REASON: Final = Label("reason", tuple(each.value for each in Reason))
STATUS: Final = Label("status", (NONE, "1xx", "2xx", "3xx", "4xx", "5xx"))

REQUESTS: Final = Metric(
    "headgate_requests_total",
    Kind.COUNTER,
    "{request}",
    "Requests by family of route, reason code and class of status (`none`: no response).",
    (FAMILY, REASON, STATUS),
    shown=Shown.ONCE_COUNTED,
)
REQUEST_DURATION: Final = Metric(
    "headgate_request_duration_seconds",
    Kind.HISTOGRAM,
    "s",
    "Seconds from a request's head to the end of its response, by family of route.",
    (FAMILY,),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0),
    scale=1e-6,
    shown=Shown.WITH_GROUP,
)
REQUEST_BYTES: Final = Metric(
    "headgate_request_bytes_total",
    Kind.COUNTER,
    "By",
    "Body bytes received from clients, by family.",
    (FAMILY,),
    shown=Shown.WITH_GROUP,
)
RESPONSE_BYTES: Final = Metric(
    "headgate_response_bytes_total",
    Kind.COUNTER,
    "By",
    "Body bytes sent to clients, by family.",
    (FAMILY,),
    shown=Shown.WITH_GROUP,
)
CONNECTIONS: Final = Metric(
    "headgate_connections", Kind.GAUGE, "{connection}", "Client connections that are open."
)
IN_FLIGHT: Final = Metric(
    "headgate_requests_in_flight", Kind.GAUGE, "{request}", "Requests under way to an upstream."
)
QUEUED: Final = Metric(
    "headgate_requests_queued",
    Kind.GAUGE,
    "{request}",
    "Requests that wait in the queue of a full upstream.",
)
QUEUE_WAIT: Final = Metric(
    "headgate_queue_wait_seconds",
    Kind.HISTOGRAM,
    "s",
    "Seconds that requests waited in the queue before they were sent to an endpoint.",
    bounds=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    scale=1e-6,
)
REQUESTS_LIMITED: Final = Metric(
    "headgate_requests_limited_total",
    Kind.COUNTER,
    "{request}",
    "Requests refused because their principal had reached a limit: the rate of a class, its share "
    "of the requests under way (`in_flight`), its place in a full queue (`queue`).",
    (Label("limit", tuple(LIMITS)),),
)
WORKERS_DRAINING: Final = Metric(
    "headgate_workers_draining", Kind.GAUGE, "{worker}", "Workers that are about to stop."
)
WORKER_RESTARTS: Final = Metric(
    "headgate_worker_restarts_total",
    Kind.COUNTER,
    "{worker}",
    "Workers that were replaced, by cause: `stuck`, `signal` (one killed it), `exit`.",
    (Label("cause", tuple(each.value for each in EndCause)),),
)
KEYS_AGE: Final = Metric(
    "headgate_keys_age_seconds",
    Kind.GAUGE,
    "s",
    "Seconds since the keys in memory were compared with the key store, of the worker with the "
    "oldest ones; alarm from 60 s.",
    worst=True,
)
KEYS_EXPIRING: Final = Metric(
    "headgate_keys_expiring",
    Kind.GAUGE,
    "{key}",
    "Keys that expire within `auth.keys.notice`.",
    worst=True,
)
ISSUER_KEYS_AGE: Final = Metric(
    "headgate_issuer_keys_age_seconds",
    Kind.GAUGE,
    "s",
    "Seconds since the signing keys of an issuer of tokens were fetched, of the issuer and the "
    "worker with the oldest ones; alarm from twice `refresh_interval`.",
    worst=True,
)
BREAK_GLASS_USES: Final = Metric(
    "headgate_break_glass_uses_total",
    Kind.COUNTER,
    "{use}",
    "Uses of keys for emergencies, as the event log has them: the first in each hour, per worker.",
)
LOG_LINES_LOST: Final = Metric(
    "headgate_log_lines_lost_total",
    Kind.COUNTER,
    "{line}",
    "Lines lost, by log and cause: `stalled` and `gone` (the reader), `full` (disk), `error`.",
    (
        Label("log", tuple(each.value for each in Log)),
        Label("cause", tuple(each.value for each in LossCause)),
    ),
)

METRICS: Final[Sequence[Metric]] = (
    REQUESTS,
    REQUEST_DURATION,
    REQUEST_BYTES,
    RESPONSE_BYTES,
    CONNECTIONS,
    IN_FLIGHT,
    QUEUED,
    QUEUE_WAIT,
    REQUESTS_LIMITED,
    WORKERS_DRAINING,
    WORKER_RESTARTS,
    KEYS_AGE,
    KEYS_EXPIRING,
    ISSUER_KEYS_AGE,
    BREAK_GLASS_USES,
    LOG_LINES_LOST,
)
"""Every metric, in the order of the Prometheus text."""
