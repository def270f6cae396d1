"""Connections that are kept, on both sides, and requests answered in order."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from pydantic import ByteSize

from headgate.config import Limits
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.transport import End

LARGE = b"x" * 300_000  # more than what may wait for a client


def test_both_connections_serve_request_after_request(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream/1"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, body=b"one"))
    client.sends(request("GET /stream/2"))
    mlflow.sends(response(200, body=b"two"))

    assert mlflow.received().count(b"GET /stream/") == 2
    assert client.received().count(b"HTTP/1.1 200 OK") == 2
    assert (dialogue.pool.idle, dialogue.pool.busy) == (1, 0)
    assert client.end() is End.OPEN
    assert [outcome.reason for outcome in dialogue.outcomes()] == [Reason.OK, Reason.OK]


def test_pipelined_requests_are_answered_in_order(dialogue: Dialogue) -> None:
    """A request waits until the one before it is answered; a refusal waits too."""
    client = dialogue.client()
    client.sends(
        request("GET /stream/1")
        + request("GET /refused")
        + request("POST /length/3", body=b"three")
        + request("GET /stream/4")
    )
    mlflow = dialogue.mlflow_accepts()
    assert Message.of(mlflow.received()).line == b"GET /stream/1 HTTP/1.1"
    assert client.received() == b""

    mlflow.sends(response(200, body=b"one"))
    responses = client.received()
    assert responses.index(b"\r\n\r\none") < responses.index(b"401 Unauthorized")
    third = Message.of(mlflow.received())
    assert (third.line, third.rest) == (b"POST /length/3 HTTP/1.1", b"three")

    mlflow.sends(response(200, body=b"three"))
    assert client.received().endswith(b"three")
    assert Message.of(mlflow.received()).line == b"GET /stream/4 HTTP/1.1"
    mlflow.sends(response(204))
    assert client.received().startswith(b"HTTP/1.1 204 ")
    assert [outcome.status for outcome in dialogue.outcomes()] == [200, 401, 200, 204]


def test_empty_lines_before_a_request_are_read_over(dialogue: Dialogue) -> None:
    """RFC 9112 section 2.2."""
    client = dialogue.client()
    client.sends(b"\r\n", b"\r\n" + request("GET /refused"), b"\r\n\r\n" + request("GET /refused"))

    assert client.received().count(b"401 Unauthorized") == 2


def test_an_empty_line_may_come_in_two_reads(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /refused") + b"\r", b"\n\r", b"\n", request("GET /refused"))

    assert client.received().count(b"401 Unauthorized") == 2


def test_half_an_empty_line_buys_no_time(dialogue: Dialogue) -> None:
    """Else a client could stay idle indefinitely."""
    client = dialogue.client()
    for _ in range(4):
        client.sends(b"\r", b"\n")
        dialogue.passes(20)
    assert client.end() is not End.OPEN


@pytest.mark.parametrize("before", [b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\r\n\n", b"\r\n\r"])
def test_a_bare_line_end_before_a_request_is_refused(before: bytes, dialogue: Dialogue) -> None:
    """However it comes, like a bare line end anywhere else."""
    together, apart = dialogue.client(), dialogue.client()
    together.sends(before + request("GET /refused"))
    apart.sends(before, request("GET /refused"))

    for client in (together, apart):
        assert client.received().startswith(b"HTTP/1.1 400 ")
        assert client.end() is not End.OPEN


def test_connection_close_is_obeyed_and_announced(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream", "Connection: close"))
    mlflow = dialogue.mlflow_accepts()
    assert b"connection" not in Message.of(mlflow.received()).fields
    mlflow.sends(response(200, body=b"last"))

    last = Message.of(client.received())
    assert (last.fields[b"connection"], last.rest) == (b"close", b"last")
    assert client.end() is End.FINISHED
    assert dialogue.pool.idle == 1


@pytest.mark.parametrize("path", ["/refused", "/redirect", "/defect", "/stream"])
def test_nothing_is_done_about_a_request_after_one_that_closes(
    path: str, dialogue: Dialogue
) -> None:
    """RFC 9112 section 9.6: what follows a close must not be executed."""
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request(f"GET {path}", "Connection: close") + request("POST /length", body=b"x"))
    if path == "/stream":
        mlflow.sends(response(200))

    assert b"POST" not in mlflow.received()
    assert len(dialogue.decider.decided) == 1
    dialogue.outcome()
    assert client.end() is End.FINISHED


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("connection", ["", "keep-alive", "Keep-Alive", "close", "close, x-other"])
def test_the_version_decides_what_silence_about_the_connection_means(
    minor: int, connection: str, dialogue: Dialogue
) -> None:
    """RFC 9112 section 9.3; a client of HTTP/1.0 receives `Connection: keep-alive`."""
    client = dialogue.client()
    fields = [f"Connection: {connection}"] if connection else []
    client.sends(request("GET /stream", *fields, minor=minor))
    dialogue.mlflow_accepts().sends(response(200, body=b"here"))
    got = Message.of(client.received())

    keeps = "close" not in connection and (minor == 1 or bool(connection))
    assert client.end() is (End.OPEN if keeps else End.FINISHED)
    if not keeps:
        assert got.fields[b"connection"] == b"close"
    else:
        assert got.fields.get(b"connection") == (None if minor else b"keep-alive")


def test_a_request_in_many_reads_is_one_request(dialogue: Dialogue) -> None:
    client = dialogue.client()
    whole = request("POST /length", body=b"body")
    client.sends(*(whole[at : at + 1] for at in range(len(whole))))
    mlflow = dialogue.mlflow_accepts()
    assert mlflow.received().endswith(b"\r\nContent-Length: 4\r\n\r\nbody")
    mlflow.sends(response(200))
    dialogue.outcome()


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        (8, 2000, 401),
        (8, 2001, 431),
        (2000, 20, 401),
        (2000, 2000, 401),
        (2005, 20, 414),
        (2005, 2001, 414),
    ],
)
def test_the_length_of_a_head_is_bounded(
    target: int, fields: int, status: int, missing: int
) -> None:
    """Whether it passes does not depend on how it arrives."""
    dialogue = Dialogue(Limits(head_bytes=ByteSize(2000)))
    client = dialogue.client()
    head = b"GET %b HTTP/1.1" % b"/refused?".ljust(target, b"x")[:target]
    head += b"\r\nHost: a\r\nX: ".ljust(fields, b"x") + b"\r\n\r\n"
    client.sends(head[: len(head) - missing], *([head[-missing:]] if missing else []))

    passes = status == 401
    assert client.received().startswith(b"HTTP/1.1 %d " % status)
    outcome = dialogue.outcome()
    assert (outcome.status, client.end()) == (status, End.OPEN if passes else End.FINISHED)
    dialogue.ends()


def test_a_kept_connection_is_believed_as_the_configuration_in_force_says(
    dialogue: Dialogue,
) -> None:
    """Also when its next head is the same to the byte."""
    client = dialogue.client()
    mlflow = dialogue.mlflow_is_idle()
    chains = []
    for trusted in ((), (ip_network("192.0.2.0/24"),), ()):
        dialogue.plane.configure(dialogue.decider, dialogue.limits, trusted)
        client.sends(request("GET /stream", "X-Forwarded-For: 198.51.100.7"))
        chains.append(Message.of(mlflow.received()).fields[b"x-forwarded-for"])
        mlflow.sends(response(200))
    assert chains == [b"192.0.2.1", b"198.51.100.7, 192.0.2.1", b"192.0.2.1"]


BARE_LF = [
    b"GET /stream HTTP/1.1\nHost: a\n\n",
    b"GET /stream HTTP/1.1\r\nHost: a\n",
    b"GET /stream HTTP/1.1\r\nHost: a\r\n\n",
    b"GET /stream HTTP/1.1\r\nHost: a\n\r\n",
    b"WRONG /stream HTTP/1.1\r\nHost: a\n\r\n\r\n",
]


@pytest.mark.parametrize("reads", ["one", "many"])
@pytest.mark.parametrize("sent", BARE_LF)
def test_a_bare_lf_is_refused_immediately(sent: bytes, reads: str, dialogue: Dialogue) -> None:
    """Some of these heads would never come to the end that is waited for."""
    client = dialogue.client()
    client.sends(*([sent] if reads == "one" else (sent[at : at + 1] for at in range(len(sent)))))
    assert client.received().startswith(b"HTTP/1.1 400 ")
    assert client.end() is End.FINISHED
    assert dialogue.outcome().reason is Reason.REQUEST_MALFORMED


@pytest.mark.parametrize(("size", "status"), [(2019, 400), (2020, 431)])
def test_a_bare_lf_and_too_long_a_head(size: int, status: int) -> None:
    """Which of the two is complained of does not depend on how the head arrives."""
    head = b"GET /stream HTTP/1.1\r\nHost: a\r\nX: ".ljust(size, b"x") + b"\n"
    whole = head.ljust(2500, b"y") + b"\r\n\r\n"
    for reads in ([whole], [whole[:-4], whole[-4:]], [whole[:900], whole[900:]]):
        dialogue = Dialogue(Limits(head_bytes=ByteSize(2000)))
        client = dialogue.client()
        client.sends(*reads)
        assert client.received().startswith(b"HTTP/1.1 %d " % status)
        dialogue.ends()


def test_what_is_no_request_is_answered_although_more_of_it_comes(dialogue: Dialogue) -> None:
    """An unread byte would reset the response away."""
    client = dialogue.client()
    client.sends(b"nonsense\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 400 ")
    assert (client.end(), client.closed()) == (End.FINISHED, False)
    client.sends(b"more nonsense\r\n\r\n")
    client.finishes()
    assert client.closed()
    assert dialogue.outcome().reason is Reason.REQUEST_MALFORMED


def test_a_response_that_is_not_read_holds_the_requests_behind_it(dialogue: Dialogue) -> None:
    """Else a client that never reads would fill memory with responses."""
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream/1"))
    mlflow.sends(response(200, body=LARGE))
    for _ in range(4):
        client.sends(request("GET /refused") * 1000)
    assert len(dialogue.decider.decided) == 1
    assert not client.is_read()

    client.reads()
    assert len(dialogue.decider.decided) == 4001
    assert client.received().count(b"401 Unauthorized") == 4000


def test_responses_of_the_gate_itself_do_not_pile_up_either(dialogue: Dialogue) -> None:
    """A stranger sends without an end and never reads."""
    client = dialogue.client()
    client.stops_reading()
    for _ in range(50):
        client.sends(request("GET /refused") * 100)

    assert client.transport.get_write_buffer_size() < 300_000
    assert not client.is_read()
    dialogue.passes(150)
    assert client.end() is End.CUT


def test_a_kept_connection_is_closed_when_its_response_said_so(dialogue: Dialogue) -> None:
    """MLflow's `Connection: close` ends its own connection, not the client's."""
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Connection: close", body=b"bye"))

    assert b"connection" not in Message.of(client.received()).fields
    assert (client.end(), mlflow.closed(), dialogue.pool.idle) == (End.OPEN, True, 0)


def test_a_response_with_more_behind_it_does_not_leave_its_connection_for_others(
    dialogue: Dialogue,
) -> None:
    """What follows would be taken for the response to the next request."""
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, body=b"mine") + response(200, body=b"not mine"))

    assert client.received().endswith(b"\r\n\r\nmine")
    assert (mlflow.closed(), dialogue.pool.size) == (True, 0)


def test_a_response_to_nothing_ends_an_idle_connection(dialogue: Dialogue) -> None:
    mlflow = dialogue.mlflow_is_idle()
    mlflow.sends(response(408, "Connection: close"))

    assert (mlflow.closed(), dialogue.pool.size) == (True, 0)
