"""The nouns every room speaks of, as frozen types without behaviour."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple


class Reason(enum.StrEnum):
    """Why a request ended as it did: one closed set for logs, metrics, header and docs."""

    OK = "ok"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    ROUTE_UNKNOWN = "route_unknown"
    REQUEST_AMBIGUOUS = "request_ambiguous"
    REQUEST_MALFORMED = "request_malformed"
    BODY_TOO_LARGE = "body_too_large"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    DRAINING = "draining"
    NO_ENDPOINT = "no_endpoint"
    UPSTREAM_CONNECT = "upstream_connect"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_RESET = "upstream_reset"
    UPSTREAM_ERROR = "upstream_error"
    CLIENT_GONE = "client_gone"
    INTERNAL = "internal"


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


FAMILIES = (
    "experiments",
    "runs",
    "metrics",
    "models",
    "artifacts",
    "logged-models",
    "traces",
    "assessments",
    "datasets",
    "scorers",
    "prompts",
    "webhooks",
    "ai-gateway",
    "jobs",
    "assistant",
    "workspaces",
    "auth-admin",
    "ui",
    "meta",
    "gate",
)
"""The families of routes: MLflow's, and the gate's own."""


class Retry(enum.Enum):
    """Whether repeating an operation can change MLflow's state a second time."""

    SAFE = "safe"
    NEVER = "never"


class BodyHandling(enum.Enum):
    """How a request body travels to MLflow.

    ``STREAM``: any framing.  ``LENGTH``: MLflow serves the route from Flask, whose WSGI bridge
    drops chunked bodies in silence, so a chunked body is collected and sent with its length.
    """

    STREAM = "stream"
    LENGTH = "length"


class SizeClass(enum.Enum):
    """Which limit a request body is under."""

    API = "api"
    TRACES = "traces"
    ARTIFACTS = "artifacts"


@dataclass(frozen=True, slots=True)
class Operation:
    """What a request asks for, whatever its spelling; ``public``: of anybody, without a key."""

    family: str
    retry: Retry
    body: BodyHandling
    size: SizeClass = SizeClass.API
    public: bool = False


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request: the holder of one key."""

    key_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address that serves an upstream."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Outcome(NamedTuple):
    """How one request ended.  Exactly one exists for each request, whatever happened to it.

    Times are seconds; sizes are body bytes as they crossed the gate.  ``status`` is what the
    client was sent, 0 when it was sent nothing.  ``target`` is as the client wrote it, query
    included: whoever shows it leaves the query out, for there may be secrets in it.
    """

    reason: Reason
    phase: Phase
    status: int
    method: bytes
    target: bytes
    family: str
    principal: str
    request_id: bytes
    client: str
    endpoint: str
    duration: float
    upstream_duration: float
    bytes_in: int
    bytes_out: int
    attempts: int
    user_agent: bytes
    detail: str
