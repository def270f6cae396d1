"""Requests that wait until an endpoint of MLflow has room for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from headgate.cluster import Cluster, Found
from headgate.config import Limits
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.decisions import Decision, Forward, Route
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.testing.decider import LENGTH, PRINCIPAL
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.policies import cluster_policy, terms
from headgate.testing.transport import Peer
from headgate.wire import forward
from headgate.wire.request import Request

PART = b"x" * 100_000


@pytest.fixture
def dialogue() -> Iterator[Dialogue]:
    """A dialogue with an MLflow that takes one request at a time, and two that wait."""
    dialogue = Dialogue(
        policy=cluster_policy(probe_interval=0, slow_start=0, max_in_flight=1, queue_size=2)
    )
    yield dialogue
    dialogue.ends()


@pytest.fixture
def mlflow(dialogue: Dialogue) -> Peer:
    """MLflow's end of a connection on which a request is under way."""
    dialogue.client().sends(request("GET /stream/first"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.received()
    return mlflow


def test_a_request_waits_for_room_and_is_then_served(dialogue: Dialogue, mlflow: Peer) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 300000"), PART)
    assert not client.is_read()
    assert (mlflow.received(), dialogue.pool.pending) == (b"", [])

    mlflow.sends(response(200))
    assert client.is_read()
    client.sends(PART, PART)
    got = Message.of(mlflow.received())
    assert (got.line, len(got.rest)) == (b"PUT /stream HTTP/1.1", 300_000)
    mlflow.sends(response(201))
    assert client.received().startswith(b"HTTP/1.1 201 ")
    assert [outcome.status for outcome in dialogue.outcomes()] == [200, 201]


def test_a_body_is_invited_when_there_is_room(dialogue: Dialogue, mlflow: Peer) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 4", "Expect: 100-continue"))
    assert client.received() == b""
    mlflow.sends(response(200))
    assert client.received() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sends(b"body")
    mlflow.sends(response(200))


def test_first_come_first_served(dialogue: Dialogue, mlflow: Peer) -> None:
    for number in range(2):
        dialogue.client().sends(request(f"GET /stream/{number}"))
    for number in range(2):
        mlflow.sends(response(200))
        assert mlflow.received().startswith(b"GET /stream/%d " % number)
    mlflow.sends(response(200))


def test_no_more_than_so_many_wait(dialogue: Dialogue, mlflow: Peer) -> None:
    clients = [dialogue.client() for _ in range(3)]
    for client in clients:
        client.sends(request("GET /stream"))
    refused = Message.of(clients[2].received())
    assert refused.line == b"HTTP/1.1 429 Too Many Requests: the gate is at its limit"
    assert b"retry-after" in refused.fields
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.OVERLOADED, Phase.SELECT)
    assert clients[2].is_read()


def test_no_request_waits_indefinitely(dialogue: Dialogue, mlflow: Peer) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", body=b"x"))
    dialogue.passes(dialogue.balancer.queue_timeout + 1)
    assert client.received().startswith(b"HTTP/1.1 429 ")
    assert dialogue.outcome().reason is Reason.OVERLOADED
    assert client.is_read()
    mlflow.sends(response(200))


def test_nobody_waits_where_there_is_nothing_to_wait_for(dialogue: Dialogue) -> None:
    """Its connection is read on: the next request may meet an MLflow again."""
    policy = cluster_policy(probe_interval=0, slow_start=0)
    cluster = Cluster("empty", policy, Random(0), lambda _event: None)  # noqa: S311
    empty = Balancer(cluster, lambda _: dialogue.pool, terms=terms(), clock=dialogue.clock)
    route = Route(empty, b"/empty", b"", LENGTH)
    dialogue.decider.script[b"/empty"] = lambda _: Forward(route, b"", PRINCIPAL)
    client = dialogue.client()
    client.sends(request("POST /empty", body=b"x"))
    refused = Message.of(client.received())
    assert refused.line == b"HTTP/1.1 503 Service Unavailable: no MLflow server is in service"
    assert b"retry-after" in refused.fields
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.endpoint) == (Reason.NO_ENDPOINT, "")

    client.sends(request("GET /stream"))
    dialogue.mlflow_accepts().sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")


def test_who_leaves_waits_no_longer(dialogue: Dialogue, mlflow: Peer) -> None:
    leaving, staying = dialogue.client(), dialogue.client()
    leaving.sends(request("GET /stream/leaving"))
    staying.sends(request("GET /stream/staying"))
    leaving.resets()
    assert dialogue.outcome().reason is Reason.CLIENT_GONE
    mlflow.sends(response(200))
    assert mlflow.received().startswith(b"GET /stream/staying ")
    mlflow.sends(response(200))


def test_room_that_a_leaving_client_makes_is_used(dialogue: Dialogue) -> None:
    first, second = dialogue.client(), dialogue.client()
    first.sends(request("GET /stream/1"))
    second.sends(request("GET /stream/2"))
    first.resets()
    mlflow = dialogue.mlflow_accepts()
    assert mlflow.received().startswith(b"GET /stream/2 ")
    mlflow.sends(response(200))


# --- room that nobody makes by leaving ---------------------------------------------------------


@pytest.fixture
def growing() -> Iterator[Dialogue]:
    """A dialogue with two MLflows, each for one request at a time, of which one is known."""
    policy = cluster_policy(probe_interval=0, slow_start=0, max_in_flight=1, queue_size=5)
    dialogue = Dialogue(policy=policy, endpoints=2)
    names(dialogue, 0)
    yield dialogue
    dialogue.ends()


