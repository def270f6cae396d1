"""Every alert about a gate, once: Prometheus' rules and CloudWatch's alarms are made from this.

How an alert is expressed belongs to ``prometheus_rules.py`` and ``cloudwatch.py``; when it fires,
and whom it wakes, is decided here.  Each has a section of its name in
``docs/how-to/respond-to-alerts.md``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tools.observability.objectives import ADDED_LATENCY, DAY, HOUR, MINUTE, Budget

RUNBOOK: Final = "docs/how-to/respond-to-alerts.md"


class Severity(enum.StrEnum):
    """Who looks at an alert, and when."""

    PAGE = "page"  # somebody, now
    TICKET = "ticket"  # somebody, within days


class System(enum.StrEnum):
    """What watches a gate."""

    PROMETHEUS = "prometheus"
    CLOUDWATCH = "cloudwatch"


BOTH: Final = frozenset(System)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes:
        name: of the alert, and of its section in the runbook.
        severity: who looks at it.
        summary: what is wrong, in one line without a full stop.
        meaning: what follows from it for users, or from not acting.
        threshold: the value beyond which it fires, in seconds, shares of 1, or counts.
        window: seconds over which the value is taken; 0: as it is now.
        hold: seconds for which it must be so before the alert fires.
        minimum: how many events there must be in ``window``, so that one at night wakes nobody.
        systems: which can tell; the other does not have what it takes.
    """

    name: str
    severity: Severity
    summary: str
    meaning: str
    threshold: float = 0.0
    window: int = 0
    hold: int = 0
    minimum: int = 0
    systems: frozenset[System] = BOTH

    @property
    def anchor(self) -> str:
        """The anchor of its section in the runbook, as code hosts make it of the heading."""
        return self.name.lower()

    @property
    def runbook(self) -> str:
        """Where its section is, from the project's folder."""
        return f"{RUNBOOK}#{self.anchor}"


_ONE_CLIENT: Final = 20
"""More failures than two calls of MLflow's client cause, which sends each request 8 times."""
_BURNING: Final = (
    "At this rate the budget of 30 days, 0.1 % of the requests, is used up before they are over."
)

# --- the objectives: thresholds and windows are those of `objectives.BURN_RATES` -------------
GATE_ERRORS_FAST: Final = Alert(
    "HeadgateGateErrorsFast",
    Severity.PAGE,
    "Requests fail by a fault of the gate, many of them",
    f"Users get errors that MLflow has no part in. {_BURNING}",
    minimum=_ONE_CLIENT,
)
GATE_ERRORS_SLOW: Final = Alert(
    "HeadgateGateErrorsSlow",
    Severity.TICKET,
    "Requests fail by a fault of the gate, a few all the time",
    f"Users get errors that MLflow has no part in. {_BURNING}",
    minimum=_ONE_CLIENT,
)
MLFLOW_ERRORS_FAST: Final = Alert(
    "HeadgateMlflowErrorsFast",
    Severity.PAGE,
    "Requests fail by a fault of MLflow, many of them",
    f"MLflow cannot be reached, breaks off, or responds with 5xx. {_BURNING}",
    minimum=_ONE_CLIENT,
)
MLFLOW_ERRORS_SLOW: Final = Alert(
    "HeadgateMlflowErrorsSlow",
    Severity.TICKET,
    "Requests fail by a fault of MLflow, a few all the time",
    f"MLflow cannot be reached, breaks off, or responds with 5xx. {_BURNING}",
    minimum=_ONE_CLIENT,
)
ADDED_LATENCY_HIGH: Final = Alert(
    "HeadgateAddedLatency",
    Severity.TICKET,
    "The gate itself delays more than 1 % of the API requests by more than 5 ms",
    "Requests wait in the gate, not in MLflow: processors are too busy, or a loop stands still.",
    threshold=ADDED_LATENCY,
    window=30 * MINUTE,
    hold=10 * MINUTE,
    minimum=100,
)
REQUESTS_SLOW: Final = Alert(
    "HeadgateRequestsSlow",
    Severity.TICKET,
    "1 % of the requests of a family wait longer than 10 s for their first byte",
    "Training jobs and pages are slow for users; their clients may give up and try again.",
    threshold=10.0,
    window=10 * MINUTE,
    hold=10 * MINUTE,
    minimum=100,
)

