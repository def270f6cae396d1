"""What MLflow can do wrong, and which requests are sent to it a second time."""

from __future__ import annotations

import pytest
from pydantic import ByteSize

from headgate.config import Limits, Upstream
from headgate.dataplane.connections.upstream import MAX_INTERIM
from headgate.dataplane.request_body import REPLAY_BYTES
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, chunked, request, response
from headgate.testing.policies import terms
from headgate.testing.transport import End, Peer

CHUNKED = "Transfer-Encoding: chunked"


def asks(dialogue: Dialogue, line: str = "GET /stream") -> tuple[Peer, Peer]:
    """A client that waits for its response, and MLflow on a new connection."""
    client = dialogue.client()
    client.sends(request(line))
    return client, dialogue.mlflow_accepts()


# --- not reached, lost, invalid ----------------------------------------------------------------


def test_mlflow_that_does_not_accept_is_said_to_be_unreachable(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", body=b"body"))
    dialogue.mlflow_refuses()
    refused = Message.of(client.received())

    assert refused.line == b"HTTP/1.1 503 Service Unavailable: MLflow accepts no connection"
    assert refused.fields[b"retry-after"] == b"2"
    assert b"127.0.0.1:5000 (Connection refused)" in refused.rest
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.UPSTREAM_CONNECT, Phase.SELECT)
    assert outcome.detail == "127.0.0.1:5000: Connection refused"
    assert client.end() is End.OPEN

    client.sends(request("GET /stream"))
    dialogue.mlflow_accepts().sends(response(200, body=b"back"))
    assert client.received().endswith(b"back")


@pytest.mark.parametrize("die", [Peer.resets, Peer.finishes])
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_mlflow_that_leaves_before_its_response(
    begun: bytes, die: object, dialogue: Dialogue
) -> None:
    client, mlflow = asks(dialogue)
    mlflow.sends(*([begun] if begun else []))
    assert callable(die)
    die(mlflow)
    refused = Message.of(client.received())

    assert refused.line == b"HTTP/1.1 502 Bad Gateway: MLflow closed the connection"
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.UPSTREAM_RESET, Phase.FORWARD)
    assert (client.end(), dialogue.pool.size) == (End.OPEN, 0)


@pytest.mark.parametrize("die", [Peer.resets, Peer.finishes])
@pytest.mark.parametrize("fields", [("Content-Length: 10",), (CHUNKED,)])
@pytest.mark.parametrize("minor", [0, 1])
def test_mlflow_that_leaves_within_its_response(
    fields: tuple[str, ...], minor: int, die: object, dialogue: Dialogue
) -> None:
    """The client must not take what it has for the whole: its connection is cut."""
    client = dialogue.client()
    client.sends(request("GET /stream", minor=minor))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, *fields), b"3\r\nabc\r\n")
    assert callable(die)
    die(mlflow)

    assert client.end() is End.CUT
    assert not client.received().endswith(b"0\r\n\r\n")
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase, outcome.status) == (
        Reason.UPSTREAM_RESET,
        Phase.RESPOND,
        200,
    )


@pytest.mark.parametrize("die", [Peer.resets, Peer.finishes])
def test_mlflow_that_leaves_after_its_response(die: object, dialogue: Dialogue) -> None:
    client, mlflow = asks(dialogue)
    mlflow.sends(response(200, body=b"whole"))
    assert callable(die)
    die(mlflow)
    assert dialogue.pool.size == 0
    assert client.end() is End.OPEN
    client.sends(request("POST /length", body=b"x"))
    dialogue.mlflow_accepts().sends(response(200))
    assert [outcome.status for outcome in dialogue.outcomes()] == [200, 200]


@pytest.mark.parametrize(
    "junk",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
        b"S",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x15\x03\x03\x00\x02\x02\x50",
        b"HTTP/2.",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\n",
    ],
)
def test_a_response_that_is_none(junk: bytes, dialogue: Dialogue) -> None:
    client, mlflow = asks(dialogue)
    mlflow.sends(junk)
    refused = Message.of(client.received())

    assert refused.line == b"HTTP/1.1 502 Bad Gateway: no valid response from MLflow"
    outcome = dialogue.outcome()
    assert outcome.reason is Reason.UPSTREAM_ERROR
    assert (mlflow.end(), client.end()) == (End.CUT, End.OPEN)


