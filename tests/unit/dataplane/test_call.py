"""Requests of the gate's own: probes, and look-ups that a decision needs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator

import pytest

from headgate.cluster import Result
from headgate.config import Limits, Upstream
from headgate.dataplane.call import CallError, CallFailure, CallResponse, call
from headgate.symptoms import ConnectionFailure, ExchangeFailure
from headgate.testing.clock import ManualClock
from headgate.testing.messages import Message, chunked, response
from headgate.testing.pool import ScriptedPool
from headgate.testing.transport import End, Peer, Turns

CHUNKED = "Transfer-Encoding: chunked"


class Calling:
    """One call, and MLflow's end of it."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.pool = ScriptedPool(self.turns, ManualClock(), Upstream(), Limits())
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """End the event loop."""
        self._runner.close()

    def made(
        self,
        *steps: Callable[[], object],
        method: bytes = b"GET",
        target: bytes = b"/health",
        body: bytes = b"",
        within: float = 5,
        max_bytes: int = 1000,
    ) -> CallResponse:
        """Make a call, and take ``steps`` while it waits."""

        async def make() -> CallResponse:
            loop = asyncio.get_running_loop()
            task = loop.create_task(
                call(self.pool, method, target, body=body, within=within, max_bytes=max_bytes)
            )
            for step in steps:
                await asyncio.sleep(0)
                step()
                self.turns.run()
            return await task

        return self._runner.run(make())

    def accepts(self) -> Peer:
        """MLflow accepts the connection."""
        (connecting,) = self.pool.pending
        return connecting.succeeds()

    def fails(self, *steps: Callable[[], object], **arguments: float) -> CallFailure:
        """Make a call that must fail; returns how."""
        with pytest.raises(CallError) as caught:
            self.made(*steps, **arguments)  # type: ignore[arg-type]  # numbers of two kinds
        return caught.value.failure


@pytest.fixture
def calling() -> Iterator[Calling]:
    """A pool to call through; nothing may be left in use at the end."""
    calling = Calling()
    yield calling
    calling.close()
    assert calling.pool.busy == 0


def test_the_response_comes_whole(calling: Calling) -> None:
    reply = response(200, CHUNKED, body=chunked(b"al", b"ive"))

    def responses() -> None:
        (mlflow,) = calling.pool.peers
        mlflow.sends(reply[:30], reply[30:-3], reply[-3:])

    got = calling.made(calling.accepts, responses)
    assert (got.status, got.body) == (200, b"alive")
    assert calling.pool.idle == 1


def test_the_request_is_one_that_mlflow_takes(calling: Calling) -> None:
    """With forwarding fields: without them MLflow takes it for the operator's own."""
    mlflow = calling.pool.open_idle()
    calling.made(
        lambda: mlflow.sends(response(200)), method=b"POST", target=b"/api?x", body=b"search"
    )
    asked = Message.of(mlflow.received())
    assert (asked.line, asked.rest) == (b"POST /api?x HTTP/1.1", b"search")
    assert asked.fields[b"host"] == b"127.0.0.1:5000"
    assert asked.fields[b"content-length"] == b"6"
    assert asked.fields[b"x-forwarded-for"] == b"127.0.0.1"


@pytest.mark.parametrize(
    ("error", "symptom"),
    [
        (ConnectionRefusedError(111, "Connection refused"), ConnectionFailure.REFUSED),
        (OSError(113, "No route to host"), ConnectionFailure.NO_ROUTE),
        (TimeoutError("no connection within 5 s"), ConnectionFailure.NO_RESPONSE),
        (ConnectionResetError("closed as soon as it was open"), ConnectionFailure.DROPPED),
        (ssl.SSLCertVerificationError(1, "no"), ConnectionFailure.CERTIFICATE_UNTRUSTED),
        (ssl.SSLError(1, "wrong version number"), ConnectionFailure.TLS_FAILED),
    ],
)
def test_nobody_accepts(error: OSError, symptom: ConnectionFailure, calling: Calling) -> None:
    """Why not is told apart: each has another cure."""
    with pytest.raises(CallError) as caught:
        calling.made(lambda: calling.pool.pending[0].fails(error))
    assert caught.value.failure is CallFailure.CONNECT
    assert caught.value.symptom is symptom


