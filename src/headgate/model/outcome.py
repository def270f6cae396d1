"""How a request ends, and the steps that it goes through."""

from __future__ import annotations

import enum
from typing import Final

from headgate.reasons import Reason


class Phase(enum.StrEnum):
    """The steps of a request's life, in order (docs/explanation/architecture.md)."""

    ACCEPT = "accept"
    PARSE = "parse"
    CANONICALISE = "canonicalise"
    CLASSIFY = "classify"
    AUTHENTICATE = "authenticate"
    AUTHORISE = "authorise"
    ADMIT = "admit"
    SELECT = "select"
    FORWARD = "forward"
    RESPOND = "respond"
    ACCOUNT = "account"


class Outcome:
    """How one request ended.  Exactly one exists for each request, whatever happened to it.

    Times are seconds; sizes are body bytes as they crossed the gate.  ``status`` is what the
    client was sent, 0 when it was sent nothing.  ``principal`` is the name of who sent the request
    and ``principal_id`` the id that never changes; both are empty until it is authenticated.
    ``target`` is as the client wrote it, query included: no sink may show the query, for there may
    be secrets in it.
    """

    __slots__ = (
        "attempts",
        "bytes_in",
        "bytes_out",
        "client",
        "detail",
        "duration",
        "endpoint",
        "family",
        "method",
        "phase",
        "principal",
        "principal_id",
        "reason",
        "request_id",
        "status",
        "target",
        "upstream_duration",
        "user_agent",
    )

    def __init__(
        self,
        reason: Reason,
        phase: Phase,
        status: int,
        method: bytes,
        target: bytes,
        family: str,
        principal: str,
        principal_id: str,
        request_id: bytes,
        client: str,
        endpoint: str,
        duration: float,
        upstream_duration: float,
        bytes_in: int,
        bytes_out: int,
        attempts: int,
        user_agent: bytes,
        detail: str,
    ) -> None:
        self.reason: Final = reason
        self.phase: Final = phase
        self.status: Final = status
        self.method: Final = method
        self.target: Final = target
        self.family: Final = family
        self.principal: Final = principal
        self.principal_id: Final = principal_id
        self.request_id: Final = request_id
        self.client: Final = client
        self.endpoint: Final = endpoint
        self.duration: Final = duration
        self.upstream_duration: Final = upstream_duration
        self.bytes_in: Final = bytes_in
        self.bytes_out: Final = bytes_out
        self.attempts: Final = attempts
        self.user_agent: Final = user_agent
        self.detail: Final = detail
