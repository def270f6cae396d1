"""What an answer's head means, and which of its fields the client is shown."""

from __future__ import annotations

import enum

from headgate.wire.body import BodyReader, ChunkedBody, CountedBody, UntilClose
from headgate.wire.errors import ProtocolError
from headgate.wire.head import parse_response


class _Fate(enum.Enum):
    SHOW = "show"
    DROP = "drop"
    LENGTH = "length"  # read, and shown
    READ = "read"  # read, and not shown as it stands


_FATES = {
    b"connection": _Fate.READ,
    b"transfer-encoding": _Fate.READ,
    b"location": _Fate.READ,  # written anew by whoever knows the public address
    b"content-length": _Fate.LENGTH,
    b"keep-alive": _Fate.DROP,
    b"proxy-connection": _Fate.DROP,
    b"proxy-authenticate": _Fate.DROP,
    b"te": _Fate.DROP,
    b"trailer": _Fate.DROP,
    b"upgrade": _Fate.DROP,
    # the gate's own business, or nobody's outside
    b"server": _Fate.DROP,
    b"x-powered-by": _Fate.DROP,
    b"x-request-id": _Fate.DROP,
    b"x-headgate-reason": _Fate.DROP,
    b"set-cookie": _Fate.DROP,
    b"set-cookie2": _Fate.DROP,
    b"alt-svc": _Fate.DROP,
}
# Lowering a name costs more than a look-up: the usual spellings are looked up as they come.
_BY_SPELLING = {
    spelling: _FATES.get(name, _Fate.SHOW)
    for name in (
        *_FATES,
        b"date",
        b"content-type",
        b"x-content-type-options",
        b"x-frame-options",
        b"etag",
        b"last-modified",
        b"accept-ranges",
    )
    for spelling in (name, name.title())
}


class Response:
    """One answer as the gate understands it.

    ``lines``: the fields the client may see, as they stand in a head.  ``length``: body bytes as
    announced, or None.  ``body``: finds the body's end.  ``delimited``: the client can see that
    end by itself, from the length or from the status.  ``close``: MLflow will close the connection
    after it.
    """

    __slots__ = ("body", "close", "delimited", "known", "length", "lines", "status")

    def __init__(self) -> None:
        self.status = 0
        self.lines: list[bytes] = []
        self.known: dict[bytes, bytes] = {}
        self.length: int | None = None
        self.close = False
        self.delimited = True
        self.body: BodyReader

    @property
    def location(self) -> bytes | None:
        """Where the answer points, as MLflow wrote it."""
        return self.known.get(b"location")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one field; the name is httptools' own."""
        fate = _BY_SPELLING.get(name)
        if fate is None:
            fate = _FATES.get(name.lower(), _Fate.SHOW)
        if fate is _Fate.SHOW:
            self.lines.append(b"%b: %b\r\n" % (name, value))
        elif fate is _Fate.LENGTH:
            self.lines.append(b"%b: %b\r\n" % (name, value))
            self.length = int(value)
        elif fate is _Fate.READ:
            key = name.lower()
            before = self.known.get(key)
            value = value.strip(b" \t")
            self.known[key] = value if before is None else before + b"," + value


def read_response(block: bytes, method: bytes, max_fields: int) -> Response:
    """Understand a whole head of an answer to a request with ``method``.

    Raises:
        ProtocolError: when it is no response head of HTTP/1.0 or HTTP/1.1, has more than
            ``max_fields`` fields, or frames its body in a way that the gate cannot pass on.
    """
    response = Response()
    response.status, minor = parse_response(block, response)
    if len(response.lines) > max_fields:
        raise ProtocolError(f"the answer has more than {max_fields} header fields")
    known = response.known
    if b"connection" in known:
        _obey_connection(response, minor)
    else:
        response.close = minor == 0
    _settle_framing(response, minor, method)
    return response


def _obey_connection(response: Response, minor: int) -> None:
    value = response.known[b"connection"].lower()
    if value in (b"keep-alive", b"close"):
        response.close = value == b"close"
        return
    listed = {token.strip() for token in value.split(b",")}
    response.close = b"close" in listed or (minor == 0 and b"keep-alive" not in listed)
    response.lines = [
        line for line in response.lines if line.partition(b":")[0].lower() not in listed
    ]


def _settle_framing(response: Response, minor: int, method: bytes) -> None:
    """RFC 9112 section 6.3, in its order."""
    status = response.status
    coding = response.known.get(b"transfer-encoding")
    if method == b"HEAD" or status < 200 or status in (204, 304):
        response.body = CountedBody(0)
    elif coding is not None:
        if coding.lower() != b"chunked" or minor == 0:
            raise ProtocolError("the answer's transfer coding is not plain chunked")
        response.body = ChunkedBody()
        response.delimited = False
    elif response.length is not None:
        response.body = CountedBody(response.length)
    else:
        response.body = UntilClose()
        response.delimited = False
        response.close = True
