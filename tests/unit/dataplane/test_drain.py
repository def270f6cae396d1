"""A worker that stops: requests under way end well, idle connections are closed."""

from __future__ import annotations

import pytest

from headgate.events import CutLimit
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.transport import End


def test_what_rests_is_closed_and_that_is_all(dialogue: Dialogue) -> None:
    resting, fresh = dialogue.client(), dialogue.client()
    resting.sends(request("GET /refused"))
    assert not dialogue.plane.emptied.is_set()
    dialogue.drains()

    assert (resting.end(), fresh.end()) == (End.FINISHED, End.FINISHED)
    assert dialogue.plane.emptied.is_set()
    assert len(dialogue.outcomes()) == 1


def test_an_empty_worker_has_nothing_to_wait_for(dialogue: Dialogue) -> None:
    dialogue.drains()
    assert dialogue.plane.emptied.is_set()


def test_a_running_request_ends_and_its_connection_with_it(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 6"), b"abc")
    mlflow = dialogue.mlflow_accepts()
    dialogue.drains()
    client.sends(b"def")
    assert mlflow.received().endswith(b"abcdef")
    mlflow.sends(response(200, body=b"done"))

    got = Message.of(client.received())
    assert (got.fields[b"connection"], got.rest) == (b"close", b"done")
    assert client.end() is End.FINISHED
    assert dialogue.outcome().reason is Reason.OK
    assert dialogue.plane.emptied.is_set()


def test_a_response_under_way_ends_and_its_connection_with_it(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Length: 4"), b"do")
    dialogue.drains()
    mlflow.sends(b"ne")

    assert Message.of(client.received()).rest == b"done"
    assert client.end() is End.FINISHED


def test_requests_behind_the_one_under_way_are_not_begun(dialogue: Dialogue) -> None:
    """Their client sends them again elsewhere: none was answered (RFC 9112 section 9.3.2)."""
    client = dialogue.client()
    client.sends(request("GET /stream/1") + request("GET /stream/2") * 3)
    mlflow = dialogue.mlflow_accepts()
    dialogue.drains()
    mlflow.sends(response(200, body=b"one"))

    assert client.received().endswith(b"one")
    assert client.end() is End.FINISHED
    assert len(dialogue.decider.decided) == 1
    assert not client.closed()
    client.finishes()
    assert dialogue.plane.emptied.is_set()


def test_a_head_that_has_begun_is_still_served(dialogue: Dialogue) -> None:
    client = dialogue.client()
    whole = request("GET /stream")
    client.sends(whole[:20])
    dialogue.drains()
    assert client.end() is End.OPEN
    client.sends(whole[20:])
    dialogue.mlflow_accepts().sends(response(200, body=b"last"))
    got = Message.of(client.received())
    assert (got.fields[b"connection"], got.rest) == (b"close", b"last")
    assert client.end() is End.FINISHED


@pytest.mark.parametrize("path", ["/refused", "/redirect"])
def test_responses_of_the_gate_itself_say_that_the_connection_ends(
    path: str, dialogue: Dialogue
) -> None:
    client = dialogue.client()
    whole = request(f"GET {path}")
    client.sends(whole[:20])
    dialogue.drains()
    client.sends(whole[20:])
    assert Message.of(client.received()).fields[b"connection"] == b"close"
    assert client.end() is End.FINISHED


def test_the_rest_of_a_refused_body_does_not_hold_the_worker_up(dialogue: Dialogue) -> None:
    """The client may still be sending: its response is delivered nevertheless."""
    client = dialogue.client()
    client.sends(request("POST /refused", "Content-Length: 100"), b"some")
    assert client.end() is End.OPEN
    dialogue.drains()

    assert client.end() is End.FINISHED
    client.sends(b"more")
    dialogue.passes(6)
    assert dialogue.plane.emptied.is_set()


def test_a_closing_connection_is_left_to_close_gently(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /refused", "Content-Length: 1000000"))
    dialogue.drains()
    assert not client.closed()
    client.finishes()
    assert dialogue.plane.emptied.is_set()


def test_a_slow_reader_is_waited_for(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream"))
    dialogue.mlflow_accepts().sends(response(200, body=b"x" * 300_000))
    dialogue.drains()
    assert client.end() is End.OPEN
    client.reads()
    assert len(Message.of(client.received()).rest) == 300_000
    assert client.end() is End.FINISHED


def test_what_does_not_end_is_cut(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    dialogue.drains()
    dialogue.plane.abort()
    dialogue.turns.run()

    assert (client.end(), mlflow.end()) == (End.CUT, End.CUT)
    assert dialogue.plane.emptied.is_set()
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.status) == (Reason.DRAINING, 0)


def test_a_response_that_does_not_end_is_cut(dialogue: Dialogue) -> None:
    """The client sees it: the length that was announced has not come."""
    client = dialogue.client()
    client.sends(request("GET /stream"))
    dialogue.mlflow_accepts().sends(response(200, "Content-Length: 6"), b"abc")
    dialogue.drains()
    dialogue.plane.abort()
    dialogue.turns.run()

    assert client.end() is End.CUT
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.status, outcome.bytes_out) == (Reason.DRAINING, 200, 3)


def test_a_worker_that_only_turns_away_takes_new_connections(dialogue: Dialogue) -> None:
    """The lame-duck time: others may not know yet that it is about to stop."""
    resting = dialogue.client()
    resting.sends(request("GET /refused"))
    dialogue.plane.turn_away()
    resting.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200))
    late = dialogue.client()
    late.sends(request("GET /stream"))
    mlflow.sends(response(200))

    assert (resting.end(), late.end()) == (End.FINISHED, End.FINISHED)
    assert late.received().count(b"Connection: close\r\n") == 1


def test_a_worker_that_was_empty_for_a_moment_still_waits(dialogue: Dialogue) -> None:
    """It turned away, its last connection closed, and then another one came."""
    early = dialogue.client()
    dialogue.plane.turn_away()
    early.finishes()
    late = dialogue.client()
    late.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    dialogue.drains()
    assert not dialogue.plane.emptied.is_set()

    mlflow.sends(response(200, body=b"done"))
    assert late.received().endswith(b"done")
    assert dialogue.plane.emptied.is_set()


def test_requests_that_are_cut_off_are_counted(dialogue: Dialogue) -> None:
    dialogue.client()
    client = dialogue.client()
    client.sends(request("GET /stream"))
    dialogue.drains()
    dialogue.plane.abort()
    assert dict(dialogue.plane.cuts.take()) == {CutLimit.DRAIN_TIMEOUT: 1}
