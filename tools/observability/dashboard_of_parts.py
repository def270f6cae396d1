"""The rows about the parts of a gate: upstreams, limits, keys, telemetry and processes."""

from __future__ import annotations

from typing import Final

from headgate.cluster.member import State
from tools.observability import alerts
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
    DAY,
)

# --- upstreams -------------------------------------------------------------------------------
UPSTREAMS: Final = Row(
    "Upstreams and endpoints",
    (
        Panel(
            "Endpoints by state",
            f"The most that a worker sees in a state: {', '.join(each.value for each in State)}.",
            Unit.COUNT,
            (
                Query(
                    f"max by (upstream, state) (headgate_upstream_endpoints{{{UPSTREAM}}})",
                    "{{upstream}} {{state}}",
                ),
            ),
            watched_by=(alerts.ENDPOINT_OUT_OF_SERVICE,),
        ),
        Panel(
            "Attempts by result",
            "Each request is one attempt, or more if it is sent again.",
            Unit.COUNT_PER_SECOND,
            (
                Query(
                    rates("headgate_upstream_attempts_total", "upstream, result", UPSTREAM),
                    "{{upstream}} {{result}}",
                ),
            ),
            Kind.STACKED,
        ),
        Panel(
            "Retries by cause",
            "Attempts that failed and were made again at another endpoint.",
            Unit.COUNT_PER_SECOND,
            (
                Query(
                    rates("headgate_upstream_retries_total", "upstream, cause", UPSTREAM),
                    "{{upstream}} {{cause}}",
                ),
            ),
        ),
        Panel(
            "Creates sent again",
            "Creates whose response may have been lost, by what came of them.",
            Unit.COUNT_PER_SECOND,
            (
                Query(
                    rates("headgate_creates_reconciled_total", "upstream, result", UPSTREAM),
                    "{{upstream}} {{result}}",
                ),
                Query(
                    rates("headgate_creates_unshared_total", "reason"),
                    "not shared: {{reason}}",
                ),
            ),
        ),
        Panel(
            "Ejections",
            "Endpoints that were taken out of service since requests to them failed.",
            Unit.COUNT_PER_SECOND,
            (
                Query(
                    rates("headgate_upstream_ejections_total", "upstream", UPSTREAM),
                    "{{upstream}}",
                ),
            ),
            watched_by=(alerts.ENDPOINTS_EJECTED,),
        ),
        Panel(
            "Health checks",
            "Probes of the endpoints by result.",
            Unit.COUNT_PER_SECOND,
            (
                Query(
                    rates("headgate_upstream_probes_total", "upstream, result", UPSTREAM),
                    "{{upstream}} {{result}}",
                ),
            ),
        ),
        Panel(
            "Age of discovery",
            "Seconds since discovery last worked.",
            Unit.SECONDS,
            (
                Query(
                    f"max by (upstream) (headgate_discovery_age_seconds{{{UPSTREAM}}})",
                    "{{upstream}}",
                ),
            ),
            steps=red_from(alerts.DISCOVERY_STALE.threshold),
            watched_by=(alerts.DISCOVERY_STALE,),
        ),
        Panel(
            "Look-ups of discovery",
            "By result.",
            Unit.COUNT_PER_SECOND,
            (
                Query(
                    rates("headgate_discovery_refreshes_total", "upstream, result", UPSTREAM),
                    "{{upstream}} {{result}}",
                ),
            ),
            watched_by=(alerts.DISCOVERY_STALE,),
        ),
    ),
)

# --- queue and limits ------------------------------------------------------------------------
LIMITS: Final = Row(
    "Queue and limits",
    (
        Panel(
            "Requests under way",
            "By upstream, with the limit of each.",
            Unit.COUNT,
            (
                Query(
                    f"sum by (upstream) (headgate_upstream_requests_in_flight{{{UPSTREAM}}})",
                    "{{upstream}}",
                ),
                Query(
                    f"sum by (upstream) (headgate_upstream_requests_limit{{{UPSTREAM}}})",
                    "{{upstream}}: limit",
                ),
            ),
            watched_by=(alerts.NEAR_LIMIT,),
        ),
        Panel(
            "Connections, requests under way, and the queue",
            "Of all upstreams together.",
            Unit.COUNT,
            (
                Query(f"sum(headgate_connections{{{GATE}}})", "connections"),
                Query(f"sum(headgate_requests_in_flight{{{GATE}}})", "under way"),
                Query(f"sum(headgate_requests_in_flight_limit{{{GATE}}})", "limit"),
                Query(f"sum(headgate_requests_queued{{{GATE}}})", "queued"),
            ),
        ),
        Panel(
            "Wait in the queue, 99 %",
            "Of the requests that had to wait for a place.",
            Unit.SECONDS,
            (Query(quantile(0.99, "headgate_queue_wait_seconds"), "99 %"),),
            steps=red_from(alerts.QUEUE_SLOW.threshold),
            watched_by=(alerts.QUEUE_SLOW,),
        ),
        Panel(
            "Requests over a limit of their principal",
            "Refused with 429, by limit.",
            Unit.PER_SECOND,
            (Query(rates("headgate_requests_limited_total", "limit"), "{{limit}}"),),
            watched_by=(alerts.REQUESTS_LIMITED,),
        ),
        Panel(
            "Connections that were cut",
            "By the limit that they reached.",
            Unit.COUNT_PER_SECOND,
            (Query(rates("headgate_connections_cut_total", "limit"), "{{limit}}"),),
        ),
        Panel(
            "Failed TLS handshakes",
            "Of clients, by cause.",
            Unit.COUNT_PER_SECOND,
            (Query(rates("headgate_tls_handshake_failures_total", "cause"), "{{cause}}"),),
        ),
    ),
)

