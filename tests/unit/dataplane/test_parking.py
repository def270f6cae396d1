"""Requests for a parked upstream: held, refused in time, and released in their turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from headgate.config import Limits, Upstream
from headgate.dataplane.decisions import Forward, Inspect, Route
from headgate.dataplane.local_responses import document
from headgate.dataplane.parking import SETTLE_SECONDS
from headgate.maintenance import Directive, Park, ParkState, ReadOnly
from headgate.model import Phase, Source
from headgate.reasons import Reason
from headgate.testing.decider import LENGTH, PRINCIPAL
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.policies import cluster_policy
from headgate.testing.transport import Peer

PART = b"x" * 100_000
ID = "0123456789abcdef"
WRITE = replace(LENGTH, writes=True)
EXPORT = replace(LENGTH, otlp=True)


@pytest.fixture
def dialogue() -> Iterator[Dialogue]:
    dialogue = Dialogue(Limits(in_flight=5000))
    yield dialogue
    dialogue.ends()


def park(dialogue: Dialogue, seconds: float = 240, **details: object) -> None:
    now = dialogue.wall_clock()
    asked = Park(ID, "ada", "MLflow is upgraded", now, now + seconds)
    tell(dialogue, park=replace(asked, **details))  # type: ignore[arg-type]


def unpark(dialogue: Dialogue) -> None:
    tell(dialogue)


def tell(dialogue: Dialogue, park: Park | None = None, read_only: ReadOnly | None = None) -> None:
    maintenance = dialogue.balancer.maintenance
    maintenance.take(Directive("default", maintenance.directive.revision + 1, park, read_only))
    dialogue.turns.run()


def state(dialogue: Dialogue) -> ParkState:
    return dialogue.balancer.maintenance.state


def held(dialogue: Dialogue) -> int:
    return len(dialogue.balancer.parking.holds)


def asks(dialogue: Dialogue, target: str = "GET /stream", *fields: str) -> Peer:
    client = dialogue.client()
    client.sends(request(target, *fields))
    return client


def test_a_request_is_held_and_served_when_the_park_is_over(dialogue: Dialogue) -> None:
    park(dialogue)
    client = asks(dialogue)
    assert state(dialogue) is ParkState.PARKED
    assert (client.received(), dialogue.pending, held(dialogue)) == (b"", [], 1)
    dialogue.passes(60)
    assert client.received() == b""

    unpark(dialogue)
    dialogue.passes(1)
    dialogue.mlflow_accepts().sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")
    outcome = dialogue.outcome()
    assert 60 <= outcome.hold_duration <= 61
    assert outcome.gate_duration < 1
    dialogue.passes(1)
    assert state(dialogue) is ParkState.SERVING
    assert not dialogue.balancer.busy


def test_a_request_under_way_finishes(dialogue: Dialogue) -> None:
    client = asks(dialogue)
    mlflow = dialogue.mlflow_accepts()
    park(dialogue)
    assert state(dialogue) is ParkState.DRAINING
    mlflow.sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")
    dialogue.passes(1)
    assert state(dialogue) is ParkState.PARKED


def test_a_hold_ends_before_the_client_gives_up(dialogue: Dialogue) -> None:
    park(dialogue, seconds=600)
    client = asks(dialogue)
    dialogue.passes(99)
    assert client.received() == b""
    dialogue.passes(1)
    refused = Message.of(client.received())
    assert refused.line == b"HTTP/1.1 429 Too Many Requests: MLflow is parked for maintenance"
    assert refused.fields[b"retry-after"] == b"13"
    assert b"MLflow is upgraded" in refused.rest
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.PARKED, Phase.SELECT)


def test_a_refused_client_is_asked_to_come_back_when_the_park_is_over(dialogue: Dialogue) -> None:
    park(dialogue, seconds=105)
    client = asks(dialogue)
    dialogue.passes(100)
    assert Message.of(client.received()).fields[b"retry-after"] == b"5"


@pytest.mark.parametrize(("age", "asked_for"), [(0, b"30"), (400, b"400"), (5000, b"900")])
def test_who_cannot_be_held_stays_away_as_long_as_the_park_has_lasted(
    dialogue: Dialogue, age: int, asked_for: bytes
) -> None:
    park(dialogue, seconds=1, lease=True)
    dialogue.passes(max(1, age))
    assert Message.of(asks(dialogue).received()).fields[b"retry-after"] == asked_for


def test_a_refused_write_comes_back_when_writes_are_allowed_again(dialogue: Dialogue) -> None:
    now = dialogue.wall_clock()
    tell(dialogue, read_only=ReadOnly(ID, "ada", "backup", now - 300, now + 60))
    route = Route(dialogue.balancer, b"/write", b"", WRITE)
    dialogue.decider.script[b"/write"] = lambda _: Forward(route, b"", PRINCIPAL)
    refused = Message.of(asks(dialogue, "POST /write").received())
    assert refused.line[9:12] == b"429"
    assert refused.fields[b"retry-after"] == b"60"


@pytest.mark.parametrize(
    ("agent", "seconds"),
    [("OTel-OTLP-Exporter-Python/1.45", 9), ("mlflow-python-client/3.17.2", 100)],
)
def test_an_exporter_is_held_as_long_as_it_waits(
    dialogue: Dialogue, agent: str, seconds: int
) -> None:
    """MLflow's client sends its traces as exports, too, but is as patient with them as ever."""
    route = Route(dialogue.balancer, b"/v1/traces", b"", EXPORT)
    dialogue.decider.script[b"/v1/traces"] = lambda _: Forward(route, b"", PRINCIPAL)
    park(dialogue, seconds=600)
    client = asks(dialogue, "POST /v1/traces", f"User-Agent: {agent}")
    dialogue.passes(seconds - 1)
    assert client.received() == b""
    dialogue.passes(1)
    assert client.received().startswith(b"HTTP/1.1 429 ")


