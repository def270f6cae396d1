"""The end of a park: those that were held go on a few at a time, and all of them do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from headgate.config import Limits, Upstream
from headgate.dataplane.decisions import Inspect, Route
from headgate.dataplane.local_responses import document
from headgate.dataplane.transfers import LONG_SECONDS
from headgate.maintenance import Directive, Park, ParkState, Sharing
from headgate.testing.decider import LENGTH, PRINCIPAL
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import request, response
from headgate.testing.policies import cluster_policy
from headgate.testing.transport import Peer

PART = b"x" * 1000
LENGTH_OF_UPLOAD = 10_000_000
BOUND = 12


@pytest.fixture
def dialogue() -> Iterator[Dialogue]:
    dialogue = Dialogue(Limits(in_flight=5000), Upstream(idle_connections=0))
    yield dialogue
    dialogue.ends()


def tell(dialogue: Dialogue, park: Park | None = None) -> None:
    maintenance = dialogue.balancer.maintenance
    maintenance.take(Directive("default", maintenance.directive.revision + 1, park))
    dialogue.turns.run()


def park(dialogue: Dialogue) -> None:
    now = dialogue.wall_clock()
    tell(dialogue, Park("0123456789abcdef", "ada", "", now, now + 3000))


def asks(dialogue: Dialogue, target: str = "GET /stream", *fields: str) -> Peer:
    client = dialogue.client()
    client.sends(request(target, *fields))
    return client


def state(dialogue: Dialogue) -> ParkState:
    return dialogue.balancer.maintenance.state


def served(clients: list[Peer]) -> int:
    return sum(client.received().startswith(b"HTTP/1.1 200 ") for client in clients)


def test_an_mlflow_that_stands_still_is_never_sent_more_than_the_bound(dialogue: Dialogue) -> None:
    park(dialogue)
    clients = [asks(dialogue) for _ in range(50)]
    tell(dialogue)
    for _ in range(25):
        dialogue.passes(1)
        clients.append(asks(dialogue, "GET /stream/new"))
        assert len(dialogue.pending) <= BOUND
    assert len(dialogue.pending) == BOUND
    while dialogue.pending:
        dialogue.mlflow_responds()
    dialogue.passes(1)
    assert served(clients) == len(clients)
    assert state(dialogue) is ParkState.SERVING


def test_the_bound_is_shared_with_other_workers_and_held_until_none_of_them_waits(
    dialogue: Dialogue,
) -> None:
    maintenance = dialogue.balancer.maintenance
    park(dialogue)
    clients = [asks(dialogue) for _ in range(10)]
    maintenance.sharing = Sharing(4, waiting=7)
    tell(dialogue)
    while dialogue.balancer.parking.holds or dialogue.pending:
        dialogue.sweeps()
        assert len(dialogue.pending) <= 3
        dialogue.mlflow_responds()
    dialogue.passes(5)
    assert state(dialogue) is ParkState.RELEASING, "others wait"
    clients += [asks(dialogue) for _ in range(5)]
    assert len(dialogue.pending) == 3, "immediately, and no more"
    dialogue.mlflow_responds()
    dialogue.mlflow_responds()
    assert served(clients) == 15
    maintenance.sharing = Sharing(4)
    dialogue.passes(1)
    assert state(dialogue) is ParkState.SERVING


def test_a_release_ends_though_mlflow_never_responds(dialogue: Dialogue) -> None:
    dialogue.balancer.maintenance.sharing = Sharing(4, waiting=1)  # and another gate is stuck
    park(dialogue)
    clients = [asks(dialogue) for _ in range(50)]
    tell(dialogue)
    for _ in range(899):
        dialogue.passes(1)
        if len(clients) < 300:
            clients.append(asks(dialogue))
    assert state(dialogue) is ParkState.RELEASING
    dialogue.passes(2)
    assert state(dialogue) is ParkState.SERVING
    assert not dialogue.balancer.parking.holds
    fresh = asks(dialogue)
    while dialogue.pending:
        dialogue.mlflow_responds()
    assert served([fresh]) == 1


def test_a_release_that_is_overdue_lets_the_rest_wait_for_room() -> None:
    policy = cluster_policy(probe_interval=0, slow_start=0, max_in_flight=1)
    settings = Upstream.model_validate(
        {"idle_connections": 0, "parking": {"release_max": 30}, "balance": {"queue_timeout": 5}}
    )
    dialogue = Dialogue(Limits(in_flight=5000), settings, policy)
    park(dialogue)
    clients = [asks(dialogue) for _ in range(3)]
    tell(dialogue)
    dialogue.passes(31)
    assert state(dialogue) is ParkState.SERVING
    assert (len(dialogue.balancer.parking.holds), dialogue.balancer.queued) == (0, 2)
    while dialogue.pending:
        dialogue.mlflow_responds()
    assert served(clients) == 3
    dialogue.ends()


# --- bytes on their way -------------------------------------------------------------------------


def test_slow_uploads_do_not_keep_the_others_waiting(dialogue: Dialogue) -> None:
    park(dialogue)
    slow = []
    for _ in range(BOUND):
        client = asks(dialogue, "PUT /stream", f"Content-Length: {LENGTH_OF_UPLOAD}")
        client.sends(PART)
        slow.append(client)
    others = [asks(dialogue) for _ in range(4)]
    tell(dialogue)
    peers = []
    for _ in range(2):
        dialogue.passes(1)
        peers += [connecting.succeeds() for connecting in dialogue.pending]
        dialogue.turns.run()
    dialogue.passes(LONG_SECONDS + 1)
    assert dialogue.balancer.parking.transfers.long >= 4
    dialogue.passes(3)
    while dialogue.pending:
        peers += [connecting.succeeds() for connecting in dialogue.pending]
        dialogue.turns.run()
        for peer in peers:
            if peer.received().startswith(b"GET "):
                peer.sends(response(200))
        dialogue.passes(1)
    assert served(others) == 4
    for client in slow:
        client.resets()
    dialogue.passes(1)
    assert dialogue.balancer.parking.transfers.long == 0
    assert state(dialogue) is ParkState.SERVING


def test_a_slow_download_gives_its_place_back_once_the_response_has_begun(
    dialogue: Dialogue,
) -> None:
    park(dialogue)
    clients = [asks(dialogue) for _ in range(BOUND + 4)]
    tell(dialogue)
    peers = []
    for _ in range(9):
        dialogue.passes(1)
        peers += [connecting.succeeds() for connecting in dialogue.pending]
        dialogue.turns.run()
        for peer in peers:
            if peer.received():
                peer.sends(
                    response(200, "Content-Length: 100", body=b"")[:-2] + b"\r\n" + b"y" * 10
                )
    assert len(peers) == BOUND + 4, "all have begun"
    for peer in peers:
        peer.sends(b"y" * 90)
    assert served(clients) == BOUND + 4
    dialogue.passes(1)
    assert not dialogue.balancer.parking.transfers.long


# --- what is held before its body is read -------------------------------------------------------


def test_one_that_was_held_before_its_body_counts_once(dialogue: Dialogue) -> None:
    route = Route(dialogue.balancer, b"/inspected", b"", LENGTH)
    dialogue.decider.script[b"/inspected"] = lambda _: Inspect(route, b"", PRINCIPAL)
    dialogue.balancer.maintenance.sharing = Sharing(4)
    park(dialogue)
    clients = [asks(dialogue, "POST /inspected", "Content-Length: 2") for _ in range(6)]
    for client in clients:
        client.sends(b"{}")
    tell(dialogue)
    dialogue.passes(2)
    assert len(dialogue.pending) == 3
    while dialogue.pending or dialogue.balancer.parking.holds:
        dialogue.mlflow_responds()
        dialogue.passes(1)
    assert served(clients) == 6


def test_one_that_comes_while_there_is_room_does_not_wait(dialogue: Dialogue) -> None:
    route = Route(dialogue.balancer, b"/inspected", b"", LENGTH)
    dialogue.decider.script[b"/inspected"] = lambda _: Inspect(route, b"", PRINCIPAL)
    dialogue.balancer.maintenance.sharing = Sharing(1, waiting=1)
    park(dialogue)
    tell(dialogue)
    client = dialogue.client()
    client.sends(request("POST /inspected", body=b"{}"))
    assert len(dialogue.pending) == 1
    dialogue.mlflow_responds()
    assert served([client]) == 1
    assert dialogue.outcome().hold_duration == 0
    dialogue.balancer.maintenance.sharing = Sharing(1)
    dialogue.passes(1)
    assert state(dialogue) is ParkState.SERVING


# --- questions without patience -----------------------------------------------------------------


def test_questions_without_patience_go_to_the_new_mlflow_before_those_that_wait(
    dialogue: Dialogue,
) -> None:
    info = replace(LENGTH, name="meta/server-info", writes=False)
    dialogue.decider.script[b"/info"] = info
    dialogue.balancer.parking.known["meta/server-info"] = document(b'{"old": 1}')
    park(dialogue)
    clients = [asks(dialogue) for _ in range(BOUND + 8)]
    tell(dialogue)
    dialogue.passes(9)
    before = len(dialogue.pending)
    info_client = asks(dialogue, "GET /info")
    assert len(dialogue.pending) == before + 1
    while dialogue.pending:
        dialogue.mlflow_responds()
    got = info_client.received()
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"old" not in got
    assert served(clients) == BOUND + 8
