"""The metrics of the gate's processes, listeners, configuration, logs and exports."""

from __future__ import annotations

import platform
from typing import Final

from headgate import __version__, is_compiled
from headgate.events import CutLimit, EndCause, HandshakeFailure, Log, LossCause
from headgate.telemetry.metrics.metric import Kind, Label, Metric, Over, Shown

CONNECTIONS_CUT: Final = Metric(
    "headgate_connections_cut_total",
    Kind.COUNTER,
    "{connection}",
    "Connections that the gate closed, or did not take, because of a limit: `connections` and "
    "`strangers` (`limits.connections`, and the half of it for one address without a good key), "
    "`header_timeout`, `keepalive_timeout` (usual), `body_timeout`, `slow_reader`, "
    "`unfinished_heads` (the memory of all of them), `drain_timeout` (at a stop), "
    "`ops_connections` (of the operators' listener), `proxy_network` and `proxy_header` (PROXY "
    "protocol is required: not from a listed network, no valid header).",
    (Label("limit", tuple(each.value for each in CutLimit)),),
)
TLS_HANDSHAKE_FAILURES: Final = Metric(
    "headgate_tls_handshake_failures_total",
    Kind.COUNTER,
    "{handshake}",
    "TLS handshakes of clients that failed, by cause: what the client showed "
    "(`no_client_certificate`, `unknown_ca`, `expired_certificate`, `bad_certificate`), what it "
    "knows (`not_tls`, `protocol_version`, `no_shared_cipher`), `gate_certificate_refused` (by the "
    "client), `timeout`, `client_closed`, `other`.",
    (Label("cause", tuple(each.value for each in HandshakeFailure)),),
)
LOG_LINES_LOST: Final = Metric(
    "headgate_log_lines_lost_total",
    Kind.COUNTER,
    "{line}",
    "Lines lost, by log and cause: `stalled` and `gone` (the reader), `full` (disk), `error`.",
    (
        Label("log", tuple(each.value for each in Log)),
        Label("cause", tuple(each.value for each in LossCause)),
    ),
)
LOG_LINES_SAMPLED_OUT: Final = Metric(
    "headgate_log_lines_sampled_out_total",
    Kind.COUNTER,
    "{line}",
    "Lines of the access log that were left out, as `log.sample` says.",
)
EXPORTER: Final = Label("exporter", ("otlp_traces", "otlp_metrics", "emf"))
TELEMETRY_LOST: Final = Metric(
    "headgate_telemetry_lost_total",
    Kind.COUNTER,
    "{item}",
    "Spans, or exports of metrics, that were lost, by exporter and cause.",
    (EXPORTER, Label("cause", ("full", "refused", "unreachable", "stalled", "error"))),
)
TELEMETRY_EXPORTS: Final = Metric(
    "headgate_telemetry_exports_total",
    Kind.COUNTER,
    "{export}",
    "Exports of spans and metrics, by outcome.",
    (EXPORTER, Label("outcome", ("ok", "failed"))),
)
LOOP_LAG: Final = Metric(
    "headgate_loop_lag_seconds",
    Kind.HISTOGRAM,
    "s",
    "Seconds by which the event loop of a worker was late; each worker looks ten times a second.",
    bounds=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
    scale=1e-6,
)
WORKERS: Final = Metric("headgate_workers", Kind.GAUGE, "{worker}", "Workers that run.")
WORKERS_DRAINING: Final = Metric(
    "headgate_workers_draining", Kind.GAUGE, "{worker}", "Workers that are about to stop."
)
WORKER_RESTARTS: Final = Metric(
    "headgate_worker_restarts_total",
    Kind.COUNTER,
    "{worker}",
    "Workers that were replaced, by cause: `stuck`, `signal` (one killed it), `exit`.",
    (Label("cause", tuple(each.value for each in EndCause)),),
)
HAND_OVERS: Final = Metric(
    "headgate_hand_overs_total",
    Kind.COUNTER,
    "{hand-over}",
    "Hand-overs between gates at one address: `taken_over` (this gate took the place of another), "
    "`from_dead` (which died before it could leave), `failed` (another one wanted to take over "
    "and did not), `handed_over` (another one has taken over).",
    (Label("result", ("taken_over", "from_dead", "failed", "handed_over")),),
)
CERTIFICATE_EXPIRY: Final = Metric(
    "headgate_certificate_expiry_seconds",
    Kind.GAUGE,
    "s",
    "Seconds until the first certificate ends, by what it is for (of a file of authorities: until "
    "the last one does); negative after the end.",
    (Label("certificate", ("listener", "client_ca", "upstream", "upstream_ca", "issuer_ca")),),
    over=Over.MIN,
)
RELOAD_SUCCESSFUL: Final = Metric(
    "headgate_config_last_reload_successful",
    Kind.GAUGE,
    "1",
    "Whether the last reload of the configuration was accepted: 1, or 0 if a worker refused it.",
    over=Over.MIN,
)
RELOAD_TIME: Final = Metric(
    "headgate_config_last_reload_success_timestamp_seconds",
    Kind.GAUGE,
    "s",
    "When the configuration in force was loaded, seconds since the epoch.",
    over=Over.MIN,
)
CONFIG_HASH: Final = Metric(
    "headgate_config_hash",
    Kind.GAUGE,
    "1",
    "A number that is another one for another configuration in force.",
    over=Over.MAX,
)
CPU_SECONDS: Final = Metric(
    "process_cpu_seconds_total",
    Kind.COUNTER,
    "s",
    "Seconds of CPU time that the gate's processes have used, those that have ended included.",
    scale=1e-6,
)
RESIDENT_MEMORY: Final = Metric(
    "process_resident_memory_bytes",
    Kind.GAUGE,
    "By",
    "Memory that the gate's processes have in RAM; what they share counts for each.",
)
OPEN_FDS: Final = Metric(
    "process_open_fds", Kind.GAUGE, "{file}", "Files that the gate's processes have open."
)
MAX_FDS: Final = Metric(
    "process_max_fds",
    Kind.GAUGE,
    "{file}",
    "How many files one process may open, of the process with the lowest limit.",
    over=Over.MIN,
)
START_TIME: Final = Metric(
    "process_start_time_seconds",
    Kind.GAUGE,
    "s",
    "When the gate was started, seconds since the epoch.",
    over=Over.MIN,
    scale=1e-3,
)
BUILD_INFO: Final = Metric(
    "headgate_build_info",
    Kind.GAUGE,
    "1",
    "1, with the version of Headgate and of Python, and whether the hot path is compiled.",
    (
        Label("version", (__version__,), "of Headgate"),
        Label("python", (platform.python_version(),), "the version of Python"),
        Label("build", ("compiled" if is_compiled() else "pure",), "`compiled` or `pure`"),
    ),
    shown=Shown.ONCE_COUNTED,
    over=Over.MAX,
)

PROCESS_METRICS: Final = (
    CONNECTIONS_CUT,
    TLS_HANDSHAKE_FAILURES,
    LOG_LINES_LOST,
    LOG_LINES_SAMPLED_OUT,
    TELEMETRY_LOST,
    TELEMETRY_EXPORTS,
    LOOP_LAG,
    WORKERS,
    WORKERS_DRAINING,
    WORKER_RESTARTS,
    HAND_OVERS,
    CERTIFICATE_EXPIRY,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    CONFIG_HASH,
    CPU_SECONDS,
    RESIDENT_MEMORY,
    OPEN_FDS,
    MAX_FDS,
    START_TIME,
    BUILD_INFO,
)