@pytest.mark.parametrize("target", ["GET /stream", "POST /length"])
def test_who_loses_a_place_in_a_full_queue_stays_away_longer(target: str) -> None:
    settings = Upstream.model_validate({"parking": {"queue_size": 2}})
    dialogue = Dialogue(Limits(in_flight=5000), settings)
    park(dialogue, seconds=600)
    fields = ("Transfer-Encoding: chunked",) if target.startswith("POST") else ()
    clients = [asks(dialogue, target, *fields) for _ in range(2)]
    modest = replace(PRINCIPAL, id="modest")
    route = Route(dialogue.balancer, b"/modest", b"", LENGTH)
    dialogue.decider.script[b"/modest"] = lambda _: Forward(route, b"", modest)
    other = asks(dialogue, "GET /modest")
    refused = Message.of(clients[-1].received())
    assert refused.line == b"HTTP/1.1 429 Too Many Requests: MLflow is parked for maintenance"
    assert refused.fields[b"retry-after"] == b"30"
    assert (clients[0].received(), other.received()) == (b"", b"")
    dialogue.drains()
    dialogue.ends()


def test_the_admitted_credential_passes(dialogue: Dialogue) -> None:
    park(dialogue, lease=True, admits="k1")
    admitted = replace(PRINCIPAL, credential="k1")
    route = Route(dialogue.balancer, b"/verify", b"", LENGTH)
    dialogue.decider.script[b"/verify"] = lambda _: Forward(route, b"", admitted)
    client, other = asks(dialogue, "GET /verify"), asks(dialogue)
    dialogue.mlflow_accepts().sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")
    assert other.received() == b""
    dialogue.passes(1)
    assert dialogue.balancer.maintenance.report().in_flight == 0


def test_a_lease_that_runs_out_refuses_newcomers_and_keeps_those_who_wait(
    dialogue: Dialogue,
) -> None:
    park(dialogue, seconds=20, lease=True)
    waiting = asks(dialogue)
    dialogue.passes(20)
    assert state(dialogue) is ParkState.REFUSING
    newcomer = asks(dialogue)
    refused = Message.of(newcomer.received())
    assert (refused.line[9:12], refused.fields[b"retry-after"]) == (b"429", b"30")
    assert waiting.received() == b""
    park(dialogue, seconds=60, lease=True)
    unpark(dialogue)
    dialogue.passes(1)
    dialogue.mlflow_responds()
    assert waiting.received().startswith(b"HTTP/1.1 200 ")


def test_a_park_by_a_person_ends_by_itself(dialogue: Dialogue) -> None:
    park(dialogue, seconds=10)
    client = asks(dialogue)
    dialogue.passes(11)
    dialogue.mlflow_accepts().sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")


# --- bodies -------------------------------------------------------------------------------------


def test_nothing_more_is_read_from_a_held_client(dialogue: Dialogue) -> None:
    park(dialogue)
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 300000"), PART)
    assert not client.is_read()
    dialogue.passes(90)  # no deadline of the body's fires
    assert client.received() == b""
    unpark(dialogue)
    dialogue.passes(1)
    mlflow = dialogue.mlflow_accepts()
    client.sends(PART, PART)
    assert len(Message.of(mlflow.received()).rest) == 300_000
    mlflow.sends(response(200))


