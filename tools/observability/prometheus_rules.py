"""The recording and alerting rules for Prometheus, from the table of alerts and the objectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate.cluster.member import State
from headgate.model import FAMILIES
from headgate.model.request_class import AI_GATEWAY, ARTIFACTS
from headgate.reasons import Fault, Reason
from tools.observability import alerts, objectives
from tools.observability.alerts import BURNING, Alert, Severity
from tools.observability.objectives import (
    ADDED_LATENCY_QUANTILE,
    BURN_RATES,
    DAY,
    ERROR_BUDGET,
    GATE_FAMILIES,
    GATE_FAULTS,
    MLFLOW_FAULTS,
    PERIOD,
    Budget,
    BurnRate,
)
from tools.observability.promql import any_of, duration
from tools.observability.rules_file import Alerting, Group, Recording, written

INTERVAL: Final = 30
"""Seconds between two evaluations of the recording rules; the counts of failures rely on it."""
BASE: Final = 5 * objectives.MINUTE
WINDOWS: Final = tuple(
    sorted(
        {BASE, PERIOD, *(each.long for each in BURN_RATES), *(each.short for each in BURN_RATES)}
    )
)
"""Seconds over which the share of failed requests is recorded."""

_OF_MLFLOW: Final = ", ".join(f'family!="{name}"' for name in GATE_FAMILIES)
_COUNTED: Final = any_of((Reason.OK.value, *GATE_FAULTS, *MLFLOW_FAULTS))
# Without those that operators have asked for.
_TOO_MANY: Final = any_of(
    each.value for each in Reason if each.status == 429 and each.fault is not Fault.NOBODY
)
_OUT_OF_SERVICE: Final = any_of((State.UNHEALTHY.value, State.EJECTED.value))


def groups() -> Sequence[Group]:
    """All rules."""
    return (
        Group(
            "headgate-objectives",
            f"The objective: {objectives.AVAILABILITY:.1%} of the requests in {PERIOD // DAY} days "
            "do not fail by a fault of the gate, and as many not by one of MLflow. Requests to the "
            "gate's own pages, and those that fail by the client's fault, do not count. Longer "
            "windows are made from the rates of the shortest. The alerts count failures by this "
            "group's interval: do not change it.",
            _objectives(),
            INTERVAL,
        ),
        Group("headgate-alerts", "", (*_burning(), *_alerts())),
    )


# --- the objectives --------------------------------------------------------------------------


def _objectives() -> Sequence[Recording]:
    requests = "job:headgate_slo_requests:rate5m"
    return (
        Recording(
            requests,
            f"""sum by (job) (
  rate(headgate_requests_total{{{_OF_MLFLOW}, reason=~"{_COUNTED}"}}[5m])
)""",
            comment="Requests a second that count.",
        ),
        Recording(
            "job:headgate_slo_errors:rate5m",
            f"""sum by (job) (
  rate(headgate_requests_total{{{_OF_MLFLOW}, reason=~"{any_of(GATE_FAULTS)}"}}[5m])
)
or 0 * {requests}""",
            {"budget": Budget.GATE.value},
            "Those that fail by a fault of the gate.",
        ),
        Recording(
            "job:headgate_slo_errors:rate5m",
            f"""sum by (job) (
    rate(headgate_requests_total{{{_OF_MLFLOW}, reason=~"{any_of(MLFLOW_FAULTS)}"}}[5m])
  or
    rate(headgate_requests_total{{{_OF_MLFLOW}, reason="{Reason.OK.value}", status="5xx"}}[5m])
)
or 0 * {requests}""",
            {"budget": Budget.MLFLOW.value},
            "Those that fail by a fault of MLflow, its own responses with 5xx among them.",
        ),
        *map(_ratio, WINDOWS),
        Recording(
            f"job:headgate_gate_duration_seconds:p99_rate{duration(_LATENCY.window)}",
            f"""histogram_quantile({ADDED_LATENCY_QUANTILE:g}, sum by (job, le) (
  rate(headgate_gate_duration_seconds_bucket{{traffic="api"}}[{duration(_LATENCY.window)}])
))""",
            comment="Seconds in the gate that 99 % of the requests to MLflow's APIs do not exceed.",
        ),
    )


_LATENCY: Final = alerts.ADDED_LATENCY_HIGH


def _ratio(window: int) -> Recording:
    name = f"job:headgate_slo_errors:ratio_rate{duration(window)}"
    if window == BASE:
        return Recording(
            name,
            """job:headgate_slo_errors:rate5m
  / on (job) group_left ()
(job:headgate_slo_requests:rate5m > 0)""",
            comment="The share of the requests that fail.",
        )
    return Recording(
        name,
        f"""sum_over_time(job:headgate_slo_errors:rate5m[{duration(window)}])
  / on (job) group_left ()
