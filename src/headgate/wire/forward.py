"""The heads that the gate itself writes: to MLflow, and to the client."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from headgate.wire.request import Request
from headgate.wire.request_fields import CHUNKED

_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode("ascii")
    for status in (member.value for member in HTTPStatus)
}
_USUALLY_WITH_BODY: Final = frozenset({b"POST", b"PUT", b"PATCH"})
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def status_line(status: int, phrase: str = "") -> bytes:
    """The status line for ``status``, with its registered phrase or with none.

    ``phrase`` is added to it, for tools that show nothing else of a response.
    """
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    return b"%b: %b\r\n" % (line.rstrip(), phrase.encode("ascii")) if phrase else line


def connection_line(minor: int, *, close: bool) -> bytes:
    """Tell the client whether its connection is kept, where that does not go without saying."""
    if close:
        return b"Connection: close\r\n"
    return b"" if minor else b"Connection: keep-alive\r\n"


def response_head(status: int, lines: bytes, request_id: bytes) -> bytes:
    """The head that a client is sent."""
    return b"%b%bX-Request-ID: %b\r\n\r\n" % (status_line(status), lines, request_id)


def request_head(
    request: Request,
    method: bytes,
    target: bytes,
    host: bytes,
    request_id: bytes,
    length: int,
    trace: bytes = b"",
    own: bytes = b"",
) -> bytes:
    """The head sent to MLflow; its framing is made new, whatever the client's was.

    Args:
        request: what the client asked.
        method: of the request to MLflow.
        target: canonical path and query.
        host: the ``Host`` that MLflow accepts.
        request_id: the id of this request.
        length: body bytes to come, or ``CHUNKED``.
        trace: the lines of the trace context.
        own: further fields of the gate's own, as they stand in a head.
    """
    fields = request.fields
    if length == CHUNKED:
        framing = b"Transfer-Encoding: chunked\r\n\r\n"
    elif length or method in _USUALLY_WITH_BODY:
        framing = b"Content-Length: %d\r\n\r\n" % length
    else:
        framing = b"\r\n"
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b%b%bX-Request-ID: %b\r\n%b" % (
        method,
        target,
        host,
        fields.lines,
        trace,
        fields.origin.lines,
        own,
        request_id,
        framing,
    )
