"""The metrics of a gate, declared once.

From this table are made the layout of the shared memory that workers count in (``layout.py``), the
Prometheus and OpenMetrics text, what is exported to OpenTelemetry and CloudWatch, the Grafana
dashboard, the alerts and the reference page.  Labels are closed sets, so the number of series is
bounded; no label names an object, a key or a person.  The names of upstreams are found while the
gate runs, and are bounded too.

To add a metric, declare it in one of the modules here, and feed it:

- a counter of what is rare: ``CounterRow.add(METRIC, *labels, amount=1)``, from the sink of events
  (``event_counters.py``) if there is an event;
- a histogram: ``CounterRow.observe(METRIC, value, *labels)``;
- a gauge: ``CounterRow.set(METRIC, value, *labels)`` about once a second (``runtime/gate.py``),
  each process its own part; ``CounterRow.unset`` when it has no value any more;
- what each request counts: ``request_counter.py``, the only one that is hot.
"""

from typing import Final

from headgate.telemetry.metrics.identity import (
    AUTHENTICATIONS,
    BREAK_GLASS_USES,
    IDENTITY_METRICS,
    ISSUER_KEYS_AGE,
    KEY_EXPIRY,
    KEYS_AGE,
    KEYS_EXPIRING,
)
from headgate.telemetry.metrics.labels import (
    FAMILY,
    METHOD,
    REASON,
    STATUS,
    TRAFFIC,
    UPSTREAM,
    UPSTREAM_PLACES,
)
from headgate.telemetry.metrics.metric import NONE, OTHER, Kind, Label, Metric, Over, Shown
from headgate.telemetry.metrics.processes import (
    BUILD_INFO,
    CERTIFICATE_EXPIRY,
    CONFIG_HASH,
    CONNECTIONS_CUT,
    CPU_SECONDS,
    EXPORTER,
    HAND_OVERS,
    LOG_LINES_LOST,
    LOG_LINES_SAMPLED_OUT,
    LOOP_LAG,
    MAX_FDS,
    OPEN_FDS,
    PROCESS_METRICS,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    RESIDENT_MEMORY,
    START_TIME,
    TELEMETRY_EXPORTS,
    TELEMETRY_LOST,
    TLS_HANDSHAKE_FAILURES,
    WORKER_RESTARTS,
    WORKERS,
    WORKERS_DRAINING,
)
from headgate.telemetry.metrics.requests import (
    CLIENT_REQUESTS,
    CONNECTIONS,
    FIRST_BYTE,
    GATE_DURATION,
    HOLD,
    IN_FLIGHT,
    IN_FLIGHT_LIMIT,
    QUEUE_WAIT,
    QUEUED,
    RELEASES,
    REQUEST_BYTES,
    REQUEST_DURATION,
    REQUEST_METRICS,
    REQUESTS,
    REQUESTS_LIMITED,
    RESPONSE_BYTES,
)
from headgate.telemetry.metrics.upstreams import (
    ATTEMPTS,
    CREATES,
    CREATES_UNSHARED,
    DISCOVERY_AGE,
    DISCOVERY_REFRESHES,
    EJECTIONS,
    ENDPOINTS,
    ENDPOINTS_IN_SERVICE,
    HELD,
    HOLDS,
    MAINTENANCE_STATES,
    PARKED,
    PROBES,
    RETRIES,
    UPSTREAM_DURATION,
    UPSTREAM_IN_FLIGHT,
    UPSTREAM_LIMIT,
    UPSTREAM_METRICS,
)

METRICS: Final[tuple[Metric, ...]] = (
    *REQUEST_METRICS,
    *UPSTREAM_METRICS,
    *IDENTITY_METRICS,
    *PROCESS_METRICS,
)
"""Every metric, in the order of the Prometheus text."""

__all__ = [
    "ATTEMPTS",
    "AUTHENTICATIONS",
    "BREAK_GLASS_USES",
    "BUILD_INFO",
    "CERTIFICATE_EXPIRY",
    "CLIENT_REQUESTS",
    "CONFIG_HASH",
    "CONNECTIONS",
    "CONNECTIONS_CUT",
    "CPU_SECONDS",
    "CREATES",
    "CREATES_UNSHARED",
    "DISCOVERY_AGE",
    "DISCOVERY_REFRESHES",
    "EJECTIONS",
    "ENDPOINTS",
    "ENDPOINTS_IN_SERVICE",
    "EXPORTER",
    "FAMILY",
    "FIRST_BYTE",
    "GATE_DURATION",
    "HAND_OVERS",
    "HELD",
    "HOLD",
    "HOLDS",
    "IN_FLIGHT",
    "IN_FLIGHT_LIMIT",
    "ISSUER_KEYS_AGE",
    "KEYS_AGE",
    "KEYS_EXPIRING",
    "KEY_EXPIRY",
    "LOG_LINES_LOST",
    "LOG_LINES_SAMPLED_OUT",
    "LOOP_LAG",
    "MAINTENANCE_STATES",
    "MAX_FDS",
    "METHOD",
    "METRICS",
    "NONE",
    "OPEN_FDS",
    "OTHER",
    "PARKED",
    "PROBES",
    "QUEUED",
    "QUEUE_WAIT",
    "REASON",
    "RELEASES",
    "RELOAD_SUCCESSFUL",
    "RELOAD_TIME",
    "REQUESTS",
    "REQUESTS_LIMITED",
    "REQUEST_BYTES",
    "REQUEST_DURATION",
    "RESIDENT_MEMORY",
    "RESPONSE_BYTES",
    "RETRIES",
    "START_TIME",
    "STATUS",
    "TELEMETRY_EXPORTS",
    "TELEMETRY_LOST",
    "TLS_HANDSHAKE_FAILURES",
    "TRAFFIC",
    "UPSTREAM",
    "UPSTREAM_DURATION",
    "UPSTREAM_IN_FLIGHT",
    "UPSTREAM_LIMIT",
    "UPSTREAM_PLACES",
    "WORKERS",
    "WORKERS_DRAINING",
    "WORKER_RESTARTS",
    "Kind",
    "Label",
    "Metric",
    "Over",
    "Shown",
]