def test_a_body_is_invited_only_when_the_park_is_over(dialogue: Dialogue) -> None:
    park(dialogue)
    client = asks(dialogue, "PUT /stream", "Content-Length: 4", "Expect: 100-continue")
    dialogue.passes(5)
    assert client.received() == b""
    unpark(dialogue)
    dialogue.passes(1)
    mlflow = dialogue.mlflow_accepts()
    assert client.received() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sends(b"body")
    mlflow.sends(response(200))


def test_a_chunked_body_is_not_collected_while_the_upstream_is_parked(dialogue: Dialogue) -> None:
    park(dialogue)
    client = dialogue.client()
    client.sends(request("POST /length", "Transfer-Encoding: chunked"), b"186a0\r\n" + PART)
    assert not client.is_read()
    dialogue.passes(50)
    unpark(dialogue)
    dialogue.passes(1)
    assert client.is_read()
    client.sends(b"\r\n0\r\n\r\n")
    mlflow = dialogue.mlflow_accepts()
    assert len(Message.of(mlflow.received()).rest) == len(PART)
    mlflow.sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")
    assert dialogue.balancer.parking.holds.going == 0


def test_a_body_that_decides_is_not_collected_while_the_upstream_is_parked(
    dialogue: Dialogue,
) -> None:
    route = Route(dialogue.balancer, b"/inspected", b"", LENGTH)
    dialogue.decider.script[b"/inspected"] = lambda _: Inspect(route, b"", PRINCIPAL)
    park(dialogue)
    client = dialogue.client()
    client.sends(request("POST /inspected", "Content-Length: 300000"), PART)
    assert not client.is_read()
    dialogue.passes(100)
    refused = Message.of(client.received())
    assert refused.line.startswith(b"HTTP/1.1 429 ")
    assert dialogue.outcome().reason is Reason.PARKED


# --- those that leave ---------------------------------------------------------------------------


def test_a_held_client_that_leaves_frees_its_place(dialogue: Dialogue) -> None:
    park(dialogue)
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 300000"), PART)
    client.resets()
    dialogue.passes(1)
    assert held(dialogue) == 0
    outcome = dialogue.outcome()
    assert outcome.reason is Reason.CLIENT_GONE


@pytest.mark.parametrize("target", ["GET /stream", "POST /length"])
def test_a_held_client_that_closes_in_order_has_left(dialogue: Dialogue, target: str) -> None:
    """Its request would be done long after it has sent it again elsewhere."""
    park(dialogue)
    client = dialogue.client()
    body = () if target.startswith("GET") else (b"body",)
    fields = () if target.startswith("GET") else ("Content-Length: 4",)
    client.sends(request(target, *fields), *body)
    assert held(dialogue) == 1
    client.finishes()
    dialogue.passes(1)
    assert held(dialogue) == 0
    assert dialogue.outcome().reason is Reason.CLIENT_GONE
    unpark(dialogue)
    dialogue.passes(1)
    assert dialogue.pending == []


def test_a_stopping_worker_lets_nobody_wait(dialogue: Dialogue) -> None:
    park(dialogue)
    clients = [asks(dialogue), asks(dialogue, "POST /length", "Transfer-Encoding: chunked")]
    dialogue.drains()
    for client in clients:
        refused = Message.of(client.received())
        assert refused.line.startswith(b"HTTP/1.1 429 ")
        assert refused.fields[b"retry-after"] == b"1"
    dialogue.passes(10)
    assert dialogue.plane.emptied.is_set()


def test_a_stopping_worker_holds_nobody_new(dialogue: Dialogue) -> None:
    park(dialogue)
    dialogue.plane.turn_away()
    client = asks(dialogue)
    assert client.received().startswith(b"HTTP/1.1 429 ")


# --- the queue, and the release -----------------------------------------------------------------


def test_those_that_wait_for_room_wait_for_the_end_of_the_park() -> None:
    policy = cluster_policy(probe_interval=0, slow_start=0, max_in_flight=1)
    dialogue = Dialogue(policy=policy)
    first, second = asks(dialogue), asks(dialogue)
    mlflow = dialogue.mlflow_accepts()
    assert dialogue.balancer.queued == 1
    park(dialogue)
    assert (dialogue.balancer.queued, held(dialogue)) == (0, 1)
    mlflow.received()
    mlflow.sends(response(200))
    assert first.received().startswith(b"HTTP/1.1 200 ")
    assert mlflow.received() == b""
    unpark(dialogue)
    dialogue.passes(1)
    assert mlflow.received().startswith(b"GET /stream ")
    mlflow.sends(response(200))
    assert second.received().startswith(b"HTTP/1.1 200 ")
    dialogue.ends()