def names(dialogue: Dialogue, *numbers: int) -> None:
    """Discovery names these endpoints."""
    found = [Found(dialogue.pools[number].endpoint) for number in numbers]
    dialogue.cluster.discovered(found, "test", None, dialogue.clock())


def test_room_at_a_new_endpoint_is_used(growing: Dialogue) -> None:
    """The old one may hang, and then no request would ever make room."""
    growing.client().sends(request("GET /stream/hangs"))
    hung = growing.mlflow_accepts()
    client = growing.client()
    client.sends(request("GET /stream/waits"))
    assert growing.pending == []
    names(growing, 0, 1)
    growing.passes(1)
    growing.mlflow_accepts().sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")
    hung.sends(response(200))


def test_a_newcomer_does_not_overtake(growing: Dialogue) -> None:
    growing.client().sends(request("GET /stream/hangs"))
    hung = growing.mlflow_accepts()
    waiting, newcomer = growing.client(), growing.client()
    waiting.sends(request("GET /stream/waits"))
    names(growing, 0, 1)
    newcomer.sends(request("GET /stream/new"))
    new = growing.mlflow_accepts()
    assert new.received().startswith(b"GET /stream/waits ")
    assert growing.balancer.snapshot().waiting == 1
    new.sends(response(200))
    assert new.received().startswith(b"GET /stream/new ")
    new.sends(response(200))
    hung.sends(response(200))


def test_who_waits_keeps_its_place_and_its_time(growing: Dialogue) -> None:
    """What ends at an endpoint that has left makes no room."""
    names(growing, 0, 1)
    for _ in range(2):
        growing.client().sends(request("GET /stream/busy"))
        growing.mlflow_accepts()
    clients = [growing.client() for _ in range(2)]
    for number, client in enumerate(clients):
        client.sends(request(f"GET /stream/{number}"))
    left, stays = growing.mlflows
    growing.passes(9)
    left_number = next(n for n, pool in enumerate(growing.pools) if left in pool.peers)
    names(growing, 1 - left_number)
    left.sends(response(200))
    assert growing.balancer.snapshot().waiting == 2
    stays.received()
    stays.sends(response(200))
    assert stays.received().startswith(b"GET /stream/0 ")
    growing.passes(1)
    assert clients[1].received().startswith(b"HTTP/1.1 429 ")
    stays.sends(response(200))


def test_a_long_line_is_served_in_one_go() -> None:
    """However many find room together."""
    policy = cluster_policy(probe_interval=0, slow_start=0, max_in_flight=600, queue_size=600)
    dialogue = Dialogue(Limits(in_flight=1200), policy=policy, endpoints=2)
    names(dialogue, 0)
    clients = [dialogue.client() for _ in range(1200)]
    for client in clients:
        client.sends(request("GET /stream"))
    assert dialogue.balancer.snapshot().waiting == 600
    names(dialogue, 0, 1)
    dialogue.passes(1)
    assert dialogue.balancer.snapshot().waiting == 0
    assert len(dialogue.pools[1].pending) == 600
    dialogue.ends()


def asks(dialogue: Dialogue, name: str) -> Peer:
    """A request of a principal of that name, on a connection of its own."""
    principal = replace(PRINCIPAL, id=f"p_{name}", name=name)

    def decide(asked: Request) -> Decision:
        return Forward(Route(dialogue.balancer, asked.target, b"", LENGTH), b"", principal)

    dialogue.decider.script[f"/of/{name}".encode()] = decide
    client = dialogue.client()
    client.sends(request(f"GET /of/{name}"))
    return client


def test_principals_take_turns(dialogue: Dialogue, mlflow: Peer) -> None:
    asks(dialogue, "greedy"), asks(dialogue, "greedy")
    asks(dialogue, "modest")  # the queue is full: the greedy one loses a place
    mlflow.sends(response(200))
    assert mlflow.received().startswith(b"GET /of/greedy ")
    asks(dialogue, "greedy")
    mlflow.sends(response(200))
    assert mlflow.received().startswith(b"GET /of/modest ")
    mlflow.sends(response(200))
    mlflow.sends(response(200))
    assert dialogue.balancer.drain_waits() == [0, 0, 0]


def test_a_full_queue_takes_from_the_principal_that_has_most(
    dialogue: Dialogue, mlflow: Peer
) -> None:
    clients = [asks(dialogue, "greedy") for _ in range(2)]
    assert dialogue.balancer.queued == 2
    modest = asks(dialogue, "modest")
    assert (clients[0].received(), modest.received()) == (b"", b"")
    lost = clients[1].received()
    assert lost.startswith(b"HTTP/1.1 429 ")
    assert b"X-Headgate-Reason: rate_limited\r\n" in lost
    assert b"Nothing was sent to MLflow" in lost
    assert dialogue.plane.tally.counts() == {"queue": 1}
    also = asks(dialogue, "modest").received()  # it would have as many
    assert b"X-Headgate-Reason: overloaded\r\n" in also
    for _ in range(3):
        mlflow.sends(response(200))
    dialogue.outcomes()


@pytest.mark.patches
def test_a_defect_of_one_that_waited_is_its_own(
    dialogue: Dialogue, mlflow: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request that makes room must not suffer for it."""

    def broken(*_: object) -> bytes:
        raise RuntimeError("defect")

    waiting = dialogue.client()
    waiting.sends(request("GET /stream"))
    monkeypatch.setattr(forward, "request_head", broken)
    mlflow.sends(response(200))

    assert waiting.received().startswith(b"HTTP/1.1 500 ")
    reasons = {outcome.target: outcome.reason for outcome in dialogue.outcomes()}
    assert reasons == {b"/stream/first": Reason.OK, b"/stream": Reason.INTERNAL}
