"""Which metrics CloudWatch gets, under which names: one table beside their declaration.

CloudWatch bills each metric for each combination of dimensions, so this is a choice: what the
alarms and the dashboard need (``tools/observability/cloudwatch.py``).  With two upstreams they are
at most ``BUDGET`` for a service; a test counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from headgate.reasons import Fault, Reason
from headgate.telemetry import metrics as declared
from headgate.telemetry.emf_documents import Datum, Unit
from headgate.telemetry.emf_values import spread
from headgate.telemetry.metrics import FAMILY, NONE, Kind, Metric, Over
from headgate.telemetry.metrics.labels import API, GATE, traffic_of
from headgate.telemetry.totals import Series, Totals

BUDGET: Final = 40
"""Metrics of a service with two upstreams, at most."""
SERVICE: Final = "Service"
UPSTREAM: Final = "Upstream"
TRAFFIC: Final = "Traffic"
HEARTBEAT: Final = "Heartbeat"
"""1 in each minute of each gate: where there is none, nothing arrives."""


def _by_family() -> dict[str, str]:
    """The kind of traffic of each family, but for the gate's own pages."""
    found = {each: traffic_of(each) for each in FAMILY.values}
    return {each: kind for each, kind in found.items() if kind != GATE}


# Requests for the gate's own pages count for nothing: health checks would hide an outage.
_NOT_GATE: Final = frozenset((NONE, *_by_family()))


def _reasons(*faults: Fault) -> frozenset[str]:
    return frozenset(each.value for each in Reason if each.fault in faults)