# --- authentication --------------------------------------------------------------------------
AUTHENTICATION: Final = Row(
    "Authentication, keys and certificates",
    (
        Panel(
            "Authentications by outcome",
            "By what was presented (key, token, none) and what came of it.",
            Unit.PER_SECOND,
            (
                Query(
                    rates("headgate_authentications_total", "authenticator, outcome"),
                    "{{authenticator}} {{outcome}}",
                ),
            ),
            Kind.STACKED,
            watched_by=(alerts.AUTHENTICATION_REFUSED,),
        ),
        Panel(
            "Age of the keys in memory",
            "Seconds since the worker with the oldest keys compared them with the key store.",
            Unit.SECONDS,
            (Query(f"max by (instance) (headgate_keys_age_seconds{{{GATE}}})", "{{instance}}"),),
            steps=red_from(alerts.KEY_STORE_STALE.threshold),
            watched_by=(alerts.KEY_STORE_STALE,),
        ),
        Panel(
            "Age of the issuers' keys",
            "Seconds since the oldest signing keys of an issuer of tokens were fetched.",
            Unit.SECONDS,
            (
                Query(
                    f"max by (instance) (headgate_issuer_keys_age_seconds{{{GATE}}})",
                    "{{instance}}",
                ),
            ),
            steps=red_from(alerts.ISSUER_KEYS_STALE.threshold),
            watched_by=(alerts.ISSUER_KEYS_STALE,),
        ),
        Panel(
            "First certificate to expire",
            "Time until then, by what the certificate is for.",
            Unit.SECONDS,
            (
                Query(
                    f"min by (certificate) (headgate_certificate_expiry_seconds{{{GATE}}})",
                    "{{certificate}}",
                ),
            ),
            Kind.STAT,
            steps=red_below(
                alerts.CERTIFICATE_EXPIRES_SOON.threshold, alerts.CERTIFICATE_EXPIRES.threshold
            ),
            watched_by=(alerts.CERTIFICATE_EXPIRES, alerts.CERTIFICATE_EXPIRES_SOON),
        ),
        Panel(
            "First key to expire",
            "Time until then.",
            Unit.SECONDS,
            (Query(f"min(headgate_key_expiry_seconds{{{GATE}}})"),),
            Kind.STAT,
            4,
            red_below(DAY, alerts.KEY_EXPIRES.threshold),
            (alerts.KEY_EXPIRES,),
        ),
        Panel(
            "Keys that expire soon",
            "Keys that expire within auth.keys.notice.",
            Unit.COUNT,
            (Query(f"max(headgate_keys_expiring{{{GATE}}})"),),
            Kind.STAT,
            4,
            watched_by=(alerts.KEY_EXPIRES,),
        ),
        Panel(
            "Uses of keys for emergencies",
            "In the time that is shown: the first in each hour, per worker.",
            Unit.COUNT,
            (Query(f"sum(increase(headgate_break_glass_uses_total{{{GATE}}}[$__range]))"),),
            Kind.STAT,
            steps=red_from(1),
            watched_by=(alerts.BREAK_GLASS_USED,),
        ),
    ),
)

