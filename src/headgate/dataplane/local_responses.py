"""The responses that the gate gives itself, as bytes."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final

from headgate.errors import Refusal
from headgate.reasons import Reason
from headgate.wire.forward import status_line
from headgate.wire.request import METHODS
from headgate.wire.response import Response

_REASONS: Final = {reason.value.encode("ascii"): reason for reason in Reason}
# A browser asks its user for a name and a password; the SDK shows the message.
_CHALLENGE: Final = b'WWW-Authenticate: Basic realm="Headgate", charset="UTF-8"\r\n'
# Which goes with every 405 (RFC 9110 section 15.5.6).
_ALLOWED: Final = tuple(sorted(METHODS))


def body_of(what: Refusal) -> tuple[bytes, bytes]:
    """The media type and the body of a refusal in MLflow's own shape.

    MLflow's SDK prints it (mlflow/utils/rest_utils.py).
    """
    message = {
        "error_code": what.error_code or what.reason.error_code,
        "message": what.message,
    }
    return b"application/json", json.dumps(message).encode()


def refusal(
    what: Refusal,
    request_id: bytes,
    connection: bytes,
    *,
    head_only: bool,
    content: tuple[bytes, bytes] | None = None,
) -> bytes:
    """A refusal.

    Args:
        what: is told.
        request_id: of the request; empty where none has been read.
        connection: the line about the connection, or empty.
        head_only: leave the body out.
        content: the media type and the body; by default in MLflow's own shape.
    """
    media_type, body = content or body_of(what)
    lines = [
        status_line(what.code, what.phrase or what.reason.phrase),
        b"Content-Type: %b\r\n" % media_type,
        b"Content-Length: %d\r\n" % len(body),
        b"Cache-Control: no-store\r\n",
        reason_line(what.reason),
    ]
    if request_id:
        lines.append(b"X-Request-ID: %b\r\n" % request_id)
    if what.retry_after is not None:
        lines.append(b"Retry-After: %d\r\n" % what.retry_after)
    if what.challenge:
        lines.append(_CHALLENGE)
    if what.code == HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append(b"Allow: %b\r\n" % b", ".join(what.allow or _ALLOWED))
    lines += (connection, b"\r\n")
    if not head_only:
        lines.append(body)
    return b"".join(lines)


def document(body: bytes, request_id: bytes, connection: bytes, *, head_only: bool) -> bytes:
    """A JSON document of the gate's own."""
    head = (
        b"%bContent-Type: application/json\r\nContent-Length: %d\r\nCache-Control: no-store\r\n"
        b"%bX-Request-ID: %b\r\n%b\r\n"
    ) % (status_line(200), len(body), reason_line(Reason.OK), request_id, connection)
    return head if head_only else head + body


def redirect(location: bytes, request_id: bytes, connection: bytes) -> bytes:
    """A permanent redirect to another path of this gate."""
    return b"%bLocation: %b\r\nContent-Length: 0\r\n%bX-Request-ID: %b\r\n%b\r\n" % (
        status_line(308),
        location,
        reason_line(Reason.OK),
        request_id,
        connection,
    )


def reason_line(reason: Reason) -> bytes:
    """The field that a response of the gate's own bears, and no other."""
    return b"X-Headgate-Reason: %b\r\n" % reason.value.encode("ascii")


def reason_of_page(response: Response) -> Reason:
    """Why one of the gate's own pages answers as it does, as the page says it."""
    said = _REASONS.get(response.reason)
    if said is not None:
        return said
    return Reason.OK if response.status < 400 else Reason.INTERNAL
