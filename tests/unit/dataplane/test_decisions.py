"""Decisions that need the body first, or something that takes time; and limits of routes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ByteSize

from headgate.config import Limits
from headgate.dataplane.decisions import (
    Authenticating,
    Decision,
    Forward,
    Inspect,
    Pending,
    Redirect,
)
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.testing.decider import LENGTH, PRINCIPAL, REFUSED, STREAM
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, chunked, request, response
from headgate.testing.transport import End

CHUNKED = "Transfer-Encoding: chunked"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


# --- with the body -----------------------------------------------------------------------------


@pytest.fixture
def inspecting(dialogue: Dialogue) -> Dialogue:
    """A dialogue whose gate wants to see bodies."""
    route = dialogue.decider.route(LENGTH, b"/inspected")
    dialogue.decider.script[b"/inspected"] = lambda _: Inspect(route, b"?q", PRINCIPAL)
    return dialogue


@pytest.mark.parametrize("fields", [(), (CHUNKED,)])
def test_a_body_is_shown_to_the_gate_before_mlflow_hears_of_it(
    fields: tuple[str, ...], inspecting: Dialogue
) -> None:
    client = inspecting.client()
    whole = request("POST /inspected", *fields, body=chunked(b"se", b"en") if fields else b"seen")
    client.sends(whole[:-7], whole[-7:-3])
    assert (inspecting.decider.inspected, inspecting.pool.pending) == ([], [])
    client.sends(whole[-3:])

    assert [body for _, body in inspecting.decider.inspected] == [b"seen"]
    mlflow = inspecting.mlflow_accepts()
    got = Message.of(mlflow.received())
    assert (got.line, got.rest) == (b"POST /inspected?q HTTP/1.1", b"seen")
    assert got.fields[b"content-length"] == b"4"
    mlflow.sends(response(200))
    outcome = inspecting.outcome()
    assert (outcome.reason, outcome.bytes_in) == (Reason.OK, 4)


def test_a_request_without_a_body_is_shown_too(inspecting: Dialogue) -> None:
    client = inspecting.client()
    client.sends(request("GET /inspected"))
    assert [body for _, body in inspecting.decider.inspected] == [b""]
    inspecting.mlflow_accepts().sends(response(200))
    assert inspecting.outcome().reason is Reason.OK


def test_a_body_to_be_shown_is_invited(inspecting: Dialogue) -> None:
    client = inspecting.client()
    client.sends(request("POST /inspected", "Content-Length: 4", "Expect: 100-continue"))
    assert client.received() == CONTINUE
    client.sends(b"seen")
    inspecting.mlflow_accepts().sends(response(200))
    assert client.received().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("decision", "status"), [(REFUSED, b"401"), (Redirect(b"/elsewhere"), b"308")]
)
def test_what_is_shown_may_still_be_refused(
    decision: Decision, status: bytes, inspecting: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspecting.decider, "decide_body", lambda *_: decision)
    client = inspecting.client()
    client.sends(request("POST /inspected", body=b"seen"))
    assert Message.of(client.received()).line.split()[1] == status
    assert client.end() is End.OPEN
    inspecting.outcome()


def test_a_defect_in_looking_at_a_body(
    inspecting: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Decision:
        raise RuntimeError("defect")

    monkeypatch.setattr(inspecting.decider, "decide_body", broken)
    client = inspecting.client()
    client.sends(request("POST /inspected", "Content-Length: 4"), b"seen")
    assert client.received().startswith(b"HTTP/1.1 500 ")
    outcome = inspecting.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.INTERNAL, Phase.AUTHORISE)


@pytest.mark.parametrize("fields", [("Content-Length: 1001",), (CHUNKED,)])
def test_a_body_too_long_to_be_shown_is_refused(fields: tuple[str, ...]) -> None:
    dialogue = Dialogue(Limits(buffered_body_bytes=ByteSize(1000)))
    route = dialogue.decider.route(LENGTH)
    dialogue.decider.script[b"/inspected"] = lambda _: Inspect(route, b"", PRINCIPAL)
    client = dialogue.client()
    client.sends(request("POST /inspected", *fields))
    if fields == (CHUNKED,):
        client.sends(chunked(b"x" * 1001))
    assert client.received().startswith(b"HTTP/1.1 413 ")
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.BODY_TOO_LARGE, Phase.ADMIT)
    dialogue.ends()


# --- later -------------------------------------------------------------------------------------


class Later:
    """A decision that is made when the test says so."""

    def __init__(self, dialogue: Dialogue, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._made: asyncio.Future[Decision] = runner.get_loop().create_future()
        self.pass_on = Forward(dialogue.decider.route(STREAM, b"/later"), b"?q", PRINCIPAL)
        self.cancelled = False
        dialogue.decider.script[b"/later"] = lambda _: Pending(
            self._decide(), self.pass_on.route, PRINCIPAL
        )

    def authenticates(self, dialogue: Dialogue) -> None:
        """The decision about ``/later`` has to find out first who sends it."""
        dialogue.decider.script[b"/later"] = lambda _: Authenticating(self._decide())

    async def _decide(self) -> Decision:
        try:
            return await self._made
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    def within_the_loop(self, *steps: Any) -> None:
        """Take ``steps`` while the event loop runs, each followed by a few of its turns."""

        async def take() -> None:
            for step in steps:
                step()
                for _ in range(5):
                    await asyncio.sleep(0)

        self._runner.run(take())

    def is_made(self, decision: Decision | Exception) -> None:
        """The decision comes."""
        if isinstance(decision, Exception):
            self._made.set_exception(decision)
        else:
            self._made.set_result(decision)


@pytest.fixture
def later(dialogue: Dialogue) -> Iterator[Later]:
    """The decision about ``/later``."""
    with asyncio.Runner() as runner:
        yield Later(dialogue, runner)


def test_a_client_waits_for_a_decision_that_takes_time(dialogue: Dialogue, later: Later) -> None:
    client = dialogue.client()
    body = b"x" * 100_000
    later.within_the_loop(lambda: client.sends(request("PUT /later", "Content-Length: 300000")))
    client.sends(body)
    assert not client.is_read()
    assert dialogue.pool.pending == []
    dialogue.passes(1000)
    assert client.end() is End.OPEN

    later.within_the_loop(lambda: later.is_made(later.pass_on), dialogue.turns.run)
    client.sends(body, body)
    assert not client.is_read()
    mlflow = dialogue.mlflow_accepts()
    got = Message.of(mlflow.received())
    assert (got.line, got.rest) == (b"PUT /later?q HTTP/1.1", body * 3)
    mlflow.sends(response(200))
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.principal.name) == (Reason.OK, "tests")
    assert outcome.principal.id == PRINCIPAL.id


def test_a_body_is_not_invited_before_it_is_decided_on(dialogue: Dialogue, later: Later) -> None:
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    ask = request("PUT /later", "Content-Length: 4", "Expect: 100-continue")
    later.within_the_loop(lambda: client.sends(ask))
    assert client.received() == b""
    later.within_the_loop(lambda: later.is_made(later.pass_on))
    assert client.received() == CONTINUE
    client.sends(b"body")
    mlflow.sends(response(200))
    assert dialogue.outcome().bytes_in == 4


def test_a_late_refusal(dialogue: Dialogue, later: Later) -> None:
    client = dialogue.client()
    later.within_the_loop(lambda: client.sends(request("GET /later") + request("GET /refused")))
    later.within_the_loop(lambda: later.is_made(REFUSED))
    assert client.received().count(b" 401 ") == 2
    assert client.is_read()
    assert [outcome.status for outcome in dialogue.outcomes()] == [401, 401]


def test_a_late_defect(dialogue: Dialogue, later: Later) -> None:
    client = dialogue.client()
    later.within_the_loop(lambda: client.sends(request("GET /later")))
    later.within_the_loop(lambda: later.is_made(RuntimeError("defect")))
    assert client.received().startswith(b"HTTP/1.1 500 ")
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.INTERNAL, Phase.AUTHORISE)


def test_nothing_is_decided_for_a_client_that_has_left(dialogue: Dialogue, later: Later) -> None:
    client = dialogue.client()
    later.within_the_loop(lambda: client.sends(request("GET /later")), client.resets)
    assert later.cancelled
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.CLIENT_GONE, Phase.AUTHORISE)


def test_a_client_may_leave_before_deciding_has_begun(dialogue: Dialogue, later: Later) -> None:
    """Without a complaint about a coroutine that was never awaited."""
    client = dialogue.client()

    def asks_and_leaves() -> None:
        client.sends(request("GET /later"))
        client.resets()

    later.within_the_loop(asks_and_leaves)
    assert dialogue.outcome().reason is Reason.CLIENT_GONE


@pytest.mark.parametrize("passes", [False, True])
def test_a_decision_in_the_moment_of_leaving_changes_nothing(
    passes: bool, dialogue: Dialogue, later: Later
) -> None:
    client = dialogue.client()

    def is_made_too_late() -> None:
        later.is_made(later.pass_on if passes else RuntimeError("too late"))
        client.resets()

    later.within_the_loop(lambda: client.sends(request("GET /later")), is_made_too_late)
    assert dialogue.outcome().reason is Reason.CLIENT_GONE


# --- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reads", [1, 5])
@pytest.mark.parametrize("fields", [("Content-Length: 1001",), (CHUNKED,)])
@pytest.mark.parametrize("kind", [Forward, Inspect])
@pytest.mark.parametrize("operation", [STREAM, LENGTH])
def test_a_body_over_the_limit_of_its_route_is_refused(
    operation: Any, kind: Any, fields: tuple[str, ...], reads: int, dialogue: Dialogue
) -> None:
    """A body that announces its length never reaches MLflow, another one is cut off there."""
    mlflow = dialogue.mlflow_is_idle()
    route = dialogue.decider.route(operation, b"/limited", ByteSize(1000))
    dialogue.decider.script[b"/limited"] = lambda _: kind(route, b"", PRINCIPAL)
    client = dialogue.client()
    body = b"x" * 1001 if fields != (CHUNKED,) else chunked(b"x" * 500, b"x" * 501)
    whole = request("PUT /limited", *fields, body=body)
    step = len(whole) // reads + 1
    client.sends(*(whole[at : at + step] for at in range(0, len(whole), step)))

    assert client.received().startswith(b"HTTP/1.1 413 ")
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.BODY_TOO_LARGE, Phase.ADMIT)
    assert dialogue.decider.inspected == []
    got = mlflow.received()
    assert not got or not got.endswith(b"0\r\n\r\n")
    assert dialogue.plane.in_flight == 0


def test_no_more_requests_than_so_many_are_under_way() -> None:
    dialogue = Dialogue(Limits(in_flight=1))
    first, second = dialogue.client(), dialogue.client()
    first.sends(request("GET /stream"))
    second.sends(request("POST /length", body=b"x"))
    refused = Message.of(second.received())
    assert refused.line == b"HTTP/1.1 429 Too Many Requests: the gate is at its limit"
    assert refused.fields[b"retry-after"] == b"2"

    dialogue.mlflow_accepts().sends(response(200))
    second.sends(request("POST /length", body=b"x"))
    first.resets()
    assert dialogue.plane.in_flight == 1
    second.resets()
    assert [outcome.reason for outcome in dialogue.outcomes()] == [
        Reason.OVERLOADED,
        Reason.OK,
        Reason.CLIENT_GONE,
    ]
    dialogue.ends()


def test_a_request_is_admitted_once_its_sender_is_known(dialogue: Dialogue, later: Later) -> None:
    """Until then it takes up no capacity, and nothing more is read of it."""
    later.authenticates(dialogue)
    client = dialogue.client()
    later.within_the_loop(lambda: client.sends(request("PUT /later", "Content-Length: 1")))
    assert (dialogue.plane.in_flight, client.is_read()) == (0, False)
    later.within_the_loop(lambda: later.is_made(later.pass_on))
    assert dialogue.plane.in_flight == 1
    client.sends(b"x")
    dialogue.mlflow_accepts().sends(response(200))
    assert dialogue.outcome().principal.id == PRINCIPAL.id


def test_a_client_that_leaves_before_it_is_identified(dialogue: Dialogue, later: Later) -> None:
    later.authenticates(dialogue)
    client = dialogue.client()
    later.within_the_loop(lambda: client.sends(request("GET /later")))
    later.within_the_loop(client.resets)
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.CLIENT_GONE, Phase.AUTHENTICATE)
    assert (outcome.principal.id, dialogue.plane.in_flight, later.cancelled) == ("", 0, True)


def test_a_sender_who_is_refused_late(dialogue: Dialogue, later: Later) -> None:
    later.authenticates(dialogue)
    client = dialogue.client()
    later.within_the_loop(lambda: client.sends(request("GET /later")))
    later.within_the_loop(lambda: later.is_made(REFUSED))
    assert b" 401 " in client.received()
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.UNAUTHENTICATED, Phase.AUTHENTICATE)