(sum_over_time(job:headgate_slo_requests:rate5m[{duration(window)}]) > 0)""",
    )


def _burning() -> Sequence[Alerting]:
    return [
        Alerting(
            alert,
            "\nor\n".join(
                _too_fast(rate, budget, alert.minimum)
                for rate in BURN_RATES
                if rate.pages is (severity is Severity.PAGE)
            ),
            "{{ $value | humanizePercentage }} of the requests fail.",
        )
        for (budget, severity), alert in BURNING.items()
    ]


def _too_fast(rate: BurnRate, budget: Budget, minimum: int) -> str:
    labels = f'{{budget="{budget.value}"}}'
    count = f"sum_over_time(job:headgate_slo_errors:rate5m{labels}[{duration(rate.long)}])"
    limit = f"{rate.factor:g} * {ERROR_BUDGET:g}"
    return f"""(
    job:headgate_slo_errors:ratio_rate{duration(rate.long)}{labels} > {limit}
  and
    job:headgate_slo_errors:ratio_rate{duration(rate.short)}{labels} > {limit}
  and
    {count} * {INTERVAL} >= {minimum}
)"""


# --- the other alerts ------------------------------------------------------------------------


def _alerts() -> Sequence[Alerting]:
    return (
        _added_latency(_LATENCY),
        _requests_slow(alerts.REQUESTS_SLOW),
        *_endpoints(),
        *_limits(),
        *_authentication(),
        *_ends(),
        *_processes(),
        *_losses(),
    )


def _added_latency(alert: Alert) -> Alerting:
    window = duration(alert.window)
    return Alerting(
        alert,
        f"""job:headgate_gate_duration_seconds:p99_rate{window} > {alert.threshold:g}
and
sum by (job) (
  increase(headgate_gate_duration_seconds_count{{traffic="api"}}[{window}])
) >= {alert.minimum}""",
        "1 % of them take more than {{ $value | humanizeDuration }} in the gate.",
    )


def _requests_slow(alert: Alert) -> Alerting:
    window = duration(alert.window)
    fast = any_of(
        name
        for name, family in FAMILIES.items()
        if not family.gate_pages and family.request_class not in (ARTIFACTS, AI_GATEWAY)
    )
    histogram = "headgate_request_first_byte_seconds"
    return Alerting(
        alert,
        f"""histogram_quantile(0.99, sum by (job, family, le) (
  rate({histogram}_bucket{{family=~"{fast}"}}[{window}])
)) > {alert.threshold:g}
and
sum by (job, family) (
  increase({histogram}_count[{window}])
) >= {alert.minimum}""",
        "1 % of the requests for {{ $labels.family }} wait more than "
        "{{ $value | humanizeDuration }}.",
    )


def _endpoints() -> Sequence[Alerting]:
    ejected, stale = alerts.ENDPOINTS_EJECTED, alerts.DISCOVERY_STALE
    return (
        Alerting(
            alerts.NO_ENDPOINT,
            f"headgate_upstream_endpoints_in_service < {alerts.NO_ENDPOINT.threshold:g}",
            "The upstream {{ $labels.upstream }} has none, for the gate {{ $labels.instance }}.",
        ),
        Alerting(
            alerts.PARK_LAPSED,
            f'headgate_upstream_maintenance{{state="refusing"}} > {alerts.PARK_LAPSED.threshold:g}',
            "The upstream {{ $labels.upstream }} is refusing, at the gate {{ $labels.instance }}.",
        ),
        Alerting(
            alerts.ENDPOINT_OUT_OF_SERVICE,
            f'headgate_upstream_endpoints{{state=~"{_OUT_OF_SERVICE}"}} '
            f"> {alerts.ENDPOINT_OUT_OF_SERVICE.threshold:g}",
            "{{ $value }} of the upstream {{ $labels.upstream }} are {{ $labels.state }}, for the "
            "gate {{ $labels.instance }}.",
        ),
        Alerting(
            ejected,
            f"""sum by (job, upstream) (
  increase(headgate_upstream_ejections_total[{duration(ejected.window)}])
) > {ejected.threshold:g}""",
            "Those of the upstream {{ $labels.upstream }}, {{ $value | humanize }} times in "
            f"{duration(ejected.window)}.",
        ),
        Alerting(
            stale,
            f"headgate_discovery_age_seconds > {stale.threshold:g}",
            "That of the upstream {{ $labels.upstream }}, for {{ $value | humanizeDuration }}, at "
            "the gate {{ $labels.instance }}.",
        ),
    )


def _limits() -> Sequence[Alerting]:
    limited, near, queue = alerts.REQUESTS_LIMITED, alerts.NEAR_LIMIT, alerts.QUEUE_SLOW
    window = duration(queue.window)
    return (
        Alerting(
            limited,
            f"""sum by (job, reason) (
  rate(headgate_requests_total{{reason=~"{_TOO_MANY}"}}[{duration(limited.window)}])
) > {limited.threshold:g}""",
            "{{ $value | humanize }} requests a second, with the reason {{ $labels.reason }}.",
        ),
        Alerting(
            near,
            f"""avg_over_time(headgate_upstream_requests_in_flight[{duration(near.window)}])
  /