def test_a_broken_chunk_cuts_the_response(dialogue: Dialogue) -> None:
    client, mlflow = asks(dialogue)
    mlflow.sends(response(200, CHUNKED), b"3\r\nabc\r\n", b"zz\r\n")
    assert (mlflow.end(), client.end()) == (End.CUT, End.CUT)
    assert dialogue.outcome().reason is Reason.UPSTREAM_ERROR


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
@pytest.mark.parametrize(("size", "passes"), [(2000, True), (2001, False)])
def test_the_length_of_a_responses_head_is_bounded(size: int, passes: bool, missing: int) -> None:
    """Whether it passes does not depend on how it arrives."""
    dialogue = Dialogue(Limits(head_bytes=ByteSize(2000)))
    client, mlflow = asks(dialogue)
    head = b"HTTP/1.1 204 No Content\r\nX-Long: "
    head += b"x" * (size - len(head)) + b"\r\n\r\n"
    mlflow.sends(head[: len(head) - missing], *([head[-missing:]] if missing else []))

    assert client.received().startswith(b"HTTP/1.1 204 " if passes else b"HTTP/1.1 502 ")
    dialogue.ends()


# --- sent again --------------------------------------------------------------------------------


@pytest.mark.parametrize("die", [Peer.resets, Peer.finishes])
@pytest.mark.parametrize("other_is_idle", [False, True])
@pytest.mark.parametrize(
    ("line", "fields", "body"),
    [
        ("GET /safe", (), b""),
        ("POST /safe", (), b"search"),
        ("POST /safe", (CHUNKED,), chunked(b"sea", b"rch")),
        ("POST /safe-stream", (CHUNKED,), chunked(b"sea", b"rch")),
    ],
)
def test_a_safe_request_on_a_stale_connection_is_sent_again(
    line: str,
    fields: tuple[str, ...],
    body: bytes,
    other_is_idle: bool,
    die: object,
    dialogue: Dialogue,
) -> None:
    """MLflow closed the connection while the request was on its way; the second is the same."""
    other = dialogue.mlflow_is_idle() if other_is_idle else None
    stale = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request(line, *fields, body=body))
    first = stale.received()
    assert callable(die)
    die(stale)
    mlflow = other or dialogue.mlflow_accepts()

    assert first
    assert mlflow.received() == first
    mlflow.sends(response(200, body=b"found"))
    assert client.received().endswith(b"found")
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.attempts) == (Reason.OK, 2)
    assert outcome.bytes_in == (6 if body else 0)
    assert client.end() is End.OPEN


def test_a_connection_that_has_served_may_be_stale(dialogue: Dialogue) -> None:
    """That MLflow closes what rests is not held against it."""
    client, stale = asks(dialogue, "GET /safe")
    stale.sends(response(200))
    client.sends(request("GET /safe"))
    stale.finishes()
    dialogue.mlflow_accepts().sends(response(200))
    assert [outcome.attempts for outcome in dialogue.outcomes()] == [1, 2]
    (endpoint,) = dialogue.balancer.snapshot().endpoints
    counted = {result: count for result, count in endpoint.results.items() if count}
    assert counted == {"ok": 2, "cancelled": 1}


def test_what_is_still_to_come_of_a_body_follows_what_is_sent_again(dialogue: Dialogue) -> None:
    stale = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request("POST /safe", "Content-Length: 6"), b"sea")
    stale.resets()
    client.sends(b"rch")
    assert not client.is_read()
    mlflow = dialogue.mlflow_accepts()

    assert Message.of(mlflow.received()).rest == b"search"
    mlflow.sends(response(200))
    assert dialogue.outcome().bytes_in == 6


def test_an_unsafe_request_is_never_sent_twice(dialogue: Dialogue) -> None:
    stale = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request("POST /length", body=b"create"))
    stale.resets()

    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert (dialogue.pool.pending, dialogue.outcome().attempts) == ([], 1)


def test_what_may_be_executed_twice_is_sent_again_until_attempts_are_spent(
    dialogue: Dialogue,
) -> None:
    attempts = terms().retry_policy.attempts
    client = dialogue.client()
    client.sends(request("GET /safe"))
    for _ in range(attempts):
        assert client.received() == b""
        dialogue.mlflow_accepts().resets()

    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert (dialogue.pool.pending, dialogue.outcome().attempts) == ([], attempts)


