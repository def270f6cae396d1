"""What a request head means to the gate, and which of its fields may travel on."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from headgate.wire.errors import ProtocolError, ambiguous
from headgate.wire.fields import DROP, FORWARD, FORWARD_ONE, LIST, NOTE, Kind, kind_of
from headgate.wire.head import parse_request
from headgate.wire.repeated import Change, Lines, exchanged, length_of
from headgate.wire.target import origin_form

METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9.\-_~]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_LENGTH: Final = re.compile(rb"[0-9]{1,19}")
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._\-]{8,128}")
_HEX: Final = b"0123456789abcdef"
_NO_TRACE: Final = b"0" * 32
_NO_PARENT: Final = b"0" * 16
# A request line that llhttp would take as it is; any other goes to llhttp itself.
_PLAIN_LINE: Final = re.compile(rb"(GET|POST|PUT|PATCH|DELETE|HEAD) (/[A-Za-z0-9/._~\-?&=%+,:@]*)")
_VERSION: Final = b" HTTP/1.1\r\n"
_BODILESS: Final = frozenset({b"GET", b"HEAD"})
# Fields that a client must not have taken off: framing, content, and what the gate decides by.
_END_TO_END: Final = frozenset(
    {
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"content-type",
        b"content-encoding",
        b"expect",
        b"authorization",
        b"x-api-key",
        b"origin",
    }
)


class Origin(NamedTuple):
    """Where one request came from (``wire/origin.py``), and the fields that say so to MLflow.

    ``address`` is the client's, ``scheme`` and ``host`` are those the client used.
    """

    address: str
    scheme: str
    host: bytes
    lines: bytes


NOWHERE: Final = Origin("", "http", b"", b"")
_TRACE: Final = frozenset({b"traceparent", b"tracestate"})
# What the gate remembers of these is all that becomes of them.
_REMEMBERED_ONLY: Final = _TRACE | {b"x-request-id"}
MAX_REPEATED: Final = 8 * 1024
"""Longest section that is kept to be known again: ten thousand connections may rest."""
CHUNKED: Final = -1
"""The ``length`` of a body whose end the chunked coding marks."""


class Credentials:
    """What a request presents: the values of ``Authorization`` and of ``X-API-Key``.

    The same object, while a connection's requests bear the same.
    """

    __slots__ = ("api_key", "authorization")

    def __init__(self, authorization: bytes | None, api_key: bytes | None) -> None:
        self.authorization = authorization
        self.api_key = api_key


_NO_CREDENTIALS: Final = Credentials(None, None)


class RequestFields:
    """The header section of a request, understood.

    ``lines``: the fields that may travel on, as they stand in a head, and ``trace`` those of the
    trace context.  ``known``: the values of the fields that the gate reads, by lower-case name.
    ``length``: body bytes, or ``CHUNKED``.  ``close``: the client wants no further request on its
    connection.  ``origin``: where the request came from, for its connection to fill in.

    A client that keeps its connection sends the same section again and again; so a section is
    understood once, and the same bytes lead to the same object (``read_request``).  ``section``
    is empty when it will not be known again, and there is no use in keeping it then.
    """

    __slots__ = (
        "_forward",
        "_section_lines",
        "close",
        "credentials",
        "expects_continue",
        "known",
        "length",
        "lines",
        "origin",
        "section",
        "trace",
    )

    def __init__(self, section: bytes) -> None:
        self.section = section
        self._section_lines: Lines | None = None
        self._forward: list[tuple[bytes, bytes]] = []
        self.known: dict[bytes, bytes] = {}
        self.lines = b""
        self.trace = b""
        self.length = 0
        self.close = False
        self.credentials = _NO_CREDENTIALS
        self.expects_continue = False
        self.origin = NOWHERE

    @property
    def host(self) -> bytes:
        """The authority the client asked for; empty only for HTTP/1.0."""
        return self.known.get(b"host", b"")

    def take(self, field: tuple[bytes, bytes]) -> None:
        """Take one field as it stands in the head.

        Raises:
            ProtocolError: when it is repeated and may not be.
        """
        name, kind = kind_of(field[0])
        if kind is FORWARD:
            self._forward.append(field)
        elif kind is not DROP:
            self._remember(name, kind, field)

    def _remember(self, name: bytes, kind: Kind, field: tuple[bytes, bytes]) -> None:
        known = self.known
        value = field[1].rstrip(b" \t")
        if name not in known:
            known[name] = value
        elif kind is LIST:
            known[name] = known[name] + b"," + value
        elif kind is not NOTE:
            raise ambiguous(f"{name.decode()} is given more than once")
        if kind is FORWARD_ONE or kind is NOTE:
            self._forward.append(field)

    def settle(self, minor: int) -> None:
        """Decide framing and persistence once all fields are here; ``minor``: HTTP's version.

        Raises:
            ProtocolError: when Host is missing or malformed, or the framing is none that the
                gate forwards.
        """
        if b"connection" in self.known:
            self._obey_connection(minor)
        elif minor == 0:
            self.close = True
        self._settle_host(minor)
        self._settle_framing(minor)
        self.credentials = Credentials(
            self.known.get(b"authorization"), self.known.get(b"x-api-key")
        )
        self.lines = b"".join([b"%b: %b\r\n" % field for field in self._forward])
        self.trace = _trace_lines(self.known)
        self._forward.clear()  # a connection keeps its last section while it rests

    def renewed(self, section: bytes) -> RequestFields | None:
        """What another section means, when it differs in nothing that much depends on.

        That is: in the length of the body, in the trace context, in the request's id, and in
        fields that are passed on without a look.  ``None`` for any other.
        """
        if self._section_lines is None:
            self._section_lines = Lines(self.section)
        found = self._section_lines.compare(section)
        if found is None:
            return None
        fields = RequestFields(section)
        fields._section_lines, changes = found
        fields.known, fields.lines, fields.trace = self.known, self.lines, self.trace
        fields.length, fields.expects_continue = self.length, self.expects_continue
        fields.close, fields.credentials, fields.origin = self.close, self.credentials, self.origin
        return fields if all(map(fields._change, changes)) else None

    def _change(self, change: Change) -> bool:
        """Take in one change; whether that can be done."""
        spelled, old, new = change
        name, kind = kind_of(spelled)
        if kind is FORWARD:
            lines = exchanged(self.lines, old, new)
            self.lines = lines or b""
            return lines is not None
        value_at = len(name) + 2
        value = new[value_at:]
        if self.known.get(name) != old[value_at:]:  # it is there twice, or Connection took it off
            return False
        if name == b"content-length":
            length = length_of(value)
            if length is None or b"expect" in self.known:
                return False
            self.length = length
        elif name not in _REMEMBERED_ONLY:
            return False
        self.known = self.known | {name: value}
        if name in _TRACE:
            self.trace = _trace_lines(self.known)
        return True

    def _obey_connection(self, minor: int) -> None:
        """RFC 9110 section 7.6.1: what Connection lists stays on this hop."""
        listed = {token.strip().lower() for token in self.known[b"connection"].split(b",")}
        self.close = b"close" in listed or (minor == 0 and b"keep-alive" not in listed)
        others = listed - {b"close", b"keep-alive", b""}
        if not others:
            return
        if b"upgrade" in others and self.known.get(b"upgrade", b"").lower() not in (b"", b"h2c"):
            # An offer of h2c, which some HTTP clients always make, is passed over in silence.
            raise ProtocolError("no other protocol is spoken here", status=501)
        if others & _END_TO_END:
            raise ambiguous("Connection lists a field that belongs to the whole way")
        self._forward = [field for field in self._forward if field[0].lower() not in others]
        for name in others:
            self.known.pop(name, None)

    def _settle_host(self, minor: int) -> None:
        host = self.known.get(b"host")
        if host is None:
            if minor == 1:
                raise ProtocolError("the Host field is missing")
        elif not is_authority(host):
            raise ProtocolError("the Host field is malformed")

    def _settle_framing(self, minor: int) -> None:
        known = self.known
        if b"transfer-encoding" in known:
            if minor == 0:
                raise ambiguous("Transfer-Encoding in an HTTP/1.0 request")
            if known[b"transfer-encoding"].lower() != b"chunked":
                raise ProtocolError("the only transfer coding spoken here is chunked")
            self.length = CHUNKED
        elif b"content-length" in known:
            if _LENGTH.fullmatch(known[b"content-length"]) is None:
                raise ProtocolError("Content-Length is malformed")
            self.length = int(known[b"content-length"])
        if b"expect" in known and minor == 1:
            if known[b"expect"].lower() != b"100-continue":
                raise ProtocolError("the expectation is none that is known here", status=417)
            self.expects_continue = self.length != 0


class Request:
    """One request: its line, and its fields."""

    __slots__ = ("fields", "method", "minor", "target")

    def __init__(self, method: bytes, target: bytes, minor: int, fields: RequestFields) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.fields = fields


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


def read_request(block: bytes, max_fields: int, last: RequestFields | None = None) -> Request:
    """Understand a whole request head.

    Args:
        block: the head, from its first byte to the empty line.
        max_fields: how many fields it may have.
        last: the fields of the request before it on this connection.

    Raises:
        ProtocolError: when it is no request head of HTTP/1.0 or HTTP/1.1; when Host is missing,
            repeated or malformed; when a field that must be single is repeated; when the framing
            is none that the gate forwards; for methods that MLflow has no use for (CONNECT, TRACE);
            for GET with a body; for a target that is no path, nor one at the authority of Host.
    """
    end = block.find(_VERSION)
    section = block[end:]
    line = _PLAIN_LINE.fullmatch(block, 0, end) if end > 0 else None
    fields = last
    if last is not None and last.section != section:
        fields = last.renewed(section) if line and len(section) <= MAX_REPEATED else None
    if fields is not None and line is not None:
        request = Request(line[1], line[2], 1, fields)
    else:
        request = _read(block, section, max_fields)
    if request.fields.length and request.method in _BODILESS:
        raise ambiguous(f"{request.method.decode()} with a body")
    return request


def _read(block: bytes, section: bytes, max_fields: int) -> Request:
    found = _Collector()
    method, minor = parse_request(block, found)
    if len(found.fields) > max_fields:
        raise ProtocolError(f"more than {max_fields} header fields", status=431)
    # In an HTTP/1.0 head the version's text can stand in a field: what begins there is no section.
    is_known_again = minor and len(section) <= MAX_REPEATED
    fields = RequestFields(section if is_known_again else b"")
    for field in found.fields:
        fields.take(field)
    fields.settle(minor)
    if method not in METHODS:
        raise ProtocolError(f"{method.decode()} is not served here", status=405)
    if not found.target.startswith(b"/"):
        origin_form(found.target, fields.host)  # whoever asks another server, or a proxy for any
    return Request(method, found.target, minor, fields)


def is_authority(text: bytes) -> bool:
    """Whether ``text`` is a host name or address, with or without a port."""
    return _HOST.fullmatch(text) is not None


def unreadable() -> Request:
    """Stands for bytes that were no request."""
    fields = RequestFields(b"")
    fields.length = CHUNKED
    fields.close = True
    return Request(b"", b"", 1, fields)


def request_id(fields: RequestFields) -> bytes | None:
    """The client's request id when it is well-formed, else None."""
    given = fields.known.get(b"x-request-id")
    return given if given is not None and _REQUEST_ID.fullmatch(given) else None


def is_traceparent(value: bytes) -> bool:
    """Whether a trace context's parent is one that any version-00 reader takes (W3C, 3.2)."""
    return (
        len(value) == 55
        and value.translate(None, _HEX) == b"---"
        and value[2] == value[35] == value[52] == 0x2D
        and value[:2] != b"ff"
        and value[3:35] != _NO_TRACE
        and value[36:52] != _NO_PARENT
    )


def _trace_lines(known: dict[bytes, bytes]) -> bytes:
    """The W3C trace context to send on: all of it when valid, nothing otherwise."""
    parent = known.get(b"traceparent")
    if parent is None or not is_traceparent(parent):
        return b""
    line = b"traceparent: %b\r\n" % parent
    state = known.get(b"tracestate")
    return b"%btracestate: %b\r\n" % (line, state) if state else line
