"""What an answer's head means, and which of its fields the client is shown."""

from __future__ import annotations

from headgate.wire.body import BodyReader, ChunkedBody, CountedBody, UntilClose
from headgate.wire.errors import ProtocolError
from headgate.wire.head import Fields, ResponseHead

_DROP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"te",
        b"trailer",
        b"upgrade",
        b"transfer-encoding",
        # The gate's own business, or nobody's outside.
        b"server",
        b"x-powered-by",
        b"x-request-id",
        b"x-headgate-reason",
        b"set-cookie",
        b"set-cookie2",
        b"alt-svc",
    }
)
_READ = frozenset({b"content-length", b"connection", b"transfer-encoding", b"location"})
_FATES = {
    spelling: (name in _DROP, name if name in _READ else b"")
    for name in _DROP
    | _READ
    | {b"date", b"content-type", b"x-content-type-options", b"x-frame-options"}
    for spelling in (name, name.title())
}


class Response:
    """One answer as the gate understands it.

    ``fields``: what the client may see, in order.  ``length``: body bytes as announced, or None.
    ``body``: finds the body's end.  ``close``: MLflow will close the connection after it.
    """

    __slots__ = ("body", "close", "fields", "length", "location", "status")

    def __init__(self, status: int) -> None:
        self.status = status
        self.fields: Fields = []
        self.length: int | None = None
        self.location: bytes | None = None
        self.close = False
        self.body: BodyReader


def interpret(head: ResponseHead, method: bytes) -> Response:
    """Sort the fields and settle the framing of the answer to a request with ``method``.

    Raises:
        ProtocolError: when the framing is none that the gate can pass on.
    """
    response = Response(head.status)
    connection = b""
    coding = b""
    listed: frozenset[bytes] = frozenset()
    for field in head.fields:
        fate = _FATES.get(field[0])
        drop, name = fate if fate is not None else _look_up(field[0])
        if name:
            value = field[1].strip(b" \t")
            if name == b"content-length":
                response.length = int(value)
            elif name == b"connection":
                connection += b"," + value.lower()
            elif name == b"location":
                response.location = value
                continue  # written anew by whoever knows the public address
            else:
                coding += b"," + value.lower()
        if not drop:
            response.fields.append(field)
    if connection:
        listed = frozenset(token.strip() for token in connection.split(b","))
        if others := listed - {b"", b"close", b"keep-alive"}:
            response.fields = [f for f in response.fields if f[0].lower() not in others]
    response.close = b"close" in listed or (head.minor == 0 and b"keep-alive" not in listed)
    _settle_framing(response, head, method, coding)
    return response


def _look_up(spelled: bytes) -> tuple[bool, bytes]:
    name = spelled.lower()
    return name in _DROP, name if name in _READ else b""


def _settle_framing(response: Response, head: ResponseHead, method: bytes, coding: bytes) -> None:
    """RFC 9112 section 6.3, in its order."""
    status = head.status
    if method == b"HEAD" or status < 200 or status in (204, 304):
        response.body = CountedBody(0)
    elif coding:
        if coding != b",chunked" or head.minor == 0:
            raise ProtocolError("the answer's transfer coding is not plain chunked")
        response.body = ChunkedBody()
    elif response.length is not None:
        response.body = CountedBody(response.length)
    else:
        response.body = UntilClose()
        response.close = True
