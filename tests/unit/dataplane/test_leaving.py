"""Clients that leave, in every phase, and clients that only end what they send."""

from __future__ import annotations

import pytest

from headgate.dataplane import client_socket as room
from headgate.dataplane.sockets import PeerState
from headgate.model import Outcome, Phase
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.transport import End, Peer

CHUNKED = "Transfer-Encoding: chunked"
LARGE = b"x" * 300_000  # more than what may wait for a client


def gone(outcome: Outcome, phase: Phase, status: int = 0) -> bool:
    """Whether the request ended by its client leaving."""
    expected = (Reason.CLIENT_GONE, phase, status)
    return (outcome.reason, outcome.phase, outcome.status) == expected


# --- leaving -----------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [Peer.resets, Peer.finishes])
@pytest.mark.parametrize("begun", [b"", b"GET /stream HTTP/1.1\r\nHos", b"\r\n"])
def test_leaving_without_a_whole_head_is_no_request(
    begun: bytes, leave: object, dialogue: Dialogue
) -> None:
    client = dialogue.client()
    client.sends(*([begun] if begun else []))
    assert callable(leave)
    leave(client)

    assert client.closed()
    assert (dialogue.outcomes(), dialogue.plane.connections) == ([], {})


@pytest.mark.parametrize("leave", [Peer.resets, Peer.finishes])
@pytest.mark.parametrize("fields", [("Content-Length: 9",), (CHUNKED,)])
def test_leaving_within_a_body_aborts_it_at_mlflow(
    fields: tuple[str, ...], leave: object, dialogue: Dialogue
) -> None:
    """MLflow must not take what came for the whole: its connection is cut, nothing is sent."""
    client = dialogue.client()
    client.sends(request("PUT /stream", *fields), b"3\r\nabc\r\n")
    mlflow = dialogue.mlflow_accepts()
    before = mlflow.received()
    assert callable(leave)
    leave(client)

    assert b"abc" in before
    assert (mlflow.received(), mlflow.end()) == (b"", End.CUT)
    assert gone(dialogue.outcome(), Phase.FORWARD)
    assert (client.closed(), dialogue.pool.size) == (True, 0)


