"""CloudWatch's alarms: one or more for each alert, as ``PutMetricAlarm`` takes them.

An alarm looks at whole periods: it fires when at least M of the last N are bad.  Documents may
arrive late, so a single bad period of a value that is measured wakes nobody; counts of what must
not happen at all fire with the first.  What a missing period means is said of each alarm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headgate.telemetry.emf_selection import HEARTBEAT
from headgate.telemetry.metrics.labels import API
from tools.observability import alerts
from tools.observability.alerts import ALERTS, Alert, Severity, System
from tools.observability.cloudwatch import TRAFFICS, dimensions, dumped, is_per_upstream
from tools.observability.objectives import BURN_RATES, ERROR_BUDGET, HOUR, MINUTE

NAMESPACE: Final = "${namespace}"
LOGS: Final = "AWS/Logs"
_TOPIC: Final = {Severity.PAGE: "${page_topic}", Severity.TICKET: "${ticket_topic}"}
_FAST: Final = next(each.factor for each in BURN_RATES if each.pages)
_SLOW: Final = next(each.factor for each in BURN_RATES if not each.pages)

Alarm = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Periods:
    """When an alarm fires: ``bad`` of the last ``last`` periods of ``seconds`` are."""

    seconds: int
    bad: int
    last: int

    def fields(self) -> dict[str, int]:
        """As ``PutMetricAlarm`` has them, but for the period."""
        return {"EvaluationPeriods": self.last, "DatapointsToAlarm": self.bad}


NOW: Final = Periods(MINUTE, 2, 3)
LASTING: Final = Periods(MINUTE, 5, 6)
FIVE_MINUTES: Final = Periods(5 * MINUTE, 2, 3)
TEN_MINUTES: Final = Periods(10 * MINUTE, 2, 3)
HOURS: Final = Periods(HOUR, 4, 6)
QUARTER: Final = Periods(5 * MINUTE, 1, 3)
"""For counts of what must not happen: 15 minutes from the last time."""


def _alarm(
    alert: Alert,
    periods: Periods,
    comparison: str,
    threshold: float,
    what: Mapping[str, Any],
    *,
    of: str = "",
    missing: str = "notBreaching",
) -> Alarm:
    topic = _TOPIC[alert.severity]
    return {
        "AlarmName": "-".join(filter(None, (alert.name, "${service}", of))),
        "AlarmDescription": f"{alert.summary}. {alert.meaning} Runbook: ${{docs}}/{alert.runbook}",
        "ActionsEnabled": True,
        "AlarmActions": [topic],
        "OKActions": [topic],
        "InsufficientDataActions": [],
        "ComparisonOperator": comparison,
        "Threshold": threshold,
        **periods.fields(),
        "TreatMissingData": missing,
        "Tags": [
            {"Key": "service", "Value": "${service}"},
            {"Key": "severity", "Value": alert.severity.value},
        ],
        **what,
    }


def _listed(pairs: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in pairs.items()]


def _statistic(metric: str, statistic: str, periods: Periods) -> dict[str, Any]:
    return {
        "Namespace": NAMESPACE,
        "MetricName": metric,
        "Dimensions": _listed(dimensions(metric)),
        "Statistic": statistic,
        "Period": periods.seconds,
    }


def _measured(name: str, metric: str, value: str, statistic: str, periods: Periods) -> Alarm:
    """A metric that an expression names."""
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": metric,
                "Dimensions": _listed(dimensions(metric, value)),
            },
            "Period": periods.seconds,
            "Stat": statistic,
        },
        "ReturnData": False,
    }


def _expression(expression: str, label: str, *metrics: Alarm) -> dict[str, Any]:
    result = {"Id": "result", "Expression": expression, "Label": label, "ReturnData": True}
    return {"Metrics": [*metrics, result]}


def _above(alert: Alert, metric: str, statistic: str, periods: Periods) -> Alarm:
    """Fires where a number is above the threshold of the alert."""
    what = _statistic(metric, statistic, periods)
    of = "${upstream}" if is_per_upstream(metric) else ""
    return _alarm(alert, periods, "GreaterThanThreshold", alert.threshold, what, of=of)


def _below(
    alert: Alert, metric: str, statistic: str, periods: Periods, missing: str = "notBreaching"
) -> Alarm:
    """Fires where a number is below the threshold of the alert."""
    what = _statistic(metric, statistic, periods)
    of = "${upstream}" if is_per_upstream(metric) else ""
    low = "LessThanThreshold"
    return _alarm(alert, periods, low, alert.threshold, what, of=of, missing=missing)


def _rate(alert: Alert, metric: str, periods: Periods) -> Alarm:
    """Fires where more happens in a second than the threshold of the alert."""
    what = _statistic(metric, "Sum", periods)
    most = alert.threshold * periods.seconds
    return _alarm(alert, periods, "GreaterThanThreshold", most, what)


def _slow(alert: Alert, metric: str, periods: Periods, value: str = "", of: str = "") -> Alarm:
    """Fires where 1 % of the values are above the threshold, if there are enough."""
    least = max(1, alert.minimum)
    what = _expression(
        f"IF(count >= {least}, p99, 0)",
        f"p99 of {metric}, where there are {least} values",
        _measured("p99", metric, value, "p99", periods),
        _measured("count", metric, value, "SampleCount", periods),
    )
    return _alarm(alert, periods, "GreaterThanThreshold", alert.threshold, what, of=of)


def _errors(alert: Alert, faults: str, factor: float, periods: Periods) -> Alarm:
    """Fires where too many requests fail; refused ones do not count, so strangers hide nothing."""
    what = _expression(
        f"IF(faults > {alert.minimum}, 100 * faults / (requests - refused), 0)",
        f"{faults}, % of the requests, where there are more than {alert.minimum}",
        _measured("faults", faults, "", "Sum", periods),
        _measured("requests", "Requests", "", "Sum", periods),
        _measured("refused", "ClientFaults", "", "Sum", periods),
    )
    percent = round(100 * factor * ERROR_BUDGET, 6)
    return _alarm(alert, periods, "GreaterThanThreshold", percent, what)


def _near_limit(alert: Alert) -> Alarm:
    what = _expression(
        "IF(most > 0, used / most, 0)",
        "requests under way, share of the limit",
        _measured("used", "InFlight", "", "Sum", FIVE_MINUTES),
        _measured("most", "InFlightLimit", "", "Sum", FIVE_MINUTES),
    )
    return _alarm(alert, FIVE_MINUTES, "GreaterThanThreshold", alert.threshold, what)


def _refused_documents(alert: Alert) -> Alarm:
    """CloudWatch's own count of documents that it could not use, by group of logs."""
    parts = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": LOGS,
                    "MetricName": metric,
                    "Dimensions": _listed({"LogGroupName": "${log_group}"}),
                },
                "Period": QUARTER.seconds,
                "Stat": "Sum",
            },
            "ReturnData": False,
        }
        for name, metric in (("parsing", "EMFParsingErrors"), ("validation", "EMFValidationErrors"))
    ]
    what = _expression("FILL(parsing, 0) + FILL(validation, 0)", "documents refused", *parts)
    return _alarm(alert, QUARTER, "GreaterThanThreshold", alert.threshold, what)


