"""What discovery, probes and requests report to a cluster."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from headgate.model import Api, Endpoint
from headgate.symptoms import Symptom


@dataclass(frozen=True, slots=True)
class Found:
    """An endpoint as discovery names it.

    ``name`` is the host, with or without a port, that led to it; empty if none did.
    ``healthy`` is what discovery says of its health, if it says anything.  It counts only until
    the first probe: AWS Cloud Map passes a change on after about 30 seconds.
    ``priority``: those of a lower number are taken while one of them is available.
    """

    endpoint: Endpoint
    zone: str | None = None
    healthy: bool | None = None
    name: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one probe found; ``latency`` in seconds, ``reason`` a clause for a person.

    ``apis``: what was seen of each API that was used.  ``symptom``: why it failed, if it did and
    that is known.
    """

    ok: bool
    latency: float
    reason: str
    version: str | None = None
    apis: Mapping[Api, str] = field(default_factory=dict)
    symptom: Symptom | None = None


class Result(enum.StrEnum):
    """How a request ended, for what that says of the endpoint."""

    OK = "ok"
    """A whole response with a status below 500."""
    ERROR_STATUS = "error_status"
    """A response with a status of 500 or above: the endpoint is there."""
    CONNECT_FAILED = "connect_failed"
    """No connection: refused, timed out, unreachable, or no TLS."""
    RESET = "reset"
    """The connection ended before the response did.

    Not the loss of a kept connection before any byte of a response: MLflow closes those after
    five seconds, and that says nothing (report it as ``CANCELLED``).
    """
    TIMEOUT = "timeout"
    """No byte for too long: slow or hung; probes find out which."""
    CANCELLED = "cancelled"
    """Cancelled for a reason that is not the endpoint's."""
