"""When the alerts about the parts of a gate fire: from its upstreams to its telemetry."""

from __future__ import annotations

from collections.abc import Sequence

from tools.observability import alerts
from tools.observability.scenario import JOB, TARGET, Firing, Scenario, histogram, requests


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
        Scenario(
            alerts.NO_ENDPOINT,
            "none for a minute",
            {in_service: "0x10"},
            "1m30s",
            (gone,),
            not_before="30s",
        ),
        Scenario(
            alerts.PARK_LAPSED,
            "a lease has run out",
            {f'headgate_upstream_maintenance{{{default}, state="refusing"}}': "0x2 1x10"},
            "4m",
            (
                Firing(
                    {**TARGET, "upstream": "default", "state": "refusing"},
                    "The upstream default is refusing, at the gate gate:9464.",
                ),
            ),
        ),
        Scenario(
            alerts.PARK_LAPSED,
            "an upstream is parked",
            {
                f'headgate_upstream_maintenance{{{default}, state="parked"}}': "1x10",
                f'headgate_upstream_maintenance{{{default}, state="refusing"}}': "0x10",
            },
            "4m",
        ),
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
            not_before="14m30s",
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
                    {**JOB, "upstream": "default"},
                    "Those of the upstream default, 15 times in 15m.",
                ),
            ),
        ),
        Scenario(
            alerts.ENDPOINTS_EJECTED,
            "four in a quarter of an hour",
            {ejections: "0+0.13x60"},
            "20m",
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
            not_before="6m",
        ),
        Scenario(alerts.DISCOVERY_STALE, "its source is slow", {age: "200x60"}, "20m"),
        Scenario(alerts.DISCOVERY_STALE, "it failed for 4 minutes", {age: "0+30x8 0x20"}, "7m"),
    )


def _limits() -> Sequence[Scenario]:
    wait = "headgate_queue_wait_seconds"
    in_flight = 'headgate_upstream_requests_in_flight{upstream="default"}'
    limit = 'headgate_upstream_requests_limit{upstream="default"}'
    limited = requests(reason="rate_limited", status="4xx")
    return (
        Scenario(
            alerts.REQUESTS_LIMITED,
            "two refusals a second",
            {limited: "0+60x60"},
            "16m",
            (
                Firing(
                    {**JOB, "reason": "rate_limited"},
                    "2 requests a second, with the reason rate_limited.",
                ),
            ),
            not_before="9m",
        ),
        Scenario(alerts.REQUESTS_LIMITED, "one in two seconds", {limited: "0+15x60"}, "16m"),
        Scenario(
            alerts.REQUESTS_LIMITED,
            "two forbidden requests a second",
            {requests(reason="forbidden", status="4xx"): "0+60x60"},
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
            not_before="9m30s",
        ),
        Scenario(alerts.NEAR_LIMIT, "70 of 100", {in_flight: "70x60", limit: "100x60"}, "11m"),
        Scenario(alerts.NEAR_LIMIT, "no limit", {in_flight: "70x60", limit: "0x60"}, "11m"),
        Scenario(
            alerts.QUEUE_SLOW,
            "2 % wait more than a second",
            histogram(wait, "", {"1.0": "0+98x60", "2.5": "0+100x60", "+Inf": "0+100x60"}),
            "16m",
            (Firing(JOB, "1 % of them wait more than 1.75s."),),
            not_before="9m",
        ),
        Scenario(
            alerts.QUEUE_SLOW,
            "0.5 % wait more than a second",
            histogram(wait, "", {"1.0": "0+199x60", "+Inf": "0+200x60"}),
            "16m",
        ),
        Scenario(
            alerts.QUEUE_SLOW,
            "a few requests wait long",
            histogram(wait, "", {"1.0": "0x60", "2.5": "0+1x60", "+Inf": "0+1x60"}),
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
            (Firing(JOB, "2 requests a second."),),
            not_before="9m",
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
            not_before="6m",
        ),
        Scenario(alerts.KEY_STORE_STALE, "it is slow", {keys: "45x60"}, "20m"),
        Scenario(alerts.KEY_STORE_STALE, "it fails over in 4 minutes", {keys: "0+30x8 0x20"}, "8m"),
        Scenario(
            alerts.ISSUER_KEYS_STALE,
            "they were fetched three hours ago",
            {issuers: f"{3 * hour}x20"},
            "6m",
            (Firing(TARGET, "The gate gate:9464 fetched them 3h 0m 0s ago."),),
            not_before="4m30s",
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
            (Firing(JOB, "The first one in 2d 0h 0m 0s."),),
            not_before="4m30s",
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
            not_before="4m30s",
        ),
        Scenario(alerts.CERTIFICATE_EXPIRES, "in 31 days", {listener: f"{31 * day}x20"}, "6m"),
        Scenario(
            alerts.CERTIFICATE_EXPIRES_SOON,
            "an hour ago",
            {listener: "-3600x20"},
            "6m",
            (ends("-1h 0m 0s"),),
            not_before="4m30s",
        ),
        Scenario(
            alerts.CERTIFICATE_EXPIRES_SOON,
            "in 6 days",
            {listener: f"{6 * day}x20"},
            "6m",
            (ends("6d 0h 0m 0s"),),
        ),
        Scenario(alerts.CERTIFICATE_EXPIRES_SOON, "in 8 days", {listener: f"{8 * day}x20"}, "6m"),
        Scenario(
            alerts.RELOAD_FAILED,
            "a changed file has a problem",
            {in_force: "1x10 0x20"},
            "11m",
            (Firing(TARGET, "The gate gate:9464 logs each problem (`configuration_refused`)."),),
            not_before="10m",
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
            not_before="7m",
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
            not_before="10m",
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
            histogram(lag, "", {"0.1": "0+98x60", "0.5": "0+100x60", "+Inf": "0+100x60"}),
            "16m",
            (Firing(TARGET, "At the gate gate:9464, by 300ms."),),
            not_before="9m",
        ),
        Scenario(
            alerts.LOOP_LAG,
            "0.5 % are",
            histogram(lag, "", {"0.1": "0+199x60", "+Inf": "0+200x60"}),
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
            not_before="4m",
        ),
        Scenario(alerts.TELEMETRY_LOST, "nothing is lost", {lost: "7x60"}, "15m"),
    )


def scenarios() -> Sequence[Scenario]:
    """All of them."""
    return (
        *_endpoints(),
        *_limits(),
        *_authentication(),
        *_ends(),
        *_processes(),
        *_losses(),
    )
