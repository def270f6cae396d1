"""Bodies that are forwarded: framing, invitation, refusal before they have come."""

from __future__ import annotations

import pytest
from pydantic import ByteSize

from headgate.config import Limits
from headgate.dataplane.request_body import REPLAY_BYTES, RequestBody
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, chunked, request, response
from headgate.testing.transport import End
from headgate.wire.request_fields import CHUNKED as CHUNKED_LENGTH

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
EXPECT = "Expect: 100-continue"


# --- framing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/stream", "/length"])
def test_a_body_of_known_length_is_streamed_with_it(path: str, dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request(f"POST {path}", "Content-Length: 6"), b"abc")
    mlflow = dialogue.mlflow_accepts()
    got = Message.of(mlflow.received())
    assert (got.fields[b"content-length"], got.rest) == (b"6", b"abc")

    client.sends(b"def")
    assert mlflow.received() == b"def"
    mlflow.sends(response(200))
    assert dialogue.outcome().bytes_in == 6


@pytest.mark.parametrize(("method", "framed"), [("POST", True), ("GET", False), ("DELETE", False)])
def test_an_absent_body_is_framed_where_mlflow_expects_one(
    method: str, framed: bool, dialogue: Dialogue
) -> None:
    client = dialogue.client()
    client.sends(request(f"{method} /length"))
    mlflow = dialogue.mlflow_accepts()
    assert (b"content-length" in Message.of(mlflow.received()).fields) is framed
    mlflow.sends(response(200))


def test_a_chunked_body_is_chunked_again_where_mlflow_streams(dialogue: Dialogue) -> None:
    """Extensions and trailers stay here; the framing is the gate's own."""
    client = dialogue.client()
    client.sends(request("PUT /stream", CHUNKED), b"3;name=value\r\nabc\r\n", b"002\r\nd")
    mlflow = dialogue.mlflow_accepts()
    got = Message.of(mlflow.received())
    assert got.fields[b"transfer-encoding"] == b"chunked"
    assert b"content-length" not in got.fields
    assert got.rest == b"3\r\nabc\r\n1\r\nd\r\n"

    client.sends(b"e\r\n0\r\nX-Trailer: dropped\r\n\r\n")
    assert mlflow.received() == b"1\r\ne\r\n0\r\n\r\n"
    mlflow.sends(response(200))
    assert dialogue.outcome().bytes_in == 5
    assert dialogue.pool.idle == 1