def test_each_failure_says_what_it_means_to_the_cluster_and_what_explains_it() -> None:
    results = {failure: failure.result for failure in CallFailure}
    assert results == {
        CallFailure.NO_ENDPOINT: Result.CANCELLED,
        CallFailure.FULL: Result.CANCELLED,
        CallFailure.CONNECT: Result.CONNECT_FAILED,
        CallFailure.RESET: Result.RESET,
        CallFailure.TIMEOUT: Result.TIMEOUT,
        CallFailure.INVALID: Result.ERROR_STATUS,
        CallFailure.TOO_LONG: Result.OK,
        CallFailure.PARKED: Result.CANCELLED,
    }
    explained = {failure.symptom for failure in CallFailure}
    assert explained == {*ExchangeFailure, ConnectionFailure.OTHER}


@pytest.mark.parametrize("leave", [Peer.resets, Peer.finishes])
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_mlflow_leaves(begun: bytes, leave: Callable[[Peer], None], calling: Calling) -> None:
    peers: list[Peer] = []
    steps = [lambda: peers.append(calling.accepts())]
    steps += [lambda: peers[0].sends(begun)] if begun else []
    assert calling.fails(*steps, lambda: leave(peers[0])) is CallFailure.RESET


@pytest.mark.parametrize("leave", [Peer.resets, Peer.finishes])
def test_a_connection_that_was_kept_too_long_says_nothing(
    leave: Callable[[Peer], None], calling: Calling
) -> None:
    """Another one is opened, once."""
    kept = calling.pool.open_idle()
    got = calling.made(
        lambda: leave(kept),
        lambda: calling.accepts().sends(response(200, body=b"well")),
    )
    assert got.body == b"well"


def test_mlflow_leaves_within_a_response_on_a_kept_connection(calling: Calling) -> None:
    mlflow = calling.pool.open_idle()
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    assert calling.fails(lambda: mlflow.sends(begun), mlflow.resets) is CallFailure.RESET


def test_a_response_may_end_with_its_connection(calling: Calling) -> None:
    mlflow = calling.pool.open_idle()
    got = calling.made(lambda: mlflow.sends(b"HTTP/1.0 200 OK\r\n\r\nall"), mlflow.finishes)
    assert got.body == b"all"


def test_no_response_in_time(calling: Calling) -> None:
    mlflow = calling.pool.open_idle()
    assert calling.fails(within=1e-9) is CallFailure.TIMEOUT
    assert mlflow.end() is End.CUT


def test_no_connection_in_time(calling: Calling) -> None:
    assert calling.fails(within=1e-9) is CallFailure.TIMEOUT
    assert calling.pool.pending == []


def test_a_response_that_is_none(calling: Calling) -> None:
    mlflow = calling.pool.open_idle()
    assert calling.fails(lambda: mlflow.sends(b"nonsense\r\n\r\n")) is CallFailure.INVALID


@pytest.mark.parametrize("reads", [1, 3])
@pytest.mark.parametrize("fields", [("Content-Length: 1001",), (CHUNKED,)])
def test_a_response_that_is_too_long(fields: tuple[str, ...], reads: int, calling: Calling) -> None:
    mlflow = calling.pool.open_idle()
    body = chunked(b"x" * 1001) if fields == (CHUNKED,) else b"x" * 1001
    whole = response(200, *fields, body=body)
    step = len(whole) // reads + 1
    parts = [whole[at : at + step] for at in range(0, len(whole), step)]
    assert calling.fails(lambda: mlflow.sends(*parts)) is CallFailure.TOO_LONG


def test_a_response_of_just_the_limit(calling: Calling) -> None:
    mlflow = calling.pool.open_idle()
    got = calling.made(lambda: mlflow.sends(response(200, body=b"x" * 1000)))
    assert len(got.body) == 1000


def test_a_response_with_more_behind_it_ends_its_connection(calling: Calling) -> None:
    mlflow = calling.pool.open_idle()
    got = calling.made(lambda: mlflow.sends(response(200, body=b"mine") + b"HTTP/1.1"))
    assert got.body == b"mine"
    assert (mlflow.closed(), calling.pool.size) == (True, 0)
