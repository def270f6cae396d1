"""What clients are refused with whose credentials are not good.

Each says who refused, why, and what to set.  None repeats anything the client sent: a credential
in the wrong place, such as a key in the place of the scheme, is still a credential.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from headgate.errors import Refusal
from headgate.reasons import Reason

_MLFLOW_CLIENT: Final = re.compile(rb"mlflow-python-client/([0-9]{1,4})\.([0-9]{1,4})")
_KNOWS_UNAUTHENTICATED: Final = (2, 3)
"""The first version of the client whose ``ErrorCode`` has ``UNAUTHENTICATED``: older ones raise
``ValueError`` for it and lose the sentence (``RestException`` of mlflow/exceptions.py)."""
_NETRC = (
    " If you have set MLFLOW_TRACKING_TOKEN, check ~/.netrc, or the file that NETRC names, and "
    "~/.mlflow/credentials: an entry for this host is sent instead of it."
)

_CURE = (
    "set MLFLOW_TRACKING_TOKEN=<key>, or MLFLOW_TRACKING_USERNAME=<any name> "
    "and MLFLOW_TRACKING_PASSWORD=<key>"
)
_CURE_OF_EXPORTERS = (
    "set OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20<key>,x-mlflow-experiment-id=<id>; with "
    "MLflow's own client, MLFLOW_TRACKING_TOKEN=<key>"
)


def for_exporters(what: Refusal) -> Refusal:
    """The same, with what OpenTelemetry's exporters are set by."""
    return replace(what, message=what.message.replace(_CURE, _CURE_OF_EXPORTERS))


def _refusal(
    why: str,
    phrase: str,
    cure: str = _CURE,
    detail: str = "",
    reason: Reason = Reason.UNAUTHENTICATED,
) -> Refusal:
    return Refusal(
        reason=reason,
        message=f"Headgate refused the request: {why}; {cure}.",
        detail=detail,
        challenge=True,
        phrase=phrase,
    )


def _malformed(what: str) -> Refusal:
    return _refusal(f"its Authorization header is malformed, {what}", "malformed Authorization")


NO_KEY = _refusal("it carries no API key", "no API key")
SCHEME_MISSING = _malformed("it must be 'Bearer <key>' or 'Basic <credentials>'")
SCHEME_UNKNOWN = _malformed("its scheme is neither Bearer nor Basic")
BEARER_EMPTY = _malformed("no key follows 'Bearer'")
BASIC_NOT_BASE64 = _malformed("what follows 'Basic' is not base64")
BASIC_NO_COLON = _malformed("the Basic credentials have no colon between user name and password")
BASIC_NO_PASSWORD = _malformed("the Basic password, which must be the key, is empty")
BASIC_KEY_AS_USER = _refusal(
    "its API key is in the Basic user name instead of the password",
    "the API key is in the user name",
)
BEARER_TWICE = _refusal(
    "its API key starts with the word 'Bearer', which the client adds by itself",
    "the word Bearer is part of the API key",
)
API_KEY_EMPTY = _refusal("its X-API-Key header is empty", "no API key")
AMBIGUOUS = _refusal(
    "its Authorization and X-API-Key headers carry two different keys",
    "two different API keys",
    cure=f"send one of them only: {_CURE}",
)
FOREIGN = _refusal(
    "its API key is not a Headgate key, which starts with 'hg_'",
    "not a Headgate key",
)
MISTYPED = _refusal(
    "its API key is mistyped or truncated, the checksum does not match", "mistyped API key"
)
ENDED = _refusal("its credentials have expired", "expired credentials")
UNKNOWN = _refusal(
    "its API key is well-formed but not known to this gate",
    "unknown API key",
    reason=Reason.KEY_UNKNOWN,
)
KEYS_STALE = Refusal(
    Reason.KEYS_STALE,
    "Headgate refused the request: it cannot read its key store, and has not for so long that keys "
    "may have been revoked meanwhile; try again later, and let the gate's operator know.",
    retry_after=5,
    phrase="the keys of the gate are too old",
)
KEYS_NOT_READ = Refusal(
    Reason.KEYS_STALE,
    "Headgate refused the request: the key store has not been read yet, since it cannot be "
    "reached; try again in a moment.",
    retry_after=5,
    phrase="the key store has not been read yet",
)
KEYS_LATE = Refusal(
    Reason.KEYS_STALE,
    "Headgate refused the request: its API key is not known to this gate yet, and the key store "
    "responds too slowly to say whether it is good; try again in a moment.",
    retry_after=1,
    phrase="the key store responds too slowly",
)


def not_taken(token: str) -> Refusal:
    """No authenticator accepts ``token``, the secret that the client sent; empty if none."""
    if not token:
        return NO_KEY
    return BEARER_TWICE if token[:6].lower() == "bearer" else FOREIGN


def revoked(name: str, key_id: str) -> Refusal:
    """The key of that name and id was revoked."""
    return _former(name, key_id, "was revoked", Reason.KEY_REVOKED)


def expired(name: str, key_id: str) -> Refusal:
    """The key of that name and id has expired."""
    return _former(name, key_id, "has expired", Reason.KEY_EXPIRED)


def disabled(name: str, key_id: str, principal: str, principal_id: str) -> Refusal:
    """The key's principal, of the second name and id, is disabled."""
    return _refusal(
        f"its API key, '{name}' ({key_id}), belongs to '{principal}' ({principal_id}), which is "
        "disabled",
        "the principal is disabled",
        cure="ask the gate's operator to enable it",
        detail=f"principal {principal_id} of key {key_id} is disabled",
        reason=Reason.PRINCIPAL_DISABLED,
    )


def _former(name: str, key_id: str, what: str, reason: Reason) -> Refusal:
    return _refusal(
        f"its API key, '{name}' ({key_id}), {what}",
        f"the API key {what}",
        cure=f"ask for a new key and {_CURE}",
        detail=f"key {key_id} {what}",
        reason=reason,
    )


def for_client(refusal: Refusal, authorization: bytes | None, user_agent: bytes) -> Refusal:
    """``refusal`` with the error code and the hints for a particular client.

    Args:
        refusal: a refusal of this module.
        authorization: the value of ``Authorization``, ``None`` if absent.
        user_agent: the value of ``User-Agent``, empty if absent.
    """
    client = _MLFLOW_CLIENT.match(user_agent)
    if client is None or refusal.code != 401:
        return refusal
    if (int(client[1]), int(client[2])) < _KNOWS_UNAUTHENTICATED:
        refusal = replace(refusal, error_code="CUSTOMER_UNAUTHORIZED")
    # requests, on which the client is built, prefers an entry of ~/.netrc to a header that is set;
    # the client itself prefers a user name and a password to a token (mlflow/utils/rest_utils.py).
    if authorization is not None and authorization.lstrip()[:6].lower() == b"basic ":
        refusal = replace(refusal, message=refusal.message + _NETRC)
    return refusal
