"""The header fields that the gate knows by name, and what becomes of each.

The client's copies of what only the gate may vouch for are dropped in every spelling: WSGI
servers read ``X_Forwarded_For`` and ``X-Forwarded-For`` as one name.
"""

from __future__ import annotations

import enum


class Kind(enum.Enum):
    """What is done with a request field, by its name."""

    FORWARD = "forward"
    DROP = "drop"  # hop-by-hop, or a name that only the gate may set
    KEEP_ONE = "keep one"  # remembered; a second one is refused; not forwarded as it stands
    FORWARD_ONE = "forward one"  # remembered and forwarded; a second one is refused
    LIST = "list"  # remembered, values joined by commas; not forwarded as they stand
    NOTE = "note"  # remembered (the first one) and forwarded


_KINDS: dict[bytes, Kind] = {
    b"host": Kind.KEEP_ONE,
    b"content-length": Kind.KEEP_ONE,
    b"transfer-encoding": Kind.LIST,
    b"connection": Kind.LIST,
    b"expect": Kind.LIST,
    b"authorization": Kind.KEEP_ONE,
    b"x-api-key": Kind.KEEP_ONE,
    b"x-request-id": Kind.LIST,
    b"traceparent": Kind.LIST,
    b"tracestate": Kind.LIST,
    b"origin": Kind.KEEP_ONE,
    b"content-type": Kind.FORWARD_ONE,
    b"accept": Kind.NOTE,
    b"user-agent": Kind.NOTE,
    # hop-by-hop (RFC 9110 section 7.6.1; the older names by custom)
    b"keep-alive": Kind.DROP,
    b"proxy-connection": Kind.DROP,
    b"proxy-authorization": Kind.DROP,
    b"proxy-authenticate": Kind.DROP,
    b"te": Kind.DROP,
    b"trailer": Kind.DROP,
    b"upgrade": Kind.LIST,
    b"http2-settings": Kind.DROP,
    # where the request came from, or which path it asked for: only the gate may say so
    b"forwarded": Kind.DROP,
    b"via": Kind.DROP,
    b"x-forwarded": Kind.DROP,
    b"x-forwarded-for": Kind.LIST,
    b"x-forwarded-host": Kind.LIST,
    b"x-forwarded-proto": Kind.LIST,
    b"x-original-host": Kind.DROP,
    b"x-original-uri": Kind.DROP,
    b"x-original-url": Kind.DROP,
    b"x-rewrite-url": Kind.DROP,
    b"x-real-ip": Kind.DROP,
    b"x-client-ip": Kind.DROP,
    b"x-cluster-client-ip": Kind.DROP,
    b"true-client-ip": Kind.DROP,
    b"cf-connecting-ip": Kind.DROP,
    b"x-http-method-override": Kind.DROP,
    b"x-method-override": Kind.DROP,
    b"x-http-method": Kind.DROP,
    # gunicorn takes these two from a proxy on its own machine and cuts the path by them
    # (gunicorn.config.ForwarderHeaders): another route than the one decided on would be executed
    b"script-name": Kind.DROP,
    b"path-info": Kind.DROP,
    # who the client is: only the gate may say so
    b"x-user": Kind.DROP,
    b"x-mlflow-authorization": Kind.DROP,
    b"x-mlflow-experiment-id": Kind.FORWARD_ONE,
    b"x-mlflow-run-id": Kind.FORWARD_ONE,
    b"x-mlflow-workspace": Kind.FORWARD_ONE,
    b"x-mlflow-assistant-delegation": Kind.DROP,
}
# The same, where gates and proxies have coined whole families of names.
_ONLY_OURS = (
    b"x-forwarded-",
    b"x-auth-request-",
    b"x-headgate-",
    b"x-remote-",
    b"remote-",
    b"x-webauth-",
    b"x-amzn-oidc-",
    b"x-goog-authenticated-user-",
    b"x-goog-iap-",
    b"x-ms-client-principal",
)
_FOLD = bytes.maketrans(b"_.!#$%&'*+^`|~", b"-" * 14)
# Lowering a name costs more than a look-up: the usual spellings are looked up as they come.
_BY_SPELLING = {
    spelling: (name, kind)
    for name, kind in _KINDS.items()
    for spelling in (name, name.title(), name.upper())
} | {
    spelling: (spelling.lower(), Kind.FORWARD)
    for spelling in (
        b"Accept-Encoding",
        b"accept-encoding",
        b"Accept-Language",
        b"accept-language",
        b"X-MLflow-Client-Version",
        b"Range",
        b"range",
    )
}


def kind_of(spelled: bytes) -> tuple[bytes, Kind]:
    """The lower-case name of a field and what is done with it."""
    found = _BY_SPELLING.get(spelled)
    if found is not None:
        return found
    lower = spelled.lower()
    kind = _KINDS.get(lower)
    if kind is not None:
        return lower, kind
    folded = lower.translate(_FOLD)
    if folded in _KINDS or folded.startswith(_ONLY_OURS):
        return folded, Kind.DROP
    return lower, Kind.FORWARD
