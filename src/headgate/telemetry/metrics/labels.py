"""The labels that several metrics have, and the bounds of their buckets."""

from __future__ import annotations

from typing import Final

from headgate.model import FAMILIES
from headgate.reasons import Reason
from headgate.telemetry.metrics.metric import NONE, OTHER, Label

FAMILY: Final = Label("family", (NONE, *FAMILIES))
METHOD: Final = Label("method", (NONE, "read", "write"))
STATUS: Final = Label("status", (NONE, "1xx", "2xx", "3xx", "4xx", "5xx"))
REASON: Final = Label("reason", tuple(each.value for each in Reason))

API: Final = "api"
ARTIFACTS: Final = "artifacts"
PAGES: Final = "pages"
GATE: Final = "gate"
TRAFFIC: Final = Label("traffic", (API, ARTIFACTS, PAGES))
"""What goes to MLflow; the gate's own pages do not."""


def traffic_of(family: str) -> str:
    """Which kind of traffic the requests of a family are, the gate's own pages included."""
    if family == NONE or FAMILIES[family].gate_pages:
        return GATE
    return {"artifacts": ARTIFACTS, "ui": PAGES}.get(family, API)


UPSTREAM_PLACES: Final = 16
"""How many upstreams have series of their own; those beyond share one."""
UPSTREAM: Final = Label(
    "upstream",
    (*(f"place-{at}" for at in range(UPSTREAM_PLACES)), OTHER),
    f"the names that the configuration gives them; `other`: all beyond the first {UPSTREAM_PLACES}",
    named=True,
)

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""OpenTelemetry's bounds for durations of HTTP requests.

https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ names them for
``http.server.request.duration``.
"""
REQUEST_SECONDS: Final = (*SECONDS, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""The same, extended for artifacts, which may take an hour."""
MICROSECONDS: Final = 1e-6
