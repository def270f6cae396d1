"""What an outcome says of the time of a request: where it waited, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from headgate.cluster import ProbeResult
from headgate.dataplane.decisions import Authenticating, Decision, Forward, Pending
from headgate.events import RequestRetried
from headgate.model import AttemptFailure, FailedAttempt, Outcome, Source
from headgate.reasons import Reason
from headgate.testing.decider import PRINCIPAL, STREAM
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import chunked, request, response
from headgate.testing.policies import cluster_policy
from headgate.wire.request import Request

CHUNKED = "Transfer-Encoding: chunked"
DURATIONS = [
    *("duration", "queue_duration", "connect_duration", "sent_after"),
    *("first_byte_after", "upstream_duration", "gate_duration"),
]


def times(outcome: Outcome) -> dict[str, float]:
    """The durations that are not 0, in milliseconds."""
    found = {name: round(1000 * getattr(outcome, name)) for name in DURATIONS}
    return {name: value for name, value in found.items() if value}


def told(retries: tuple[FailedAttempt, ...]) -> list[tuple[str, AttemptFailure, str, int, int]]:
    return [
        (
            each.endpoint,
            each.failure,
            each.detail,
            round(1000 * each.began),
            round(1000 * each.ended),
        )
        for each in retries
    ]


def test_a_response_that_comes_whole(dialogue: Dialogue) -> None:
    mlflow = dialogue.mlflow_is_idle()
    dialogue.client().sends(request("GET /stream"))
    dialogue.clock.advance(0.25)
    mlflow.sends(response(200, body=b"all"))
    outcome = dialogue.outcome()
    assert times(outcome) == {"duration": 250, "first_byte_after": 250, "upstream_duration": 250}
    assert (outcome.source, outcome.attempts, outcome.retries) == (Source.MLFLOW, 1, ())


def test_a_response_that_comes_slowly(dialogue: Dialogue) -> None:
    """The first byte is that of the head."""
    mlflow = dialogue.mlflow_is_idle()
    dialogue.client().sends(request("GET /stream"))
    for seconds, data in ((0.1, response(200, "Content-Length: 2")), (0.2, b"a"), (0.3, b"b")):
        dialogue.clock.advance(seconds)
        mlflow.sends(data)
    assert times(dialogue.outcome()) == {
        "duration": 600,
        "first_byte_after": 100,
        "upstream_duration": 600,
    }


def test_a_new_connection(dialogue: Dialogue) -> None:
    dialogue.client().sends(request("GET /stream"))
    dialogue.clock.advance(0.1)
    mlflow = dialogue.mlflow_accepts()
    dialogue.clock.advance(0.2)
    mlflow.sends(response(200))
    assert times(dialogue.outcome()) == {
        "duration": 300,
        "connect_duration": 100,
        "sent_after": 100,
        "first_byte_after": 300,
        "upstream_duration": 200,
    }


def test_a_wait_for_room() -> None:
    dialogue = Dialogue(policy=cluster_policy(probe_interval=0, slow_start=0, max_in_flight=1))
    mlflow = dialogue.mlflow_is_idle()
    for _ in range(2):
        dialogue.client().sends(request("GET /stream"))
    dialogue.clock.advance(0.1)
    mlflow.sends(response(200))
    dialogue.clock.advance(0.2)
    mlflow.sends(response(200))
    first, second = dialogue.outcomes()
    assert times(first) == {"duration": 100, "first_byte_after": 100, "upstream_duration": 100}
    assert times(second) == {
        "duration": 300,
        "queue_duration": 100,
        "sent_after": 100,
        "first_byte_after": 300,
        "upstream_duration": 200,
    }
    dialogue.ends()


@pytest.mark.parametrize("leaves", [False, True])
def test_a_wait_for_room_in_vain(leaves: bool) -> None:
    dialogue = Dialogue(policy=cluster_policy(probe_interval=0, slow_start=0, max_in_flight=1))
    dialogue.mlflow_is_idle()
    dialogue.client().sends(request("GET /stream"))
    client = dialogue.client()
    client.sends(request("GET /stream"))
    waited = dialogue.balancer.queue_timeout
    if leaves:
        dialogue.clock.advance(waited)
        client.resets()
    else:
        dialogue.passes(waited)
    outcome = dialogue.outcome()
    milliseconds = round(1000 * waited)
    answered = {} if leaves else {"first_byte_after": milliseconds}
    assert times(outcome) == {
        "duration": milliseconds,
        "queue_duration": milliseconds,
        **answered,
    }
    assert outcome.source is (Source.NONE if leaves else Source.GATE)
    dialogue.ends()


def test_a_client_that_leaves_while_a_connection_is_opened(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream"))
    dialogue.clock.advance(0.1)
    client.resets()
    outcome = dialogue.outcome()
    assert times(outcome) == {"duration": 100, "connect_duration": 100}
    assert (outcome.reason, outcome.source) == (Reason.CLIENT_GONE, Source.NONE)


def test_a_body_that_is_waited_for_is_the_client_s_time(dialogue: Dialogue) -> None:
    """MLflow takes this one only as a whole."""
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    body = chunked(b"sea", b"rch")
    client.sends(request("POST /length", CHUNKED) + body[:5])
    dialogue.clock.advance(0.1)
    client.sends(body[5:10])
    dialogue.clock.advance(0.1)
    client.sends(body[10:])
    dialogue.clock.advance(0.2)
    mlflow.sends(response(200))
    assert times(dialogue.outcome()) == {
        "duration": 400,
        "sent_after": 200,
        "first_byte_after": 400,
        "upstream_duration": 200,
    }


def test_a_body_that_stalls_is_the_client_s_time(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /length", CHUNKED) + b"3\r\n")
    dialogue.clock.advance(0.1)
    client.resets()
    assert times(dialogue.outcome()) == {"duration": 100}


def test_what_the_gate_refuses_has_its_first_byte_at_its_end(dialogue: Dialogue) -> None:
    dialogue.client().sends(request("GET /refused"))
    outcome = dialogue.outcome()
    assert (outcome.source, outcome.message, outcome.detail) == (Source.GATE, "No key.", "no key")
    assert (times(outcome), outcome.attempts) == ({}, 0)


# --- attempts that fail ------------------------------------------------------------------------


@pytest.fixture
def two() -> Iterator[Dialogue]:
    """A dialogue with two endpoints."""
    dialogue = Dialogue(endpoints=2)
    yield dialogue
    dialogue.ends()


def test_an_endpoint_that_accepts_no_connection(two: Dialogue) -> None:
    two.client().sends(request("GET /safe"))
    (refusing,) = (pool.name for pool in two.pools if pool.pending)
    two.clock.advance(0.1)
    two.mlflow_refuses()
    two.clock.advance(0.2)
    mlflow = two.mlflow_accepts()
    two.clock.advance(0.4)
    mlflow.sends(response(200))
    outcome = two.outcome()
    assert times(outcome) == {
        "duration": 700,
        "connect_duration": 300,
        "sent_after": 300,
        "first_byte_after": 700,
        "upstream_duration": 400,
    }
    (failed,) = told(outcome.retries)
    assert failed[:2] == (refusing, AttemptFailure.CONNECT_FAILED)
    assert "Connection refused" in failed[2]
    assert failed[3:] == (0, 100)
    assert outcome.attempts == 2


def test_a_connection_that_is_lost(two: Dialogue) -> None:
    two.client().sends(request("POST /safe", body=b"search"))
    two.clock.advance(0.1)
    lost = two.mlflow_accepts()
    (losing,) = (pool.name for pool in two.pools if pool.busy)
    two.clock.advance(0.2)
    lost.resets()
    two.clock.advance(0.4)
    mlflow = two.mlflow_accepts()
    two.clock.advance(0.8)
    mlflow.sends(response(200))
    outcome = two.outcome()
    assert times(outcome) == {
        "duration": 1500,
        "connect_duration": 500,
        "sent_after": 700,
        "first_byte_after": 1500,
        "upstream_duration": 800,
    }
    ((endpoint, failure, detail, began, ended),) = told(outcome.retries)
    assert (endpoint, failure, began, ended) == (losing, AttemptFailure.RESET, 0, 300)
    (event,) = (each for each in two.events if isinstance(each, RequestRetried))
    assert (event.upstream, event.endpoint, event.cause) == ("default", losing, failure)
    assert event.reason == detail
    assert event.request_id.encode() == outcome.request_id


def test_an_endpoint_whose_machine_is_gone(two: Dialogue) -> None:
    two.client().sends(request("POST /safe", body=b"search"))
    two.mlflow_accepts().times_out()
    two.mlflow_accepts().sends(response(200))
    (failed,) = two.outcome().retries
    assert failed.failure is AttemptFailure.TIMEOUT


def test_an_endpoint_whose_probes_fail(two: Dialogue) -> None:
    two.client().sends(request("POST /safe", body=b"search"))
    (silent,) = (pool for pool in two.pools if pool.pending)
    two.mlflow_accepts()
    failed = ProbeResult(ok=False, latency=2.0, reason="no response within 2 s")
    two.cluster.probed(silent.endpoint, failed, two.clock())
    two.passes(1)
    two.mlflow_accepts().sends(response(200))
    outcome = two.outcome()
    assert told(outcome.retries) == [
        (silent.name, AttemptFailure.ENDPOINT_DOWN, "silent, and its probes fail", 0, 1000)
    ]
    assert times(outcome) == {"duration": 1000, "sent_after": 1000, "first_byte_after": 1000}


def test_a_refusal_after_an_attempt_has_the_time_until_that_was_sent(two: Dialogue) -> None:
    two.client().sends(request("POST /safe", body=b"search"))
    two.clock.advance(0.1)
    lost = two.mlflow_accepts()
    two.clock.advance(0.2)
    lost.resets()
    two.clock.advance(0.4)
    two.mlflow_refuses()
    outcome = two.outcome()
    assert (outcome.source, outcome.attempts) == (Source.GATE, 2)
    assert outcome.message.startswith("Headgate could not reach the MLflow server")
    assert times(outcome) == {
        "duration": 700,
        "connect_duration": 500,
        "sent_after": 100,
        "first_byte_after": 700,
        "upstream_duration": 600,
    }


# --- decisions that take time ------------------------------------------------------------------


@pytest.mark.parametrize("asks_mlflow", [True, False])
def test_what_mlflow_takes_for_a_look_up_is_not_the_gate_s_time(
    asks_mlflow: bool, dialogue: Dialogue
) -> None:
    """What a key store or an issuer takes is: the gate has chosen to ask it."""
    mlflow = dialogue.mlflow_is_idle()
    pass_on = Forward(dialogue.decider.route(STREAM, b"/later"), b"", PRINCIPAL)
    made: asyncio.Future[Decision]

    async def decide() -> Decision:
        return await made

    def later(_: Request) -> Decision:
        if asks_mlflow:
            return Pending(decide(), pass_on.route, PRINCIPAL)
        return Authenticating(decide())

    dialogue.decider.script[b"/later"] = later

    async def converse() -> None:
        nonlocal made
        made = asyncio.get_running_loop().create_future()
        dialogue.client().sends(request("GET /later"))
        await asyncio.sleep(0)
        dialogue.clock.advance(0.1)
        made.set_result(pass_on)
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(converse())
    mlflow.sends(response(200))
    own = {} if asks_mlflow else {"gate_duration": 100}
    assert times(dialogue.outcome()) == {
        "duration": 100,
        "sent_after": 100,
        "first_byte_after": 100,
        **own,
    }
