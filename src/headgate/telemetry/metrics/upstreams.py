"""The metrics of upstreams; each has the name of the upstream as its first label."""

from __future__ import annotations

from typing import Final

from headgate.cluster import Result, State
from headgate.events import Reconciled
from headgate.maintenance import HoldEnd, ParkState
from headgate.model import AttemptFailure
from headgate.telemetry.metrics.labels import MICROSECONDS, TRAFFIC, UPSTREAM
from headgate.telemetry.metrics.metric import Kind, Label, Metric, Over, Shown

OK: Final = "ok"
FAILED: Final = "failed"
READ_ONLY: Final = "read_only"
MAINTENANCE_STATES: Final = (
    *(each.value for each in ParkState if each is not ParkState.SERVING),
    READ_ONLY,
)
_OK_OR_FAILED: Final = Label("result", (OK, FAILED))

UPSTREAM_DURATION: Final = Metric(
    "headgate_upstream_duration_seconds",
    Kind.HISTOGRAM,
    "s",
    "Seconds from the moment that a request was sent to MLflow to the end of the response, of the "
    "last attempt.",
    (UPSTREAM, TRAFFIC),
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0),
    scale=MICROSECONDS,
    shown=Shown.ONCE_COUNTED,
)
UPSTREAM_IN_FLIGHT: Final = Metric(
    "headgate_upstream_requests_in_flight",
    Kind.GAUGE,
    "{request}",
    "Requests under way at the endpoints of an upstream.",
    (UPSTREAM,),
)
UPSTREAM_LIMIT: Final = Metric(
    "headgate_upstream_requests_limit",
    Kind.GAUGE,
    "{request}",
    "How many requests may be under way at the endpoints of an upstream that are in service.",
    (UPSTREAM,),
)
ATTEMPTS: Final = Metric(
    "headgate_upstream_attempts_total",
    Kind.COUNTER,
    "{attempt}",
    "Attempts at endpoints, by result, as it counts for the health of the endpoint.",
    (UPSTREAM, Label("result", tuple(each.value for each in Result))),
)
RETRIES: Final = Metric(
    "headgate_upstream_retries_total",
    Kind.COUNTER,
    "{attempt}",
    "Attempts that another one followed, by why they had failed.",
    (UPSTREAM, Label("cause", tuple(each.value for each in AttemptFailure))),
)
CREATES: Final = Metric(
    "headgate_creates_reconciled_total",
    Kind.COUNTER,
    "{request}",
    "Creates sent again whose response may have been lost, by what came of them.",
    (
        UPSTREAM,
        Label("result", tuple(each.value for each in Reconciled if each is not Reconciled.HELD)),
    ),
)
CREATES_UNSHARED: Final = Metric(
    "headgate_creates_unshared_total",
    Kind.COUNTER,
    "{request}",
    "Creates that the key store was to take, so that other gates know of them, and did not, by "
    "why; each was sent to MLflow all the same.",
    (Label("reason", ("slow", "unavailable", "older_schema", "full")),),
)
EJECTIONS: Final = Metric(
    "headgate_upstream_ejections_total",
    Kind.COUNTER,
    "{endpoint}",
    "Ejections of endpoints, counted by each worker that ejects one.",
    (UPSTREAM,),
)
PROBES: Final = Metric(
    "headgate_upstream_probes_total",
    Kind.COUNTER,
    "{probe}",
    "Health checks of endpoints, by result.",
    (UPSTREAM, _OK_OR_FAILED),
)
ENDPOINTS: Final = Metric(
    "headgate_upstream_endpoints",
    Kind.GAUGE,
    "{endpoint}",
    "Endpoints by state, of the worker that sees the most in it.",
    (UPSTREAM, Label("state", tuple(each.value for each in State))),
    over=Over.MAX,
)
ENDPOINTS_IN_SERVICE: Final = Metric(
    "headgate_upstream_endpoints_in_service",
    Kind.GAUGE,
    "{endpoint}",
    "Endpoints that may be sent requests, of the worker that sees the fewest; none is said while "
    "the upstream is parked.",
    (UPSTREAM,),
    over=Over.MIN,
)
DISCOVERY_AGE: Final = Metric(
    "headgate_discovery_age_seconds",
    Kind.GAUGE,
    "s",
    "Seconds since the last discovery of endpoints that worked, of the source and the worker with "
    "the oldest one.",
    (UPSTREAM,),
    over=Over.MAX,
)
DISCOVERY_REFRESHES: Final = Metric(
    "headgate_discovery_refreshes_total",
    Kind.COUNTER,
    "{refresh}",
    "Look-ups of the endpoints of an upstream, by result.",
    (UPSTREAM, _OK_OR_FAILED),
)

PARKED: Final = Metric(
    "headgate_upstream_maintenance",
    Kind.GAUGE,
    "1",
    "Whether an upstream is in this state of maintenance in any worker (1), or in none (0).",
    (UPSTREAM, Label("state", MAINTENANCE_STATES)),
    over=Over.MAX,
)
HELD: Final = Metric(
    "headgate_upstream_requests_held",
    Kind.GAUGE,
    "{request}",
    "Requests that are held, since their upstream is parked.",
    (UPSTREAM,),
)
HOLDS: Final = Metric(
    "headgate_upstream_holds_total",
    Kind.COUNTER,
    "{request}",
    "Requests that are held no longer, by how that ended.",
    (UPSTREAM, Label("result", tuple(each.value for each in HoldEnd))),
    shown=Shown.ONCE_COUNTED,
)

UPSTREAM_METRICS: Final = (
    UPSTREAM_DURATION,
    UPSTREAM_IN_FLIGHT,
    UPSTREAM_LIMIT,
    ATTEMPTS,
    RETRIES,
    CREATES,
    CREATES_UNSHARED,
    EJECTIONS,
    PROBES,
    ENDPOINTS,
    ENDPOINTS_IN_SERVICE,
    DISCOVERY_AGE,
    DISCOVERY_REFRESHES,
    PARKED,
    HELD,
    HOLDS,
)
