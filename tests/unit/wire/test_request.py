"""Request heads that are taken, and what they mean (RFC 9110, RFC 9112)."""

from __future__ import annotations

import pytest

from headgate.wire.request import Request, read_request, request_id, unreadable
from headgate.wire.request_fields import CHUNKED

GET, POST = b"GET /x HTTP/1.1", b"POST /x HTTP/1.1"
HOST = b"Host: gate.example:8080"


def read(*lines: bytes) -> Request:
    return read_request(b"\r\n".join([*lines, b"", b""]), 20)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods_that_are_served(method: str) -> None:
    request = read(f"{method} /x?y HTTP/1.1".encode(), HOST)
    assert (request.method, request.target) == (method.encode(), b"/x?y")
    assert (request.minor, request.fields.length, request.fields.close) == (1, 0, False)


@pytest.mark.parametrize(
    "value",
    [b"a", b"A.b-c_d~e", b"a:1", b"127.0.0.1:65535", b"[::1]", b"[::ffff:10.0.0.1]:80", b"a."],
)
def test_hosts_that_are_taken(value: bytes) -> None:
    assert read(GET, b"hOsT:\t" + value + b" ").fields.host == value


def test_http_1_0_needs_no_host_and_closes() -> None:
    """RFC 9112 sections 3.2 and 9.3."""
    request = read(b"GET /x HTTP/1.0")
    assert (request.minor, request.fields.host, request.fields.close) == (0, b"", True)


@pytest.mark.parametrize(
    ("line", "value", "close"),
    [
        (GET, b"close", True),
        (GET, b"Close", True),
        (GET, b"keep-alive", False),
        (GET, b"keep-alive, close", True),
        (GET, b"x, CLOSE ,y", True),
        (GET, b"", False),
        (GET, b"closed", False),
        (b"GET / HTTP/1.0", b"Keep-Alive", False),
        (b"GET / HTTP/1.0", b"x", True),
        (b"GET / HTTP/1.0", b"keep-alive, close", True),
    ],
)
def test_persistence(line: bytes, value: bytes, *, close: bool) -> None:
    """RFC 9112 section 9.3."""
    assert read(line, HOST, b"Connection: " + value).fields.close is close


@pytest.mark.parametrize(
    ("field", "length"),
    [
        (b"Content-Length: 0", 0),
        (b"Content-Length: 5", 5),
        (b"content-length:5", 5),
        (b"CONTENT-LENGTH:\t5 \t", 5),
        (b"Content-Length: 00005", 5),
        (b"Content-Length: 9999999999999999999", 9999999999999999999),
        (b"Transfer-Encoding: chunked", CHUNKED),
        (b"transfer-encoding:CHUNKED ", CHUNKED),
        (b"X: none", 0),
    ],
)
def test_length(field: bytes, length: int) -> None:
    """RFC 9112 section 6.3; neither field is among those sent on."""
    fields = read(POST, HOST, field).fields
    assert fields.length == length
    assert b"chunked" not in fields.lines.lower()
    assert b"length" not in fields.lines.lower()


@pytest.mark.parametrize("spelling", [b"Transfer_Encoding: chunked", b"Content_Length: 9"])
def test_framing_in_another_spelling_frames_nothing(spelling: bytes) -> None:
    """It neither counts nor travels on to a server that would let it count."""
    fields = read(POST, HOST, b"Content-Length: 5", spelling).fields
    assert (fields.length, fields.lines) == (5, b"")


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_an_announced_empty_body_is_none(method: bytes) -> None:
    assert read(method + b" /x HTTP/1.1", HOST, b"Content-Length: 0").fields.length == 0


@pytest.mark.parametrize(
    ("fields", "expects"),
    [
        ([b"Expect: 100-Continue", b"Content-Length: 5"], True),
        ([b"Expect: 100-continue", b"Transfer-Encoding: chunked"], True),
        ([b"Expect: 100-continue", b"Content-Length: 0"], False),
        ([b"Expect: 100-continue"], False),
        ([b"Content-Length: 5"], False),
    ],
)
def test_expect(fields: list[bytes], *, expects: bool) -> None:
    """RFC 9110 section 10.1.1; the gate answers it, so MLflow is not asked."""
    known = read(POST, HOST, *fields).fields
    assert known.expects_continue is expects
    assert known.lines == b""


def test_expect_of_http_1_0_is_ignored() -> None:
    """RFC 9110 section 10.1.1."""
    known = read(b"POST /x HTTP/1.0", HOST, b"Expect: 100-continue", b"Content-Length: 5").fields
    assert (known.expects_continue, known.lines) == (False, b"")


@pytest.mark.parametrize(
    "protocol",
    [b"h2c", b"websocket", b"TLS/1.0", b"h2c, websocket", b"HTTP/2.0", b"", b"x\r\nUpgrade: h2c"],
)
@pytest.mark.parametrize("connection", [b"Upgrade, HTTP2-Settings", b"keep-alive, upgrade"])
def test_upgrade_is_ignored(connection: bytes, protocol: bytes) -> None:
    """A server may (RFC 9110 section 7.8); MLflow must not see what the gate ignores."""
    upgrade = [b"Upgrade: " + protocol, b"HTTP2-Settings: AAMAAABk", b"Connection: " + connection]
    fields = read(POST, HOST, *upgrade, b"Content-Length: 5", b"X: y").fields
    assert (fields.length, fields.close, fields.lines) == (5, False, b"X: y\r\n")


