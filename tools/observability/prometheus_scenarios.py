"""When each alert fires, and what is near it and must not fire: cases for ``promtool test rules``.

Values are those of Prometheus' unit tests, one each 30 seconds: ``0+6x60`` adds 6 sixty times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tools.observability import alerts
from tools.observability.alerts import Alert

TARGET: Final = {"job": "headgate", "instance": "gate:9464"}
"""The labels that Prometheus gives to the series of a target; each series here has them."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing alert: its labels besides ``severity``, and the sentence about what is so now."""

    labels: Mapping[str, str]
    detail: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a gate exposes, and whether an alert fires at a time.

    Attributes:
        alert: the one that is looked at.
        title: what happens.
        series: values by series, without the labels of the target.
        at: after which time it is looked at.
        fires: what fires; nothing by default.
    """

    alert: Alert
    title: str
    series: Mapping[str, str]
    at: str
    fires: Sequence[Firing] = field(default_factory=tuple)


_JOB: Final = {"job": TARGET["job"]}


def _requests(family: str = "runs", reason: str = "ok", status: str = "2xx") -> str:
    labels = f'family="{family}", method="read", status="{status}", reason="{reason}"'
    return f"headgate_requests_total{{{labels}}}"


def _histogram(name: str, labels: str, buckets: Mapping[str, str]) -> dict[str, str]:
    """The series of a histogram, whose last bucket is the count."""
    inner = f"{labels}, " if labels else ""
    outer = f"{{{labels}}}" if labels else ""
    *_, count = buckets.values()
    return {
        **{f'{name}_bucket{{{inner}le="{bound}"}}': values for bound, values in buckets.items()},
        f"{name}_count{outer}": count,
    }


def _budgets() -> Sequence[Scenario]:
    gate, mlflow = {**_JOB, "budget": "gate"}, {**_JOB, "budget": "mlflow"}
    two_percent = "1.961% of the requests fail."
    good = {_requests(): "0+300x1000"}
    internal = _requests(reason="internal", status="5xx")
    own_5xx = _requests(reason="ok", status="5xx")
    reset = _requests(reason="upstream_reset", status="5xx")
    half_percent = Firing(gate, "0.4975% of the requests fail.")
    return (
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "2 % fail by internal errors",
            {**good, internal: "0+6x1000"},
            "10m",
            (Firing(gate, two_percent),),
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "0.5 % fail: the budget lasts for six days",
            {_requests(): "0+400x1000", internal: "0+2x1000"},
            "60m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "5 % failed for an hour, and none in the half hour since",
            {**good, internal: "0+15x120 1800x200"},
            "1h36m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "all of the requests of a night fail, which are fifteen",
            {_requests(): "0x100", internal: "0+1x15 15x100"},
            "10m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "20 % fail for a minute in an hour, among few requests",
            {_requests(): "0+20x1000", internal: "0x110 1 9 9x200"},
            "60m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "MLflow breaks off, and clients have bad keys and are over their rates",
            {
                **good,
                reset: "0+100x1000",
                own_5xx: "0+100x1000",
                _requests(reason="key_unknown", status="4xx"): "0+900x1000",
                _requests(reason="rate_limited", status="4xx"): "0+900x1000",
            },
            "60m",
        ),
        Scenario(
            alerts.GATE_ERRORS_FAST,
            "strangers' requests do not hide internal errors",
            {
                **good,
                internal: "0+6x1000",
                _requests(family="none", reason="unauthenticated", status="4xx"): "0+90000x1000",
                _requests(family="gate"): "0+90000x1000",
            },
            "10m",
            (Firing(gate, two_percent),),
        ),
        Scenario(
            alerts.GATE_ERRORS_SLOW,
            "0.5 % fail",
            {_requests(): "0+400x1000", internal: "0+2x1000"},
            "60m",
            (half_percent,),
        ),
        Scenario(
            alerts.GATE_ERRORS_SLOW,
            "one of 2,000 fails, which is within the objective",
            {_requests(): "0+1999x1000", internal: "0+1x1000"},
            "60m",
        ),
        Scenario(
            alerts.GATE_ERRORS_SLOW,
            "0.5 % failed for an hour, and none in the six hours since",
            {_requests(): "0+400x1000", internal: "0+2x120 240x800"},
            "7h6m",
        ),
        Scenario(
            alerts.MLFLOW_ERRORS_FAST,
            "MLflow responds with 500 to 2 %",
            {**good, own_5xx: "0+6x1000"},
            "10m",
            (Firing(mlflow, two_percent),),
        ),
        Scenario(
            alerts.MLFLOW_ERRORS_FAST,
            "MLflow is gone: no endpoint, then refused connections",
            {
                _requests(): "0+300x20 6000x1000",
                _requests(reason="no_endpoint", status="5xx"): "0x20 0+150x1000",
                _requests(reason="upstream_connect", status="5xx"): "0x20 0+150x1000",
            },
            "15m",
            (Firing(mlflow, "18.37% of the requests fail."),),
        ),
        Scenario(
            alerts.MLFLOW_ERRORS_FAST,
            "internal errors, and health checks that see no endpoint",
            {
                **good,
                internal: "0+100x1000",
                _requests(family="gate", reason="no_endpoint", status="5xx"): "0+100x1000",
            },
            "60m",
        ),
        Scenario(
            alerts.MLFLOW_ERRORS_SLOW,
            "MLflow breaks off 0.5 % of its responses",
            {_requests(): "0+400x1000", reset: "0+2x1000"},
            "60m",
            (Firing(mlflow, half_percent.detail),),
        ),
        Scenario(
            alerts.MLFLOW_ERRORS_SLOW,
            "clients leave before their responses end",
            {**good, _requests(reason="client_gone", status="none"): "0+90x1000"},
            "60m",
        ),
    )


def _latencies() -> Sequence[Scenario]:
    gate, first_byte = "headgate_gate_duration_seconds", "headgate_request_first_byte_seconds"
    slow = {"0.0025": "0+90x200", "0.005": "0+98x200", "0.01": "0+100x200", "+Inf": "0+100x200"}
    waits = {"5.0": "0+90x200", "10.0": "0+98x200", "30.0": "0+100x200", "+Inf": "0+100x200"}
    families = ("runs", "artifacts")
    return (
        Scenario(
            alerts.ADDED_LATENCY_HIGH,
            "2 % take more than 5 ms",
            _histogram(gate, 'traffic="api"', slow),
            "41m",
            (Firing(_JOB, "1 % of them take more than 7.5ms in the gate."),),
        ),
        Scenario(
            alerts.ADDED_LATENCY_HIGH,
            "0.5 % take more than 5 ms",
            _histogram(
                gate,
                'traffic="api"',
                {"0.0025": "0+900x200", "0.005": "0+995x200", "+Inf": "0+1000x200"},
            ),
            "41m",
        ),
        Scenario(
            alerts.ADDED_LATENCY_HIGH,
            "2 % of the requests for artifacts take more than 5 ms",
            _histogram(gate, 'traffic="artifacts"', slow),
            "41m",
        ),
        Scenario(
            alerts.ADDED_LATENCY_HIGH,
            "half of a few requests take more than 5 ms",
            _histogram(gate, 'traffic="api"', {"0.005": "0+0.5x200", "+Inf": "0+1x200"}),
            "41m",
        ),
        Scenario(
            alerts.REQUESTS_SLOW,
            "2 % of the requests for runs, and of those for artifacts, wait more than 10 s",
            {
                series: values
                for family in families
                for series, values in _histogram(first_byte, f'family="{family}"', waits).items()
            },
            "21m",
            (
                Firing(
                    {**_JOB, "family": "runs"},
                    "1 % of the requests for runs wait more than 20s.",
                ),
            ),
        ),
        Scenario(
            alerts.REQUESTS_SLOW,
            "0.5 % wait more than 10 s",
            _histogram(first_byte, 'family="runs"', {"10.0": "0+199x200", "+Inf": "0+200x200"}),
            "21m",
        ),
        Scenario(
            alerts.REQUESTS_SLOW,
            "2 % wait more than 10 s, but not long enough",
            _histogram(first_byte, 'family="runs"', waits),
            "9m",
        ),
    )


def _endpoints() -> Sequence[Scenario]:
    default = 'upstream="default"'
    in_service = f"headgate_upstream_endpoints_in_service{{{default}}}"
    ejections = f"headgate_upstream_ejections_total{{{default}}}"
    age = f"headgate_discovery_age_seconds{{{default}}}"
    gone = Firing(
        {**TARGET, "upstream": "default"},
        "The upstream default has none, for the gate gate:9464.",
    )

    def endpoints(state: str) -> str:
        return f'headgate_upstream_endpoints{{{default}, state="{state}"}}'

    return (
        Scenario(alerts.NO_ENDPOINT, "none for a minute", {in_service: "0x10"}, "1m30s", (gone,)),
        Scenario(alerts.NO_ENDPOINT, "one is left", {in_service: "1x10"}, "5m"),
        Scenario(alerts.NO_ENDPOINT, "none for half a minute", {in_service: "1x6 0 1x10"}, "3m30s"),
        Scenario(
            alerts.ENDPOINT_OUT_OF_SERVICE,
            "one is unhealthy for 15 minutes, one drains",
            {
                endpoints("healthy"): "1x40",
                endpoints("unhealthy"): "1x40",
                endpoints("draining"): "1x40",
            },
            "15m30s",
            (
                Firing(
                    {**TARGET, "upstream": "default", "state": "unhealthy"},
                    "1 of the upstream default are unhealthy, for the gate gate:9464.",
                ),
            ),
        ),
        Scenario(
            alerts.ENDPOINT_OUT_OF_SERVICE,
            "one is unhealthy while it is replaced",
            {endpoints("healthy"): "1x40", endpoints("unhealthy"): "1x20 0x40"},
            "15m30s",
        ),
        Scenario(
            alerts.ENDPOINTS_EJECTED,
            "one each minute",
            {ejections: "0+0.5x30"},
            "15m",
            (
                Firing(
                    {**_JOB, "upstream": "default"},
                    "Those of the upstream default, 15 times in 15m.",
                ),
            ),
        ),
        Scenario(alerts.ENDPOINTS_EJECTED, "two in an hour", {ejections: "0x20 1x60 2x60"}, "60m"),
        Scenario(
            alerts.DISCOVERY_STALE,
            "it fails from the start",
            {age: "0+30x20"},
            "7m",
            (
                Firing(
                    {**TARGET, "upstream": "default"},
                    "That of the upstream default, for 7m 0s, at the gate gate:9464.",
                ),
            ),
        ),
        Scenario(alerts.DISCOVERY_STALE, "it failed for 4 minutes", {age: "0+30x8 0x20"}, "7m"),
    )


def _limits() -> Sequence[Scenario]:
    wait = "headgate_queue_wait_seconds"
    in_flight = 'headgate_upstream_requests_in_flight{upstream="default"}'
    limit = 'headgate_upstream_requests_limit{upstream="default"}'
    limited = _requests(reason="rate_limited", status="4xx")
    return (
        Scenario(
            alerts.REQUESTS_LIMITED,
            "two refusals a second",
            {limited: "0+60x60"},
            "16m",
            (
                Firing(
                    {**_JOB, "reason": "rate_limited"},
                    "2 requests a second, with the reason rate_limited.",
                ),
            ),
        ),
        Scenario(alerts.REQUESTS_LIMITED, "one in two seconds", {limited: "0+15x60"}, "16m"),
        Scenario(
            alerts.REQUESTS_LIMITED,
            "two forbidden requests a second",
            {_requests(reason="forbidden", status="4xx"): "0+60x60"},
            "16m",
        ),
        Scenario(
            alerts.NEAR_LIMIT,
            "90 of 100",
            {in_flight: "90x60", limit: "100x60"},
            "11m",
            (
                Firing(
                    {**TARGET, "upstream": "default"},
                    "The upstream default has 90% of those that it may have, at the gate "
                    "gate:9464.",
                ),
            ),
        ),
        Scenario(alerts.NEAR_LIMIT, "70 of 100", {in_flight: "70x60", limit: "100x60"}, "11m"),
        Scenario(alerts.NEAR_LIMIT, "no limit", {in_flight: "70x60", limit: "0x60"}, "11m"),
        Scenario(
            alerts.QUEUE_SLOW,
            "2 % wait more than a second",
            _histogram(wait, "", {"1.0": "0+98x60", "2.5": "0+100x60", "+Inf": "0+100x60"}),
            "16m",
            (Firing(_JOB, "1 % of them wait more than 1.75s."),),
        ),
        Scenario(
            alerts.QUEUE_SLOW,
            "0.5 % wait more than a second",
            _histogram(wait, "", {"1.0": "0+199x60", "+Inf": "0+200x60"}),
            "16m",
        ),
        Scenario(
            alerts.QUEUE_SLOW,
            "a few requests wait long",
            _histogram(wait, "", {"1.0": "0x60", "2.5": "0+1x60", "+Inf": "0+1x60"}),
            "16m",
        ),
    )


def _authentication() -> Sequence[Scenario]:
    def authentications(outcome: str) -> str:
        return f'headgate_authentications_total{{authenticator="key", outcome="{outcome}"}}'

    hour, day = 3600, 86_400
    keys, issuers = "headgate_keys_age_seconds", "headgate_issuer_keys_age_seconds"
    expiry, emergency = "headgate_key_expiry_seconds", "headgate_break_glass_uses_total"
    return (
        Scenario(
            alerts.AUTHENTICATION_REFUSED,
            "two a second",
            {authentications("refused"): "0+60x60"},
            "16m",
            (Firing(_JOB, "2 requests a second."),),
        ),
        Scenario(
            alerts.AUTHENTICATION_REFUSED,
            "one in two seconds, among many that are accepted",
            {
                authentications("refused"): "0+15x60",
                authentications("accepted"): "0+6000x60",
            },
            "16m",
        ),
        Scenario(
            alerts.KEY_STORE_STALE,
            "it is away for good",
            {keys: "0+30x20"},
            "8m",
            (Firing(TARGET, "The gate gate:9464 read it 8m 0s ago."),),
        ),
        Scenario(alerts.KEY_STORE_STALE, "it fails over in 4 minutes", {keys: "0+30x8 0x20"}, "8m"),
        Scenario(
            alerts.ISSUER_KEYS_STALE,
            "they were fetched three hours ago",
            {issuers: f"{3 * hour}x20"},
            "6m",
            (Firing(TARGET, "The gate gate:9464 fetched them 3h 0m 0s ago."),),
        ),
        Scenario(
            alerts.ISSUER_KEYS_STALE,
            "they were fetched an hour ago, as they are each hour",
            {issuers: f"{hour}x20"},
            "6m",
        ),
        Scenario(
            alerts.KEY_EXPIRES,
            "one ends in two days",
            {expiry: f"{2 * day}x20"},
            "6m",
            (Firing(_JOB, "The first one in 2d 0h 0m 0s."),),
        ),
        Scenario(alerts.KEY_EXPIRES, "one ends in four days", {expiry: f"{4 * day}x20"}, "6m"),
        Scenario(
            alerts.BREAK_GLASS_USED,
            "it is used",
            {emergency: "0x10 1x20"},
            "6m",
            (Firing(TARGET, "It opens the gate gate:9464."),),
        ),
        Scenario(
            alerts.BREAK_GLASS_USED, "it was used an hour ago", {emergency: "0x10 1x120"}, "60m"
        ),
    )


def _ends() -> Sequence[Scenario]:
    day = 86_400
    listener = 'headgate_certificate_expiry_seconds{certificate="listener"}'
    labels = {**TARGET, "certificate": "listener"}
    in_force = "headgate_config_last_reload_successful"

    def ends(text: str) -> Firing:
        return Firing(labels, f"That of listener at the gate gate:9464, in {text}.")

    return (
        Scenario(
            alerts.CERTIFICATE_EXPIRES,
            "in 29 days",
            {listener: f"{29 * day}x20"},
            "6m",
            (ends("29d 0h 0m 0s"),),
        ),
        Scenario(alerts.CERTIFICATE_EXPIRES, "in 31 days", {listener: f"{31 * day}x20"}, "6m"),
        Scenario(
            alerts.CERTIFICATE_EXPIRES_SOON,
            "an hour ago",
            {listener: "-3600x20"},
            "6m",
            (ends("-1h 0m 0s"),),
        ),
        Scenario(alerts.CERTIFICATE_EXPIRES_SOON, "in 8 days", {listener: f"{8 * day}x20"}, "6m"),
        Scenario(
            alerts.RELOAD_FAILED,
            "a changed file has a problem",
            {in_force: "1x10 0x20"},
            "11m",
            (Firing(TARGET, "The gate gate:9464 logs each problem (`configuration_refused`)."),),
        ),
        Scenario(
            alerts.RELOAD_FAILED,
            "it is corrected soon",
            {in_force: "1x10 0x4 1x20"},
            "11m",
        ),
    )


def _processes() -> Sequence[Scenario]:
    build = 'headgate_build_info{version="1.0.0", python="3.13", build="compiled"}'
    lag = "headgate_loop_lag_seconds"
    restarts = 'headgate_worker_restarts_total{cause="signal"}'
    return (
        Scenario(
            alerts.DOWN,
            "the only gate is gone",
            {build: "1x10 stale", "up": "1x10 0x60"},
            "9m",
            (Firing({}, "No target that Prometheus scrapes has the metrics of a gate."),),
        ),
        Scenario(alerts.DOWN, "a gate is there", {build: "1x60", "up": "1x60"}, "9m"),
        Scenario(
            alerts.DOWN, "it is started anew in a minute", {build: "1x10 stale stale 1x60"}, "9m"
        ),
        Scenario(
            alerts.INSTANCE_DOWN,
            "a gate is gone",
            {build: "1x10 stale", "up": "1x10 0x60"},
            "12m",
            (Firing(TARGET, "It is gate:9464."),),
        ),
        Scenario(alerts.INSTANCE_DOWN, "another program is gone", {"up": "1x10 0x60"}, "12m"),
        Scenario(
            alerts.WORKER_RESTARTS,
            "one is killed",
            {restarts: "0x10 1x20"},
            "6m",
            (
                Firing(
                    {**TARGET, "cause": "signal"},
                    "At the gate gate:9464, by the cause signal.",
                ),
            ),
        ),
        Scenario(alerts.WORKER_RESTARTS, "none is", {restarts: "3x30"}, "6m"),
        Scenario(
            alerts.LOOP_LAG,
            "2 % of the turns are late by more than 100 ms",
            _histogram(lag, "", {"0.1": "0+98x60", "0.5": "0+100x60", "+Inf": "0+100x60"}),
            "16m",
            (Firing(TARGET, "At the gate gate:9464, by 300ms."),),
        ),
        Scenario(
            alerts.LOOP_LAG,
            "0.5 % are",
            _histogram(lag, "", {"0.1": "0+199x60", "+Inf": "0+200x60"}),
            "16m",
        ),
    )


def _losses() -> Sequence[Scenario]:
    lines = 'headgate_log_lines_lost_total{log="access", cause="full"}'
    lost = 'headgate_telemetry_lost_total{exporter="otlp_traces", cause="full"}'
    return (
        Scenario(
            alerts.LOG_LINES_LOST,
            "the disk is full",
            {lines: "0+10x30"},
            "15m",
            (
                Firing(
                    {**TARGET, "log": "access", "cause": "full"},
                    "300 lines of the log access in 15m, at the gate gate:9464, by the cause full.",
                ),
            ),
        ),
        Scenario(alerts.LOG_LINES_LOST, "it was full an hour ago", {lines: "0 9x130"}, "60m"),
        Scenario(
            alerts.TELEMETRY_LOST,
            "the collector is down",
            {lost: "0+10x60"},
            "15m",
            (
                Firing(
                    {**TARGET, "exporter": "otlp_traces", "cause": "full"},
                    "By the exporter otlp_traces at the gate gate:9464, by the cause full.",
                ),
            ),
        ),
        Scenario(alerts.TELEMETRY_LOST, "nothing is lost", {lost: "7x60"}, "15m"),
    )


SCENARIOS: Final[Sequence[Scenario]] = (
    *_budgets(),
    *_latencies(),
    *_endpoints(),
    *_limits(),
    *_authentication(),
    *_ends(),
    *_processes(),
    *_losses(),
)
"""At least one of each alert that fires, and one that does not."""
