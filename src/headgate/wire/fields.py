"""The header fields that the gate knows by name, and what becomes of each.

The client's copies of what only the gate may vouch for are dropped in every spelling: WSGI
servers read ``X_Forwarded_For`` and ``X-Forwarded-For`` as one name.
"""

from __future__ import annotations

import enum
from typing import Final


class Kind(enum.Enum):
    """What is done with a request field, by its name."""

    FORWARD = "forward"
    DROP = "drop"  # hop-by-hop, or a name that only the gate may set
    KEEP_ONE = "keep one"  # remembered; a second one is refused; not forwarded as it stands
    FORWARD_ONE = "forward one"  # remembered and forwarded; a second one is refused
    LIST = "list"  # remembered, values joined by commas; not forwarded as they stand
    NOTE = "note"  # remembered (the first one) and forwarded


# To look a member up in its class costs as much as ten attributes.
FORWARD, DROP, KEEP_ONE, FORWARD_ONE, LIST, NOTE = Kind

_KINDS: Final[dict[bytes, Kind]] = {
    b"host": KEEP_ONE,
    b"content-length": KEEP_ONE,
    b"transfer-encoding": LIST,
    b"connection": LIST,
    b"expect": LIST,
    b"authorization": KEEP_ONE,
    b"x-api-key": KEEP_ONE,
    b"cookie": LIST,
    b"cookie2": DROP,
    b"x-request-id": LIST,
    b"traceparent": LIST,
    b"tracestate": LIST,
    b"origin": KEEP_ONE,
    b"sec-fetch-site": LIST,  # two of them say nothing
    b"content-type": FORWARD_ONE,
    b"content-encoding": FORWARD_ONE,
    b"accept": NOTE,
    b"user-agent": NOTE,
    # hop-by-hop (RFC 9110 section 7.6.1; the older names by custom)
    b"keep-alive": DROP,
    b"proxy-connection": DROP,
    b"proxy-authorization": DROP,
    b"proxy-authenticate": DROP,
    b"te": DROP,
    b"trailer": DROP,
    b"upgrade": DROP,  # ignored, whatever it offers (RFC 9110 section 7.8)
    b"http2-settings": DROP,
    # where the request came from, or which path it asked for: only the gate may say so
    b"forwarded": DROP,
    b"via": DROP,
    b"x-forwarded": DROP,
    b"x-forwarded-for": LIST,
    b"x-forwarded-host": LIST,
    b"x-forwarded-proto": LIST,
    b"x-rewrite-url": DROP,
    b"x-host": DROP,
    b"x-http-host-override": DROP,
    b"x-scheme": DROP,
    b"x-url-scheme": DROP,
    b"front-end-https": DROP,
    b"forwarded-for": DROP,
    b"client-ip": DROP,
    b"x-real-ip": DROP,
    b"x-client-ip": DROP,
    b"x-cluster-client-ip": DROP,
    b"x-originating-ip": DROP,
    b"true-client-ip": DROP,
    b"fastly-client-ip": DROP,
    b"proxy-client-ip": DROP,
    b"wl-proxy-client-ip": DROP,
    b"cf-connecting-ip": DROP,
    b"cf-connecting-ipv6": DROP,
    b"x-http-method-override": DROP,
    b"x-method-override": DROP,
    b"x-http-method": DROP,
    # gunicorn takes these two from a proxy on its own machine and cuts the path by them
    # (gunicorn.config.ForwarderHeaders): another route than the one decided on would be executed
    b"script-name": DROP,
    b"path-info": DROP,
    b"x-script-name": DROP,
    # who the client is: only the gate may say so
    b"x-user": DROP,
    b"x-username": DROP,
    b"x-email": DROP,
    b"x-groups": DROP,
    b"x-roles": DROP,
    b"x-principal": DROP,
    b"x-client-cert": DROP,
    b"x-mlflow-authorization": DROP,
    b"x-mlflow-experiment-id": FORWARD_ONE,
    b"x-mlflow-run-id": FORWARD_ONE,
    b"x-mlflow-workspace": FORWARD_ONE,
    b"x-mlflow-assistant-delegation": DROP,
    b"x-mlflow-gateway-caller": DROP,  # MLflow files it with the usage of its AI gateway
}
# The same, where gates and proxies have coined whole families of names.
_ONLY_OURS: Final = (
    b"x-forwarded-",
    b"x-original-",
    b"x-envoy-",
    b"x-azure-",
    b"x-auth-",
    b"x-authenticated-",
    b"x-authentik-",
    b"x-consumer-",
    b"x-credential-",
    b"x-headgate-",
    b"x-pomerium-",
    b"x-remote-",
    b"x-ssl-",
    b"x-user-",
    b"x-vouch-",
    b"x-webauth-",
    b"cf-access-",
    b"remote-",
    b"ssl-client-",
    b"tailscale-user-",
    b"x-amzn-oidc-",
    b"x-goog-authenticated-user-",
    b"x-goog-iap-",
    b"x-ms-client-principal",
)
_FOLD: Final = bytes.maketrans(b"_.!#$%&'*+^`|~", b"-" * 14)
# Lowering a name costs more than a look-up: the usual spellings are looked up as they come.
_BY_SPELLING: Final = {
    spelling: (name, kind)
    for name, kind in _KINDS.items()
    for spelling in (name, name.title(), name.upper())
} | {
    spelling: (spelling.lower(), FORWARD)
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
        return folded, DROP
    return lower, FORWARD