@pytest.mark.parametrize("body", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_upgrade_changes_neither_framing_nor_persistence(body: bytes) -> None:
    offered = [b"Connection: Upgrade, close", b"Upgrade: websocket", b"Expect: 100-continue"]
    with_offer = read(POST, HOST, body, *offered).fields
    without = read(POST, HOST, body, b"Connection: close", b"Expect: 100-continue").fields
    assert (with_offer.length, with_offer.close, with_offer.expects_continue) == (
        without.length,
        without.close,
        without.expects_continue,
    )


@pytest.mark.parametrize("name", [b"X-Mlflow-Gateway-Caller", b"x_mlflow_gateway_caller"])
def test_who_calls_a_model_is_not_for_the_client_to_say(name: bytes) -> None:
    assert read(GET, HOST, name + b": judge", b"X: y").fields.lines == b"X: y\r\n"


def test_upgrade_without_connection_is_dropped() -> None:
    """It speaks of nothing then (9110-7.8), and must not speak to MLflow."""
    assert read(GET, HOST, b"Upgrade: websocket", b"X: y").fields.lines == b"X: y\r\n"


def test_what_connection_lists_stays_here() -> None:
    """RFC 9110 section 7.6.1: in any case, all of each, and nothing else."""
    fields = read(
        GET,
        HOST,
        b"X-Hop: 1",
        b"Connection: x-hop, X-Forwarded-For ,keep-alive",
        b"x-HOP: 2",
        b"Connection: te, traceparent",
        b"X-Forwarded-For: 10.0.0.1",
        b"traceparent: 00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01",
        b"TE: trailers",
        b"X-Hopper: 3",
    ).fields
    assert fields.lines == b"X-Hopper: 3\r\n"
    assert b"x-forwarded-for" not in fields.values


def test_ordinary_fields_keep_order_spelling_and_duplicates() -> None:
    lines = [
        *(b"X-A: 1", b"x-b: 2", b"X-A: 3", b"Accept: text/html", b"Content-Type: a/b", b"X-a: 1"),
        *(
            b"User-Agent: u",
            b"Accept: */*",
            b"Range: bytes=0-1",
            b"Range: bytes=2-3",
            b"X-Empty: ",
            b"X-O: \xe9",
        ),
    ]
    fields = read(POST, *lines[:5], HOST, *lines[5:]).fields
    assert fields.lines == b"".join(line + b"\r\n" for line in lines)
    assert (fields.values[b"accept"], fields.values[b"user-agent"]) == (b"text/html", b"u")


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([b"12345678"], b"12345678"),
        ([b"a.B-c_0" + b"x" * 121], b"a.B-c_0" + b"x" * 121),
        ([b"1234567"], None),
        ([b"x" * 129], None),
        ([b"1234 5678"], None),
        ([b"12345678;"], None),
        ([b"12345678\xe9"], None),
        ([b"12345678", b"12345678"], None),
        ([b""], None),
        ([], None),
    ],
)
def test_request_id(values: list[bytes], kept: bytes | None) -> None:
    """Kept when it is well-formed and single; it travels on as the gate's own field only."""
    fields = read(GET, HOST, *[b"X-Request-ID: " + value for value in values]).fields
    assert request_id(fields) == kept
    assert fields.lines == b""


TRACE, PARENT = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
VALID = b"00-" + TRACE + b"-" + PARENT + b"-01"


@pytest.mark.parametrize(
    "value", [VALID, b"cc" + VALID[2:], VALID[:-1] + b"0", b"01" + VALID[2:] + b"-00"]
)
def test_valid_trace_context_travels_on(value: bytes) -> None:
    """W3C Trace Context, sections 3.2 and 3.3."""
    states = [b"tracestate: a=1", b"tracestate: b=2"]
    fields = read(GET, HOST, b"TraceParent: " + value + b" ", *states).fields
    assert fields.trace == b"traceparent: " + value + b"\r\ntracestate: a=1,b=2\r\n"
    assert read(GET, HOST, b"traceparent: " + value).fields.trace.count(b"\r\n") == 1
    assert fields.lines == b""


@pytest.mark.parametrize(
    "values",
    [
        [],
        [VALID, VALID],
        [b"ff" + VALID[2:]],
        [VALID.upper()],
        [VALID + b"-00"],
        [b"01" + VALID[2:] + b"00"],
        [VALID[:-1]],
        [b"00-" + b"0" * 32 + b"-" + PARENT + b"-01"],
        [b"00-" + TRACE + b"-" + b"0" * 16 + b"-01"],
        [b"00-" + TRACE[1:] + b"g-" + PARENT + b"-01"],
        [b""],
    ],
)
def test_invalid_trace_context_is_dropped_whole(values: list[bytes]) -> None:
    """W3C Trace Context, section 4.3: without a valid parent there is no state either."""
    parents = [b"traceparent: " + value for value in values]
    assert read(GET, HOST, *parents, b"tracestate: a=1").fields.trace == b""


def test_what_could_not_be_read_ends_its_connection() -> None:
    """Nobody knows where it ends, so nothing after it can be a request."""
    nothing = unreadable()
    assert (nothing.method, nothing.target, nothing.fields.host) == (b"", b"", b"")
    assert nothing.fields.close
    assert nothing.fields.length == CHUNKED
    assert nothing.fields.section == b""