(headgate_upstream_requests_limit > 0)
> {near.threshold:g}""",
            "The upstream {{ $labels.upstream }} has {{ $value | humanizePercentage }} of those "
            "that it may have, at the gate {{ $labels.instance }}.",
        ),
        Alerting(
            queue,
            f"""histogram_quantile(0.99, sum by (job, le) (
  rate(headgate_queue_wait_seconds_bucket[{window}])
)) > {queue.threshold:g}
and
sum by (job) (
  increase(headgate_queue_wait_seconds_count[{window}])
) >= {queue.minimum}""",
            "1 % of them wait more than {{ $value | humanizeDuration }}.",
        ),
    )


def _authentication() -> Sequence[Alerting]:
    refused, used = alerts.AUTHENTICATION_REFUSED, alerts.BREAK_GLASS_USED
    return (
        Alerting(
            refused,
            f"""sum by (job) (
  rate(headgate_authentications_total{{outcome="refused"}}[{duration(refused.window)}])
) > {refused.threshold:g}""",
            "{{ $value | humanize }} requests a second.",
        ),
        Alerting(
            alerts.KEY_STORE_STALE,
            f"headgate_keys_age_seconds > {alerts.KEY_STORE_STALE.threshold:g}",
            "The gate {{ $labels.instance }} read it {{ $value | humanizeDuration }} ago.",
        ),
        Alerting(
            alerts.ISSUER_KEYS_STALE,
            f"headgate_issuer_keys_age_seconds > {alerts.ISSUER_KEYS_STALE.threshold:g}",
            "The gate {{ $labels.instance }} fetched them {{ $value | humanizeDuration }} ago.",
        ),
        Alerting(
            alerts.KEY_EXPIRES,
            f"min by (job) (headgate_key_expiry_seconds) < {_days(alerts.KEY_EXPIRES)}",
            "The first one in {{ $value | humanizeDuration }}.",
        ),
        Alerting(
            used,
            f"""sum by (job, instance) (
  increase(headgate_break_glass_uses_total[{duration(used.window)}])
) > {used.threshold:g}""",
            "It opens the gate {{ $labels.instance }}.",
        ),
    )


def _ends() -> Sequence[Alerting]:
    metric = "headgate_certificate_expiry_seconds"
    ends = (
        "That of {{ $labels.certificate }} at the gate {{ $labels.instance }}, in "
        "{{ $value | humanizeDuration }}."
    )
    return (
        Alerting(
            alerts.CERTIFICATE_EXPIRES,
            f"{metric} < {_days(alerts.CERTIFICATE_EXPIRES)}",
            ends,
        ),
        Alerting(
            alerts.CERTIFICATE_EXPIRES_SOON,
            f"{metric} < {_days(alerts.CERTIFICATE_EXPIRES_SOON)}",
            ends,
        ),
        Alerting(
            alerts.RELOAD_FAILED,
            f"headgate_config_last_reload_successful < {alerts.RELOAD_FAILED.threshold:g}",
            "The gate {{ $labels.instance }} logs each problem (`configuration_refused`).",
        ),
    )


def _days(alert: Alert) -> str:
    """A threshold in seconds, so that people see the days."""
    return f"{alert.threshold / DAY:g} * {DAY}"


def _processes() -> Sequence[Alerting]:
    restarts, lag = alerts.WORKER_RESTARTS, alerts.LOOP_LAG
    return (
        Alerting(
            alerts.DOWN,
            "absent(headgate_build_info)",
            "No target that Prometheus scrapes has the metrics of a gate.",
        ),
        Alerting(
            alerts.INSTANCE_DOWN,
            """up == 0
and on (job, instance)
present_over_time(headgate_build_info[6h])""",
            "It is {{ $labels.instance }}.",
        ),
        Alerting(
            restarts,
            f"""sum by (job, instance, cause) (
  increase(headgate_worker_restarts_total[{duration(restarts.window)}])
) > {restarts.threshold:g}""",
            "At the gate {{ $labels.instance }}, by the cause {{ $labels.cause }}.",
        ),
        Alerting(
            lag,
            f"""histogram_quantile(0.99, sum by (job, instance, le) (
  rate(headgate_loop_lag_seconds_bucket[{duration(lag.window)}])
)) > {lag.threshold:g}""",
            "At the gate {{ $labels.instance }}, by {{ $value | humanizeDuration }}.",
        ),
    )


def _losses() -> Sequence[Alerting]:
    log, telemetry = alerts.LOG_LINES_LOST, alerts.TELEMETRY_LOST
    return (
        Alerting(
            log,
            f"""sum by (job, instance, log, cause) (
  increase(headgate_log_lines_lost_total[{duration(log.window)}])
) > {log.threshold:g}""",
            "{{ $value | humanize }} lines of the log {{ $labels.log }} in "
            f"{duration(log.window)}, at the gate {{{{ $labels.instance }}}}, by the cause "
            "{{ $labels.cause }}.",
        ),
        Alerting(
            telemetry,
            f"""sum by (job, instance, exporter, cause) (
  increase(headgate_telemetry_lost_total[{duration(telemetry.window)}])
) > {telemetry.threshold:g}""",
            "By the exporter {{ $labels.exporter }} at the gate {{ $labels.instance }}, by the "
            "cause {{ $labels.cause }}.",
        ),
    )


def page() -> str:
    """The whole file."""
    return written(groups())
