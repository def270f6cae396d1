"""What waits at an endpoint whose probes have come to fail goes elsewhere, where that is safe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headgate.cluster import ProbeResult
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import request, response
from headgate.testing.pool import ScriptedPool
from headgate.testing.transport import End, Peer


@pytest.fixture
def dialogue() -> Iterator[Dialogue]:
    """A dialogue with two endpoints."""
    dialogue = Dialogue(endpoints=2)
    yield dialogue
    dialogue.ends()


def probes_fail(dialogue: Dialogue, pool: ScriptedPool) -> None:
    """The probes of one endpoint say that it does not answer; then the worker sweeps."""
    failed = ProbeResult(ok=False, latency=2.0, reason="no response within 2 s")
    dialogue.cluster.probed(pool.endpoint, failed, dialogue.clock())
    dialogue.passes(1)


def waiting(dialogue: Dialogue, line: str) -> tuple[Peer, ScriptedPool, Peer]:
    """A client whose request waits at one endpoint: the client, the endpoint, its end."""
    client = dialogue.client()
    client.sends(request(line, body=b"search"))
    (pool,) = (pool for pool in dialogue.pools if pool.pending)
    return client, pool, dialogue.mlflow_accepts()


def test_a_safe_request_goes_elsewhere(dialogue: Dialogue) -> None:
    client, pool, silent = waiting(dialogue, "POST /safe")
    sent = silent.received()
    probes_fail(dialogue, pool)
    assert silent.end() is End.CUT
    other = dialogue.mlflow_accepts()
    assert other.received().replace(b":5001", b":5000") == sent.replace(b":5001", b":5000")
    other.sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.attempts) == (Reason.OK, 2)


def test_an_unsafe_request_waits_on(dialogue: Dialogue) -> None:
    client, pool, slow = waiting(dialogue, "POST /length")
    probes_fail(dialogue, pool)
    assert (slow.end(), dialogue.pending) == (End.OPEN, [])
    slow.sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")
    assert dialogue.outcome().attempts == 1


@pytest.mark.parametrize("status", [200, 403])
def test_a_response_that_has_begun_is_waited_for(dialogue: Dialogue, status: int) -> None:
    client, pool, slow = waiting(dialogue, "POST /safe")
    slow.sends(response(status, "Content-Length: 4", "Content-Type: text/plain"), b"so")
    probes_fail(dialogue, pool)
    assert slow.end() is End.OPEN
    slow.sends(b"me")
    assert client.received().endswith(b"some")
    assert dialogue.outcome().attempts == 1


def test_nothing_is_moved_where_all_probes_fail(dialogue: Dialogue) -> None:
    """Then it may well be the probes, and there is nowhere better to go."""
    _, pool, slow = waiting(dialogue, "POST /safe")
    for each in dialogue.pools:
        if each is not pool:
            probes_fail(dialogue, each)
    probes_fail(dialogue, pool)
    assert (slow.end(), dialogue.pending) == (End.OPEN, [])
    slow.sends(response(200))
    assert dialogue.outcome().attempts == 1


def test_what_the_budget_does_not_allow_waits_on(dialogue: Dialogue) -> None:
    clients = [dialogue.client() for _ in range(12)]
    for client in clients:
        client.sends(request("GET /safe"))
        dialogue.mlflow_accepts()
    pool = dialogue.pools[0]
    here = len(pool.peers)
    probes_fail(dialogue, pool)
    moved = sum(peer.end() is End.CUT for peer in pool.peers)
    least = dialogue.cluster.policy.min_retries
    assert (moved, len(dialogue.pending)) == (least, least) != (here, here)
    for connecting in tuple(dialogue.pending):
        connecting.succeeds()
    dialogue.turns.run()