def test_a_release_is_gradual_and_in_order() -> None:
    settings = {"idle_connections": 0, "parking": {"release_limit": 1000}}
    dialogue = Dialogue(Limits(in_flight=5000), Upstream.model_validate(settings))
    park(dialogue)
    clients = [asks(dialogue, f"GET /stream/{number}") for number in range(2000)]
    unpark(dialogue)
    order: list[bytes] = []
    sizes = []
    while held(dialogue):
        clients.append(asks(dialogue, "GET /stream/new"))
        dialogue.sweeps()
        sizes.append(len(dialogue.pending))
        order += dialogue.mlflow_responds()
    while dialogue.pending:
        order += dialogue.mlflow_responds()
    assert sizes[:4] == sorted(sizes[:4])
    assert sizes[0] <= 16, "an MLflow that has just started is slow"
    assert max(sizes) <= 256, "the limit of the endpoint"
    assert len(sizes) < 60
    assert all(client.received().startswith(b"HTTP/1.1 200 ") for client in clients)
    first = [b"GET /stream/%d HTTP/1.1" % number for number in range(2000)]
    assert [line for line in order if line in set(first)] == first
    # No newcomer has overtaken one that had come before it.
    assert order.index(b"GET /stream/new HTTP/1.1") >= 2000
    dialogue.ends()


# --- what the gate answers for MLflow -----------------------------------------------------------


def test_what_mlflow_is_asked_without_patience_is_answered_by_the_gate(
    dialogue: Dialogue,
) -> None:
    info = replace(LENGTH, name="meta/server-info", writes=False)
    dialogue.decider.script[b"/info"] = info
    dialogue.balancer.parking.known["meta/server-info"] = document(b'{"a": 1}')
    park(dialogue)
    client = asks(dialogue, "GET /info")
    got = Message.of(client.received())
    assert (got.line, got.rest) == (b"HTTP/1.1 200 OK", b'{"a": 1}')
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.source, outcome.upstream) == (Reason.OK, Source.GATE, "default")
    client.sends(request("GET /info"))
    assert Message.of(client.received()).rest == b'{"a": 1}', "its connection is kept"
    unpark(dialogue)
    client.sends(request("GET /info"))
    dialogue.mlflow_accepts().sends(response(200))


# --- read-only ----------------------------------------------------------------------------------


def read_only(dialogue: Dialogue, seconds: float = 3600) -> None:
    now = dialogue.wall_clock()
    tell(dialogue, read_only=ReadOnly(ID, "ada", "a backup is taken", now, now + seconds))


def test_reads_are_served_and_writes_refused(dialogue: Dialogue) -> None:
    dialogue.decider.script[b"/read"] = replace(LENGTH, writes=False)
    read_only(dialogue)
    reader, writer = asks(dialogue, "GET /read"), asks(dialogue, "POST /length")
    refused = Message.of(writer.received())
    assert refused.line == b"HTTP/1.1 429 Too Many Requests: MLflow is read-only for maintenance"
    assert refused.fields[b"retry-after"] == b"30"
    assert b"a backup is taken" in refused.rest
    assert b"UTC" in refused.rest
    dialogue.mlflow_accepts().sends(response(200))
    assert reader.received().startswith(b"HTTP/1.1 200 ")
    assert [each.reason for each in dialogue.outcomes()] == [Reason.READ_ONLY, Reason.OK]


def test_a_write_that_waits_for_room_is_not_sent_any_more() -> None:
    policy = cluster_policy(probe_interval=0, slow_start=0, max_in_flight=1)
    dialogue = Dialogue(policy=policy)
    asks(dialogue, "POST /length/1")
    mlflow = dialogue.mlflow_accepts()
    waiting = asks(dialogue, "POST /length/2")
    read_only(dialogue)
    mlflow.received()
    mlflow.sends(response(200))
    assert waiting.received().startswith(b"HTTP/1.1 429 ")
    assert mlflow.received() == b""
    dialogue.ends()


