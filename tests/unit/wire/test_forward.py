"""The heads that the gate writes say what was decided, and say it once."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.wire.errors import ProtocolError
from headgate.wire.forward import (
    CONTINUE,
    connection_line,
    request_head,
    response_head,
    status_line,
)
from headgate.wire.origin import origin_of
from headgate.wire.request import read_request
from headgate.wire.request_fields import CHUNKED
from headgate.wire.response import read_response
from headgate.wire.target import canonicalise

REQUEST_ID = b"0123456789abcdef"
ORDINARY = [
    *(
        b"X-A: 1",
        b"x-a: 2",
        b"Accept: */*",
        b"Range: bytes=0-1",
        b"X-E: ",
        b"X: \xe9",
    ),
    *(b"User-Agent: u", b"X-MLflow-Experiment-Id: 1", b"Content-Encoding: gzip", b"If-Match: *"),
]
STRIPPED = [
    *(b"Connection: close", b"Connection: keep-alive, te", b"TE: trailers", b"Upgrade: h2c"),
    *(b"X-Forwarded-For: 10.0.0.1", b"X_Forwarded_For: 10.0.0.1", b"Forwarded: for=10.0.0.1"),
    *(
        b"X-Forwarded-Host: evil",
        b"X-Forwarded-Proto: https",
        b"X-Real-IP: 10.0.0.1",
        b"Via: 1.1 x",
    ),
    *(
        b"X-Request-ID: from-client",
        b"X_Request_ID: other",
        b"traceparent: bad",
        b"SCRIPT_NAME: /a",
    ),
    *(b"Expect: 100-continue", b"Transfer_Encoding: chunked", b"Content_Length: 99"),
    b"Cookie: a=b",
    *(b"Authorization: Bearer x", b"X-API-Key: x", b"Origin: http://gate", b"Trailer: X"),
    *(b"Content-Length: 0", b"Content-Length: 7", b"Transfer-Encoding: chunked"),
]
client_heads = st.builds(
    lambda line, fields: b"\r\n".join([line, b"Host: gate", *fields, b"", b""]),
    st.sampled_from([b"GET /x HTTP/1.1", b"POST /a%20b?c=%2f HTTP/1.1", b"DELETE /x HTTP/1.0"]),
    st.lists(st.sampled_from(ORDINARY + STRIPPED), max_size=10, unique=True),
)


class Head:
    """A head as another program reads it."""

    def __init__(self, block: bytes) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.target = b""
        self.complete = 0
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(block)
        self.method = parser.get_method()
        self.version = parser.get_http_version()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete += 1

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name]


@given(client_heads, st.sampled_from([None, 0, 1, 12345, CHUNKED]))
def test_the_head_written_is_the_head_decided_on(block: bytes, collected: int | None) -> None:
    """Every field stands there once for each reason it has, framing above all."""
    try:
        request = read_request(block, 100)
    except ProtocolError:
        return
    fields = request.fields
    fields.origin = origin_of(fields.values, "192.0.2.7", "http", ())
    target = canonicalise(request.target, fields.host)
    length = fields.length if collected is None else collected
    sent = Head(
        request_head(
            request,
            request.method,
            target.path + target.query,
            b"127.0.0.1:5000",
            REQUEST_ID,
            length,
        )
    )

    assert (sent.method, sent.version, sent.complete) == (request.method, "1.1", 1)
    assert sent.target == request.target
    assert sent.all(b"host") == [b"127.0.0.1:5000"]
    framing = (sent.all(b"transfer-encoding"), sent.all(b"content-length"))
    if length == CHUNKED:
        assert framing == ([b"chunked"], [])
    elif length or request.method == b"POST":
        assert framing == ([], [b"%d" % length])
    else:
        assert framing == ([], [])
    assert sent.all(b"x-request-id") == [REQUEST_ID]
    assert sent.all(b"x-forwarded-for") == [b"192.0.2.7"]
    assert sent.all(b"x-forwarded-host") == [b"gate"]
    assert sent.all(b"x-forwarded-proto") == [b"http"]
    ours = {
        *(b"host", b"x-request-id", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"),
        *(b"transfer-encoding", b"content-length"),
    }
    asked = [line for line in block.split(b"\r\n") if line in ORDINARY]
    others = [b"%b: %b" % field for field in sent.fields if field[0].lower() not in ours]
    assert others == asked


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS"])
def test_an_absent_body_is_announced_where_one_is_usual(method: str) -> None:
    """RFC 9110 section 8.6; Flask waits for a length on these."""
    request = read_request(f"{method} /x HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 100)
    announced = b"Content-Length: 0\r\n" in request_head(
        request, request.method, b"/x", b"a", REQUEST_ID, 0
    )
    assert announced is (method in ("POST", "PUT", "PATCH"))


def test_the_gates_own_fields_stand_beside_the_clients() -> None:
    request = read_request(b"GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", 100)
    sent = Head(request_head(request, b"GET", b"/x", b"a", REQUEST_ID, 0, b"X-Own: z\r\n"))
    assert sent.fields == [
        (b"Host", b"a"),
        (b"X", b"y"),
        (b"X-Own", b"z"),
        (b"X-Request-ID", REQUEST_ID),
    ]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK\r\n"),
        (404, b"HTTP/1.1 404 Not Found\r\n"),
        (299, b"HTTP/1.1 299 \r\n"),
        (599, b"HTTP/1.1 599 \r\n"),
    ],
)
def test_status_line(status: int, line: bytes) -> None:
    """The space after an unregistered status stays (RFC 9112 section 4)."""
    assert status_line(status) == line


@pytest.mark.parametrize(
    ("minor", "close", "line"),
    [
        (1, True, b"Connection: close\r\n"),
        (1, False, b""),
        (0, True, b"Connection: close\r\n"),
        (0, False, b"Connection: keep-alive\r\n"),
    ],
)
def test_connection_line(minor: int, *, close: bool, line: bytes) -> None:
    """RFC 9112 section 9.3: each version has a default that need not be said."""
    assert connection_line(minor, close=close) == line


def test_response_head() -> None:
    lines = b"X: y\r\nX: z\r\n"
    block = response_head(404, lines, REQUEST_ID)
    assert block == b"HTTP/1.1 404 Not Found\r\n" + lines + b"X-Request-ID: %b\r\n\r\n" % REQUEST_ID
    read = read_response(block, b"GET", 100)
    assert (read.status, read.lines) == (404, lines)


def test_interim_response() -> None:
    assert CONTINUE == b"HTTP/1.1 100 Continue\r\n\r\n"
