"""The header section of a request: what it means to the gate, and what of it may travel on."""

from __future__ import annotations

import re
from typing import Final

from headgate.wire.errors import ProtocolError, ambiguous
from headgate.wire.fields import DROP, FORWARD, FORWARD_ONE, LIST, NOTE, Kind, kind_of
from headgate.wire.origin import NOWHERE
from headgate.wire.repeated import RepeatedHead, Use, length_of, repeated_head
from headgate.wire.target import is_authority
from headgate.wire.trace_context import TRACE_FIELDS, trace_lines

_LENGTH: Final = re.compile(rb"[0-9]{1,19}")
_CONTENT_LENGTH: Final = b"content-length"
# Nothing but what the gate remembers of these depends on their values.
_RENEWABLE: Final = TRACE_FIELDS | {_CONTENT_LENGTH, b"x-request-id"}
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
CHUNKED: Final = -1
"""The ``length`` of a body whose end the chunked coding marks."""


class CredentialFields:
    """The values of the header fields by which a client says who it is, as they came.

    While the requests of a connection have the same ones, they share one object.

    Attributes:
        authorization: of ``Authorization``; ``None`` if absent.
        api_key: of ``X-API-Key``; ``None`` if absent.
        cookie: of ``Cookie``; empty if absent.
    """

    __slots__ = ("api_key", "authorization", "cookie")

    def __init__(
        self, authorization: bytes | None, api_key: bytes | None, cookie: bytes = b""
    ) -> None:
        self.authorization: Final = authorization
        self.api_key: Final = api_key
        self.cookie: Final = cookie


_NO_CREDENTIALS: Final = CredentialFields(None, None)


class RequestFields:
    """The header section of a request, understood.

    ``lines``: the fields that may travel on, as they stand in a head, and ``trace`` those of the
    trace context.  ``values``: those of the fields that the gate reads, by lower-case name.
    ``length``: body bytes, or ``CHUNKED``.  ``close``: the client wants no further request on its
    connection.  ``origin``: where the request came from, for its connection to fill in.

    A client that keeps its connection sends the same section again and again; so a section is
    understood once, and the same bytes lead to the same object (``read_request``).  ``section``
    is empty when it will not be known again, and there is no use in keeping it then.
    """

    __slots__ = (
        "_forward",
        "_repeated",
        "close",
        "credentials",
        "expects_continue",
        "length",
        "lines",
        "origin",
        "section",
        "trace",
        "values",
    )

    def __init__(self, section: bytes) -> None:
        self.section = section
        self._repeated: RepeatedHead | None = None
        self._forward: list[tuple[bytes, bytes]] = []
        self.values: dict[bytes, bytes] = {}
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
        return self.values.get(b"host", b"")

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
        values = self.values
        value = field[1].rstrip(b" \t")
        if name not in values:
            values[name] = value
        elif kind is LIST:
            # RFC 6265 section 5.4 for cookies, which no client gives twice but some proxies do
            values[name] = values[name] + (b"; " if name == b"cookie" else b",") + value
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
        if b"connection" in self.values:
            self._obey_connection(minor)
        elif minor == 0:
            self.close = True
        self._settle_host(minor)
        self._settle_framing(minor)
        self.credentials = CredentialFields(
            self.values.get(b"authorization"),
            self.values.get(b"x-api-key"),
            self.values.get(b"cookie", b""),
        )
        self.lines = b"".join([b"%b: %b\r\n" % field for field in self._forward])
        self.trace = trace_lines(self.values)
        self._forward.clear()  # a connection keeps its last section while it rests

    def renewed(self, section: bytes) -> RequestFields | None:
        """What another section means, when it differs in nothing that much depends on.

        That is: in the length of the body, in the trace context, in the request's id, and in
        fields that are passed on unread.  ``None`` for any other.
        """
        repeated = self._repeated
        values = repeated.values(section) if repeated is not None else None
        if repeated is None or values is None:
            repeated = repeated_head(
                self.section, section, self.lines, self._use_of, self._repeated
            )
            values = repeated.values(section) if repeated is not None else None
            if repeated is None or values is None:
                return None
        fields = RequestFields(section)
        fields._repeated, fields.trace = repeated, self.trace
        fields.length, fields.expects_continue = self.length, self.expects_continue
        fields.close, fields.credentials, fields.origin = self.close, self.credentials, self.origin
        fields.lines = repeated.passed_on(values)
        if not repeated.read:
            fields.values = self.values
            return fields
        fields.values = self.values.copy()
        return fields if fields._read_anew(repeated.read, values) else None

    def _use_of(self, spelled: bytes, value: bytes) -> tuple[bytes, Use]:
        """What the gate makes of a field of this section."""
        name, kind = kind_of(spelled)
        if kind is FORWARD:
            return name, Use.PASSED
        if kind is DROP:  # that may be under a name that only resembles another
            return name, Use.DROPPED
        # One that is given twice, or that Connection has taken off, has another value here.
        is_read = name in _RENEWABLE and self.values.get(name) == value
        if name == _CONTENT_LENGTH and b"expect" in self.values:
            is_read = False  # what is expected depends on it
        return name, Use.READ if is_read else Use.FIXED

    def _read_anew(self, which: list[tuple[int, bytes]], values: list[bytes]) -> bool:
        """Interpret the new values of fields that are read; whether that can be done."""
        is_traced = False
        for at, name in which:
            value = values[at]
            self.values[name] = value
            if name == _CONTENT_LENGTH:
                length = length_of(value)
                if length is None:
                    return False
                self.length = length
            elif name in TRACE_FIELDS:
                is_traced = True
        if is_traced:
            self.trace = trace_lines(self.values)
        return True

    def _obey_connection(self, minor: int) -> None:
        """RFC 9110 section 7.6.1: what Connection lists stays on this hop."""
        listed = {token.strip().lower() for token in self.values[b"connection"].split(b",")}
        self.close = b"close" in listed or (minor == 0 and b"keep-alive" not in listed)
        others = listed - {b"close", b"keep-alive", b""}
        if not others:
            return
        if others & _END_TO_END:
            raise ambiguous("Connection lists an end-to-end field")
        self._forward = [field for field in self._forward if field[0].lower() not in others]
        for name in others:
            self.values.pop(name, None)

    def _settle_host(self, minor: int) -> None:
        host = self.values.get(b"host")
        if host is None:
            if minor == 1:
                raise ProtocolError("the Host field is missing")
        elif not is_authority(host):
            raise ProtocolError("the Host field is malformed")

    def _settle_framing(self, minor: int) -> None:
        values = self.values
        if b"transfer-encoding" in values:
            if minor == 0:
                raise ambiguous("Transfer-Encoding in an HTTP/1.0 request")
            if values[b"transfer-encoding"].lower() != b"chunked":
                raise ProtocolError("the only supported transfer coding is chunked")
            self.length = CHUNKED
        elif b"content-length" in values:
            if _LENGTH.fullmatch(values[b"content-length"]) is None:
                raise ProtocolError("Content-Length is malformed")
            self.length = int(values[b"content-length"])
        if b"expect" in values and minor == 1:
            if values[b"expect"].lower() != b"100-continue":
                raise ProtocolError("the only supported expectation is 100-continue", status=417)
            self.expects_continue = self.length != 0
