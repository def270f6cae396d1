"""Why a request ended as it did: every reason code, one row each, with what it means everywhere.

To add one, add a row here.  The counters, the access log, ``X-Headgate-Reason`` and the reference
page of reason codes follow from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, Self


class Fault(enum.StrEnum):
    """Who has to act."""

    NOBODY = "nobody"
    CLIENT = "client"
    GATE = "gate"
    UPSTREAM = "upstream"


class Reason(enum.StrEnum):
    """One closed set for logs, metrics, response headers and documentation.

    Attributes:
        value: the code.
        status: the HTTP status of a response with this reason, unless the refusal has its own.
        error_code: a name of MLflow's ``ErrorCode`` enum (mlflow/protos/databricks.proto), which
            MLflow's client shows to its user.
        fault: who has to act.
        retryable: whether the same request may succeed later.
        meaning: a sentence for the reference page.
        phrase: what follows the status in the status line, for tools that show nothing else;
            empty for HTTP's own phrase.
    """

    _value_: str
    status: int
    error_code: str
    fault: Fault
    retryable: bool
    meaning: str
    phrase: str

    def __new__(
        cls,
        code: str,
        status: int,
        error_code: str,
        fault: Fault,
        retryable: bool,
        meaning: str,
        phrase: str = "",
    ) -> Self:
        """Make a member of its row."""
        self = str.__new__(cls, code)
        self._value_ = code
        self.status = status
        self.error_code = error_code
        self.fault = fault
        self.retryable = retryable
        self.meaning = meaning
        self.phrase = phrase
        return self

    OK = (
        "ok",
        200,
        "OK",
        Fault.NOBODY,
        False,
        "MLflow responded, with any status; or the gate did, and all is well.",
    )
    UNAUTHENTICATED = (
        "unauthenticated",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "No credentials, or credentials that cannot be read.",
        "no good API key",
    )
    KEY_UNKNOWN = (
        "key_unknown",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "A well-formed key that is not in the key store.",
        "unknown API key",
    )
    KEY_REVOKED = (
        "key_revoked",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The key was revoked.",
        "the API key was revoked",
    )
    KEY_EXPIRED = (
        "key_expired",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The key has expired.",
        "the API key has expired",
    )
    PRINCIPAL_DISABLED = (
        "principal_disabled",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The principal that the credentials belong to is disabled.",
        "the principal is disabled",
    )
    KEYS_STALE = (
        "keys_stale",
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.GATE,
        True,
        "The key store was not reached for `auth.max_stale`, or is too slow to tell of a new key.",
        "the gate's keys are too old",
    )
    TOKEN_MALFORMED = (
        "token_malformed",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The token is no signed JWT that the gate reads: its form, headers or claims are wrong.",
        "malformed token",
    )
    TOKEN_ALGORITHM = (
        "token_algorithm",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The token is signed with an algorithm that its issuer is not allowed, or not at all.",
        "the token's algorithm is not allowed",
    )
    TOKEN_ISSUER = (
        "token_issuer",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "No issuer of the configuration has issued the token.",
        "unknown token issuer",
    )
    TOKEN_KEY_UNKNOWN = (
        "token_key_unknown",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The issuer has no key with the token's `kid`.",
        "unknown signing key of the token",
    )
    TOKEN_SIGNATURE = (
        "token_signature",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The token's signature is wrong.",
        "wrong signature of the token",
    )
    TOKEN_AUDIENCE = (
        "token_audience",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The token is for another audience.",
        "the token is for another audience",
    )
    TOKEN_EXPIRED = (
        "token_expired",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The token has expired.",
        "the token has expired",
    )
    TOKEN_NOT_YET_VALID = (
        "token_not_yet_valid",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The token is not valid yet, or was issued in the future: a clock is wrong.",
        "the token is not valid yet",
    )
    TOKEN_LIFE = (
        "token_life",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The token is valid for longer than the gate accepts.",
        "the token lives too long",
    )
    TOKEN_RULE = (
        "token_rule",
        401,
        "UNAUTHENTICATED",
        Fault.CLIENT,
        False,
        "The token is good, but no rule of its issuer gives its claims a role.",
        "no rule fits the token",
    )
    ISSUER_UNAVAILABLE = (
        "issuer_unavailable",
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.GATE,
        True,
        "The gate has no signing keys of the token's issuer, since it cannot fetch them.",
        "the token's issuer cannot be reached",
    )
    AUTH_THROTTLED = (
        "auth_throttled",
        429,
        "REQUEST_LIMIT_EXCEEDED",
        Fault.CLIENT,
        True,
        "Too many failed authentications from this address. Good keys are still accepted.",
        "too many failed authentications",
    )
    FORBIDDEN = (
        "forbidden",
        403,
        "PERMISSION_DENIED",
        Fault.CLIENT,
        False,
        "The key is good, but its roles do not allow this.",
        "the gate does not allow this",
    )
    ROUTE_UNKNOWN = (
        "route_unknown",
        404,
        "ENDPOINT_NOT_FOUND",
        Fault.CLIENT,
        False,
        "No such MLflow route.",
        "no such MLflow route",
    )
    REQUEST_AMBIGUOUS = (
        "request_ambiguous",
        400,
        "BAD_REQUEST",
        Fault.CLIENT,
        False,
        "Two programs could read the request differently.",
        "two programs could read the request differently",
    )
    REQUEST_MALFORMED = (
        "request_malformed",
        400,
        "BAD_REQUEST",
        Fault.CLIENT,
        False,
        "The bytes are not an HTTP/1.1 request.",
    )
    REQUEST_INVALID = (
        "request_invalid",
        400,
        "INVALID_PARAMETER_VALUE",
        Fault.CLIENT,
        False,
        "A request to the admin API that it does not take (400), or cannot do as asked (422).",
        "the admin API does not take this request",
    )
    NOT_FOUND = (
        "not_found",
        404,
        "RESOURCE_DOES_NOT_EXIST",
        Fault.CLIENT,
        False,
        "The admin API knows no such key or principal.",
        "no such key or principal",
    )
    CONFLICT = (
        "conflict",
        409,
        "RESOURCE_CONFLICT",
        Fault.CLIENT,
        False,
        "What the admin API was asked for is at odds with what is there, such as a name in use.",
        "at odds with what is there",
    )
    STORE_UNAVAILABLE = (
        "store_unavailable",
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.GATE,
        True,
        "The admin API cannot use the key store. Keys in memory are still accepted.",
        "the key store cannot be used",
    )
    BODY_TOO_LARGE = (
        "body_too_large",
        413,
        "BAD_REQUEST",
        Fault.CLIENT,
        False,
        "The body is over the limit of its route.",
        "the body is over the limit of its route",
    )
    RATE_LIMITED = (
        "rate_limited",
        429,
        "REQUEST_LIMIT_EXCEEDED",
        Fault.CLIENT,
        True,
        "The principal is over its rate, or its share of the requests under way.",
        "the principal is over its limit",
    )
    OVERLOADED = (
        "overloaded",
        429,
        "REQUEST_LIMIT_EXCEEDED",
        Fault.GATE,
        True,
        "The gate is at a configured limit.",
        "the gate is at its limit",
    )
    PARKED = (
        "parked",
        429,
        "REQUEST_LIMIT_EXCEEDED",
        Fault.NOBODY,
        True,
        "An operator has parked the upstream, and the request has waited as long as a client can.",
        "MLflow is parked for maintenance",
    )
    READ_ONLY = (
        "read_only",
        429,
        "REQUEST_LIMIT_EXCEEDED",
        Fault.NOBODY,
        True,
        "An operator has switched the upstream to read-only; the request would write.",
        "MLflow is read-only for maintenance",
    )
    DRAINING = (
        "draining",
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.GATE,
        True,
        "This gate process is shutting down.",
        "the gate is shutting down",
    )
    NO_ENDPOINT = (
        "no_endpoint",
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.UPSTREAM,
        True,
        "No MLflow server is known, or none is in service.",
        "no MLflow server is in service",
    )
    UPSTREAM_CONNECT = (
        "upstream_connect",
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.UPSTREAM,
        True,
        "MLflow did not accept a connection.",
        "MLflow accepts no connection",
    )
    UPSTREAM_TLS = (
        "upstream_tls",
        503,
        "TEMPORARILY_UNAVAILABLE",
        Fault.UPSTREAM,
        True,
        "The TLS handshake with MLflow failed, or its certificate is not trusted.",
        "the TLS handshake with MLflow failed",
    )
    UPSTREAM_HOST_REFUSED = (
        "upstream_host_refused",
        502,
        "INTERNAL_ERROR",
        Fault.UPSTREAM,
        False,
        "MLflow's Host check refuses the gate.",
        "MLflow refuses the Host of the gate",
    )
    UPSTREAM_CREDENTIALS = (
        "upstream_credentials",
        502,
        "INTERNAL_ERROR",
        Fault.GATE,
        False,
        "MLflow asks the gate itself for credentials.",
        "MLflow asks the gate for credentials",
    )
    UPSTREAM_NOT_JSON = (
        "upstream_not_json",
        502,
        "INTERNAL_ERROR",
        Fault.UPSTREAM,
        False,
        "MLflow sent a web page where a JSON response was expected.",
        "a web page instead of MLflow's JSON",
    )
    UPSTREAM_TIMEOUT = (
        "upstream_timeout",
        504,
        "TEMPORARILY_UNAVAILABLE",
        Fault.UPSTREAM,
        True,
        "MLflow sent nothing for too long.",
        "MLflow sent no response in time",
    )
    UPSTREAM_RESET = (
        "upstream_reset",
        502,
        "TEMPORARILY_UNAVAILABLE",
        Fault.UPSTREAM,
        True,
        "MLflow closed the connection before its response was complete.",
        "MLflow closed the connection",
    )
    UPSTREAM_ERROR = (
        "upstream_error",
        502,
        "INTERNAL_ERROR",
        Fault.UPSTREAM,
        False,
        "MLflow's response is not valid HTTP, or failed a check of the gate.",
        "no valid response from MLflow",
    )
    CLIENT_GONE = (
        "client_gone",
        499,
        "CANCELLED",
        Fault.CLIENT,
        True,
        "The client closed the connection before the response was complete.",
    )
    INTERNAL = (
        "internal",
        500,
        "INTERNAL_ERROR",
        Fault.GATE,
        False,
        "Internal error in Headgate; its log has the cause.",
        "internal error in Headgate",
    )


BY_CODE: Final[Mapping[str, Reason]] = {reason.value: reason for reason in Reason}
