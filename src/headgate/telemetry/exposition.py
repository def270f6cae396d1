"""Which text format a reader of the metrics is sent: what its ``Accept`` prefers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from headgate.telemetry import openmetrics, prometheus
from headgate.telemetry.counters import Counters

_QUALITY: Final = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


class Exposition(NamedTuple):
    """The metrics, ready to be sent."""

    content_type: str
    parts: Iterator[str]


def exposition(counters: Counters, accept: str = "") -> Exposition:
    """The metrics in the format that a client prefers.

    Args:
        counters: what was counted.
        accept: the value of its ``Accept`` field; empty if it sent none.

    OpenMetrics is sent only to who names it and does not prefer plain text; 1.0.0 and 0.0.1 are
    the same format under two names, and no other version is known.
    """
    if prefers_openmetrics(accept):
        return Exposition(openmetrics.CONTENT_TYPE, openmetrics.exposition(counters))
    return Exposition(prometheus.CONTENT_TYPE, prometheus.exposition(counters))


def prefers_openmetrics(accept: str) -> bool:
    """Whether an ``Accept`` asks for OpenMetrics rather than for plain text (RFC 9110, 12.5.1)."""
    plain: dict[str, float] = {}
    openmetrics_quality = 0.0
    for element in accept.lower().split(","):
        media, *parameters = (part.strip() for part in element.split(";"))
        quality, version = 1.0, ""
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            value = value.strip('"')
            if name == "q":
                quality = float(value) if _QUALITY.fullmatch(value) else 0.0
            elif name == "version":
                version = value
        if media == "application/openmetrics-text" and version in ("", "1.0.0", "0.0.1"):
            openmetrics_quality = max(openmetrics_quality, quality)
        elif media in ("text/plain", "text/*", "*/*"):
            plain[media] = max(plain.get(media, 0.0), quality)
    for media in ("text/plain", "text/*", "*/*"):  # the most specific one decides
        if media in plain:
            # Prometheus names every format that it knows; a range is no wish for one.
            return openmetrics_quality > 0 and openmetrics_quality >= plain[media]
    return openmetrics_quality > 0