@pytest.mark.patches
@pytest.mark.parametrize("sent", [b"ab", b"abc"])
def test_the_end_of_a_client_that_is_not_read_from_is_looked_for(
    sent: bytes, dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before it is read first: the client may have ended only what it sends."""
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 3"))
    client.sends(sent)
    client.finishes()
    dialogue.passes(1)
    assert not client.is_read()

    monkeypatch.setattr(room, "peer_state", lambda _: PeerState.HALF_CLOSED)
    dialogue.passes(2)
    if sent == b"ab":
        assert gone(dialogue.outcome(), Phase.SELECT)
        assert (client.closed(), dialogue.pending) == (True, [])
    else:
        mlflow = dialogue.mlflow_accepts()
        assert Message.of(mlflow.received()).rest == sent
        mlflow.sends(response(200))
        assert dialogue.outcome().reason is Reason.OK


@pytest.mark.patches
def test_who_leaves_altogether_after_having_ended_what_it_sends(
    dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    monkeypatch.setattr(room, "peer_state", lambda _: PeerState.HALF_CLOSED)
    client.finishes()
    dialogue.passes(2)
    assert mlflow.end() is End.OPEN

    monkeypatch.setattr(room, "peer_state", lambda _: PeerState.GONE)
    dialogue.passes(1)
    assert mlflow.end() is End.CUT
    assert gone(dialogue.outcome(), Phase.FORWARD)


@pytest.mark.patches
def test_a_reset_is_noticed_however_much_has_come_before_it(
    dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    client.sends(*[request("GET /stream")] * 10_000)
    assert not client.is_read()

    monkeypatch.setattr(room, "peer_state", lambda _: PeerState.HALF_CLOSED)
    dialogue.passes(1)
    assert (client.is_read(), mlflow.end()) == (False, End.OPEN)
    monkeypatch.setattr(room, "peer_state", lambda _: PeerState.GONE)
    dialogue.passes(1)
    assert mlflow.end() is End.CUT
    assert gone(dialogue.outcome(), Phase.FORWARD)


def test_leaving_within_a_body_is_noticed_behind_an_unread_response(dialogue: Dialogue) -> None:
    """The connection closes only when what was written has left, which may be never."""
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("PUT /stream", "Content-Length: 9", "Expect: 100-continue"))
    mlflow = dialogue.mlflow_accepts()
    client.finishes()

    assert mlflow.end() is End.CUT
    assert gone(dialogue.outcome(), Phase.FORWARD)
    assert not client.closed()
    dialogue.passes(dialogue.limits.body_timeout + 1)
    assert client.closed()


def test_leaving_within_a_collected_body_never_reaches_mlflow(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", CHUNKED), b"3\r\nabc\r\n")
    client.finishes()
    assert dialogue.pool.pending == []
    assert dialogue.outcome().reason is Reason.CLIENT_GONE


@pytest.mark.parametrize("rest", [b"", b"x" * 1000])
def test_leaving_while_mlflow_is_connected_to(rest: bytes, dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 2000", body=rest))
    (connecting,) = dialogue.pool.pending
    client.resets()

    assert connecting.cancelled
    assert gone(dialogue.outcome(), Phase.SELECT)


def test_leaving_while_mlflow_works(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", body=b"work"))
    mlflow = dialogue.mlflow_accepts()
    client.resets()

    assert mlflow.end() is End.CUT
    assert gone(dialogue.outcome(), Phase.FORWARD)


@pytest.mark.parametrize("behind", [False, True])
def test_leaving_within_a_response(behind: bool, dialogue: Dialogue) -> None:
    client = dialogue.client()
    if behind:
        client.stops_reading()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Length: 400000"), LARGE)
    client.resets()

    assert mlflow.end() is End.CUT
    outcome = dialogue.outcome()
    assert gone(outcome, Phase.RESPOND, 200)
    assert outcome.bytes_out == len(LARGE)


def test_leaving_after_a_response_that_was_not_read(dialogue: Dialogue) -> None:
    """The request has ended well for the gate: MLflow's part is done."""
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream") + request("GET /stream/2"))
    dialogue.mlflow_accepts().sends(response(200, body=LARGE))
    client.resets()

    assert dialogue.outcome().reason is Reason.OK
    assert len(dialogue.decider.decided) == 1


@pytest.mark.parametrize("path", ["/refused", "/defect"])
def test_leaving_after_a_refusal_is_no_second_outcome(path: str, dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request(f"POST {path}", "Content-Length: 10"), b"abc")
    client.resets()
    dialogue.outcome()


def test_what_mlflow_sends_in_the_moment_of_leaving_changes_nothing(dialogue: Dialogue) -> None:
    """The connection is broken but that is not reported yet."""
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 100000", body=b"abc"))
    mlflow = dialogue.mlflow_accepts()
    client.transport.abort()
    mlflow.transport.deliver(response(400, body=b"no"))
    dialogue.turns.run()

    assert client.received() == b""
    assert dialogue.outcome().status == 400


def test_connecting_that_succeeds_in_the_moment_of_leaving(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream"))
    client.transport.abort()
    mlflow = dialogue.mlflow_accepts()
    assert mlflow.end() is End.CUT
    assert dialogue.outcome().reason is Reason.CLIENT_GONE


def test_a_request_that_waited_is_not_begun_for_a_connection_that_is_cut(
    dialogue: Dialogue,
) -> None:
    """It may still be reported that there is room to write when a connection was aborted."""
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream") + request("POST /length", body=b"x"))
    dialogue.mlflow_accepts().sends(response(200, body=LARGE))
    client.transport.abort()
    client.transport.get_protocol().resume_writing()
    dialogue.turns.run()
    assert len(dialogue.decider.decided) == 1


# --- half-close --------------------------------------------------------------------------------


def test_a_client_that_has_sent_everything_is_still_answered(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", body=b"last"))
    client.finishes()
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Length: 4"), b"an")
    assert client.end() is End.OPEN
    mlflow.sends(b"sw")

    assert Message.of(client.received()).rest == b"answ"
    assert (client.end(), client.closed()) == (End.FINISHED, True)
    assert dialogue.outcome().reason is Reason.OK
    assert dialogue.pool.idle == 1


def test_all_requests_that_were_sent_before_the_end_are_answered(dialogue: Dialogue) -> None:
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request("GET /stream/1"))
    client.sends(request("GET /refused") + request("GET /stream/3"))
    client.sends(request("GET /redirect"))
    client.finishes()
    assert len(dialogue.decider.decided) == 1
    mlflow.sends(response(200, body=b"one"))
    assert client.end() is End.OPEN
    mlflow.sends(response(200, body=b"three"))

    got = client.received()
    assert [outcome.status for outcome in dialogue.outcomes()] == [200, 401, 200, 308]
    assert got.index(b"one") < got.index(b" 401 ") < got.index(b"three") < got.index(b" 308 ")
    assert client.end() is End.FINISHED


def test_requests_before_the_end_are_answered_to_a_slow_reader_too(dialogue: Dialogue) -> None:
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream/1") + request("GET /refused"))
    mlflow.sends(response(200, body=LARGE))
    client.finishes()
    assert client.end() is End.OPEN
    client.reads()

    assert client.received().count(b"HTTP/1.1 ") == 2
    assert client.end() is End.FINISHED


def test_a_request_cut_off_by_the_end_is_none(dialogue: Dialogue) -> None:
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request("GET /stream/1") + b"GET /stream/2 HT")
    client.finishes()
    mlflow.sends(response(200))

    assert client.closed()
    assert dialogue.outcome().target == b"/stream/1"


def test_a_stale_connection_does_not_lose_a_client_that_has_sent_everything(
    dialogue: Dialogue,
) -> None:
    """Reading is paused and resumed while another one is opened; the end comes again then."""
    stale = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request("POST /safe", body=b"again"))
    client.finishes()
    stale.resets()
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, body=b"got it"))

    assert client.received().endswith(b"got it")
    assert client.end() is End.FINISHED
    assert dialogue.outcome().attempts == 2


def test_a_body_that_the_end_cuts_off_behind_a_refusal(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /refused", "Content-Length: 10"), b"abc")
    client.finishes()
    assert client.received().startswith(b"HTTP/1.1 401 ")
    assert (client.end(), client.closed()) == (End.FINISHED, True)
    dialogue.outcome()
