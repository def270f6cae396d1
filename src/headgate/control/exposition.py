"""The counters in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from headgate.telemetry.counters import BOUNDS, Counters, FamilyCounts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

NO_FAMILY = "none"
"""Stands for the family of requests that were refused before they were known to have one."""

METRICS = {
    "headgate_requests_total": (
        "counter",
        "Requests by family of route, reason code and class of status (`none`: no response).",
    ),
    "headgate_request_duration_seconds": (
        "histogram",
        "Seconds from a request's head to the end of its response, by family of route.",
    ),
    "headgate_request_bytes_total": ("counter", "Body bytes received from clients, by family."),
    "headgate_response_bytes_total": ("counter", "Body bytes sent to clients, by family."),
    "headgate_connections": ("gauge", "Client connections that are open."),
    "headgate_requests_in_flight": ("gauge", "Requests under way to an upstream."),
    "headgate_workers_draining": ("gauge", "Workers that are about to stop."),
    "headgate_worker_restarts_total": (
        "counter",
        "Workers that were replaced, by cause: `stuck`, `signal` (one killed it), `exit`.",
    ),
    "headgate_log_lines_lost_total": (
        "counter",
        "Lines lost, by log and cause: `stalled` and `gone` (the reader), `full` (disk), `error`.",
    ),
}


def exposition(counters: Counters) -> Iterator[str]:
    """The whole page, line by line."""
    families = list(counters.families())
    yield from _head("headgate_requests_total")
    for counts in families:
        for (reason, status), number in counts.requests.items():
            answered = f"{status}xx" if status else "none"
            labels = f'family="{counts.family or NO_FAMILY}",reason="{reason}",status="{answered}"'
            yield f"headgate_requests_total{{{labels}}} {number}\n"
    yield from _head("headgate_request_duration_seconds")
    for counts in families:
        yield from _histogram(counts)
    for name, field in (
        ("headgate_request_bytes_total", "bytes_in"),
        ("headgate_response_bytes_total", "bytes_out"),
    ):
        yield from _head(name)
        for counts in families:
            yield f'{name}{{family="{counts.family or NO_FAMILY}"}} {getattr(counts, field)}\n'
    for name, gauge in (
        ("headgate_connections", "connections"),
        ("headgate_requests_in_flight", "in_flight"),
        ("headgate_workers_draining", "draining"),
    ):
        yield from _head(name)
        yield f"{name} {counters.gauge(gauge)}\n"
    yield from _head("headgate_worker_restarts_total")
    for cause, number in counters.restarts().items():
        yield f'headgate_worker_restarts_total{{cause="{cause}"}} {number}\n'
    yield from _head("headgate_log_lines_lost_total")
    for (name, cause), number in counters.lost_lines().items():
        yield f'headgate_log_lines_lost_total{{log="{name}",cause="{cause}"}} {number}\n'


def _head(name: str) -> Iterator[str]:
    kind, text = METRICS[name]
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def _histogram(counts: FamilyCounts) -> Iterator[str]:
    name = "headgate_request_duration_seconds"
    for bound, number in zip((*BOUNDS, "+Inf"), accumulate(counts.buckets), strict=True):
        yield f'{name}_bucket{{family="{counts.family or NO_FAMILY}",le="{bound}"}} {number}\n'
    yield f'{name}_sum{{family="{counts.family or NO_FAMILY}"}} {counts.seconds:.6f}\n'
    yield f'{name}_count{{family="{counts.family or NO_FAMILY}"}} {sum(counts.buckets)}\n'
