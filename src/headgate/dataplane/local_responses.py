"""The responses that the gate gives itself, as bytes."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final, NamedTuple

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


class LocalResponse(NamedTuple):
    """One response of the gate's own.

    ``lines`` are its status line and its fields, but for the id of the request and what is said of
    the connection.
    """

    status: int
    reason: Reason
    lines: bytes
    body: bytes = b""

    def message(self, request_id: bytes, connection: bytes, *, head_only: bool) -> bytes:
        """The response as bytes.

        Args:
            request_id: of the request; empty where none has been read.
            connection: the line about the connection, or empty.
            head_only: leave the body out.
        """
        id_line = b"X-Request-ID: %b\r\n" % request_id if request_id else b""
        body = b"" if head_only else self.body
        return b"".join((self.lines, id_line, connection, b"\r\n", body))


def refusal(what: Refusal, content: tuple[bytes, bytes] | None = None) -> LocalResponse:
    """A refusal.

    Args:
        what: is said in it.
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
    if what.retry_after is not None:
        lines.append(b"Retry-After: %d\r\n" % what.retry_after)
    if what.challenge:
        lines.append(_CHALLENGE)
    if what.code == HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append(b"Allow: %b\r\n" % b", ".join(what.allow or _ALLOWED))
    return LocalResponse(what.code, what.reason, b"".join(lines), body)


def document(body: bytes, media_type: bytes = b"application/json") -> LocalResponse:
    """A document that the gate itself sends."""
    lines = b"%bContent-Type: %b\r\nContent-Length: %d\r\n" % (
        status_line(200),
        media_type,
        len(body),
    )
    lines += b"Cache-Control: no-store\r\n" + reason_line(Reason.OK)
    return LocalResponse(200, Reason.OK, lines, body)


def redirect(location: bytes) -> LocalResponse:
    """A permanent redirect to another path of this gate."""
    lines = b"%bLocation: %b\r\nContent-Length: 0\r\n" % (status_line(308), location)
    return LocalResponse(308, Reason.OK, lines + reason_line(Reason.OK))


def reason_line(reason: Reason) -> bytes:
    """The field that a response of the gate's own bears, and no other."""
    return b"X-Headgate-Reason: %b\r\n" % reason.value.encode("ascii")


def reason_of_page(response: Response) -> Reason:
    """The reason code of a response of the gate's own pages, as the page says it."""
    said = _REASONS.get(response.reason)
    if said is not None:
        return said
    return Reason.OK if response.status < 400 else Reason.INTERNAL


def message_of_page(body: bytes) -> str:
    """The sentence that a refusal by the gate's own pages says; empty where it says none."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    message = said.get("message") if isinstance(said, dict) else None
    return message if isinstance(message, str) else ""
