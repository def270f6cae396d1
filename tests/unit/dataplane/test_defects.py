"""Defects of the gate itself end one request, with one outcome, and are logged."""

from __future__ import annotations

import pytest

from headgate.dataplane import request_reader
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.responders.delivery import PlainDelivery
from headgate.dataplane.responders.forward import ForwardResponder
from headgate.events import InternalError
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.transport import End
from headgate.wire import forward


def broken(*_: object, **__: object) -> None:
    """Stands in for anything that should work."""
    raise RuntimeError("defect")


def test_a_defect_in_the_gate_is_answered_500(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /defect", "X-Request-ID: id-of-the-client"))
    got = Message.of(client.received())

    assert got.line == b"HTTP/1.1 500 Internal Server Error: internal error in Headgate"
    assert got.fields[b"x-headgate-reason"] == b"internal"
    assert b"id-of-the-client" in got.rest
    assert b"RuntimeError" not in got.rest
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase, outcome.status) == (Reason.INTERNAL, Phase.PARSE, 500)
    assert outcome.detail == "RuntimeError('defect')"
    (event,) = dialogue.events
    assert isinstance(event, InternalError)
    assert event.activity == "handling the request id-of-the-client"
    assert isinstance(event.error, RuntimeError)


@pytest.mark.parametrize("behind", [request("POST /length", body=b"x" * 50)[:-30], b"x" * 10])
def test_what_was_read_together_with_a_defect_cannot_be_taken_for_a_request(
    behind: bytes, dialogue: Dialogue
) -> None:
    """Where it ends is lost with it, so the connection must close."""
    client = dialogue.client()
    client.sends(request("GET /defect") + behind)
    assert Message.of(client.received()).fields[b"connection"] == b"close"
    client.sends(request("GET /stream"))

    assert len(dialogue.decider.decided) == 1
    assert client.end() is End.FINISHED
    client.finishes()
    assert client.closed()
    dialogue.outcome()


@pytest.mark.patches
def test_a_defect_in_reading_heads_is_answered_500(
    dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_reader, "read_request", broken)
    client = dialogue.client()
    client.sends(request("GET /stream"))

    assert client.received().startswith(b"HTTP/1.1 500 ")
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.method, outcome.client) == (Reason.INTERNAL, b"", "192.0.2.1")


@pytest.mark.patches
@pytest.mark.parametrize("idle", [False, True])
def test_a_defect_in_sending_a_request_on(
    idle: bool, dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = dialogue.mlflow_is_idle() if idle else None
    monkeypatch.setattr(forward, "request_head", broken)
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 6"), b"abc")
    mlflow = mlflow or dialogue.mlflow_accepts()

    assert client.received().startswith(b"HTTP/1.1 500 ")
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.INTERNAL, Phase.FORWARD)
    assert (mlflow.received(), mlflow.end()) == (b"", End.CUT)
    assert client.is_read()


@pytest.mark.patches
def test_a_defect_in_sending_a_body_on(dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 6"), b"abc")
    mlflow = dialogue.mlflow_accepts()
    monkeypatch.setattr(RequestBody, "take", broken)
    client.sends(b"def")

    assert client.received().startswith(b"HTTP/1.1 500 ")
    assert dialogue.outcome().reason is Reason.INTERNAL
    assert mlflow.end() is End.CUT


@pytest.mark.patches
def test_a_defect_before_the_responses_head_is_answered_500(
    dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    monkeypatch.setattr(PlainDelivery, "_head_of", broken)
    mlflow.sends(response(302, "Location: /elsewhere"))

    assert client.received().startswith(b"HTTP/1.1 500 ")
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.status) == (Reason.INTERNAL, 500)
    assert mlflow.end() is End.CUT


@pytest.mark.patches
def test_a_defect_within_a_response_cuts_it(
    dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Length: 6"), b"abc")
    monkeypatch.setattr(ForwardResponder, "on_response", broken)
    mlflow.sends(b"def")

    assert (client.end(), mlflow.end()) == (End.CUT, End.CUT)
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.status) == (Reason.INTERNAL, 200)
