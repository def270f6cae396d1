"""What a request head means to the gate, and which of its fields may travel on.

Order matters (RFC 9110 section 7.6.1): hop-by-hop fields and those that ``Connection`` lists go
first, then the client's copies of the fields that the gate itself vouches for, in every spelling:
WSGI servers read ``X_Forwarded_For`` and ``X-Forwarded-For`` as one name.
"""

from __future__ import annotations

import enum
import re

from headgate.wire.errors import ProtocolError, ambiguous
from headgate.wire.head import Fields, RequestHead


class Kind(enum.IntEnum):
    """What is done with a field, by its name."""

    FORWARD = 0
    DROP = 1  # hop-by-hop, or a name that only the gate may set
    KEEP_ONE = 2  # remembered; a second one is refused; not forwarded as it stands
    FORWARD_ONE = 3  # remembered and forwarded; a second one is refused
    LIST = 4  # remembered, values joined by commas; not forwarded
    NOTE = 5  # remembered (the first one) and forwarded


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
    b"upgrade": Kind.DROP,
    b"http2-settings": Kind.DROP,
    # where the request came from: only the gate may say so
    b"forwarded": Kind.DROP,
    b"via": Kind.DROP,
    b"x-forwarded": Kind.DROP,
    b"x-forwarded-by": Kind.DROP,
    b"x-forwarded-client-cert": Kind.DROP,
    b"x-forwarded-for": Kind.LIST,
    b"x-forwarded-host": Kind.LIST,
    b"x-forwarded-port": Kind.DROP,
    b"x-forwarded-prefix": Kind.DROP,
    b"x-forwarded-proto": Kind.LIST,
    b"x-forwarded-scheme": Kind.DROP,
    b"x-forwarded-server": Kind.DROP,
    b"x-forwarded-ssl": Kind.DROP,
    b"x-forwarded-uri": Kind.DROP,
    b"x-original-uri": Kind.DROP,
    b"x-original-url": Kind.DROP,
    b"x-rewrite-url": Kind.DROP,
    b"x-real-ip": Kind.DROP,
    b"x-client-ip": Kind.DROP,
    b"true-client-ip": Kind.DROP,
    b"cf-connecting-ip": Kind.DROP,
    b"x-http-method-override": Kind.DROP,
    b"x-method-override": Kind.DROP,
    b"x-http-method": Kind.DROP,
    # who the client is: only the gate may say so
    b"x-forwarded-user": Kind.DROP,
    b"x-forwarded-email": Kind.DROP,
    b"x-forwarded-groups": Kind.DROP,
    b"x-forwarded-preferred-username": Kind.DROP,
    b"x-forwarded-access-token": Kind.DROP,
    b"x-auth-request-user": Kind.DROP,
    b"x-auth-request-email": Kind.DROP,
    b"x-auth-request-groups": Kind.DROP,
    b"x-remote-user": Kind.DROP,
    b"remote-user": Kind.DROP,
    b"x-user": Kind.DROP,
    b"x-mlflow-authorization": Kind.DROP,
    b"x-mlflow-assistant-delegation": Kind.DROP,
    b"x-headgate-reason": Kind.DROP,
    b"x-headgate-principal": Kind.DROP,
}
# One letter's case costs a lookup: the spellings that clients use are looked up as they come.
_BY_SPELLING = {
    spelling: (name, kind)
    for name, kind in _KINDS.items()
    for spelling in (name, name.title(), name.upper())
} | {
    spelling: (b"", Kind.FORWARD)
    for name in (b"accept-encoding", b"accept-language", b"x-mlflow-client-version", b"range")
    for spelling in (name, name.title(), b"X-MLflow-Client-Version")
}
_UNFOLD = bytes.maketrans(b"_.", b"--")

_HOST = re.compile(rb"(?:[A-Za-z0-9.\-_~]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._\-]{8,128}")
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_BODILESS = frozenset({b"GET", b"HEAD"})

CHUNKED = -1
"""The ``length`` of a body whose end the chunked coding marks."""


class Request:
    """One request as the gate understands it.

    ``length``: body bytes, or ``CHUNKED``.  ``forward``: the fields that may travel on, in order.
    ``known``: the values of the fields that the gate reads, by lower-case name.
    """

    __slots__ = (
        "close",
        "expects_continue",
        "forward",
        "known",
        "length",
        "method",
        "minor",
        "target",
    )

    def __init__(self, head: RequestHead) -> None:
        self.method = head.method
        self.target = head.target
        self.minor = head.minor
        self.forward: Fields = []
        self.known: dict[bytes, bytes] = {}
        self.length = 0
        self.close = False
        self.expects_continue = False

    @property
    def host(self) -> bytes:
        """The authority the client asked for; empty only for HTTP/1.0."""
        return self.known.get(b"host", b"")


