"""Saved queries for Logs Insights, as ``PutQueryDefinition`` takes them.

Both logs of the gate and its metrics are JSON lines in one group; Logs Insights finds their fields
by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tools.observability.cloudwatch import dumped

_REQUEST: Final = 'filter event = "request"'

QUERIES: Final[Mapping[str, Sequence[str]]] = {
    "slow-requests": (
        (
            "fields @timestamp, duration_ms, first_byte_ms, queue_ms, connect_ms, upstream_ms, "
            "gate_ms, status, reason, method, path, upstream, endpoint, attempts, principal, "
            "request_id, trace_id"
        ),
        _REQUEST,
        "sort duration_ms desc",
        "limit 50",
    ),
    "slow-routes": (
        _REQUEST,
        (
            "stats count(*) as requests, pct(duration_ms, 50) as p50, pct(duration_ms, 99) as p99, "
            "pct(gate_ms, 99) as gate_p99 by operation, upstream"
        ),
        "sort p99 desc",
    ),
    "failures": (
        _REQUEST,
        'filter fault = "gate" or fault = "upstream" or status >= 500',
        (
            "stats count(*) as requests, latest(detail) as example by reason, fault, status, "
            "upstream, endpoint"
        ),
        "sort requests desc",
    ),
    "refusals": (
        _REQUEST,
        'filter fault = "client"',
        "stats count(*) as requests, latest(message) as example by reason, principal, client",
        "sort requests desc",
    ),
    "retries": (
        _REQUEST,
        "filter attempts > 1",
        (
            "fields @timestamp, attempts, retries.0.endpoint, retries.0.cause, endpoint, status, "
            "reason, duration_ms, path, request_id"
        ),
        "sort @timestamp desc",
        "limit 50",
    ),
    "one-request": (
        'filter request_id = "REQUEST_ID" or trace_id = "TRACE_ID"',
        "fields @timestamp, @message",
        "sort @timestamp asc",
    ),
    "one-principal": (
        _REQUEST,
        'filter principal = "PRINCIPAL"',
        (
            "stats count(*) as requests, sum(bytes_in) as received, sum(bytes_out) as sent, "
            "pct(duration_ms, 99) as p99 by reason, operation"
        ),
        "sort requests desc",
    ),
    "events": (
        "filter ispresent(level)",
        'filter level = "warning" or level = "error"',
        "stats count(*) as times, latest(message) as example by event, level",
        "sort times desc",
    ),
    "changes": (
        "filter ispresent(actor)",
        "fields @timestamp, event, actor, message",
        "sort @timestamp desc",
        "limit 100",
    ),
    "metrics": (
        'filter event = "metrics"',
        "fields @timestamp, @message",
        "sort @timestamp desc",
        "limit 20",
    ),
}
"""Each query by its name, a command of Logs Insights a line."""


def text(name: str) -> str:
    """A query as Logs Insights takes it."""
    return "\n| ".join(QUERIES[name])


def page() -> str:
    """``cloudwatch-queries.json``."""
    return dumped(
        [
            {
                "name": f"headgate/${{service}}/{name}",
                "queryString": text(name),
                "logGroupNames": ["${log_group}"],
            }
            for name in QUERIES
        ]
    )
