"""What answers are passed on, how their bodies end, and which fields the client is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.wire.body import ChunkedBody, CountedBody, UntilClose
from headgate.wire.errors import ProtocolError
from headgate.wire.response import Response, read_response

OK = b"HTTP/1.1 200 OK"
MAX_FIELDS = 10


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])


def read(*lines: bytes, method: bytes = b"GET") -> Response:
    return read_response(head(*lines), method, MAX_FIELDS)


REFUSED = {
    "9112-2.3 HTTP/2.0": head(b"HTTP/2.0 200 OK"),
    "9112-2.3 HTTP/1.2": head(b"HTTP/1.2 200 OK"),
    "9112-2.3 HTTP/0.9": head(b"HTTP/0.9 200 OK"),
    "9112-2.3 no minor version": head(b"HTTP/2 200 OK"),
    "9112-2.3 lower case": head(b"http/1.1 200 OK"),
    "9112-2.3 no HTTP at all": head(b"<html>"),
    "7826 RTSP": head(b"RTSP/1.0 200 OK"),
    "Icecast": head(b"ICE/1.0 200 OK"),
    "9112-4 nothing": head(),
    "9112-4 line end before the status line": b"\r\n" + head(OK),
    "9112-4 LF before the status line": b"\n" + head(OK),
    "9112-4 two spaces": head(b"HTTP/1.1  200 OK"),
    "9112-4 tab": head(b"HTTP/1.1\t200 OK"),
    "9112-4 two digits": head(b"HTTP/1.1 20 OK"),
    "9112-4 four digits": head(b"HTTP/1.1 2000 OK"),
    "9112-4 no digits": head(b"HTTP/1.1 abc OK"),
    "9110-15 status 099": head(b"HTTP/1.1 099 X"),
    "9110-15 status 600": head(b"HTTP/1.1 600 X"),
    "9110-15 status 999": head(b"HTTP/1.1 999 X"),
    "9110-15.2.2 switching protocols": head(
        b"HTTP/1.1 101 X", b"Upgrade: x", b"Connection: upgrade"
    ),
    "9110-15.2.2 switching without a word": head(b"HTTP/1.1 101 X"),
    "9112-2.2 bare LF": b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n",
    "9112-2.2 bare LF in a value": head(OK, b"X: a\nSet-Cookie: b"),
    "9112-2.2 bare CR in a value": head(OK, b"X: a\rb"),
    "9112-5.1 space before the colon": head(OK, b"Content-Length : 5"),
    "9112-5.2 folded value": head(OK, b"X: a", b" b"),
    "9110-5.5 NUL in a value": head(OK, b"X: a\x00b"),
    "9110-5.1 no name": head(OK, b": a"),
    "9112-6.3 two lengths": head(OK, b"Content-Length: 5", b"Content-Length: 6"),
    "9112-6.3 the same length twice": head(OK, b"Content-Length: 5", b"Content-Length: 5"),
    "9112-6.3 a list of lengths": head(OK, b"Content-Length: 5, 5"),
    "9110-8.6 signed length": head(OK, b"Content-Length: +5"),
    "9110-8.6 empty length": head(OK, b"Content-Length:"),
    "9110-8.6 length beyond 64 bits": head(OK, b"Content-Length: 18446744073709551616"),
    "9110-8.6 endless length": head(OK, b"Content-Length: " + b"0" * 5000),
    "9112-6.1 length and coding": head(OK, b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "9112-6.1 coding and length": head(OK, b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "9112-6.1 gzip": head(OK, b"Transfer-Encoding: gzip"),
    "9112-6.1 gzip, chunked": head(OK, b"Transfer-Encoding: gzip, chunked"),
    "9112-6.1 chunked, gzip": head(OK, b"Transfer-Encoding: chunked, gzip"),
    "9112-6.1 identity": head(OK, b"Transfer-Encoding: identity"),
    "9112-6.1 chunked twice": head(OK, *[b"Transfer-Encoding: chunked"] * 2),
    "9112-6.1 a coding in HTTP/1.0": head(b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked"),
    "6585-5 too many fields": head(OK, *[b"X: y"] * (MAX_FIELDS + 1)),
}


@pytest.mark.parametrize("block", REFUSED.values(), ids=REFUSED)
def test_refused(block: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_response(block, b"GET", MAX_FIELDS)


@pytest.mark.parametrize(
    "line", [OK, b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 200 \xc3\x96\x0b"]
)
def test_the_reason_phrase_may_be_anything(line: bytes) -> None:
    """It is not read and not passed on (RFC 9112 section 4)."""
    response = read(line, b"X: y")
    assert (response.status, response.lines) == (200, b"X: y\r\n")


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        *[("HEAD", 200, fields) for fields in ([], ["Content-Length: 5"])],
        *[("GET", status, []) for status in (100, 103, 204, 304)],
        ("GET", 304, ["Content-Length: 5"]),
        ("GET", 204, ["Content-Length: 5"]),
        ("HEAD", 200, ["Transfer-Encoding: chunked"]),
        ("GET", 304, ["Transfer-Encoding: chunked"]),
        ("GET", 200, ["Content-Length: 0"]),
    ],
)
def test_responses_without_a_body(method: str, status: int, fields: list[str]) -> None:
    """RFC 9112 section 6.3, rules 1 and 2: whatever its fields announce."""
    line = f"HTTP/1.1 {status} X".encode()
    response = read(line, *[field.encode() for field in fields], method=method.encode())
    assert response.body.done
    assert response.delimited
    assert not response.close


@pytest.mark.parametrize("line", [OK, b"HTTP/1.0 200 OK", b"HTTP/1.1 404 X", b"HTTP/1.1 500 X"])
def test_counted(line: bytes) -> None:
    """RFC 9112 section 6.3, rule 6; the client receives the same length."""
    response = read(line, b"content-LENGTH: 0005 ")
    assert isinstance(response.body, CountedBody)
    assert (response.body.remaining, response.length, response.delimited) == (5, 5, True)
    assert response.lines == b"Content-Length: 5\r\n"


def test_chunked() -> None:
    """RFC 9112 section 6.3, rule 4; framing towards the client is made anew."""
    response = read(OK, b"transfer-ENCODING: Chunked ", b"Trailer: X", b"X: y")
    assert isinstance(response.body, ChunkedBody)
    assert (response.length, response.delimited, response.close) == (None, False, False)
    assert response.lines == b"X: y\r\n"


@pytest.mark.parametrize("fields", [[], [b"Connection: keep-alive"]])
def test_until_close(fields: list[bytes]) -> None:
    """RFC 9112 section 6.3, rule 8: whatever is said of the connection."""
    response = read(OK, *fields)
    assert isinstance(response.body, UntilClose)
    assert (response.length, response.delimited, response.close) == (None, False, True)


@pytest.mark.parametrize(
    ("line", "value", "close"),
    [
        (OK, None, False),
        (OK, b"close", True),
        (OK, b"x, CLOSE", True),
        (OK, b"keep-alive, close", True),
        (OK, b"closed", False),
        (b"HTTP/1.0 200 OK", None, True),
        (b"HTTP/1.0 200 OK", b"Keep-Alive", False),
        (b"HTTP/1.0 200 OK", b"x", True),
    ],
)
def test_persistence(line: bytes, value: bytes | None, *, close: bool) -> None:
    """RFC 9112 section 9.3."""
    fields = [] if value is None else [b"Connection: " + value]
    assert read(line, b"Content-Length: 5", *fields).close is close


@pytest.mark.parametrize("status", [100, 103, 204])
def test_no_length_where_there_may_be_none(status: int) -> None:
    """RFC 9110 section 8.6: a client that believes it would wait for bytes that never come."""
    assert read(f"HTTP/1.1 {status} X".encode(), b"Content-Length: 5", b"X: y").lines == b"X: y\r\n"


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", b"200"), (b"GET", b"304")])
def test_the_length_of_what_is_not_sent_is_shown(method: bytes, status: bytes) -> None:
    """RFC 9110 section 8.6."""
    response = read(b"HTTP/1.1 " + status + b" X", b"Content-Length: 5", method=method)
    assert response.lines == b"Content-Length: 5\r\n"


def test_connection_cannot_take_the_framing_off() -> None:
    """RFC 9110 section 7.6.1; the client would not find the end of the response."""
    response = read(OK, b"Connection: Content-Length, x-hop", b"Content-Length: 5", b"X-Hop: 1")
    assert response.lines == b"Content-Length: 5\r\n"


def test_fields_keep_order_spelling_and_duplicates() -> None:
    lines = [
        b"X-A: 1",
        b"x-b: 2",
        b"Date: d",
        b"X-A: 3",
        b"ETag: e",
        b"X-Empty: ",
        b"X: \xe9",
        b"X: y",
    ]
    assert read(OK, *lines).lines == b"".join(line + b"\r\n" for line in lines)


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "TE", "Trailer"),
        *("Upgrade", "Server", "X-Powered-By", "X-Request-ID", "X-Headgate-Reason", "Set-Cookie"),
        *("Set-Cookie2", "Alt-Svc", "Location", "Transfer-Encoding"),
    ],
)
def test_fields_that_are_not_shown(name: str) -> None:
    for spelling in (name, name.lower(), name.upper()):
        value = "chunked" if name == "Transfer-Encoding" else "a-value"
        lines = read(OK, f"{spelling}: {value}".encode(), b"X: y").lines
        assert lines == b"X: y\r\n", spelling


def test_location_is_handed_over_apart() -> None:
    assert read(OK, b"LOCATION:  /a ").location == b"/a"
    assert read(OK).location is None


@pytest.mark.parametrize(
    ("fields", "media_type"),
    [
        ([b"Content-Type: Application/JSON"], b"application/json"),
        ([b"X: y", b"CONTENT-TYPE:\ttext/html; charset=utf-8"], b"text/html"),
        ([b"X-Content-Type: text/html", b"X: content-type: a/b"], b""),
        ([b"Content-Type:"], b""),
        ([], b""),
    ],
)
def test_media_type(fields: list[bytes], media_type: bytes) -> None:
    """RFC 9110 section 8.3.1: in any case, without its parameters."""
    assert read(OK, *fields).media_type == media_type


heads = st.builds(
    head,
    st.sampled_from(
        [OK, b"HTTP/1.0 200 OK", b"HTTP/1.1 204 X", b"HTTP/1.1 304 X", b"HTTP/1.1 100 X"]
    ),
    st.sampled_from(
        [b"Content-Length: 5", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"X: y"]
    ),
    st.sampled_from([b"Connection: close", b"Connection: x", b"Location: /a", b"X: z"]),
)
methods = st.sampled_from([b"GET", b"HEAD", b"POST"])


def seen(response: Response) -> tuple[object, ...]:
    body = response.body
    return (
        response.status,
        response.lines,
        response.location,
        response.close,
        response.delimited,
        type(body),
        body.remaining if isinstance(body, CountedBody) else None,
        body.done,
    )


@given(heads, methods, heads, methods)
def test_what_came_before_changes_nothing(
    before: bytes, its_method: bytes, block: bytes, method: bytes
) -> None:
    """A response is understood alike on a fresh connection and after any other, read to its end."""
    try:
        last = read_response(before, its_method, MAX_FIELDS)
        expected = seen(read_response(block, method, MAX_FIELDS))
    except ProtocolError:
        return
    last.body.feed(b"0\r\n\r\n")
    assert seen(read_response(block, method, MAX_FIELDS, last)) == expected


@pytest.mark.parametrize(
    ("field", "body"),
    [
        (b"Content-Length: 5", b"hello"),
        (b"Transfer-Encoding: chunked", b"0\r\n\r\n"),
        (b"X: y", b"a"),
    ],
)
def test_the_same_head_again_is_the_same_object_with_a_new_body(field: bytes, body: bytes) -> None:
    first = read(OK, field)
    first.body.feed(body)
    second = read_response(head(OK, field), b"GET", MAX_FIELDS, first)
    assert second is first
    assert not second.body.done
    assert second.body.feed(body)[1] == len(body)
