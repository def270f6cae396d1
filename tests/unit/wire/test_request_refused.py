"""Request heads that are refused: the rules of RFC 9110 and 9112, one a row."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError
from headgate.wire.request import read_request

MALFORMED, AMBIGUOUS = Reason.REQUEST_MALFORMED, Reason.REQUEST_AMBIGUOUS
GET, POST = b"GET /x HTTP/1.1", b"POST /x HTTP/1.1"
HOST = b"Host: gate.example:8080"
MAX_FIELDS = 20


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])


class Refused(NamedTuple):
    """A head that is refused: the rule it breaks, its bytes, and the response to the client.

    Status 0 stands for the reason's own, which is 400 for both.
    """

    rule: str
    block: bytes
    reason: Reason = MALFORMED
    status: int = 0


def with_field(field: bytes, line: bytes = POST) -> bytes:
    return head(line, HOST, field)


REQUEST_LINES = [
    Refused("9112-2.3 HTTP/0.9", head(b"GET /x"), status=505),
    Refused("9112-2.3 HTTP/0.9 with fields", head(b"GET /x", HOST), status=505),
    Refused("9112-2.3 HTTP/0.9 by name", head(b"GET /x HTTP/0.9", HOST), status=505),
    Refused("9112-2.3 HTTP/1.2", head(b"GET /x HTTP/1.2", HOST)),
    Refused("9112-2.3 HTTP/1.10", head(b"GET /x HTTP/1.10", HOST)),
    Refused("9112-2.3 HTTP/01.1", head(b"GET /x HTTP/01.1", HOST)),
    Refused("9112-2.3 HTTP/11.1", head(b"GET /x HTTP/11.1", HOST)),
    Refused("9112-2.3 HTTP/2.0", head(b"GET /x HTTP/2.0", HOST), status=505),
    Refused("9112-2.3 version in lower case", head(b"GET /x http/1.1", HOST)),
    Refused("9113-3.4 HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Refused("7826 RTSP", head(b"GET /x RTSP/1.0", HOST), status=505),
    Refused("7826 RTSP/1.1", head(b"POST /x RTSP/1.1", HOST), status=505),
    Refused("Icecast", head(b"SOURCE /x ICE/1.0", HOST), status=505),
    Refused("9112-3 white space before the method", head(b" GET /x HTTP/1.1", HOST)),
    Refused("9112-2.2 LF before the method", b"\n" + head(GET, HOST)),
    Refused("9112-2.2 CR before the method", b"\r" + head(GET, HOST)),
    Refused("9112-3 two spaces before the target", head(b"GET  /x HTTP/1.1", HOST)),
    Refused("9112-3 two spaces before the version", head(b"GET /x  HTTP/1.1", HOST)),
    Refused("9112-3 tab as separator", head(b"GET\t/x HTTP/1.1", HOST)),
    Refused("9110-9.1 NUL in the method", head(b"G\x00ET /x HTTP/1.1", HOST)),
    Refused("9110-9.1 raw octet in the method", head(b"G\xcbT /x HTTP/1.1", HOST)),
    Refused("9112-3 a response", head(b"HTTP/1.1 200 OK", HOST)),
    Refused("9112-3 tab before the version", head(b"GET /x\tHTTP/1.1", HOST)),
    Refused("9112-3 vertical tab as separator", head(b"GET /x\x0bHTTP/1.1", HOST)),
    Refused("9112-3 space after the version", head(b"GET /x HTTP/1.1 ", HOST)),
    Refused("9112-2.2 CR CR LF", head(b"GET /x HTTP/1.1\r", HOST)),
    Refused("9112-2.2 bare CR in the line", head(b"GET /x\r HTTP/1.1", HOST)),
    Refused("9112-2.2 bare LF after the line", b"GET /x HTTP/1.1\nHost: a\r\n\r\n"),
    Refused("9112-2.2 bare LF everywhere but the end", b"GET / HTTP/1.1\nHost: a\n\r\n\r\n"),
    Refused("9112-3.2 space in the target", head(b"GET /x y HTTP/1.1", HOST)),
    Refused("9112-3.2 tab in the target", head(b"GET /x\ty HTTP/1.1", HOST)),
    Refused("9112-3.2 NUL in the target", head(b"GET /x\x00y HTTP/1.1", HOST)),
    Refused("9112-3.2 NUL in the query", head(b"GET /x?a=\x00y HTTP/1.1", HOST)),
    Refused("9112-3.2 form feed in the query", head(b"GET /x?a=\x0cy HTTP/1.1", HOST)),
    Refused("9112-3.2 DEL in the query", head(b"GET /x?a=\x7fy HTTP/1.1", HOST)),
    Refused("3986-2 raw octet in the target", head(b"GET /\xc3\xa9 HTTP/1.1", HOST)),
    Refused("3986-2 raw octet in the query", head(b"GET /x?\xff HTTP/1.1", HOST)),
    Refused("9112-3.2 no target", head(b"GET  HTTP/1.1", HOST)),
    Refused("9112-3.2 target without slash", head(b"GET x HTTP/1.1", HOST)),
    Refused("9112-3.2.2 another authority", head(b"GET http://a/x HTTP/1.1", HOST), AMBIGUOUS),
    Refused(
        "9112-3.2.2 another port", head(b"GET http://gate.example/x HTTP/1.1", HOST), AMBIGUOUS
    ),
    Refused("9112-3.2.2 another scheme", head(b"GET ftp://gate.example:8080/x HTTP/1.1", HOST)),
    Refused("9112-3.2.4 asterisk", head(b"OPTIONS * HTTP/1.1", HOST)),
    Refused("9110-9.1 method in lower case", head(b"get /x HTTP/1.1", HOST)),
    Refused("9110-9.1 no method that is known", head(b"BREW /x HTTP/1.1", HOST), status=501),
    Refused("9110-9.1 a method of no use here", head(b"PROPFIND /x HTTP/1.1", HOST), status=405),
    Refused("9110-9.1 one with a body of its own", head(b"SOURCE /x HTTP/1.1", HOST), status=405),
    Refused("9110-9.3.6 CONNECT", head(b"CONNECT a:80 HTTP/1.1", HOST), status=405),
    Refused("9110-9.3.8 TRACE", head(b"TRACE /x HTTP/1.1", HOST), status=405),
]
FIELD_LINES = [
    Refused("9112-5.2 folded value", head(GET, HOST, b"X: a", b" b")),
    Refused("9112-5.2 value folded with a tab", head(GET, HOST, b"X: a", b"\tb")),
    Refused("9112-5.2 folded after nothing", head(GET, HOST, b"X:", b" b")),
    Refused("9112-2.2 white space before the first field", head(GET, b" X: a", HOST)),
    Refused("9112-5.1 space before the colon", with_field(b"X : a")),
    Refused("9112-5.1 tab before the colon", with_field(b"X\t: a")),
    Refused("9112-5.1 space before the colon of a length", with_field(b"Content-Length : 5")),
    Refused("9112-5.1 no colon", with_field(b"X")),
    Refused("9112-5.1 no name", with_field(b": a")),
    Refused("9110-5.1 name with NUL", with_field(b"X\x00: a")),
    Refused("9110-5.1 name with a separator", with_field(b"X(Y: a")),
    Refused("9110-5.1 name with an octet", with_field(b"X\x80: a")),
    Refused("9110-5.5 NUL in a value", with_field(b"X: a\x00b")),
    Refused("9110-5.5 vertical tab in a value", with_field(b"X: a\x0bb")),
    Refused("9110-5.5 escape in a value", with_field(b"X: a\x1bb")),
    Refused("9110-5.5 DEL in a value", with_field(b"X: a\x7fb")),
    Refused("9110-5.5 bare CR in a value", with_field(b"X: a\rb")),
    Refused("9110-5.5 bare CR at a value's end", with_field(b"X: a\r")),
    Refused("9112-2.2 bare LF in a value", with_field(b"X: a\nY: b")),
    Refused("9112-2.2 LF CR", with_field(b"X: a\n\rY: b")),
    Refused("6585-5 too many fields", head(GET, HOST, *[b"X: y"] * MAX_FIELDS), status=431),
]
HOSTS = [
    Refused("9112-3.2 Host missing", head(GET)),
    Refused("9112-3.2 Host twice", head(GET, HOST, HOST), AMBIGUOUS),
    Refused("9112-3.2 two Hosts", head(GET, HOST, b"host: other"), AMBIGUOUS),
    Refused("9112-3.2 two Hosts, HTTP/1.0", head(b"GET / HTTP/1.0", HOST, HOST), AMBIGUOUS),
    *[
        Refused(f"9110-7.2 malformed Host {value!r}", head(GET, b"Host: " + value))
        for value in (
            *(b"", b"a b", b"a,b", b"a/b", b"a?b", b"a#b", b"user@a", b"a:", b"a:b", b"a:123456"),
            *(
                b"[::1",
                b"::1",
                b"[::1]x",
                b"[zz]",
                b"a%41",
                b"\xc3\xa9",
                b"<a>",
                b'"a"',
                b"a:80:80",
            ),
        )
    ],
]
LENGTHS = [
    Refused(f"9110-8.6 malformed length {value[:24]!r}", with_field(b"Content-Length: " + value))
    for value in (
        *(b"", b"+5", b"-5", b"-0", b"0x5", b"5_0", b"5 5", b"5,5", b"5, 5", b"5,6", b"5.0", b"5;"),
        *(b"five", b"\xb2", b"\x0b5", b"18446744073709551616", b"9" * 30, b"0" * 5000, b"0" * 20),
    )
] + [
    Refused("9112-6.3 length twice", head(POST, HOST, *[b"Content-Length: 5"] * 2)),
    Refused("9112-6.3 two lengths", head(POST, HOST, b"Content-Length: 5", b"content-length: 6")),
]
CODINGS = [
    Refused(f"9112-6.1 coding {value!r}", with_field(b"Transfer-Encoding: " + value))
    for value in (
        *(b"", b"identity", b"gzip", b"xchunked", b"chunkedx", b'"chunked"', b"chunked;a=b"),
        *(b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunked,", b",chunked"),
        *(b"identity, chunked", b"chunked\t", b"\x0bchunked", b"chunked\x00", b"chunked\x0c"),
        *(b"chunk\xe9d", b"c hunked", b"chunked chunked"),
    )
] + [
    Refused(f"9112-6.1 {first!r} beside {second!r}", head(POST, HOST, first, second))
    for first, second in (
        (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 5", b"Transfer-Encoding: identity"),
        (b"Content-Length: 5", b"Transfer-Encoding:"),
        (b"Transfer-Encoding: chunked", b"transfer-encoding: chunked"),
        (b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip"),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    )
]
FRAMING = [
    *LENGTHS,
    *CODINGS,
    Refused(
        "9112-6.1 a coding in HTTP/1.0",
        with_field(b"Transfer-Encoding: chunked", b"POST /x HTTP/1.0"),
        AMBIGUOUS,
    ),
    Refused("9110-9.3.1 GET with a body", with_field(b"Content-Length: 5", GET), AMBIGUOUS),
    Refused("9110-9.3.1 GET, chunked", with_field(b"Transfer-Encoding: chunked", GET), AMBIGUOUS),
    Refused(
        "9110-9.3.2 HEAD with a body",
        with_field(b"Content-Length: 5", b"HEAD /x HTTP/1.1"),
        AMBIGUOUS,
    ),
]
OTHER_FIELDS = [
    Refused("9110-10.1.1 unknown expectation", with_field(b"Expect: tea"), status=417),
    Refused("9110-10.1.1 two expectations", with_field(b"Expect: 100-continue, b"), status=417),
    *[
        Refused(
            f"9110-5.3 {name!r} twice", head(POST, HOST, name + b": a", name + b": a"), AMBIGUOUS
        )
        for name in (b"Authorization", b"X-API-Key", b"Origin", b"Content-Type")
    ],
    *[
        Refused(
            f"9110-7.6.1 Connection lists {name!r}", with_field(b"Connection: " + name), AMBIGUOUS
        )
        for name in (
            *(b"host", b"Content-Length", b"transfer-encoding", b"close, HOST", b"authorization"),
            *(b"content-type", b"x-api-key", b"origin", b"expect", b"content-encoding"),
        )
    ],
]


@pytest.mark.parametrize(
    "row",
    [*REQUEST_LINES, *FIELD_LINES, *HOSTS, *FRAMING, *OTHER_FIELDS],
    ids=lambda row: row.rule,
)
def test_refused(row: Refused) -> None:
    with pytest.raises(ProtocolError) as refused:
        read_request(row.block, MAX_FIELDS)
    assert (refused.value.reason, refused.value.status) == (row.reason, row.status)
