"""Refusals as OpenTelemetry's exporters understand them.

The OTLP specification (Failures, OTLP/HTTP) asks for a ``google.rpc.Status`` in the encoding of the
request as the body of every 4xx and 5xx, and takes 429, 502, 503 and 504 alone as a reason to send
the request again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from headgate.dataplane import local_responses
from headgate.dataplane.local_responses import LocalResponse
from headgate.errors import Refusal

_JSON: Final = b"application/json"
_PROTOBUF: Final = b"application/x-protobuf"
_SENT_AGAIN: Final = frozenset({429, 502, 503, 504})
_INTERNAL: Final = 500
# google.rpc.Code, by the status that its own documentation maps it to.
_CODES: Final = {
    400: 3,  # INVALID_ARGUMENT
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    404: 5,  # NOT_FOUND
    405: 12,  # UNIMPLEMENTED
    413: 8,  # RESOURCE_EXHAUSTED
    429: 8,
    499: 1,  # CANCELLED
    500: 13,  # INTERNAL
    502: 14,  # UNAVAILABLE
    503: 14,
    504: 4,  # DEADLINE_EXCEEDED
}
_UNKNOWN: Final = 2
_CODE_FIELD: Final = b"\x08"
_MESSAGE_FIELD: Final = b"\x12"


def response(refusal: Refusal, content_type: bytes) -> LocalResponse:
    """What an exporter is sent whose request, of that ``Content-Type``, is refused."""
    what = for_exporters(refusal)
    return local_responses.refusal(what, body(what, content_type))


def for_exporters(what: Refusal) -> Refusal:
    """A refusal with a status at which nobody sends again what would be refused again."""
    worth_it = what.reason.retryable or what.retry_after is not None
    if worth_it or what.code not in _SENT_AGAIN:
        return what
    return replace(what, status=_INTERNAL)


def body(what: Refusal, content_type: bytes) -> tuple[bytes, bytes]:
    """The media type and the body of a refusal to a request of that ``Content-Type``."""
    code = _CODES.get(what.code, _UNKNOWN)
    if content_type.partition(b";")[0].strip().lower() == _JSON:
        return _JSON, json.dumps({"code": code, "message": what.message}).encode()
    message = what.message.encode()
    return _PROTOBUF, b"%b%c%b%b%b" % (
        _CODE_FIELD,
        code,
        _MESSAGE_FIELD,
        _varint(len(message)),
        message,
    )


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