# --- MLflow and the endpoints ----------------------------------------------------------------
NO_ENDPOINT: Final = Alert(
    "HeadgateNoEndpoint",
    Severity.PAGE,
    "An upstream has no endpoint in service",
    "Requests to it are tried at servers that fail their health checks, or refused with 503.",
    threshold=1,  # fewer than this
    hold=MINUTE,
)
ENDPOINT_OUT_OF_SERVICE: Final = Alert(
    "HeadgateEndpointOutOfService",
    Severity.TICKET,
    "An endpoint that discovery names has been out of service for 15 minutes",
    "The others carry its load; if they fail too, nobody serves.",
    threshold=0,  # more than this
    hold=15 * MINUTE,
    systems=frozenset({System.PROMETHEUS}),  # two more metrics of each upstream, to be paid for
)
ENDPOINTS_EJECTED: Final = Alert(
    "HeadgateEndpointsEjected",
    Severity.TICKET,
    "Endpoints of an upstream are ejected again and again",
    "They pass their health checks and fail real requests, some of which users see fail.",
    threshold=5,  # ejections
    window=15 * MINUTE,
)
DISCOVERY_STALE: Final = Alert(
    "HeadgateDiscoveryStale",
    Severity.TICKET,
    "Discovery of an upstream has not worked for 5 minutes",
    "The gate goes on with the endpoints that it knows; new ones are not found.",
    threshold=5 * MINUTE,
    hold=MINUTE,
)

PARK_LAPSED: Final = Alert(
    "HeadgateParkLapsed",
    Severity.PAGE,
    "The command that parked an upstream is gone, and requests are refused",
    "Nobody has said that MLflow is well; clients are refused until the park is renewed or ended.",
    threshold=0,  # more than this
    hold=MINUTE,
    systems=frozenset({System.PROMETHEUS}),  # one more metric of each upstream, to be paid for
)

# --- limits ----------------------------------------------------------------------------------
REQUESTS_LIMITED: Final = Alert(
    "HeadgateRequestsLimited",
    Severity.TICKET,
    "Clients are refused with 429 all the time, more than one request in a second",
    "A principal is over its rate, or the gate is at a limit that was set too low.",
    threshold=1.0,  # a second
    window=5 * MINUTE,
    hold=10 * MINUTE,
)
NEAR_LIMIT: Final = Alert(
    "HeadgateNearLimit",
    Severity.TICKET,
    "More than 80 % of the requests that may be under way are",
    "At the limit requests wait in the queue, and are refused with 429 when it is full.",
    threshold=0.8,
    window=5 * MINUTE,
    hold=10 * MINUTE,
)
QUEUE_SLOW: Final = Alert(
    "HeadgateQueueSlow",
    Severity.TICKET,
    "1 % of the requests that are queued wait longer than a second",
    "MLflow takes fewer requests than clients send; users wait.",
    threshold=1.0,
    window=5 * MINUTE,
    hold=10 * MINUTE,
    minimum=20,
)

# --- authentication --------------------------------------------------------------------------
AUTHENTICATION_REFUSED: Final = Alert(
    "HeadgateAuthenticationRefused",
    Severity.TICKET,
    "Credentials are refused all the time, more than one in a second",
    "A job goes on with a key that has ended, or somebody tries keys.",
    threshold=1.0,  # a second
    window=5 * MINUTE,
    hold=10 * MINUTE,
)
KEY_STORE_STALE: Final = Alert(
    "HeadgateKeyStoreStale",
    Severity.PAGE,
    "The key store has not been read for a minute",
    "Revoked keys still work and new ones do not; after `auth.max_stale` every key is refused.",
    threshold=MINUTE,
    hold=5 * MINUTE,
)
ISSUER_KEYS_STALE: Final = Alert(
    "HeadgateIssuerKeysStale",
    Severity.TICKET,
    "The signing keys of an issuer of tokens have not been fetched for two hours",
    "Tokens go on working until the issuer changes its keys; then all of them are refused.",
    threshold=2 * HOUR,
    hold=5 * MINUTE,
)
KEY_EXPIRES: Final = Alert(
    "HeadgateKeyExpires",
    Severity.TICKET,
    "A key expires within 3 days",
    "Its programs are refused with 401 (`key_expired`) from then on.",
    threshold=3 * DAY,
    hold=5 * MINUTE,
)
BREAK_GLASS_USED: Final = Alert(
    "HeadgateBreakGlassUsed",
    Severity.PAGE,
    "A key for emergencies is in use",
    "Somebody has a key that may do everything; make sure that it is one of yours.",
    threshold=0,  # more than this
    window=15 * MINUTE,
)