@dataclass(frozen=True, slots=True)
class Where:
    """Series of a metric: those whose labels all have one of these values."""

    values: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a series is one of them."""
        return all(labels[name] in allowed for name, allowed in self.values.items())


@dataclass(frozen=True, slots=True)
class Chosen:
    """A metric that CloudWatch gets.

    Attributes:
        name: in CloudWatch.
        metric: what it is made of: the sum of its series, and of a gauge what its declaration says.
        unit: of its values.
        text: what it says, for the documentation.
        any_of: only series that fit one of these; a metric of failures is made of several kinds.
        dimension: one more beside the service; empty: none.
        label: of the metric, whose values give that dimension's.
        kinds: the dimension's value for each of the label's values; a value that is not there is
            left out.  Empty: as they are.
    """

    name: str
    metric: Metric
    unit: Unit
    text: str
    any_of: tuple[Where, ...] = (Where(),)
    dimension: str = ""
    label: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_distribution(self) -> bool:
        """Whether CloudWatch gets values for percentiles, not one number."""
        return self.metric.kind is Kind.HISTOGRAM

    def count(self, upstreams: int) -> int:
        """How many metrics it is, as CloudWatch bills them, where there are so many upstreams."""
        if self.dimension == UPSTREAM:
            return upstreams
        return len(set(self.kinds.values())) if self.dimension else 1

    def dimension_of(self, labels: Mapping[str, str]) -> str | None:
        """The value of its dimension for a series; ``None``: the series is left out."""
        if not any(where.fits(labels) for where in self.any_of):
            return None
        if not self.label:
            return ""
        value = labels[self.label]
        return self.kinds.get(value) if self.kinds else value


def _where(**values: Iterable[str]) -> Where:
    return Where({name: frozenset(allowed) for name, allowed in values.items()})


_ALL: Final = _where(family=_NOT_GATE)

SELECTION: Final[Sequence[Chosen]] = (
    # --- requests
    Chosen(
        "Requests",
        declared.REQUESTS,
        Unit.COUNT,
        "Requests, without those for the gate's own pages.",
        (_ALL,),
    ),
    Chosen(
        "GateFaults",
        declared.REQUESTS,
        Unit.COUNT,
        "Requests that failed by a fault of the gate.",
        (_where(family=_NOT_GATE, reason=_reasons(Fault.GATE)),),
    ),
    Chosen(
        "MlflowFaults",
        declared.REQUESTS,
        Unit.COUNT,
        "Requests that failed by a fault of MLflow: not reached, broken off, or a status of 5xx.",
        (
            _where(family=_NOT_GATE, reason=_reasons(Fault.UPSTREAM)),
            _where(family=_NOT_GATE, reason=(Reason.OK.value,), status=("5xx",)),
        ),
    ),
    Chosen(
        "ClientFaults",
        declared.REQUESTS,
        Unit.COUNT,
        "Requests that the gate refused because of the client, such as 401, 403 and 429.",
        (_where(family=_NOT_GATE, reason=_reasons(Fault.CLIENT)),),
    ),
    Chosen(
        "TooManyRequests",
        declared.REQUESTS,
        Unit.COUNT,
        "Requests that the gate refused with 429.",
        (_where(reason=(each.value for each in Reason if each.status == 429)),),
    ),
    Chosen(
        "RequestDuration",
        declared.REQUEST_DURATION,
        Unit.SECONDS,
        "From a request's head to the end of its response.",
        dimension=TRAFFIC,
        label=FAMILY.name,
        kinds=_by_family(),
    ),
    Chosen(
        "FirstByte",
        declared.FIRST_BYTE,
        Unit.SECONDS,
        "From a request's head to the first byte of its response.",
        dimension=TRAFFIC,
        label=FAMILY.name,
        kinds=_by_family(),
    ),
    Chosen(
        "GateDuration",
        declared.GATE_DURATION,
        Unit.SECONDS,
        "What the gate itself took until it had sent a request to MLflow.",
        dimension=TRAFFIC,
        label="traffic",
        kinds={API: API},
    ),
    # --- limits
    Chosen("Connections", declared.CONNECTIONS, Unit.COUNT, "Client connections that are open."),
    Chosen("InFlight", declared.IN_FLIGHT, Unit.COUNT, "Requests that are under way."),
    Chosen(
        "InFlightLimit", declared.IN_FLIGHT_LIMIT, Unit.COUNT, "How many requests may be under way."
    ),
    Chosen("Queued", declared.QUEUED, Unit.COUNT, "Requests in the queues of full upstreams."),
    Chosen("QueueWait", declared.QUEUE_WAIT, Unit.SECONDS, "How long queued requests waited."),
    # --- upstreams
    Chosen(
        "EndpointsInService",
        declared.ENDPOINTS_IN_SERVICE,
        Unit.COUNT,
        "Endpoints that may be sent requests, of the worker that sees the fewest.",
        dimension=UPSTREAM,
        label="upstream",
    ),
    Chosen(
        "DiscoveryAge",
        declared.DISCOVERY_AGE,
        Unit.SECONDS,
        "Since the last discovery of endpoints that worked.",
        dimension=UPSTREAM,
        label="upstream",
    ),
    Chosen(
        "FailedAttempts",
        declared.ATTEMPTS,
        Unit.COUNT,
        "Attempts at endpoints that failed; most of them are retried.",
        (
            _where(
                result=[
                    each
                    for each in declared.ATTEMPTS.labels[1].values
                    if each not in ("ok", "cancelled")
                ]
            ),
        ),
        dimension=UPSTREAM,
        label="upstream",
    ),
    Chosen(
        "Ejections",
        declared.EJECTIONS,
        Unit.COUNT,
        "Ejections of endpoints, counted by each worker that ejects one.",
        dimension=UPSTREAM,
        label="upstream",
    ),
    Chosen(
        "UpstreamDuration",
        declared.UPSTREAM_DURATION,
        Unit.SECONDS,
        "From the moment that a request to an API was sent to MLflow to the end of the response.",
        (_where(traffic=(API,)),),
        dimension=UPSTREAM,
        label="upstream",
    ),
    # --- authentication and what ends some day
    Chosen(
        "AuthenticationsRefused",
        declared.AUTHENTICATIONS,
        Unit.COUNT,
        "Requests without good credentials.",
        (_where(outcome=("refused",)),),
    ),
    Chosen(
        "KeysAge", declared.KEYS_AGE, Unit.SECONDS, "Since the keys were compared with their store."
    ),
    Chosen(
        "IssuerKeysAge",
        declared.ISSUER_KEYS_AGE,
        Unit.SECONDS,
        "Since the signing keys of an issuer of tokens were fetched.",
    ),
    Chosen("KeyExpiry", declared.KEY_EXPIRY, Unit.SECONDS, "Until the first key expires."),
    Chosen(
        "CertificateExpiry",
        declared.CERTIFICATE_EXPIRY,
        Unit.SECONDS,
        "Until the first certificate expires.",
    ),
    Chosen(
        "BreakGlassUses", declared.BREAK_GLASS_USES, Unit.COUNT, "Uses of keys for emergencies."
    ),
    # --- the processes
    Chosen(
        "ReloadSuccessful",
        declared.RELOAD_SUCCESSFUL,
        Unit.NONE,
        "1; 0 while the changed configuration cannot be used.",
    ),
    Chosen(
        "WorkerRestarts", declared.WORKER_RESTARTS, Unit.COUNT, "Workers that had to be replaced."
    ),
    Chosen("LoopLag", declared.LOOP_LAG, Unit.SECONDS, "By how much event loops were late."),
    Chosen("LogLinesLost", declared.LOG_LINES_LOST, Unit.COUNT, "Lines of logs that are lost."),
    Chosen(
        "TelemetryLost",
        declared.TELEMETRY_LOST,
        Unit.COUNT,
        "Spans and exports of metrics that are lost, documents like these included.",
    ),
)
"""Every metric that CloudWatch gets, besides the heartbeat."""


def metric_count(upstreams: int) -> int:
    """How many metrics a service has at most, as CloudWatch bills them."""
    return 1 + sum(each.count(upstreams) for each in SELECTION)


def selected(new: Totals, service: str, *, gauges: bool) -> Iterator[Datum]:
    """What CloudWatch gets for a minute.

    Args:
        new: what was counted in it, and the gauges as they are.
        service: the value of the dimension of that name.
        gauges: whether to include them, and the heartbeat.
    """
    if gauges:
        yield Datum(HEARTBEAT, Unit.COUNT, {SERVICE: service}, (1,))
    for chosen in SELECTION:
        if chosen.metric.kind is Kind.GAUGE and not gauges:
            continue
        for value, group in _grouped(chosen, new).items():
            dimensions = {SERVICE: service}
            if chosen.dimension:
                dimensions[chosen.dimension] = value
            values = _merged(chosen.metric, group)
            if values:
                yield Datum(chosen.name, chosen.unit, dimensions, values)


def _grouped(chosen: Chosen, new: Totals) -> dict[str, list[Series]]:
    """The series of a metric by the value of its dimension; of a counter without any: none."""
    names = [label.name for label in chosen.metric.labels]
    found: dict[str, list[Series]] = {}
    if not chosen.dimension and chosen.metric.kind is Kind.COUNTER:
        found[""] = []
    for series in new.series(chosen.metric):
        value = chosen.dimension_of(dict(zip(names, series.labels, strict=True)))
        if value is not None:
            found.setdefault(value, []).append(series)
    return found


def _merged(metric: Metric, group: Sequence[Series]) -> Sequence[float]:
    """The values of several series as those of one."""
    if metric.kind is Kind.HISTOGRAM:
        buckets = [sum(each.cells[at] for each in group) for at in range(len(metric.bounds) + 1)]
        return spread(metric.bounds, buckets)
    numbers = [each.cells[0] for each in group]
    if metric.over is Over.MAX:
        number = max(numbers)
    elif metric.over is Over.MIN:
        number = min(numbers)
    else:
        number = sum(numbers)
    return (number if metric.scale == 1.0 else number * metric.scale,)
