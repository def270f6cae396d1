"""The heads that the gate itself writes: to MLflow, and to the client."""

from __future__ import annotations

from http import HTTPStatus

from headgate.wire.head import Fields
from headgate.wire.request import CHUNKED, Request, trace_fields

_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode("ascii")
    for status in (member.value for member in HTTPStatus)
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def status_line(status: int) -> bytes:
    """The status line for ``status``, with its registered phrase or with none."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def field_lines(fields: Fields) -> bytes:
    """The fields as they stand in a head."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def request_head(
    request: Request,
    target: bytes,
    host: bytes,
    origin_lines: bytes,
    request_id: bytes,
    length: int,
) -> bytes:
    """The head sent to MLflow; its framing is made new, whatever the client's was.

    Args:
        request: what the client asked.
        target: canonical path and query.
        host: the ``Host`` that MLflow accepts.
        origin_lines: the forwarding fields that say where the request came from.
        request_id: the id of this request.
        length: body bytes to come, or ``CHUNKED``.
    """
    lines = b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%bX-Request-ID: %b\r\n" % (
        request.method,
        target,
        host,
        field_lines(request.forward),
        origin_lines,
        request_id,
    )
    if b"traceparent" in request.known:
        lines += field_lines(trace_fields(request))
    if length == CHUNKED:
        return lines + b"Transfer-Encoding: chunked\r\n\r\n"
    if length or request.method not in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
        return lines + b"Content-Length: %d\r\n\r\n" % length
    return lines + b"\r\n"


def origin_lines(address: str, scheme: str, host: bytes) -> bytes:
    """Where a request came from, for MLflow.

    They are always sent: MLflow's assistant takes a request from loopback without them for the
    operator's own (mlflow/server/assistant, GHSA-7xcw-g7v8-rq26).
    """
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (
        address.encode("ascii"),
        scheme.encode("ascii"),
        host,
    )