def interpret(head: RequestHead) -> Request:
    """Sort the fields and settle the framing.

    Raises:
        ProtocolError: when Host is missing, repeated or malformed; when a field that must be
            single is repeated; when the framing is none that the gate forwards; for CONNECT,
            TRACE and for GET with a body.
    """
    request = Request(head)
    _sort_fields(head.fields, request)
    if b"connection" in request.known:
        _obey_connection(request)
    elif head.minor == 0:
        request.close = True
    _settle_host(request)
    _settle_framing(request)
    if head.method in (b"CONNECT", b"TRACE"):
        raise ProtocolError(f"{head.method.decode()} is not served here", status=405)
    return request


def _sort_fields(fields: Fields, request: Request) -> None:
    known = request.known
    forward = request.forward
    for field in fields:
        found = _BY_SPELLING.get(field[0])
        name, kind = found if found is not None else _look_up(field[0])
        if kind is Kind.FORWARD:
            forward.append(field)
        elif kind is not Kind.DROP:
            value = field[1].rstrip(b" \t")
            if name not in known:
                known[name] = value
            elif kind is Kind.LIST:
                known[name] = known[name] + b"," + value
            elif kind is not Kind.NOTE:
                raise ambiguous(f"{name.decode()} is given more than once")
            if kind is Kind.FORWARD_ONE or kind is Kind.NOTE:
                forward.append(field)


def _look_up(spelled: bytes) -> tuple[bytes, Kind]:
    lower = spelled.lower()
    kind = _KINDS.get(lower)
    if kind is not None:
        return lower, kind
    folded = lower.translate(_UNFOLD)
    if folded != lower and folded in _KINDS:
        return folded, Kind.DROP  # `X_Forwarded_For`: some servers take it for the real name
    return lower, Kind.FORWARD


def _obey_connection(request: Request) -> None:
    listed = {token.strip().lower() for token in request.known[b"connection"].split(b",")}
    request.close = b"close" in listed or (request.minor == 0 and b"keep-alive" not in listed)
    others = listed - {b"close", b"keep-alive", b""}
    if not others:
        return
    if others & {
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"authorization",
        b"content-type",
    }:
        raise ambiguous("Connection lists a field that belongs to the whole way")
    request.forward = [field for field in request.forward if field[0].lower() not in others]
    for name in others:
        request.known.pop(name, None)


def _settle_host(request: Request) -> None:
    host = request.known.get(b"host")
    if host is None:
        if request.minor == 1:
            raise ProtocolError("the Host field is missing")
    elif _HOST.fullmatch(host) is None:
        raise ProtocolError("the Host field is malformed")


def _settle_framing(request: Request) -> None:
    known = request.known
    if b"transfer-encoding" in known:
        if request.minor == 0:
            raise ambiguous("Transfer-Encoding in an HTTP/1.0 request")
        if known[b"transfer-encoding"].lower() != b"chunked":
            raise ProtocolError("the only transfer coding spoken here is chunked", status=501)
        request.length = CHUNKED
    elif b"content-length" in known:
        request.length = int(known[b"content-length"])
    if request.length and request.method in _BODILESS:
        raise ambiguous(f"{request.method.decode()} with a body")
    if b"expect" in known and request.minor == 1:
        if known[b"expect"].lower() != b"100-continue":
            raise ProtocolError("the expectation is none that is known here", status=417)
        request.expects_continue = request.length != 0


def unreadable() -> Request:
    """Stands for bytes that were no request."""
    request = Request(RequestHead())
    request.length = CHUNKED
    request.close = True
    return request


def request_id(request: Request) -> bytes | None:
    """The client's request id when it is well-formed, else None."""
    given = request.known.get(b"x-request-id")
    return given if given is not None and _REQUEST_ID.fullmatch(given) else None


def trace_fields(request: Request) -> Fields:
    """The W3C trace context to send on: all of it when valid, nothing otherwise."""
    parent = request.known.get(b"traceparent")
    if parent is None or _TRACEPARENT.fullmatch(parent) is None:
        return []
    fields = [(b"traceparent", parent)]
    if state := request.known.get(b"tracestate"):
        fields.append((b"tracestate", state))
    return fields