# --- certificates and configuration ----------------------------------------------------------
CERTIFICATE_EXPIRES: Final = Alert(
    "HeadgateCertificateExpires",
    Severity.TICKET,
    "A certificate expires within 30 days",
    "Connections that need it fail from then on.",
    threshold=30 * DAY,
    hold=5 * MINUTE,
)
CERTIFICATE_EXPIRES_SOON: Final = Alert(
    "HeadgateCertificateExpiresSoon",
    Severity.PAGE,
    "A certificate expires within 7 days, or has expired",
    "Connections that need it fail from then on.",
    threshold=7 * DAY,
    hold=5 * MINUTE,
)
RELOAD_FAILED: Final = Alert(
    "HeadgateReloadFailed",
    Severity.TICKET,
    "The changed configuration cannot be used, so the one before stays in force",
    "What was changed has no effect; a gate that is started anew does not start with it.",
    threshold=1,  # less than this
    hold=5 * MINUTE,
)

# --- the processes ---------------------------------------------------------------------------
DOWN: Final = Alert(
    "HeadgateDown",
    Severity.PAGE,
    "Nothing is heard of any gate",
    "No gate runs, or none can be asked: nobody reaches MLflow, or nobody would see it.",
    window=3 * MINUTE,
    hold=2 * MINUTE,
)
INSTANCE_DOWN: Final = Alert(
    "HeadgateInstanceDown",
    Severity.TICKET,
    "One gate cannot be scraped",
    "The others carry its load, if there are others.",
    hold=5 * MINUTE,
    systems=frozenset({System.PROMETHEUS}),  # CloudWatch sees a service, not its tasks
)
WORKER_RESTARTS: Final = Alert(
    "HeadgateWorkerRestarts",
    Severity.TICKET,
    "A worker died or hung and was replaced",
    "The requests that it had under way failed; there is a defect, or too little memory.",
    threshold=0,  # more than this
    window=HOUR,
)
LOOP_LAG: Final = Alert(
    "HeadgateLoopLag",
    Severity.TICKET,
    "The event loop of a worker is late by more than 100 ms in 1 % of its turns",
    "Every request in that worker is late with it: a processor is too busy.",
    threshold=0.1,
    window=5 * MINUTE,
    hold=10 * MINUTE,
)

# --- logs and telemetry ----------------------------------------------------------------------
LOG_LINES_LOST: Final = Alert(
    "HeadgateLogLinesLost",
    Severity.TICKET,
    "Lines of a log are lost",
    "Requests go on; who did what can no longer be shown completely.",
    threshold=0,  # more than this
    window=15 * MINUTE,
)
TELEMETRY_LOST: Final = Alert(
    "HeadgateTelemetryLost",
    Severity.TICKET,
    "Spans or metrics are lost on their way out of the gate",
    "Requests go on; traces have gaps, and alarms that rely on these metrics see less.",
    threshold=0,  # more than this
    window=15 * MINUTE,
    hold=5 * MINUTE,
)
METRICS_REFUSED: Final = Alert(
    "HeadgateMetricsRefused",
    Severity.TICKET,
    "CloudWatch cannot read documents in the embedded metric format",
    "Metrics are missing, so that the other alarms may not fire.",
    threshold=0,  # more than this
    window=15 * MINUTE,
    systems=frozenset({System.CLOUDWATCH}),
)

ALERTS: Final[Sequence[Alert]] = (
    GATE_ERRORS_FAST,
    GATE_ERRORS_SLOW,
    MLFLOW_ERRORS_FAST,
    MLFLOW_ERRORS_SLOW,
    ADDED_LATENCY_HIGH,
    REQUESTS_SLOW,
    NO_ENDPOINT,
    PARK_LAPSED,
    ENDPOINT_OUT_OF_SERVICE,
    ENDPOINTS_EJECTED,
    DISCOVERY_STALE,
    REQUESTS_LIMITED,
    NEAR_LIMIT,
    QUEUE_SLOW,
    AUTHENTICATION_REFUSED,
    KEY_STORE_STALE,
    ISSUER_KEYS_STALE,
    KEY_EXPIRES,
    BREAK_GLASS_USED,
    CERTIFICATE_EXPIRES,
    CERTIFICATE_EXPIRES_SOON,
    RELOAD_FAILED,
    DOWN,
    INSTANCE_DOWN,
    WORKER_RESTARTS,
    LOOP_LAG,
    LOG_LINES_LOST,
    TELEMETRY_LOST,
    METRICS_REFUSED,
)
"""Every alert, in the order of the runbook."""

BURNING: Final[Mapping[tuple[Budget, Severity], Alert]] = {
    (Budget.GATE, Severity.PAGE): GATE_ERRORS_FAST,
    (Budget.GATE, Severity.TICKET): GATE_ERRORS_SLOW,
    (Budget.MLFLOW, Severity.PAGE): MLFLOW_ERRORS_FAST,
    (Budget.MLFLOW, Severity.TICKET): MLFLOW_ERRORS_SLOW,
}
"""Which alert says that a budget is used up too fast."""
