"""One request head, understood: by llhttp, or as one that resembles the head before it."""

from __future__ import annotations

import re
from typing import Final

from headgate.wire.errors import ProtocolError, ambiguous
from headgate.wire.head import parse_request
from headgate.wire.request_fields import CHUNKED, RequestFields
from headgate.wire.target import origin_form

METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._\-]{8,128}")
# What a request line begins with, up to its first fault: a target in one of its four forms (RFC
# 9112 section 3.2).  Of any other text nothing is known, and it may be a secret.
_LIKE_A_LINE: Final = re.compile(
    rb"([A-Za-z]{1,20}+) ++(/[!-~]*+|\*|[Hh][Tt][Tt][Pp][Ss]?+://[!-~]*+|[A-Za-z0-9.\-]++:[0-9]++)"
)
# A request line that llhttp would take as it is; any other goes to llhttp itself.
_PLAIN_LINE: Final = re.compile(rb"(GET|POST|PUT|PATCH|DELETE|HEAD) (/[A-Za-z0-9/._~\-?&=%+,:@]*)")
_VERSION: Final = b" HTTP/1.1\r\n"
_SPACE: Final = 0x20
_LF: Final = 0x0A
_BODILESS: Final = frozenset({b"GET", b"HEAD"})
MAX_REPEATED: Final = 8 * 1024
"""Longest section that is kept to be known again: ten thousand connections may rest."""
MAX_LINE: Final = 1024
"""Longest request line that is kept so."""
MAX_GET_BODY: Final = 1024 * 1024
GET_BODY_CURE: Final = (
    "which only a GET of MLflow's API may have, as application/json with a Content-Length of at "
    "most 1 MiB; put the parameters into the query"
)


class Request:
    """One request: its line, and its fields.

    ``line`` is what stands before the fields' section, for the next request on the connection to
    be known by; it is empty when there is no use in keeping it.
    """

    __slots__ = ("fields", "line", "method", "minor", "target")

    def __init__(
        self, method: bytes, target: bytes, minor: int, fields: RequestFields, line: bytes = b""
    ) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.fields = fields
        self.line = line

    @property
    def size(self) -> int:
        """Bytes of its head; 0 when that is not kept."""
        return len(self.line) + len(self.fields.section) if self.line else 0


class _Collector:
    """What llhttp finds in a head."""

    __slots__ = ("fields", "target")

    def __init__(self) -> None:
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))


def read_request(block: bytes, max_fields: int, last: Request | None = None) -> Request:
    """Understand a whole request head.

    Args:
        block: the head, from its first byte to the empty line.
        max_fields: how many fields it may have.
        last: the request before it on this connection.

    Raises:
        ProtocolError: when it is no request head of HTTP/1.0 or HTTP/1.1; when Host is missing,
            repeated or malformed; when a field that must be single is repeated; when the framing
            is none that the gate forwards; for methods that MLflow has no use for (CONNECT, TRACE);
            for GET with a body that is no small JSON; for a target that is no path, nor one at the
            authority of Host.
    """
    request = _repeated(block, last) if last is not None else None
    return _checked(_read(block, max_fields) if request is None else request)


def repeat_request(data: bytes, last: Request) -> Request | None:
    """Understand a head that is as long as the last one and resembles it, without a search.

    To search ``data`` for the empty line costs more than all that is compared here.  Nothing hides
    in front of the line end that is looked for: a head is repeated only if it is a plain line, and
    a section like the last one (``repeated.py``), which has its empty line at its end alone.

    Args:
        data: begins with a request's head, or with a part of one.
        last: the request before it on this connection.

    Returns:
        The request, whose head is ``last.size`` bytes of ``data``; ``None`` if it is no such one.

    Raises:
        ProtocolError: as ``read_request`` does, for a GET with a body.
    """
    size = last.size
    if not size or len(data) < size or data[size - 1] != _LF or data[size - 3] != _LF:
        return None
    request = _repeated(data[:size], last)
    return None if request is None else _checked(request)


def _checked(request: Request) -> Request:
    if request.fields.length and request.method in _BODILESS and not _is_message(request):
        raise ambiguous(f"{request.method.decode()} with a body, {GET_BODY_CURE}")
    return request


def _is_message(request: Request) -> bool:
    """Whether the body of a GET may be a message of MLflow's, which it reads where no query is."""
    fields = request.fields
    kind = fields.values.get(b"content-type", b"").partition(b";")[0]
    return (
        request.method == b"GET"
        and 0 < fields.length <= MAX_GET_BODY
        and kind.strip().lower() == b"application/json"
    )


def _repeated(block: bytes, last: Request) -> Request | None:
    """What a head means that resembles the last one, in its line, in its section or in both."""
    size = len(last.line)
    if size and block[:size] == last.line and block[size] == _SPACE:
        method, target, section = last.method, last.target, block[size:]
        if section == last.fields.section:
            return last
    else:
        size = block.find(_VERSION)
        line = _PLAIN_LINE.fullmatch(block, 0, size) if size > 0 else None
        if line is None:
            return None
        method, target, section = line[1], line[2], block[size:]
    fields = last.fields
    if fields.section != section:
        renewed = fields.renewed(section) if len(section) <= MAX_REPEATED else None
        if renewed is None:
            return None
        fields = renewed
    return Request(method, target, 1, fields, block[:size] if size <= MAX_LINE else b"")


def _read(block: bytes, max_fields: int) -> Request:
    found = _Collector()
    method, minor = parse_request(block, found)
    if len(found.fields) > max_fields:
        raise ProtocolError(f"more than {max_fields} header fields", status=431)
    size = block.find(_VERSION)
    # In an HTTP/1.0 head the version's text can stand in a field: what begins there is no section.
    is_known_again = minor and len(block) - size <= MAX_REPEATED
    fields = RequestFields(block[size:] if is_known_again else b"")
    for field in found.fields:
        fields.take(field)
    fields.settle(minor)
    if method not in METHODS:
        raise ProtocolError(f"{method.decode()} is not served here", status=405)
    if not found.target.startswith(b"/"):
        origin_form(found.target, fields.host)  # refuses targets at another server, or for a proxy
    line = block[:size] if is_known_again and size <= MAX_LINE else b""
    return Request(method, found.target, minor, fields, line)


def unreadable(head: bytes = b"") -> Request:
    """Stands for bytes that were no request; of ``head`` it has the method and the target."""
    fields = RequestFields(b"")
    fields.length = CHUNKED
    fields.close = True
    line = _LIKE_A_LINE.match(head)
    method, target = (line[1], line[2]) if line is not None else (b"", b"")
    return Request(method, target, 1, fields)


def request_id(fields: RequestFields) -> bytes | None:
    """The client's request id when it is well-formed, else None."""
    given = fields.values.get(b"x-request-id")
    return given if given is not None and _REQUEST_ID.fullmatch(given) else None
