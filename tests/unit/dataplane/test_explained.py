"""Answers of MLflow's that the gate explains instead of passing them on."""

from __future__ import annotations

import json

import pytest

from headgate.model import BodyHandling, Operation, Reason, Retry
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, answer, request

RUNS = Operation("runs", Retry.NEVER, BodyHandling.LENGTH)
ARTIFACTS = Operation("artifacts", Retry.NEVER, BodyHandling.STREAM)
REFUSED = b"Invalid Host header - possible DNS rebinding attack detected"


def said(client_bytes: bytes) -> str:
    text = json.loads(Message.of(client_bytes).rest)["message"]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("split", [0, 1, len(REFUSED)])
def test_the_host_check_of_mlflow_is_explained(dialogue: Dialogue, split: int) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    mlflow = dialogue.mlflow_accepts()
    head = answer(403, "Content-Type: text/plain", f"Content-Length: {len(REFUSED)}")
    mlflow.sends(head, REFUSED[:split])
    mlflow.sends(REFUSED[split:])

    received = client.received()
    assert received.startswith(b"HTTP/1.1 502 ")
    assert "'127.0.0.1:5000'" in said(received)
    assert "--allowed-hosts" in said(received)
    assert dialogue.outcome().reason is Reason.UPSTREAM_ERROR
    dialogue.ends()


def test_another_403_is_passed_on(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(answer(403, "Content-Type: text/plain", "Content-Length: 4"), b"no")
    mlflow.sends(b"pe")
    received = client.received()
    assert received.startswith(b"HTTP/1.1 403 ")
    assert received.endswith(b"\r\n\r\nnope")
    assert dialogue.outcome().reason is Reason.OK
    dialogue.ends()


@pytest.mark.parametrize(("status", "told"), [(200, 502), (404, 502), (500, 500), (503, 503)])
def test_a_page_where_json_is_due_is_explained(dialogue: Dialogue, status: int, told: int) -> None:
    dialogue.gate.script[b"/runs"] = RUNS
    client = dialogue.client()
    client.sends(request("POST /runs", body=b"{}"))
    mlflow = dialogue.mlflow_accepts()
    page = ("Content-Type: text/html; charset=utf-8", "Content-Length: 6")
    mlflow.sends(answer(status, *page), b"<html>")

    received = client.received()
    assert received.startswith(b"HTTP/1.1 %d " % told)
    assert f"(status {status})" in said(received)
    assert dialogue.outcome().reason is Reason.UPSTREAM_ERROR
    dialogue.ends()


def test_a_page_is_passed_on_where_pages_are_due(dialogue: Dialogue) -> None:
    dialogue.gate.script[b"/artifact"] = ARTIFACTS
    client = dialogue.client()
    client.sends(request("GET /artifact"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(answer(200, "Content-Type: text/html", "Content-Length: 6"), b"<html>")
    assert client.received().endswith(b"<html>")
    dialogue.ends()


def test_a_403_that_broke_off_is_forgotten_when_its_request_is_sent_again(
    dialogue: Dialogue,
) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(answer(403, "Content-Type: text/plain", "Content-Length: 4"), b"no")
    mlflow.resets()
    dialogue.mlflow_accepts().sends(answer(200, body=b"yes"))
    received = client.received()
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\nyes")
    dialogue.ends()
