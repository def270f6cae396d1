"""CloudWatch's dashboard: what was asked for, what failed and by whose fault, and how long it took.

The structure is that of "Dashboard body structure and syntax" in the API reference of CloudWatch.
What there is for each upstream is found by a search, so that the file fits any number of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headgate.telemetry.emf_selection import HEARTBEAT, SERVICE
from headgate.telemetry.metrics.labels import API
from tools.observability import alerts, cloudwatch_queries
from tools.observability.alerts import Alert
from tools.observability.cloudwatch import TRAFFICS, dimensions, dumped, is_per_upstream
from tools.observability.objectives import DAY, MINUTE

WIDTH: Final = 24
"""Columns of a dashboard."""
_HEIGHT: Final = 6
_NAMESPACE: Final = "${namespace}"

Line = Sequence[Any]


def _line(metric: str, statistic: str, label: str = "", value: str = "", **more: object) -> Line:
    """A line of one metric."""
    flat = [part for pair in dimensions(metric, value).items() for part in pair]
    options = {"stat": statistic, **({"label": label} if label else {}), **more}
    return [_NAMESPACE, metric, *flat, options]


def _hidden(metric: str, statistic: str, name: str) -> Line:
    """A metric that only an expression shows."""
    return _line(metric, statistic, id=name, visible=False)


def _computed(expression: str, label: str) -> Line:
    return [{"expression": expression, "label": label}]


def _each_upstream(metric: str, statistic: str) -> Line:
    """A line for each upstream that there is."""
    if not is_per_upstream(metric):
        raise ValueError(f"{metric} has no dimension for upstreams")
    keys = ",".join((_NAMESPACE, *dimensions(metric)))
    search = f'{{{keys}}} {SERVICE}="${{service}}" MetricName="{metric}"'
    expression = f"SEARCH('{search}', '{statistic}', {MINUTE})"
    # CloudWatch's own placeholder, in which the dollar stands twice.
    return [{"expression": expression, "label": "$${PROP('Dim.Upstream')}"}]


def _each_traffic(metric: str, *statistics: str) -> list[Line]:
    return [
        _line(metric, each, f"{traffic} {each}", traffic)
        for traffic in TRAFFICS
        for each in statistics
    ]


@dataclass(frozen=True, slots=True)
class Graph:
    """One graph.

    Attributes:
        title: with the unit, unless it is a count in a minute.
        lines: what it shows.
        alert: whose threshold is drawn, in the unit of the lines.
        factor: what the threshold is multiplied with for that.
        stacked: whether the lines add up.
    """

    title: str
    lines: Sequence[Line]
    alert: Alert | None = None
    factor: float = 1.0
    stacked: bool = False

    def properties(self) -> dict[str, Any]:
        """As the body of a dashboard has them."""
        found: dict[str, Any] = {
            "title": self.title,
            "view": "timeSeries",
            "stacked": self.stacked,
            "region": "${region}",
            "period": MINUTE,
            "metrics": [list(each) for each in self.lines],
            "yAxis": {"left": {"min": 0}},
        }
        if self.alert is not None:
            value = round(self.alert.threshold * self.factor, 6)
            mark = {"label": self.alert.name, "value": value}
            found["annotations"] = {"horizontal": [mark]}
        return found


def _error_rate(faults: str, name: str) -> list[Line]:
    expression = f"IF(requests - refused > 0, 100 * {name} / (requests - refused), 0)"
    return [_hidden(faults, "Sum", name), _computed(expression, f"{faults}, %")]


ROWS: Final[Mapping[str, Sequence[Graph]]] = {
    "Requests: how many, and whose fault a failure is": (
        Graph(
            "Requests in a minute",
            [
                _line("Requests", "Sum"),
                _line("GateFaults", "Sum"),
                _line("MlflowFaults", "Sum"),
                _line("ClientFaults", "Sum"),
            ],
        ),
        Graph(
            "Failures, % of the requests that were not refused",
            [
                _hidden("Requests", "Sum", "requests"),
                _hidden("ClientFaults", "Sum", "refused"),
                *_error_rate("GateFaults", "gate"),
                *_error_rate("MlflowFaults", "mlflow"),
            ],
        ),
        Graph(
            "Refused in a minute",
            [_line("AuthenticationsRefused", "Sum"), _line("TooManyRequests", "Sum")],
            alerts.REQUESTS_LIMITED,
            factor=MINUTE,
        ),
    ),
    "Durations: of everything, of the gate, of MLflow": (
        Graph(
            "To the first byte, seconds",
            _each_traffic("FirstByte", "p50", "p99"),
            alerts.REQUESTS_SLOW,
        ),
        Graph("To the end, seconds", _each_traffic("RequestDuration", "p50", "p99")),
        Graph(
            "The gate itself, seconds",
            [_line("GateDuration", each, f"{API} {each}", API) for each in ("p50", "p99")],
            alerts.ADDED_LATENCY_HIGH,
        ),
        Graph("MLflow, API, p99, seconds", [_each_upstream("UpstreamDuration", "p99")]),
    ),
    "MLflow's servers": (
        Graph(
            "Endpoints in service",
            [_each_upstream("EndpointsInService", "Minimum")],
            alerts.NO_ENDPOINT,
        ),
        Graph("Attempts that failed", [_each_upstream("FailedAttempts", "Sum")]),
        Graph("Ejections", [_each_upstream("Ejections", "Sum")]),
        Graph(
            "Since the last discovery, seconds",
            [_each_upstream("DiscoveryAge", "Maximum")],
            alerts.DISCOVERY_STALE,
        ),
    ),
    "Limits": (
        Graph("Connections", [_line("Connections", "Sum")]),
        Graph(
            "Requests under way",
            [_line("InFlight", "Sum"), _line("InFlightLimit", "Sum"), _line("Queued", "Sum")],
        ),
        Graph(
            "Wait in the queue, seconds",
            [_line("QueueWait", "p50"), _line("QueueWait", "p99")],
            alerts.QUEUE_SLOW,
        ),
    ),
    "Keys, certificates and the gate itself": (
        Graph(
            "Since the keys were read, seconds",
            [_line("KeysAge", "Maximum"), _line("IssuerKeysAge", "Maximum")],
            alerts.KEY_STORE_STALE,
        ),
        Graph(
            "Days until one expires",
            [
                _hidden("CertificateExpiry", "Minimum", "certificate"),
                _hidden("KeyExpiry", "Minimum", "key"),
                _computed(f"certificate / {DAY}", "certificate"),
                _computed(f"key / {DAY}", "key"),
            ],
            alerts.CERTIFICATE_EXPIRES,
            factor=1 / DAY,
        ),
        Graph(
            "Gates, restarts, reloads",
            [
                _line(HEARTBEAT, "Sum", "gates"),
                _line("WorkerRestarts", "Sum"),
                _line("ReloadSuccessful", "Minimum"),
                _line("BreakGlassUses", "Sum"),
            ],
        ),
        Graph(
            "Delay of the event loop, seconds",
            [_line("LoopLag", "p50"), _line("LoopLag", "p99")],
            alerts.LOOP_LAG,
        ),
        Graph("Lost", [_line("LogLinesLost", "Sum"), _line("TelemetryLost", "Sum")]),
    ),
}
"""The graphs by the title of their row."""


def body() -> Mapping[str, Any]:
    """The body of the dashboard, as ``PutDashboard`` takes it."""
    widgets: list[dict[str, Any]] = []
    top = 0
    for title, graphs in ROWS.items():
        runbook = f"[Respond to alerts](${{docs}}/{alerts.RUNBOOK})"
        text = f"## {title}" + (f"\n{runbook}" if not widgets else "")
        height = 2 if not widgets else 1
        widgets.append(_widget("text", 0, top, WIDTH, height, {"markdown": text}))
        top += height
        width = WIDTH // len(graphs)
        for at, graph in enumerate(graphs):
            last = at == len(graphs) - 1
            columns = WIDTH - at * width if last else width
            place = (at * width, top, columns, _HEIGHT)
            widgets.append(_widget("metric", *place, graph.properties()))
        top += _HEIGHT
    for at, name in enumerate(("failures", "slow-requests")):
        query = f"SOURCE '${{log_group}}' | {cloudwatch_queries.text(name)}"
        properties = {"title": name, "region": "${region}", "view": "table", "query": query}
        widgets.append(_widget("log", at * 12, top, 12, _HEIGHT, properties))
    return {"start": "-PT3H", "periodOverride": "inherit", "widgets": widgets}


def _widget(
    kind: str, x: int, y: int, width: int, height: int, properties: Mapping[str, Any]
) -> dict[str, Any]:
    place = {"x": x, "y": y, "width": width, "height": height}
    return {"type": kind, **place, "properties": properties}


def page() -> str:
    """``cloudwatch-dashboard.json``."""
    return dumped(body())
