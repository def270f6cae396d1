"""Exporters receive refusals as a ``google.rpc.Status``, and sent again only where that helps."""

from __future__ import annotations

import json

import pytest
from google.rpc import code_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from headgate.dataplane import rpc_status
from headgate.errors import Refusal
from headgate.model import BodyHandling, Operation, Phase, Retry
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request

PROTOBUF = "Content-Type: application/x-protobuf"
JSON = "Content-Type: application/json; charset=utf-8"
EXPORT = Operation("traces", Retry.NEVER, BodyHandling.STREAM, otlp=True)
REFUSED = [each for each in Reason if each is not Reason.OK]
SENT_AGAIN = {429, 502, 503, 504}


@given(st.sampled_from(REFUSED), st.text(max_size=400))
def test_the_message_arrives_in_both_encodings(reason: Reason, message: str) -> None:
    what = Refusal(reason, message)
    media_type, body = rpc_status.body(what, b"application/x-protobuf")
    assert media_type == b"application/x-protobuf"
    status = status_pb2.Status.FromString(body)
    assert status.message == message
    assert code_pb2.Code.Name(status.code)
    assert status.code != code_pb2.OK
    media_type, body = rpc_status.body(what, b"application/json; charset=utf-8")
    assert media_type == b"application/json"
    assert json.loads(body) == {"code": status.code, "message": message}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_would_be_refused_again_is_not_sent_again(reason: Reason) -> None:
    what = rpc_status.for_exporters(Refusal(reason, "x"))
    assert (what.code in SENT_AGAIN) <= reason.retryable
    told = rpc_status.for_exporters(Refusal(reason, "x", retry_after=1))
    assert told.code == reason.status


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_every_refusal_of_an_export_has_that_form(content_type: str, dialogue: Dialogue) -> None:
    dialogue.decider.script[b"/export"] = EXPORT
    client = dialogue.client()
    client.sends(request("POST /export", content_type, body=b"abc"))
    dialogue.mlflow_refuses()
    got = Message.of(client.received())
    assert got.line.startswith(b"HTTP/1.1 503 ")
    assert (
        got.fields[b"content-type"]
        == content_type.removeprefix("Content-Type: ").partition(";")[0].encode()
    )
    assert got.fields[b"x-headgate-reason"] == b"upstream_connect"
    assert b"Headgate" in got.rest
    outcome = dialogue.outcome()
    assert (outcome.status, outcome.phase) == (503, Phase.SELECT)


def test_other_refusals_keep_mlflows_form(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /stream", PROTOBUF, body=b"abc"))
    dialogue.mlflow_refuses()
    got = Message.of(client.received())
    assert json.loads(got.rest)["error_code"] == "TEMPORARILY_UNAVAILABLE"
    dialogue.outcome()
