"""Tells the event log what happens to upstreams: one line for each change of state."""

from __future__ import annotations

import logging
import re

from headgate.events import (
    DiscoveryFailed,
    EndpointEjected,
    EndpointEvent,
    EndpointUnhealthy,
    Event,
)

log = logging.getLogger("headgate.cluster")

_BAD = (EndpointUnhealthy, EndpointEjected, DiscoveryFailed)


def tell(event: Event) -> None:
    """Log an event, for people and for programs."""
    kind = type(event).__name__
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
    fields: dict[str, object] = {"event": words, "upstream": event.upstream}
    if isinstance(event, EndpointEvent):
        fields["endpoint"] = subject = str(event.endpoint)
    else:
        fields["source"] = subject = event.source
    fields["reason"] = event.reason
    if isinstance(event, EndpointEjected):
        fields |= {"seconds": round(event.until - event.time, 3), "ejections": event.ejections}
    text = f"{subject} of {event.upstream}: {words.partition('_')[2]}: {event.reason}"
    level = logging.WARNING if isinstance(event, _BAD) else logging.INFO
    log.log(level, "%s", text, extra={"fields": fields})
