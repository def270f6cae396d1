"""A request that was repeated has its response, or an explained end, before its client gives up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from headgate.cluster import RetryPolicy
from headgate.config import Limits, Upstream
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import request, response
from headgate.testing.policies import cluster_policy
from headgate.testing.transport import End

POLICY = RetryPolicy(attempts=3, total=105, reserve=10)
LONG = Upstream(silence_timeout=3600)


def dialogue_with(endpoints: int = 2, **policy: object) -> Dialogue:
    dialogue = Dialogue(
        Limits(min_body_rate=0),
        LONG,
        cluster_policy(**{"probe_interval": 0, "slow_start": 0, **policy}),
        endpoints=endpoints,
    )
    dialogue.balancer.terms = replace(dialogue.balancer.terms, retry_policy=POLICY)
    return dialogue


@pytest.fixture
def dialogue() -> Iterator[Dialogue]:
    """A dialogue with two endpoints that may be silent for an hour."""
    dialogue = dialogue_with()
    yield dialogue
    dialogue.ends()


def message_of(told: bytes) -> str:
    """What a response tells a person."""
    message: str = json.loads(told.rpartition(b"\r\n\r\n")[2])["message"]
    return message


def test_the_second_attempt_has_what_the_first_one_left(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /safe", body=b"search"))
    first = dialogue.mlflow_accepts()
    dialogue.passes(90)
    first.resets()
    second = dialogue.mlflow_accepts()
    dialogue.passes(14)
    assert (second.end(), dialogue.outcomes()) == (End.OPEN, [])
    dialogue.passes(1)
    assert second.end() is End.CUT
    told = client.received()
    assert told.startswith(b"HTTP/1.1 504 ")
    assert b"X-Headgate-Reason: upstream_timeout\r\n" in told
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.UPSTREAM_TIMEOUT, Phase.FORWARD)
    assert (outcome.attempts, outcome.duration) == (2, 105)


def test_the_message_says_how_often_and_how_long_it_was_tried(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    dialogue.mlflow_accepts().resets()
    dialogue.mlflow_accepts()
    dialogue.passes(105)
    assert "2 attempts have brought no response within 105 s" in message_of(client.received())


def test_a_request_that_was_never_repeated_waits_on(dialogue: Dialogue) -> None:
    """From a remote store MLflow fetches the whole artifact before it answers."""
    client = dialogue.client()
    client.sends(request("GET /stream"))
    slow = dialogue.mlflow_accepts()
    dialogue.passes(3000)
    slow.sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")


def test_one_that_found_no_connection_at_first_counts_as_repeated(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", body=b"create"))
    dialogue.mlflow_refuses()
    dialogue.mlflow_accepts()
    dialogue.passes(105)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert dialogue.outcome().attempts == 2


def test_a_response_that_has_begun_may_last(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    dialogue.mlflow_accepts().resets()
    second = dialogue.mlflow_accepts()
    second.sends(response(200, "Content-Length: 2"), b"a")
    dialogue.passes(3000)
    second.sends(b"b")
    assert client.received().endswith(b"ab")
    assert dialogue.outcome().reason is Reason.OK


def test_while_the_client_sends_its_wait_has_not_begun(dialogue: Dialogue) -> None:
    """An upload of any length may follow a connection that was refused."""
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 9"))
    dialogue.mlflow_refuses()
    slow = dialogue.mlflow_accepts()
    for _ in range(9):
        dialogue.passes(40)
        client.sends(b"x")
    dialogue.passes(104)
    assert dialogue.outcomes() == []
    slow.sends(response(200))
    assert dialogue.outcome().reason is Reason.OK


def test_but_it_begins_with_the_last_byte(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 1"))
    dialogue.mlflow_refuses()
    dialogue.mlflow_accepts()
    dialogue.passes(50)
    client.sends(b"x")
    dialogue.passes(105)
    assert dialogue.outcome().reason is Reason.UPSTREAM_TIMEOUT


def test_mlflows_own_patience_ends_first_where_it_is_shorter() -> None:
    dialogue = Dialogue(settings=Upstream(silence_timeout=20), endpoints=2)
    dialogue.balancer.terms = replace(dialogue.balancer.terms, retry_policy=POLICY)
    client = dialogue.client()
    client.sends(request("GET /safe"))
    dialogue.mlflow_accepts().resets()
    dialogue.mlflow_accepts()
    dialogue.passes(20)
    assert "stayed silent for 20 s" in message_of(client.received())
    dialogue.ends()


def test_a_repeated_request_waits_for_room_only_while_an_attempt_would_fit() -> None:
    """And the message is true: an attempt was made."""
    dialogue = dialogue_with(endpoints=1, max_in_flight=1, queue_timeout=10)
    late, soon = dialogue.client(), dialogue.client()
    late.sends(request("GET /safe"))
    mlflow = dialogue.mlflow_accepts()
    soon.sends(request("GET /safe"))  # takes the room that the other one loses
    dialogue.passes(9)
    mlflow.resets()
    dialogue.mlflow_accepts()
    assert dialogue.balancer.snapshot().waiting == 1
    dialogue.passes(11)
    assert "An attempt before was lost" in message_of(late.received())
    assert dialogue.outcome().reason is Reason.OVERLOADED
    dialogue.ends()


def test_later_it_is_shed_immediately() -> None:
    dialogue = dialogue_with(endpoints=2, max_in_flight=1, queue_timeout=10, queue_size=5)
    first = dialogue.client()
    first.sends(request("GET /safe"))
    lost = dialogue.mlflow_accepts()
    dialogue.passes(90)
    others = [dialogue.client(), dialogue.client()]
    for other in others:
        other.sends(request("GET /safe"))
    dialogue.mlflow_accepts()
    lost.resets()  # the one that waits for room takes it
    told = first.received()
    assert told.startswith(b"HTTP/1.1 429 ")
    assert b"Retry-After: " in told
    assert "An attempt before was lost" in message_of(told)
    dialogue.ends()


def test_the_message_says_that_mlflow_was_spared(dialogue: Dialogue) -> None:
    """The budget is spent: the failure stands, with what to do about it."""
    cluster = dialogue.cluster
    for _ in range(cluster.policy.min_retries):
        cluster.retry_started()
    client = dialogue.client()
    client.sends(request("GET /safe"))
    dialogue.mlflow_accepts().resets()
    told = client.received()
    assert told.startswith(b"HTTP/1.1 502 ")
    assert b"Retry-After: 2\r\n" in told
    assert "too many requests fail and are sent again already" in message_of(told)
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.attempts) == (Reason.UPSTREAM_RESET, 1)
    assert "not sent again" in outcome.detail
    for _ in range(cluster.policy.min_retries):
        cluster.retry_ended()


def test_no_message_says_that_nothing_was_sent_when_something_was(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    dialogue.mlflow_accepts().resets()
    dialogue.mlflow_refuses()
    told = message_of(client.received())
    assert "Nothing was sent" not in told
    assert "An attempt before was lost" in told
    assert dialogue.outcome().reason is Reason.UPSTREAM_CONNECT
