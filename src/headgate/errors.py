"""What can go wrong: whose fault it is, whether to try again, and what the client is told."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headgate.model import Reason


class Fault(enum.StrEnum):
    """Who has to act."""

    NOBODY = "nobody"
    CLIENT = "client"
    GATE = "gate"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class ReasonRule:
    """What one reason code means everywhere.

    ``error_code`` is a name of MLflow's own ``ErrorCode`` enum (mlflow/protos/databricks.proto),
    since the SDK shows it to its user.  ``retryable``: the same request may succeed later.
    ``phrase`` follows the status in the status line, for tools that show nothing else.
    """

    status: int
    error_code: str
    fault: Fault
    retryable: bool
    meaning: str
    phrase: str = ""


REASONS: Final[Mapping[Reason, ReasonRule]] = {
    Reason.OK: ReasonRule(
        200,
        "OK",
        Fault.NOBODY,
        False,
        "MLflow answered, with whatever status the response carries; or the gate, and all is well.",
    ),
    Reason.UNAUTHENTICATED: ReasonRule(
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "No key, or not one that this gate knows.",
        "no good API key",
    ),
    Reason.FORBIDDEN: ReasonRule(
        403,
        "PERMISSION_DENIED",
        Fault.CLIENT,
        False,
        "The key is known but may not do this.",
        "the gate does not allow this",
    ),
    Reason.ROUTE_UNKNOWN: ReasonRule(
        404,
        "ENDPOINT_NOT_FOUND",
        Fault.CLIENT,
        False,
        "The path is none of MLflow's.",
        "no such MLflow route",
    ),
    Reason.REQUEST_AMBIGUOUS: ReasonRule(
        400,
        "BAD_REQUEST",
        Fault.CLIENT,
        False,
        "Two programs could read the request differently.",
        "two programs could read the request differently",
    ),
    Reason.REQUEST_MALFORMED: ReasonRule(
        400, "BAD_REQUEST", Fault.CLIENT, False, "The bytes are not an HTTP/1.1 request."
    ),
    Reason.BODY_TOO_LARGE: ReasonRule(
        413,
        "BAD_REQUEST",
        Fault.CLIENT,
        False,
        "The body is over the limit of its route.",
        "the body is over the limit of its route",
    ),
    Reason.RATE_LIMITED: ReasonRule(
        429,
        "REQUEST_LIMIT_EXCEEDED",
        Fault.CLIENT,
        True,
        "This key sent too much at once. Kept for limits of rate; nothing raises it yet.",
        "this key sent too much",
    ),
    Reason.OVERLOADED: ReasonRule(
        429,
        "REQUEST_LIMIT_EXCEEDED",
        Fault.GATE,
        True,
        "The gate is at a configured limit.",
        "the gate is at its limit",
    ),
    Reason.DRAINING: ReasonRule(
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.GATE,
        True,
        "This gate process is shutting down.",
        "the gate is shutting down",
    ),
    Reason.NO_ENDPOINT: ReasonRule(
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.UPSTREAM,
        True,
        "No MLflow server is known, or none is in service.",
        "no MLflow server is in service",
    ),
    Reason.UPSTREAM_CONNECT: ReasonRule(
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.UPSTREAM,
        True,
        "MLflow did not accept a connection.",
        "MLflow accepts no connection",
    ),
    Reason.UPSTREAM_TLS: ReasonRule(
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.UPSTREAM,
        True,
        "No TLS with MLflow to be trusted.",
        "no trusted TLS with MLflow",
    ),
    Reason.UPSTREAM_HOST_REFUSED: ReasonRule(
        502,
        "INTERNAL_ERROR",
        Fault.UPSTREAM,
        False,
        "MLflow's Host check refuses the gate.",
        "MLflow refuses the Host of the gate",
    ),
    Reason.UPSTREAM_CREDENTIALS: ReasonRule(
        502,
        "INTERNAL_ERROR",
        Fault.GATE,
        False,
        "MLflow asks the gate itself for credentials.",
        "MLflow asks the gate for credentials",
    ),
    Reason.UPSTREAM_NOT_JSON: ReasonRule(
        502,
        "INTERNAL_ERROR",
        Fault.UPSTREAM,
        False,
        "A web page came where MLflow answers JSON.",
        "a web page instead of MLflow's JSON",
    ),
    Reason.UPSTREAM_TIMEOUT: ReasonRule(
        504,
        "TEMPORARILY_UNAVAILABLE",
        Fault.UPSTREAM,
        True,
        "MLflow stayed silent too long.",
        "MLflow stayed silent",
    ),
    Reason.UPSTREAM_RESET: ReasonRule(
        502,
        "TEMPORARILY_UNAVAILABLE",
        Fault.UPSTREAM,
        True,
        "MLflow broke the connection off.",
        "MLflow closed the connection",
    ),
    Reason.UPSTREAM_ERROR: ReasonRule(
        502,
        "INTERNAL_ERROR",
        Fault.UPSTREAM,
        False,
        "MLflow's response is not valid HTTP, or fails a check of the gate's.",
        "no valid response from MLflow",
    ),
    Reason.CLIENT_GONE: ReasonRule(
        499, "CANCELLED", Fault.CLIENT, True, "The client left before the response was complete."
    ),
    Reason.INTERNAL: ReasonRule(
        500,
        "INTERNAL_ERROR",
        Fault.GATE,
        False,
        "A defect of the gate; its log holds the cause.",
        "the gate failed",
    ),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that the gate itself gives.

    ``message`` is one sentence for a person: who refused, why, and what to do.  It never holds
    a credential.  ``retry_after`` is seconds.  ``status``, ``error_code`` and ``phrase``, each a
    fixed text, override the reason's own.  ``detail`` is for the log alone: it may name internal
    addresses.
    """

    reason: Reason
    message: str
    retry_after: int | None = None
    status: int | None = None
    detail: str = ""
    challenge: bool = False
    allow: tuple[bytes, ...] = ()
    error_code: str = ""
    phrase: str = ""

    @property
    def code(self) -> int:
        """The HTTP status to send."""
        return self.status if self.status is not None else REASONS[self.reason].status


class HeadgateError(Exception):
    """Something the operator must mend before Headgate can do what was asked.

    The message is one line that names the thing and the cure; the command line prints it and
    exits with 2.
    """


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration: where it stands, and what is wrong with it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ConfigError(HeadgateError):
    """The configuration has problems; all of them are in ``problems``."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))