def test_a_write_that_was_held_is_not_sent_when_the_upstream_is_read_only_after_the_park(
    dialogue: Dialogue,
) -> None:
    park(dialogue)
    client = asks(dialogue, "POST /length")
    read_only(dialogue)
    dialogue.passes(1)
    assert client.received().startswith(b"HTTP/1.1 429 ")
    assert dialogue.outcome().reason is Reason.READ_ONLY


def test_writes_are_served_again_at_the_end(dialogue: Dialogue) -> None:
    read_only(dialogue, seconds=60)
    client = asks(dialogue, "POST /length")
    assert Message.of(client.received()).fields[b"retry-after"] == b"30"
    dialogue.passes(50)
    client.sends(request("POST /length"))
    assert Message.of(client.received()).fields[b"retry-after"] == b"10"
    dialogue.passes(10)
    client.sends(request("POST /length"))
    dialogue.mlflow_accepts().sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")


def test_a_body_is_not_collected_for_a_write_that_is_refused(dialogue: Dialogue) -> None:
    read_only(dialogue)
    client = dialogue.client()
    client.sends(request("POST /length", "Transfer-Encoding: chunked"), b"186a0\r\n" + PART)
    assert client.received().startswith(b"HTTP/1.1 429 ")


# --- limits -------------------------------------------------------------------------------------


def test_held_requests_leave_the_limits_of_the_gate_to_others() -> None:
    dialogue = Dialogue(Limits(in_flight=10))
    park(dialogue)
    clients = [asks(dialogue) for _ in range(50)]
    assert (held(dialogue), dialogue.plane.in_flight) == (50, 0)
    unpark(dialogue)
    for _ in range(20):
        dialogue.sweeps()
        dialogue.mlflow_responds()
        for mlflow in dialogue.mlflows:
            if mlflow.received():
                mlflow.sends(response(200))
    assert all(client.received().startswith(b"HTTP/1.1 200 ") for client in clients)
    dialogue.ends()


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    dialogue = Dialogue(settings=Upstream(parking={"queue_size": 2}))
    park(dialogue)
    clients = [asks(dialogue) for _ in range(3)]
    refused = Message.of(clients[2].received())
    assert refused.line.startswith(b"HTTP/1.1 429 ")
    assert refused.fields[b"retry-after"] == b"30"
    assert held(dialogue) == 2
    dialogue.ends()


# --- what MLflow is still doing -----------------------------------------------------------------


def test_a_request_counts_as_under_way_for_a_while_after_its_client_has_left(
    dialogue: Dialogue,
) -> None:
    """MLflow does not learn that nobody waits, and executes it."""
    client = asks(dialogue)
    dialogue.mlflow_accepts()
    client.resets()
    park(dialogue)
    assert state(dialogue) is ParkState.DRAINING
    assert dialogue.balancer.maintenance.report().in_flight == 1
    dialogue.passes(SETTLE_SECONDS + 1)
    assert state(dialogue) is ParkState.PARKED


def test_it_is_known_when_nothing_is_being_written_any_more(dialogue: Dialogue) -> None:
    dialogue.decider.script[b"/read"] = replace(LENGTH, writes=False)
    asks(dialogue, "GET /read")
    reading = dialogue.mlflow_accepts()
    asks(dialogue, "POST /length")
    writing = dialogue.mlflow_accepts()
    read_only(dialogue)
    report = dialogue.balancer.maintenance.report()
    assert (report.in_flight, report.writing) == (2, 1)
    writing.sends(response(200))
    dialogue.passes(1)
    report = dialogue.balancer.maintenance.report()
    assert (report.in_flight, report.writing) == (1, 0)
    reading.sends(response(200))


def test_a_slow_mlflow_is_not_sent_more_than_it_responds_to() -> None:
    """What waits inside MLflow takes a minute there, and fails when its database is busy."""
    dialogue = Dialogue(Limits(in_flight=5000), Upstream(idle_connections=0))
    park(dialogue)
    clients = [asks(dialogue) for _ in range(600)]
    unpark(dialogue)
    under_way = []
    while held(dialogue):
        for connecting in dialogue.pending[:10]:  # 20 in a second
            peer = connecting.succeeds()
            dialogue.turns.run()
            peer.received()
            peer.sends(response(200))
        dialogue.sweeps()
        under_way.append(len(dialogue.pending))
    assert max(under_way) <= 30
    assert len(under_way) < 100, "it is kept busy"
    while dialogue.pending:
        dialogue.mlflow_responds()
    assert all(client.received().startswith(b"HTTP/1.1 200 ") for client in clients)
    dialogue.ends()
