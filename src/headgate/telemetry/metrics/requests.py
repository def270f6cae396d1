"""The metrics of requests: one request counts in most of them."""

from __future__ import annotations

from typing import Final

from headgate.limits import LIMITS
from headgate.model import FAMILIES
from headgate.telemetry.metrics.labels import (
    FAMILY,
    METHOD,
    MICROSECONDS,
    REASON,
    REQUEST_SECONDS,
    STATUS,
    TRAFFIC,
)
from headgate.telemetry.metrics.metric import NONE, OTHER, Kind, Label, Metric, Shown

REQUESTS: Final = Metric(
    "headgate_requests_total",
    Kind.COUNTER,
    "{request}",
    "Requests by family of route, kind of method, class of status (`none`: no response) and "
    "reason code.",
    (FAMILY, METHOD, STATUS, REASON),
    shown=Shown.ONCE_COUNTED,
    most=222,
)
REQUEST_DURATION: Final = Metric(
    "headgate_request_duration_seconds",
    Kind.HISTOGRAM,
    "s",
    "Seconds from a request's head to the end of its response, by family of route.",
    (FAMILY,),
    REQUEST_SECONDS,
    scale=MICROSECONDS,
    shown=Shown.WITH_GROUP,
    exemplars=True,
)
FIRST_BYTE: Final = Metric(
    "headgate_request_first_byte_seconds",
    Kind.HISTOGRAM,
    "s",
    "Seconds from a request's head to the first byte of its response, by family of route; without "
    "those for which it was held while its upstream was parked.",
    (Label("family", tuple(FAMILIES)),),
    REQUEST_SECONDS,
    scale=MICROSECONDS,
    shown=Shown.ONCE_COUNTED,
    exemplars=True,
)
GATE_DURATION: Final = Metric(
    "headgate_gate_duration_seconds",
    Kind.HISTOGRAM,
    "s",
    "Seconds that the gate itself took until it had sent a request to MLflow: without waiting for "
    "a place, a connection, the client or an attempt that failed.",
    (TRAFFIC,),
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0),
    scale=MICROSECONDS,
    shown=Shown.ONCE_COUNTED,
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
RELEASES: Final = ("2.22", *(f"3.{minor}" for minor in range(19)))
"""The MLflow releases that the contract knows, from the oldest to the newest, by minor release."""
CLIENT_REQUESTS: Final = Metric(
    "headgate_client_requests_total",
    Kind.COUNTER,
    "{request}",
    "Requests by the release of MLflow's client that sent them, as it says (`none`: another "
    "program; `other`: a release that this gate does not know).",
    (Label("client", (NONE, OTHER, *RELEASES)),),
    shown=Shown.ONCE_COUNTED,
)
CONNECTIONS: Final = Metric(
    "headgate_connections", Kind.GAUGE, "{connection}", "Client connections that are open."
)
IN_FLIGHT: Final = Metric(
    "headgate_requests_in_flight", Kind.GAUGE, "{request}", "Requests under way to an upstream."
)
IN_FLIGHT_LIMIT: Final = Metric(
    "headgate_requests_in_flight_limit",
    Kind.GAUGE,
    "{request}",
    "How many requests may be under way: `limits.in_flight` of each worker.",
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
    scale=MICROSECONDS,
)
HOLD: Final = Metric(
    "headgate_hold_seconds",
    Kind.HISTOGRAM,
    "s",
    "Seconds that requests were held while their upstream was parked, however that ended.",
    bounds=(1.0, 5.0, 10.0, 30.0, 60.0, 105.0),
    scale=MICROSECONDS,
    shown=Shown.ONCE_COUNTED,
)
REQUESTS_LIMITED: Final = Metric(
    "headgate_requests_limited_total",
    Kind.COUNTER,
    "{request}",
    "Requests refused because their principal had reached a limit: the rate of a class, its share "
    "of the requests under way (`in_flight`), its place in a full queue (`queue`).",
    (Label("limit", tuple(LIMITS)),),
)

REQUEST_METRICS: Final = (
    REQUESTS,
    REQUEST_DURATION,
    FIRST_BYTE,
    GATE_DURATION,
    REQUEST_BYTES,
    RESPONSE_BYTES,
    CLIENT_REQUESTS,
    CONNECTIONS,
    IN_FLIGHT,
    IN_FLIGHT_LIMIT,
    QUEUED,
    QUEUE_WAIT,
    HOLD,
    REQUESTS_LIMITED,
)