# --- telemetry -------------------------------------------------------------------------------
TELEMETRY: Final = Row(
    "Logs and telemetry",
    (
        Panel(
            "Log lines that were lost",
            "By log and cause.",
            Unit.COUNT_PER_SECOND,
            (Query(rates("headgate_log_lines_lost_total", "log, cause"), "{{log}} {{cause}}"),),
            watched_by=(alerts.LOG_LINES_LOST,),
        ),
        Panel(
            "Log lines that sampling left out",
            "As the configuration asks for.",
            Unit.COUNT_PER_SECOND,
            (
                Query(
                    f"sum(rate(headgate_log_lines_sampled_out_total{{{GATE}}}[{RATE}]))", "left out"
                ),
            ),
        ),
        Panel(
            "Exports by outcome",
            "Batches that were sent to a collector, or documents that were written.",
            Unit.COUNT_PER_SECOND,
            (
                Query(
                    rates("headgate_telemetry_exports_total", "exporter, outcome"),
                    "{{exporter}} {{outcome}}",
                ),
            ),
            watched_by=(alerts.TELEMETRY_LOST,),
        ),
        Panel(
            "Spans and metrics that were lost",
            "By exporter and cause.",
            Unit.COUNT_PER_SECOND,
            (
                Query(
                    rates("headgate_telemetry_lost_total", "exporter, cause"),
                    "{{exporter}} {{cause}}",
                ),
            ),
            watched_by=(alerts.TELEMETRY_LOST,),
        ),
        Panel(
            "Last reload worked",
            "Whether the configuration that was read last is in force.",
            Unit.YES_NO,
            (
                Query(
                    f"min by (instance) (headgate_config_last_reload_successful{{{GATE}}})",
                    "{{instance}}",
                ),
            ),
            Kind.STAT,
            steps=(("red", None), ("green", 1.0)),
            watched_by=(alerts.RELOAD_FAILED,),
        ),
        Panel(
            "Configuration in force since",
            "When it was read. Gates of one service should have the same configuration.",
            Unit.TIME,
            (
                Query(
                    "1000 * min by (instance) "
                    f"(headgate_config_last_reload_success_timestamp_seconds{{{GATE}}})",
                    "{{instance}}",
                ),
            ),
            Kind.STAT,
            4,
        ),
        Panel(
            "Configurations",
            "How many different ones are in force; 1 unless one is being rolled out.",
            Unit.COUNT,
            (Query(f'count(count_values("hash", headgate_config_hash{{{GATE}}}))'),),
            Kind.STAT,
            4,
            red_from(2),
        ),
    ),
)

# --- processes -------------------------------------------------------------------------------
PROCESSES: Final = Row(
    "Processes",
    (
        Panel(
            "CPU",
            "Processors that the gate keeps busy, all its processes together.",
            Unit.COUNT,
            (
                Query(
                    "sum by (instance) (rate(process_cpu_seconds_total"
                    f"{{{GATE}}}[{RATE}]) and on (job, instance) headgate_build_info{{{GATE}}})",
                    "{{instance}}",
                ),
            ),
            watched_by=(alerts.LOOP_LAG,),
        ),
        Panel(
            "Memory",
            "Resident, all processes of a gate together.",
            Unit.BYTES,
            (
                Query(
                    f"sum by (instance) (process_resident_memory_bytes{{{GATE}}} "
                    f"and on (job, instance) headgate_build_info{{{GATE}}})",
                    "{{instance}}",
                ),
            ),
            watched_by=(alerts.WORKER_RESTARTS,),
        ),
        Panel(
            "File descriptors",
            "Those that are open in all processes of a gate, and how many one process may open.",
            Unit.COUNT,
            (
                Query(f"sum by (instance) (process_open_fds{{{GATE}}})", "{{instance}}"),
                Query(f"min by (instance) (process_max_fds{{{GATE}}})", "{{instance}}: limit"),
            ),
        ),
        Panel(
            "Lag of the event loops, 99 %",
            "How late a worker's loop is.",
            Unit.SECONDS,
            (Query(quantile(0.99, "headgate_loop_lag_seconds", "instance"), "{{instance}}"),),
            steps=red_from(alerts.LOOP_LAG.threshold),
            watched_by=(alerts.LOOP_LAG,),
        ),
        Panel(
            "Workers",
            "Those that run, and those of them that are about to stop.",
            Unit.COUNT,
            (
                Query(f"sum by (instance) (headgate_workers{{{GATE}}})", "{{instance}}"),
                Query(
                    f"sum by (instance) (headgate_workers_draining{{{GATE}}})",
                    "{{instance}}: draining",
                ),
            ),
        ),
        Panel(
            "Workers that were replaced",
            "By cause, in the time that is shown.",
            Unit.COUNT,
            (
                Query(
                    "sum by (cause) "
                    f"(increase(headgate_worker_restarts_total{{{GATE}}}[$__range]))",
                    "{{cause}}",
                ),
            ),
            Kind.STAT,
            steps=red_from(1),
            watched_by=(alerts.WORKER_RESTARTS,),
        ),
        Panel(
            "Hand-overs",
            "By result, in the time that is shown: gates that were replaced in place.",
            Unit.COUNT,
            (
                Query(
                    f"sum by (result) (increase(headgate_hand_overs_total{{{GATE}}}[$__range]))",
                    "{{result}}",
                ),
            ),
            Kind.STAT,
        ),
        Panel(
            "Running since",
            "When the gate was started.",
            Unit.TIME,
            (
                Query(
                    f"1000 * min by (instance) (process_start_time_seconds{{{GATE}}} "
                    f"and on (job, instance) headgate_build_info{{{GATE}}})",
                    "{{instance}}",
                ),
            ),
            Kind.STAT,
            watched_by=(alerts.DOWN, alerts.INSTANCE_DOWN),
        ),
        Panel(
            "Builds",
            "Version, Python and whether the hot path is compiled.",
            Unit.NONE,
            (Query(f"max by (instance, version, python, build) (headgate_build_info{{{GATE}}})"),),
            Kind.TABLE,
            16,
        ),
    ),
    collapsed=True,
)