def test_a_response_that_has_begun_is_no_reason_to_send_again(dialogue: Dialogue) -> None:
    stale = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request("GET /safe"))
    stale.sends(response(200, "Content-Length: 5"), b"ab")
    stale.resets()
    assert client.end() is End.CUT
    assert dialogue.outcome().attempts == 1


def test_silence_is_no_reason_to_send_again(dialogue: Dialogue) -> None:
    dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request("GET /safe"))
    dialogue.passes(dialogue.settings.silence_timeout + 1)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert (dialogue.pool.pending, dialogue.outcome().attempts) == ([], 1)


def test_the_number_of_attempts_is_bounded(dialogue: Dialogue) -> None:
    idle = [dialogue.mlflow_is_idle() for _ in range(terms().retry_policy.attempts + 1)]
    client = dialogue.client()
    client.sends(request("GET /safe"))
    for stale in reversed(idle[1:]):
        assert stale.received()
        stale.resets()

    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert idle[0].received() == b""
    assert dialogue.outcome().attempts == terms().retry_policy.attempts


@pytest.mark.parametrize("reads", [1, 4])
@pytest.mark.parametrize(("size", "again"), [(REPLAY_BYTES, True), (REPLAY_BYTES + 1, False)])
def test_a_body_is_kept_for_a_second_sending_up_to_a_bound(
    size: int, again: bool, reads: int, dialogue: Dialogue
) -> None:
    stale = dialogue.mlflow_is_idle()
    client = dialogue.client()
    whole = request("POST /safe", body=b"x" * size)
    step = len(whole) // reads + 1
    client.sends(*(whole[at : at + step] for at in range(0, len(whole), step)))
    stale.resets()

    assert bool(dialogue.pool.pending) is again
    if again:
        assert len(Message.of(dialogue.mlflow_accepts().received()).rest) == size
    else:
        assert client.received().startswith(b"HTTP/1.1 502 ")


def test_an_invitation_is_not_repeated(dialogue: Dialogue) -> None:
    stale = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request("POST /safe", "Content-Length: 4", "Expect: 100-continue"))
    stale.resets()
    mlflow = dialogue.mlflow_accepts()
    assert client.received().count(b"100 Continue") == 1
    client.sends(b"body")
    assert Message.of(mlflow.received()).rest == b"body"
    mlflow.sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")


def test_a_second_connection_that_is_refused_ends_the_request(dialogue: Dialogue) -> None:
    stale = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request("GET /safe"))
    stale.finishes()
    dialogue.mlflow_refuses()
    assert client.received().startswith(b"HTTP/1.1 503 ")
    assert (dialogue.outcome().attempts, client.end()) == (2, End.OPEN)


# --- interim responses ---------------------------------------------------------------------------

INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


@pytest.mark.parametrize("together", [True, False])
def test_interim_responses_are_bounded_in_number(together: bool, dialogue: Dialogue) -> None:
    client, mlflow = asks(dialogue)
    mlflow.sends(*([INTERIM * MAX_INTERIM] if together else [INTERIM] * MAX_INTERIM))
    assert client.received() == b""
    mlflow.sends(INTERIM)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert dialogue.outcome().reason is Reason.UPSTREAM_ERROR


def test_each_request_may_have_some(dialogue: Dialogue) -> None:
    client, mlflow = asks(dialogue)
    for _ in range(3):
        mlflow.sends(INTERIM * MAX_INTERIM, response(200, body=b"whole"))
        assert client.received().endswith(b"whole")
        client.sends(request("GET /stream"))
    dialogue.outcomes()


def test_an_interim_response_is_no_sign_of_life() -> None:
    """One a minute would keep a client waiting for hours."""
    dialogue = Dialogue(settings=Upstream(silence_timeout=100))
    client, mlflow = asks(dialogue)
    for _ in range(9):
        mlflow.sends(INTERIM)
        dialogue.passes(10)
    assert client.received() == b""
    mlflow.sends(INTERIM)
    dialogue.passes(11)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert dialogue.outcome().reason is Reason.UPSTREAM_TIMEOUT
