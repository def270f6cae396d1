"""The rows about what users notice: objectives, traffic, latency and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate.reasons import Reason
from tools.observability import alerts
from tools.observability.alerts import Alert
from tools.observability.dashboard import (
    GATE,
    RATE,
    UPSTREAM,
    Kind,
    Panel,
    Query,
    Row,
    Unit,
    quantile,
    rates,
    red_below,
    red_from,
)
from tools.observability.objectives import (
    ADDED_LATENCY,
    BURN_RATES,
    CLIENT_FAULTS,
    ERROR_BUDGET,
    GATE_FAULTS,
    MLFLOW_FAULTS,
)
from tools.observability.promql import any_of

# --- the objectives --------------------------------------------------------------------------

_FIRING: Final = 'ALERTS{alertname=~"Headgate.*", alertstate="firing", job=~"$job|"}'


def _budget_left(budget: str, title: str, watched_by: Sequence[Alert]) -> Panel:
    ratio = f'job:headgate_slo_errors:ratio_rate30d{{job=~"$job", budget="{budget}"}}'
    return Panel(
        title,
        "What is left of the errors that the objective allows in 30 days. Below 0 it is broken. "
        "Needs the recording rules.",
        Unit.SHARE,
        (Query(f"1 - {ratio} / {ERROR_BUDGET:g}", "{{job}}"),),
        Kind.STAT,
        4,
        red_below(0.0, 0.25),
        watched_by,
    )


_FASTEST: Final = max(rate.factor for rate in BURN_RATES)

OBJECTIVES: Final = Row(
    "Objectives",
    (
        _budget_left(
            "gate",
            "Error budget left: the gate",
            (alerts.GATE_ERRORS_FAST, alerts.GATE_ERRORS_SLOW),
        ),
        _budget_left(
            "mlflow",
            "Error budget left: MLflow",
            (alerts.MLFLOW_ERRORS_FAST, alerts.MLFLOW_ERRORS_SLOW),
        ),
        Panel(
            "Added latency, 99 %",
            "Seconds in the gate that 99 % of the requests to MLflow's APIs do not exceed, over 30 "
            "minutes; the objective is 5 ms. Needs the recording rules.",
            Unit.SECONDS,
            (Query('job:headgate_gate_duration_seconds:p99_rate30m{job=~"$job"}', "{{job}}"),),
            Kind.STAT,
            4,
            red_from(ADDED_LATENCY),
            (alerts.ADDED_LATENCY_HIGH,),
        ),
        Panel(
            "Alerts",
            "Those that fire now; the runbook has a section for each.",
            Unit.NONE,
            (Query(f"max by (alertname, severity, instance, upstream, budget) ({_FIRING})"),),
            Kind.TABLE,
            12,
        ),
        Panel(
            "Failed requests, by whose budget they are taken from",
            "The share of the requests in the last hour. The red line is where the budget of 30 "
            "days lasts for two. Needs the recording rules.",
            Unit.SHARE,
            (Query('job:headgate_slo_errors:ratio_rate1h{job=~"$job"}', "{{budget}}"),),
            width=12,
            steps=red_from(round(_FASTEST * ERROR_BUDGET, 9)),
            watched_by=(alerts.GATE_ERRORS_FAST, alerts.MLFLOW_ERRORS_FAST),
        ),
        Panel(
            "Endpoints in service",
            "The fewest that a worker has; 0: every request to the upstream is refused.",
            Unit.COUNT,
            (
                Query(
                    f"min by (upstream) (headgate_upstream_endpoints_in_service{{{UPSTREAM}}})",
                    "{{upstream}}",
                ),
            ),
            width=12,
            watched_by=(alerts.NO_ENDPOINT,),
        ),
    ),
)

# --- traffic ---------------------------------------------------------------------------------
TRAFFIC: Final = Row(
    "Traffic",
    (
        Panel(
            "Requests by family",
            "Requests that ended, by family of routes.",
            Unit.PER_SECOND,
            (Query(rates("headgate_requests_total", "family"), "{{family}}"),),
            Kind.STACKED,
        ),
        Panel(
            "Requests by status",
            "By class of status; none: the client received no response.",
            Unit.PER_SECOND,
            (Query(rates("headgate_requests_total", "status"), "{{status}}"),),
            Kind.STACKED,
        ),
        Panel(
            "Reads and writes",
            "By class of method.",
            Unit.PER_SECOND,
            (Query(rates("headgate_requests_total", "method"), "{{method}}"),),
            Kind.STACKED,
        ),
        Panel(
            "Bytes received",
            "Bodies of requests, by family.",
            Unit.BYTES_PER_SECOND,
            (Query(rates("headgate_request_bytes_total", "family"), "{{family}}"),),
        ),
        Panel(
            "Bytes sent",
            "Bodies of responses, by family.",
            Unit.BYTES_PER_SECOND,
            (Query(rates("headgate_response_bytes_total", "family"), "{{family}}"),),
        ),
        Panel(
            "MLflow clients",
            "Requests by minor release of MLflow's client; other: a release that is not listed.",
            Unit.PER_SECOND,
            (Query(rates("headgate_client_requests_total", "client"), "{{client}}"),),
            Kind.STACKED,
        ),
    ),
)

# --- maintenance ----------------------------------------------------------------------------
MAINTENANCE: Final = Row(
    "Maintenance: parked and read-only upstreams",
    (
        Panel(
            "State of maintenance",
            "1 while an upstream is in it, in any worker; none: it serves.",
            Unit.COUNT,
            (
                Query(
                    f"max by (upstream, state) (headgate_upstream_maintenance{{{UPSTREAM}}}) > 0",
                    "{{upstream}} {{state}}",
                ),
            ),
            watched_by=(alerts.PARK_LAPSED,),
        ),
        Panel(
            "Requests that are held",
            "They wait for the end of a park.",
            Unit.COUNT,
            (
                Query(
                    f"sum by (upstream) (headgate_upstream_requests_held{{{UPSTREAM}}})",
                    "{{upstream}}",
                ),
            ),
        ),
        Panel(
            "Holds that have ended",
            "Released to MLflow, or refused since they lasted too long, or the client has left.",
            Unit.PER_SECOND,
            (
                Query(
                    rates("headgate_upstream_holds_total", "upstream, result", UPSTREAM),
                    "{{upstream}} {{result}}",
                ),
            ),
        ),
        Panel(
            "Time held, 99 %",
            "Of the requests that were held; 100 s is the most by default.",
            Unit.SECONDS,
            (Query(quantile(0.99, "headgate_hold_seconds"), "99 %"),),
        ),
    ),
)

# --- latency ---------------------------------------------------------------------------------
LATENCY: Final = Row(
    "Latency: the gate and MLflow",
    (
        Panel(
            "The gate's own time, 99 %",
            "Time that is neither MLflow's nor the client's, by kind of traffic. The red line is "
            "the objective for api.",
            Unit.SECONDS,
            (Query(quantile(0.99, "headgate_gate_duration_seconds", "traffic"), "{{traffic}}"),),
            steps=red_from(ADDED_LATENCY),
            watched_by=(alerts.ADDED_LATENCY_HIGH,),
        ),
        Panel(
            "MLflow's time, 99 %",
            "From the last attempt's sending to the end of its response, by upstream and traffic.",
            Unit.SECONDS,
            (
                Query(
                    quantile(
                        0.99, "headgate_upstream_duration_seconds", "upstream, traffic", UPSTREAM
                    ),
                    "{{upstream}} {{traffic}}",
                ),
            ),
            watched_by=(alerts.REQUESTS_SLOW,),
        ),
        Panel(
            "Wait for the first byte, 99 %",
            "From a request's head to the first byte of its response, by family.",
            Unit.SECONDS,
            (Query(quantile(0.99, "headgate_request_first_byte_seconds", "family"), "{{family}}"),),
            steps=red_from(alerts.REQUESTS_SLOW.threshold),
            watched_by=(alerts.REQUESTS_SLOW,),
            exemplars=True,
        ),
        Panel(
            "Whole requests, 50 %",
            "From a request's head to the end of its response, by family. Those for artifacts take "
            "as long as the files are large.",
            Unit.SECONDS,
            (Query(quantile(0.5, "headgate_request_duration_seconds", "family"), "{{family}}"),),
        ),
        Panel(
            "Whole requests, 99 %",
            "From a request's head to the end of its response, by family.",
            Unit.SECONDS,
            (Query(quantile(0.99, "headgate_request_duration_seconds", "family"), "{{family}}"),),
            exemplars=True,
        ),
        Panel(
            "Mean times",
            "Of all requests that reach MLflow: the gate's part beside MLflow's.",
            Unit.SECONDS,
            (
                Query(
                    f"sum(rate(headgate_gate_duration_seconds_sum{{{GATE}}}[{RATE}])) / "
                    f"sum(rate(headgate_gate_duration_seconds_count{{{GATE}}}[{RATE}]))",
                    "gate",
                ),
                Query(
                    f"sum(rate(headgate_upstream_duration_seconds_sum{{{GATE}}}[{RATE}])) / "
                    f"sum(rate(headgate_upstream_duration_seconds_count{{{GATE}}}[{RATE}]))",
                    "MLflow",
                ),
            ),
        ),
    ),
)


# --- errors ----------------------------------------------------------------------------------
def _errors(title: str, text: str, condition: str, watched_by: Sequence[Alert]) -> Panel:
    labels = f"{GATE}, {condition}"
    return Panel(
        title,
        text,
        Unit.PER_SECOND,
        (Query(rates("headgate_requests_total", "reason", labels), "{{reason}}"),),
        Kind.STACKED,
        watched_by=watched_by,
    )


_MLFLOWS_OWN: Final = f'{GATE}, family!="gate", reason="{Reason.OK.value}", status="5xx"'

ERRORS: Final = Row(
    "Errors, by whose fault they are",
    (
        _errors(
            "Faults of the gate",
            "Requests that end by a fault of the gate, by reason.",
            f'reason=~"{any_of(GATE_FAULTS)}"',
            (alerts.GATE_ERRORS_FAST, alerts.GATE_ERRORS_SLOW),
        ),
        Panel(
            "Faults of MLflow",
            "Requests that end by a fault of MLflow, by reason; 5xx: MLflow's own responses.",
            Unit.PER_SECOND,
            (
                Query(
                    rates(
                        "headgate_requests_total",
                        "reason",
                        f'{GATE}, reason=~"{any_of(MLFLOW_FAULTS)}"',
                    ),
                    "{{reason}}",
                ),
                Query(f"sum(rate(headgate_requests_total{{{_MLFLOWS_OWN}}}[{RATE}]))", "5xx"),
            ),
            Kind.STACKED,
            watched_by=(alerts.MLFLOW_ERRORS_FAST, alerts.MLFLOW_ERRORS_SLOW),
        ),
        _errors(
            "Faults of clients",
            "Requests that are refused, or that clients gave up, by reason.",
            f'reason=~"{any_of(CLIENT_FAULTS)}"',
            (alerts.AUTHENTICATION_REFUSED, alerts.REQUESTS_LIMITED),
        ),
    ),
)
