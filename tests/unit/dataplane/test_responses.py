"""Answers on their way to the client: framing, what has no body, interim responses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, chunked, request, response
from headgate.testing.transport import End, Peer

CHUNKED = "Transfer-Encoding: chunked"


def exchange(dialogue: Dialogue, line: str = "GET /stream", *, minor: int = 1) -> tuple[Peer, Peer]:
    """A client that waits for its response, and MLflow that is to give it."""
    client = dialogue.client()
    fields = () if minor else ("Connection: keep-alive",)
    client.sends(request(line, *fields, minor=minor))
    return client, dialogue.mlflow_accepts()


@pytest.mark.parametrize("minor", [0, 1])
def test_a_length_stays_a_length(minor: int, dialogue: Dialogue) -> None:
    client, mlflow = exchange(dialogue, minor=minor)
    mlflow.sends(response(200, body=b"body"))
    got = Message.of(client.received())

    assert (got.fields[b"content-length"], got.rest) == (b"4", b"body")
    assert b"transfer-encoding" not in got.fields
    assert client.end() is End.OPEN
    assert dialogue.outcome().bytes_out == 4


def test_chunks_stay_chunks(dialogue: Dialogue) -> None:
    client, mlflow = exchange(dialogue)
    mlflow.sends(response(200, CHUNKED), b"3;ext\r\nabc\r\n")
    got = Message.of(client.received())
    assert (got.fields[b"transfer-encoding"], got.rest) == (b"chunked", b"3\r\nabc\r\n")

    mlflow.sends(b"2\r\nde\r\n0\r\nX-Trailer: dropped\r\n\r\n")
    assert client.received() == b"2\r\nde\r\n0\r\n\r\n"
    assert client.end() is End.OPEN
    assert dialogue.pool.idle == 1
    assert dialogue.outcome().bytes_out == 5


def test_server_sent_events_are_passed_on_one_by_one(dialogue: Dialogue) -> None:
    client, mlflow = exchange(dialogue)
    mlflow.sends(response(200, "Content-Type: text/event-stream", CHUNKED))
    client.received()
    for number in range(3):
        event = b"data: %d\n\n" % number
        mlflow.sends(b"9\r\n" + event + b"\r\n")
        assert client.received() == b"9\r\n" + event + b"\r\n"
        dialogue.passes(600)
    mlflow.sends(b"0\r\n\r\n")
    assert client.received() == b"0\r\n\r\n"


def test_http_1_0_is_sent_no_chunks(dialogue: Dialogue) -> None:
    client, mlflow = exchange(dialogue, minor=0)
    mlflow.sends(response(200, CHUNKED), chunked(b"abc", b"de"))
    got = Message.of(client.received())

    assert b"transfer-encoding" not in got.fields
    assert (got.fields[b"connection"], got.rest) == (b"close", b"abcde")
    assert client.end() is End.FINISHED
    assert dialogue.pool.idle == 1


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("mlflows_minor", [0, 1])
def test_a_response_that_ends_with_its_connection(
    minor: int, mlflows_minor: int, dialogue: Dialogue
) -> None:
    client, mlflow = exchange(dialogue, minor=minor)
    mlflow.sends(f"HTTP/1.{mlflows_minor} 200 OK\r\n\r\n".encode(), b"abc", b"de")
    assert dialogue.outcomes() == []
    mlflow.finishes()
    got = Message.of(client.received())

    assert got.rest == (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" if minor else b"abcde")
    assert client.end() is (End.OPEN if minor else End.FINISHED)
    assert dialogue.pool.size == 0
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.bytes_out) == (Reason.OK, 5)


@pytest.mark.parametrize("breaks", [Peer.resets, Peer.vanishes])
@pytest.mark.parametrize("minor", [0, 1])
def test_a_response_that_ends_with_its_connection_breaking_is_no_whole_one(
    minor: int, breaks: Callable[[Peer], None], dialogue: Dialogue
) -> None:
    client, mlflow = exchange(dialogue, minor=minor)
    mlflow.sends(b"HTTP/1.1 200 OK\r\n\r\nabc")
    breaks(mlflow)

    assert client.end() is End.CUT
    assert not client.received().endswith(b"0\r\n\r\n")
    assert dialogue.outcome().reason is Reason.UPSTREAM_RESET


@pytest.mark.parametrize(
    ("line", "status", "fields"),
    [
        ("HEAD /stream", 204, ()),
        ("GET /stream", 204, ()),
        ("DELETE /stream", 204, (CHUNKED,)),
        ("GET /stream", 304, ("Content-Length: 1000", 'ETag: "x"')),
        ("GET /stream", 304, (CHUNKED,)),
    ],
)
@pytest.mark.parametrize("minor", [0, 1])
def test_what_has_no_body_ends_with_its_head(
    line: str, status: int, fields: tuple[str, ...], minor: int, dialogue: Dialogue
) -> None:
    """RFC 9112 section 6.3, rule 1: whatever its fields say."""
    client, mlflow = exchange(dialogue, line, minor=minor)
    head = "\r\n".join((f"HTTP/1.1 {status} Any", *fields, "", "")).encode()
    mlflow.sends(head)
    got = Message.of(client.received())

    assert (got.line.split()[1], got.rest) == (str(status).encode(), b"")
    assert b"transfer-encoding" not in got.fields
    if "Content-Length: 1000" in fields:
        assert got.fields[b"content-length"] == b"1000"
    assert (client.end(), dialogue.pool.idle) == (End.OPEN, 1)
    dialogue.outcome()


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("status", [200, 404])
def test_a_head_is_asked_of_mlflow_as_a_get(status: int, minor: int, dialogue: Dialogue) -> None:
    """Its query would be ignored otherwise; a short body is read over."""
    client, mlflow = exchange(dialogue, "HEAD /stream?a=1", minor=minor)
    assert mlflow.received().startswith(b"GET /stream?a=1 HTTP/1.1\r\n")
    mlflow.sends(response(status, body=b"body")[:-2])
    assert dialogue.outcomes() == []
    mlflow.sends(b"dy")
    got = Message.of(client.received())

    assert (got.fields[b"content-length"], got.rest) == (b"4", b"")
    assert (client.end(), dialogue.pool.idle) == (End.OPEN, 1)
    outcome = dialogue.outcome()
    assert (outcome.method, outcome.status, outcome.bytes_out) == (b"HEAD", status, 0)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [(("Content-Length: 100000",), b"some"), ((CHUNKED,), b"1\r\na\r\n"), ((), b"some")],
)
def test_of_a_long_body_nothing_is_read(
    fields: tuple[str, ...], sent: bytes, dialogue: Dialogue
) -> None:
    client, mlflow = exchange(dialogue, "HEAD /stream")
    head = "\r\n".join(("HTTP/1.1 200 OK", *fields, "", "")).encode()
    mlflow.sends(head + sent)
    got = Message.of(client.received())

    assert got.rest == b""
    assert b"transfer-encoding" not in got.fields
    assert got.fields.get(b"content-length") == (b"100000" if "100000" in str(fields) else None)
    assert (client.end(), dialogue.pool.size) == (End.OPEN, 0)
    assert dialogue.outcome().reason is Reason.OK


def test_interim_responses_stay_here(dialogue: Dialogue) -> None:
    """They answer what the gate asked, and it asked for none (RFC 9110 section 15.2)."""
    client, mlflow = exchange(dialogue)
    mlflow.sends(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    assert client.received() == b""
    mlflow.sends(b"HTTP/1.1 100 Continue\r\n\r\n" + response(200, body=b"final"))
    assert client.received().startswith(b"HTTP/1.1 200 OK\r\n")
    assert dialogue.outcome().status == 200


def test_head_is_refused_without_a_body(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("HEAD /refused") + request("GET /refused"))
    first, _, rest = client.received().partition(b"\r\n\r\n")

    assert b"\r\nContent-Length: 55" in first
    assert rest.startswith(b"HTTP/1.1 401 Unauthorized: no good API key\r\n")


@pytest.mark.parametrize("minor", [0, 1])
def test_a_refusal_tells_http_1_0_that_its_connection_is_kept(
    minor: int, dialogue: Dialogue
) -> None:
    client = dialogue.client()
    fields = () if minor else ("Connection: keep-alive",)
    client.sends(request("GET /refused", *fields, minor=minor))
    client.sends(request("GET /redirect", *fields, minor=minor))
    got = client.received()

    assert client.end() is End.OPEN
    assert got.count(b"Connection: keep-alive\r\n") == (0 if minor else 2)
    assert b"Connection: close" not in got


def test_one_body_in_one_read_is_one_write(dialogue: Dialogue) -> None:
    """Head and body of a small response leave together: a second packet would wait for an ack."""
    client, mlflow = exchange(dialogue)
    mlflow.sends(response(200, CHUNKED, body=chunked(b"abc")))
    assert Message.of(client.received()).rest == chunked(b"abc")


def test_a_redirect_of_mlflows_own_points_at_the_gate(dialogue: Dialogue) -> None:
    client, mlflow = exchange(dialogue)
    mlflow.sends(response(308, "Location: http://127.0.0.1:5000/elsewhere?x"))
    got = Message.of(client.received())
    assert got.fields[b"location"] == b"http://gate.example/elsewhere?x"


def test_repeated_fields_keep_their_order(dialogue: Dialogue) -> None:
    client, mlflow = exchange(dialogue)
    mlflow.sends(response(200, "Vary: b", "X-A: 1", "Vary: a", body=b"x"))
    assert b"Vary: b\r\nX-A: 1\r\nVary: a\r\n" in client.received()
