"""What a response's head means, and which of its fields the client is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from headgate.wire.body import BodyReader, ChunkedBody, CountedBody, UntilClose
from headgate.wire.errors import ProtocolError
from headgate.wire.head import parse_response
from headgate.wire.repeated import RepeatedHead, Use, length_of, repeated_head

_READ: Final = frozenset(
    {
        b"connection",
        b"transfer-encoding",
        b"location",  # rewritten by the data plane, which knows the public address
        b"x-headgate-reason",  # that of the gate's own pages passes, one of MLflow's is dropped
    }
)
_DROPPED: Final = frozenset(
    {
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"te",
        b"trailer",
        b"upgrade",
        # about the connection to MLflow or its software: not for clients
        b"server",
        b"x-powered-by",
        b"x-request-id",
        b"x-headgate-key-expires",  # only the gate knows it
        b"x-headgate-replayed",
        b"set-cookie",  # but for the gate's own pages: ``Response.cookies``
        b"set-cookie2",
        b"alt-svc",
    }
)
# A head in which one of these says something new is read anew.
_FIXED: Final = _READ | _DROPPED | {b"content-type"}
# Lowering a name costs more than a look-up: the usual spellings are looked up as they come.
_SHOWN: Final = frozenset(
    spelling
    for name in (
        b"date",
        b"content-type",
        b"x-content-type-options",
        b"x-frame-options",
        b"etag",
        b"last-modified",
        b"accept-ranges",
    )
    for spelling in (name, name.title())
)
_LF: Final = 0x0A
# Searched for in a head that llhttp has read: what begins a line there is a field's name.
_MEDIA_TYPE: Final = re.compile(rb"\ncontent-type:[ \t]*([^;\s]+)", re.IGNORECASE)


class Response:
    """One response as the gate understands it.

    ``lines``: the fields the client may see, as they stand in a head.  ``length``: body bytes as
    announced, or None.  ``body``: finds the body's end.  ``delimited``: the client can see that
    end by itself, from the length or from the status.  ``location``: where the response points, as
    MLflow wrote it.  ``media_type``: of the body, lower case, without parameters.  ``reason``: the
    reason code that it bears, of MLflow's or of the gate's own pages.  ``cookies``: the
    lines of ``Set-Cookie``, which are not among ``lines``.  ``close``: MLflow will close the
    connection after it.

    The next response on the connection may be understood by making this one stand for it
    (``renew``): who uses it after its end calls ``hold``.
    """

    __slots__ = (
        "_block",
        "_held",
        "_length_line",
        "_method",
        "_passed",
        "_repeated",
        "body",
        "close",
        "cookies",
        "delimited",
        "length",
        "lines",
        "location",
        "media_type",
        "reason",
        "status",
    )

    def __init__(self, block: bytes, method: bytes) -> None:
        self._block = block
        self._method = method
        self._held = False
        self._repeated: RepeatedHead | None = None
        self._passed = b""  # ``lines`` without the length
        self._length_line = b""
        self.status = 0
        self.lines = b""
        self.length: int | None = None
        self.location: bytes | None = None
        self.media_type = b""
        self.reason = b""
        self.cookies = b""
        self.close = False
        self.delimited = True
        self.body: BodyReader

    def hold(self) -> None:
        """Stand for no other response: this one is still used when the next one comes."""
        self._held = True

    def repeats(self, data: bytes, method: bytes) -> int:
        """Stand for the response that ``data`` begins with, if its head is like this one's.

        Only a head of the same length is: then its end need not be searched for, which costs more
        than all that is compared.  Nothing hides in front of that end: ``renew`` takes a head only
        if it is the same but for plain values, which end no line (``repeated.py``).

        Returns:
            Bytes of the head; 0 if it is no such one, or not whole.
        """
        size = len(self._block)
        if len(data) < size or data[size - 1] != _LF or data[size - 3] != _LF:
            return 0
        return size if self.renew(data[:size], method) else 0

    def renew(self, block: bytes, method: bytes) -> bool:
        """Stand for the response whose head is ``block``; whether that can be done.

        It can when the head is the same, or differs in nothing that much depends on: in the
        length of the body, and in fields that are passed on unread.
        """
        if self._held or self._method != method:
            return False
        if self._block != block and not self._renew_head(block):
            return False
        if self.delimited:
            self.body = CountedBody(self.length or 0)
        else:
            self.body = ChunkedBody() if isinstance(self.body, ChunkedBody) else UntilClose()
        return True

    def _renew_head(self, block: bytes) -> bool:
        """Take in all that is new or nothing."""
        repeated = self._repeated
        values = repeated.values(block) if repeated is not None else None
        if repeated is None or values is None:
            repeated = repeated_head(self._block, block, self._passed, self._use_of, repeated)
            values = repeated.values(block) if repeated is not None else None
            if repeated is None or values is None:
                return False
        for at, _ in repeated.read:  # nothing but the length is
            length = length_of(values[at])
            if length is None:
                return False
            self.length = length
            self._length_line = b"Content-Length: %d\r\n" % length
        self._block, self._repeated = block, repeated
        self._passed = repeated.passed_on(values)
        self.lines = self._passed + self._length_line
        return True

    def _use_of(self, spelled: bytes, _value: bytes) -> tuple[bytes, Use]:
        """What the gate makes of a field of this head."""
        name = spelled.lower()
        if name == b"content-length":
            has_body = not _is_bodiless(self._method, self.status)
            return name, Use.READ if has_body else Use.FIXED
        return name, Use.FIXED if name in _FIXED else Use.PASSED


class _Collector:
    """Sorts what llhttp finds in a head."""

    __slots__ = ("cookies", "length", "lines", "read")

    def __init__(self) -> None:
        self.cookies = b""
        self.lines: list[bytes] = []
        self.read: dict[bytes, bytes] = {}
        self.length: int | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if name in _SHOWN:
            self.lines.append(b"%b: %b\r\n" % (name, value))
            return
        lower = name.lower()
        if lower == b"content-length":
            self.length = int(value)
        elif lower in _READ:
            value = value.strip(b" \t")
            before = self.read.get(lower)
            self.read[lower] = value if before is None else before + b"," + value
        elif lower not in _DROPPED:
            self.lines.append(b"%b: %b\r\n" % (name, value))
        elif lower == b"set-cookie":
            self.cookies += b"%b: %b\r\n" % (name, value)


def read_response(
    block: bytes, method: bytes, max_fields: int, last: Response | None = None
) -> Response:
    """Understand a whole head of a response to a request with ``method``.

    ``last`` is the response before it on the same connection, which is over: when the head is
    nearly the same (MLflow's are, but for the date and the length) it is understood already.

    Raises:
        ProtocolError: when it is no response head of HTTP/1.0 or HTTP/1.1, has more than
            ``max_fields`` fields, or frames its body in a way that the gate cannot pass on.
    """
    if last is not None and last.renew(block, method):
        return last
    found = _Collector()
    status, minor = parse_response(block, found)
    lines, read = found.lines, found.read
    if len(lines) > max_fields:
        raise ProtocolError(f"the response has more than {max_fields} header fields")
    response = Response(block, method)
    response.status = status
    response.length = found.length
    response.location = read.get(b"location")
    response.cookies = found.cookies
    response.reason = read.get(b"x-headgate-reason", b"")
    response.close = minor == 0
    if b"connection" in read:
        listed = {token.strip() for token in read[b"connection"].lower().split(b",")}
        response.close = b"close" in listed or (minor == 0 and b"keep-alive" not in listed)
        lines = [line for line in lines if line.partition(b":")[0].lower() not in listed]
    if found.length is not None and status >= 200 and status != 204:  # RFC 9110 section 8.6
        response._length_line = b"Content-Length: %d\r\n" % found.length
    response._passed = b"".join(lines)
    response.lines = response._passed + response._length_line
    if (media := _MEDIA_TYPE.search(block)) is not None:
        response.media_type = media[1].lower()
    _settle_framing(response, minor, method, read.get(b"transfer-encoding"))
    return response


def missing_lines(lines: bytes, wanted: Iterable[bytes]) -> bytes:
    """Those of the lines ``wanted`` whose fields are not among the ``lines`` of a head."""
    present = {line.partition(b":")[0].lower() for line in lines.split(b"\r\n")}
    return b"".join(line for line in wanted if line.partition(b":")[0].lower() not in present)


def _is_bodiless(method: bytes, status: int) -> bool:
    return method == b"HEAD" or status < 200 or status in (204, 304)


def _settle_framing(response: Response, minor: int, method: bytes, coding: bytes | None) -> None:
    """RFC 9112 section 6.3, in its order."""
    status = response.status
    if _is_bodiless(method, status):
        response.length = 0
        response.body = CountedBody(0)
    elif coding is not None:
        if coding.lower() != b"chunked" or minor == 0:
            raise ProtocolError("the response's transfer coding is not plain chunked")
        response.delimited = False
        response.body = ChunkedBody()
    elif response.length is not None:
        response.body = CountedBody(response.length)
    else:
        response.delimited = False
        response.close = True
        response.body = UntilClose()