def test_a_whole_chunked_body_is_sent_on_when_mlflow_accepts(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", CHUNKED, body=chunked(b"abc", b"de")))
    mlflow = dialogue.mlflow_accepts()
    assert mlflow.received().endswith(b"\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    mlflow.sends(response(200))
    assert dialogue.pool.idle == 1


def test_an_empty_chunked_body_is_one(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", CHUNKED), chunked(), request("POST /length", CHUNKED))
    mlflow = dialogue.mlflow_accepts()
    assert Message.of(mlflow.received()).rest == b"0\r\n\r\n"
    mlflow.sends(response(200))
    client.sends(chunked())
    got = Message.of(mlflow.received())
    assert (got.fields[b"content-length"], got.rest) == (b"0", b"")
    mlflow.sends(response(200))
    assert [outcome.status for outcome in dialogue.outcomes()] == [200, 200]


def test_a_chunked_body_is_collected_where_mlflow_would_drop_it(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", CHUNKED), b"3\r\nabc\r\n")
    assert dialogue.pool.pending == []
    client.sends(b"2\r\nde\r\n0\r\n\r\n")
    mlflow = dialogue.mlflow_accepts()
    got = Message.of(mlflow.received())
    assert b"transfer-encoding" not in got.fields
    assert (got.fields[b"content-length"], got.rest) == (b"5", b"abcde")
    mlflow.sends(response(200))
    assert dialogue.outcome().bytes_in == 5
    assert client.end() is End.OPEN


@pytest.mark.parametrize("reads", [1, 3])
def test_a_collected_body_over_the_limit_is_refused(reads: int) -> None:
    dialogue = Dialogue(Limits(buffered_body_bytes=ByteSize(1000)))
    client = dialogue.client()
    whole = request("POST /length", CHUNKED, body=chunked(b"x" * 500, b"x" * 501))
    step = len(whole) // reads + 1
    client.sends(*(whole[at : at + step] for at in range(0, len(whole), step)))

    refused = Message.of(client.received())
    assert refused.line.startswith(b"HTTP/1.1 413 ")
    assert b"Send one." in refused.rest
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.BODY_TOO_LARGE, Phase.ADMIT)
    assert dialogue.pool.size == 0
    dialogue.ends()


def test_a_collected_body_of_just_the_limit_passes() -> None:
    dialogue = Dialogue(Limits(buffered_body_bytes=ByteSize(1000)))
    client = dialogue.client()
    client.sends(request("POST /length", CHUNKED, body=chunked(b"x" * 500, b"x" * 500)))
    mlflow = dialogue.mlflow_accepts()
    assert Message.of(mlflow.received()).fields[b"content-length"] == b"1000"
    mlflow.sends(response(200))
    dialogue.ends()


@pytest.mark.parametrize("path", ["/stream", "/length"])
def test_a_body_that_breaks_its_framing_never_ends_well_at_mlflow(
    path: str, dialogue: Dialogue
) -> None:
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request(f"POST {path}", CHUNKED), b"3\r\nabc\r\n", b"3\r\nabcdef\r\n0\r\n\r\n")

    refused = Message.of(client.received())
    assert refused.line == b"HTTP/1.1 400 Bad Request"
    assert refused.fields[b"connection"] == b"close"
    assert b"0\r\n\r\n" not in mlflow.received()
    assert mlflow.end() is (End.CUT if path == "/stream" else End.OPEN)
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.family) != (Reason.OK, "")
    assert client.end() is End.FINISHED


def test_a_body_that_breaks_its_framing_cuts_a_response_under_way(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", CHUNKED), b"3\r\nabc\r\n")
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Length: 10"), b"12345")
    client.sends(b"no chunk\r\n")

    assert (client.end(), mlflow.end()) == (End.CUT, End.CUT)
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.status) == (Reason.REQUEST_MALFORMED, 200)
    assert dialogue.pool.size == 0


# --- Expect: 100-continue ----------------------------------------------------------------------


@pytest.mark.parametrize("fields", [("Content-Length: 4",), (CHUNKED,)])
def test_a_body_is_invited_when_mlflow_can_take_it(
    fields: tuple[str, ...], dialogue: Dialogue
) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", *fields, EXPECT))
    assert client.received() == b""
    mlflow = dialogue.mlflow_accepts()
    assert b"expect" not in Message.of(mlflow.received()).fields
    assert client.received() == CONTINUE

    client.sends(b"body" if fields != (CHUNKED,) else chunked(b"body"))
    assert b"body" in mlflow.received()
    mlflow.sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")
    assert client.end() is End.OPEN


def test_a_body_to_be_collected_is_invited_immediately(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", CHUNKED, EXPECT))
    assert client.received() == CONTINUE
    client.sends(chunked(b"body"))
    dialogue.mlflow_accepts().sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/refused", "/redirect", "/defect"])
def test_a_body_that_is_not_wanted_is_not_invited(path: str, dialogue: Dialogue) -> None:
    """The client may now send the body or not: only closing makes that clear (RFC 9110 10.1.1)."""
    client = dialogue.client()
    client.sends(request(f"POST {path}", "Content-Length: 4", EXPECT))
    got = client.received()

    assert CONTINUE not in got
    assert Message.of(got).fields[b"connection"] == b"close"
    assert client.end() is End.FINISHED
    dialogue.outcome()


def test_a_body_is_not_invited_when_mlflow_cannot_be_reached(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 4", EXPECT))
    dialogue.mlflow_refuses()
    assert client.received().startswith(b"HTTP/1.1 503 ")
    assert client.end() is End.FINISHED


@pytest.mark.parametrize("body", [b"b", b"body"])
def test_a_body_that_comes_uninvited_needs_no_invitation(body: bytes, dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 4", EXPECT) + body)
    mlflow = dialogue.mlflow_accepts()
    assert client.received() == b""
    mlflow.sends(response(100), response(200))


@pytest.mark.parametrize(
    ("fields", "minor"), [(("Content-Length: 0",), 1), ((), 1), (("Content-Length: 4",), 0)]
)
def test_no_invitation_without_a_body_nor_to_http_1_0(
    fields: tuple[str, ...], minor: int, dialogue: Dialogue
) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", *fields, EXPECT, minor=minor))
    dialogue.mlflow_accepts()
    assert client.received() == b""


# --- answers that come before the body ---------------------------------------------------------


@pytest.mark.parametrize("size", [5, 65_536])
def test_a_refused_body_that_is_short_is_read_over(size: int, dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /refused", f"Content-Length: {size}"))
    refused = Message.of(client.received())
    assert b"connection" not in refused.fields
    assert refused.fields[b"www-authenticate"].startswith(b"Basic ")

    client.sends(b"x" * (size - 1), b"x" + request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    assert Message.of(mlflow.received()).line == b"GET /stream HTTP/1.1"
    mlflow.sends(response(200, body=b"fine"))
    assert client.received().endswith(b"fine")
    refused_outcome, _ = dialogue.outcomes()
    assert (refused_outcome.reason, refused_outcome.status) == (Reason.UNAUTHENTICATED, 401)
    assert (refused_outcome.detail, refused_outcome.bytes_in) == ("no key", 0)


@pytest.mark.parametrize("path", ["/refused", "/redirect", "/defect"])
@pytest.mark.parametrize("body", ["Content-Length: 65537", CHUNKED])
def test_a_refused_body_that_is_long_ends_the_connection_gently(
    body: str, path: str, dialogue: Dialogue
) -> None:
    """The response is delivered although the client is still sending; its body is no request."""
    client = dialogue.client()
    client.sends(request(f"POST {path}", body))
    assert Message.of(client.received()).fields[b"connection"] == b"close"
    assert client.end() is End.FINISHED
    assert not client.closed()
    client.sends(b"5\r\nabcde\r\n", request("GET /stream") * 3)
    assert client.is_read()
    assert len(dialogue.decider.decided) == 1

    client.finishes()
    assert (client.closed(), client.end()) == (True, End.FINISHED)
    dialogue.outcome()


def test_an_early_response_is_delivered_while_the_body_still_comes(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 1000000"), b"x" * 1000)
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(400, "Content-Length: 6"), b"too")
    got = Message.of(client.received())
    assert (got.fields[b"connection"], got.rest) == (b"close", b"too")

    client.sends(b"y" * 1000)
    assert mlflow.received().endswith(b"y" * 1000)
    mlflow.sends(b"big")
    assert client.received() == b"big"
    assert client.end() is End.FINISHED
    assert (mlflow.end(), dialogue.pool.size) == (End.CUT, 0)
    client.sends(b"z" * 1000)
    assert client.is_read()
    client.finishes()
    assert client.closed()
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.status, outcome.bytes_in) == (Reason.OK, 400, 2000)


def test_an_early_response_is_delivered_to_a_client_that_had_to_wait(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 1000000"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.stops_reading()
    client.sends(b"x" * 400_000)
    assert not client.is_read()
    mlflow.sends(response(400, body=b"no"))

    assert client.received().endswith(b"no")
    assert client.end() is End.FINISHED
    assert client.is_read()
    client.finishes()
    assert client.closed()


def test_a_body_that_ends_before_its_response_does_saves_mlflows_connection(
    dialogue: Dialogue,
) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 6"), b"abc")
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Length: 6"), b"123")
    client.sends(b"def")
    mlflow.sends(b"456")
    assert dialogue.pool.idle == 1
    assert client.end() is End.FINISHED


@pytest.mark.parametrize(
    ("length", "long"), [(CHUNKED_LENGTH, True), (REPLAY_BYTES + 1, True), (REPLAY_BYTES, False)]
)
def test_a_long_body_is_one_that_may_be_answered_before_its_end(length: int, long: bool) -> None:
    body = RequestBody(length)
    assert body.is_long is long
    body.take([b"x"], done=True)
    assert not body.is_long
