"""A request that one endpoint of MLflow fails may be served by another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.pool import ScriptedPool
from headgate.testing.transport import End, Peer
from headgate.wire.forward import CONTINUE


@pytest.fixture
def dialogue() -> Iterator[Dialogue]:
    """A dialogue with two endpoints."""
    dialogue = Dialogue(endpoints=2)
    yield dialogue
    dialogue.ends()


def other(dialogue: Dialogue) -> ScriptedPool:
    """The pool of the endpoint that is not being connected to."""
    (pool,) = (pool for pool in dialogue.pools if not pool.pending)
    return pool


@pytest.mark.parametrize("idle", [False, True])
@pytest.mark.parametrize("line", ["PUT /stream", "POST /length", "POST /safe"])
def test_nothing_was_sent_so_any_request_goes_elsewhere(
    line: str, idle: bool, dialogue: Dialogue
) -> None:
    client = dialogue.client()
    client.sends(request(line, "Content-Length: 6"), b"abc")
    elsewhere = other(dialogue)
    mlflow = elsewhere.open_idle() if idle else None
    dialogue.mlflow_refuses()
    mlflow = mlflow or dialogue.mlflow_accepts()

    assert client.is_read()
    client.sends(b"def")
    assert Message.of(mlflow.received()).rest == b"abcdef"
    mlflow.sends(response(200))
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.attempts) == (Reason.OK, 2)
    assert outcome.endpoint == elsewhere.name


def test_a_body_is_invited_by_the_first_endpoint_that_accepts(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 4", "Expect: 100-continue"))
    dialogue.mlflow_refuses()
    mlflow = dialogue.mlflow_accepts()
    assert client.received() == CONTINUE

    client.sends(b"body")
    assert Message.of(mlflow.received()).rest == b"body"
    mlflow.sends(response(200))
    assert dialogue.outcome().attempts == 2


def test_a_body_is_invited_once(dialogue: Dialogue) -> None:
    """An aged connection that ends meanwhile is no reason to say it again."""
    first, second = (pool.open_idle() for pool in dialogue.pools)
    client = dialogue.client()
    client.sends(request("POST /safe", "Content-Length: 4", "Expect: 100-continue"))
    assert client.received() == CONTINUE
    if not first.received():
        first, second = second, first
    first.resets()
    assert client.received() == b""
    client.sends(b"body")
    assert Message.of(second.received()).rest == b"body"
    second.sends(response(200))
    assert dialogue.outcome().attempts == 2


def test_a_client_that_leaves_is_noticed_at_the_second_endpoint(dialogue: Dialogue) -> None:
    """Nobody would hear of it on a connection that is not read."""
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = other(dialogue).open_idle()
    dialogue.mlflow_refuses()
    assert client.is_read()
    client.resets()
    assert mlflow.end() is End.CUT
    assert dialogue.outcome().reason is Reason.CLIENT_GONE


def test_nobody_accepts(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", body=b"x"))
    dialogue.mlflow_refuses()
    dialogue.mlflow_refuses()
    assert client.received().startswith(b"HTTP/1.1 503 ")
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.attempts) == (Reason.UPSTREAM_CONNECT, 2)
    assert client.is_read()


@pytest.mark.parametrize("die", [Peer.resets, Peer.finishes])
def test_a_safe_request_goes_elsewhere_when_it_is_lost(die: object, dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /safe", body=b"search"))
    first = dialogue.mlflow_accepts()
    sent = first.received()
    assert callable(die)
    die(first)
    second = dialogue.mlflow_accepts()
    assert second.received().replace(b":5001", b":5000") == sent.replace(b":5001", b":5000")
    assert second.received() == b""
    second.sends(response(200))
    assert dialogue.outcome().reason is Reason.OK


def test_a_sweep_may_send_the_next_request_to_an_endpoint_that_is_new(dialogue: Dialogue) -> None:
    """It ends one whose MLflow stayed silent, and another one is waiting behind it."""
    client = dialogue.client()
    client.sends(request("GET /stream") + request("GET /stream"))
    dialogue.mlflow_accepts()
    dialogue.passes(dialogue.settings.silence_timeout + 1)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert [pool.pending != [] for pool in dialogue.pools].count(True) == 1
    dialogue.mlflow_accepts().sends(response(200))
    assert [outcome.status for outcome in dialogue.outcomes()] == [504, 200]


def test_an_unsafe_request_does_not(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", body=b"create"))
    dialogue.mlflow_accepts().resets()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert (dialogue.pending, dialogue.outcome().attempts) == ([], 1)