def service_alarms() -> Sequence[Alarm]:
    """The alarms that a service needs once."""
    slow = [
        _slow(alerts.REQUESTS_SLOW, "FirstByte", TEN_MINUTES, value=each, of=each)
        for each in TRAFFICS
    ]
    return [
        _errors(alerts.GATE_ERRORS_FAST, "GateFaults", _FAST, FIVE_MINUTES),
        _errors(alerts.GATE_ERRORS_SLOW, "GateFaults", _SLOW, HOURS),
        _errors(alerts.MLFLOW_ERRORS_FAST, "MlflowFaults", _FAST, FIVE_MINUTES),
        _errors(alerts.MLFLOW_ERRORS_SLOW, "MlflowFaults", _SLOW, HOURS),
        _slow(alerts.ADDED_LATENCY_HIGH, "GateDuration", TEN_MINUTES, value=API),
        *slow,
        _rate(alerts.REQUESTS_LIMITED, "TooManyRequests", FIVE_MINUTES),
        _near_limit(alerts.NEAR_LIMIT),
        _slow(alerts.QUEUE_SLOW, "QueueWait", FIVE_MINUTES),
        _rate(alerts.AUTHENTICATION_REFUSED, "AuthenticationsRefused", FIVE_MINUTES),
        _above(alerts.KEY_STORE_STALE, "KeysAge", "Maximum", LASTING),
        _above(alerts.ISSUER_KEYS_STALE, "IssuerKeysAge", "Maximum", FIVE_MINUTES),
        _below(alerts.KEY_EXPIRES, "KeyExpiry", "Minimum", FIVE_MINUTES),
        _above(alerts.BREAK_GLASS_USED, "BreakGlassUses", "Sum", QUARTER),
        _below(alerts.CERTIFICATE_EXPIRES, "CertificateExpiry", "Minimum", FIVE_MINUTES),
        _below(alerts.CERTIFICATE_EXPIRES_SOON, "CertificateExpiry", "Minimum", FIVE_MINUTES),
        _below(alerts.RELOAD_FAILED, "ReloadSuccessful", "Minimum", LASTING),
        _silence(alerts.DOWN),
        _above(alerts.WORKER_RESTARTS, "WorkerRestarts", "Sum", Periods(5 * MINUTE, 1, 12)),
        _slow(alerts.LOOP_LAG, "LoopLag", FIVE_MINUTES),
        _above(alerts.LOG_LINES_LOST, "LogLinesLost", "Sum", QUARTER),
        _above(alerts.TELEMETRY_LOST, "TelemetryLost", "Sum", FIVE_MINUTES),
        _refused_documents(alerts.METRICS_REFUSED),
    ]


def _silence(alert: Alert) -> Alarm:
    """Fires where no gate of the service is heard of; here what is missing is what is bad."""
    periods = Periods(MINUTE, 5, 5)
    what = _statistic(HEARTBEAT, "Sum", periods)
    return _alarm(alert, periods, "LessThanThreshold", 1, what, missing="breaching")


def upstream_alarms() -> Sequence[Alarm]:
    """The alarms that a service needs once for each upstream."""
    return [
        _below(alerts.NO_ENDPOINT, "EndpointsInService", "Minimum", NOW),
        _above(alerts.ENDPOINTS_EJECTED, "Ejections", "Sum", Periods(15 * MINUTE, 1, 1)),
        _above(alerts.DISCOVERY_STALE, "DiscoveryAge", "Maximum", NOW),
    ]


def alerts_for_cloudwatch() -> Sequence[Alert]:
    """The alerts that have alarms."""
    return [each for each in ALERTS if System.CLOUDWATCH in each.systems]


def page() -> str:
    """``cloudwatch-alarms.json``."""
    return dumped({"service": service_alarms(), "upstream": upstream_alarms()})
