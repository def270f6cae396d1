"""The place of requests in traces: what MLflow is sent of it, and what outcomes say."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.model import Outcome, Principal, SpanContext
from headgate.testing.decider import PRINCIPAL
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.wire.tracer import Sampler, Tracer

TRACE, PARENT = b"4bf92f3577b34da6" * 2, b"00f067aa0ba902b7"
CLIENT = f"traceparent: 00-{TRACE.decode()}-{PARENT.decode()}-01"


class ByWord(Sampler):
    """Exports what authenticated clients say they record, and nothing else."""

    def decide(self, span: SpanContext, principal: Principal) -> bool:
        return span.parent_sampled and bool(principal.id)


def traced(endpoints: int = 1) -> Dialogue:
    dialogue = Dialogue(endpoints=endpoints)
    dialogue.plane.tracer = Tracer(ByWord(), os.urandom)
    return dialogue


def span_of(outcome: Outcome) -> SpanContext:
    assert outcome.trace is not None
    return outcome.trace


def test_without_tracing_a_client_s_trace_is_passed_on_as_it_is(dialogue: Dialogue) -> None:
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.sends(request("GET /stream", CLIENT, "tracestate: a=1"))
    sent = Message.of(mlflow.received()).fields
    assert b"traceparent: " + sent[b"traceparent"] == CLIENT.encode()
    assert sent[b"tracestate"] == b"a=1"
    mlflow.sends(response(200))
    client.sends(request("GET /stream"))
    assert b"traceparent" not in Message.of(mlflow.received()).fields
    mlflow.sends(response(200))
    first, second = dialogue.outcomes()
    place = span_of(first)
    assert (place.trace_id, place.parent_id, place.span_id) == (TRACE, PARENT, b"")
    assert (place.attempt_id, place.sampled) == (b"", False)
    assert second.trace is None


@pytest.mark.parametrize("count", [1, 3])
def test_each_request_has_a_span_and_its_attempt_another(count: int) -> None:
    """Heads that are the same to the byte are understood from one another; their spans are not."""
    dialogue = traced()
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    spans = []
    for _ in range(count):
        client.sends(request("GET /stream", CLIENT, "tracestate: a=1"))
        sent = Message.of(mlflow.received()).fields
        mlflow.sends(response(200))
        span = span_of(dialogue.outcome())
        assert sent[b"traceparent"] == b"00-%b-%b-01" % (TRACE, span.attempt_id)
        assert sent[b"tracestate"] == b"a=1"
        assert (span.trace_id, span.parent_id, span.sampled) == (TRACE, PARENT, True)
        spans += [span.span_id, span.attempt_id]
    assert len(set(spans)) == 2 * count
    dialogue.ends()


def test_each_attempt_is_the_parent_of_what_it_leads_to() -> None:
    dialogue = traced(endpoints=2)
    dialogue.client().sends(request("POST /safe", CLIENT, body=b"search"))
    dialogue.mlflow_refuses()
    lost = dialogue.mlflow_accepts()
    second = Message.of(lost.received()).fields[b"traceparent"]
    lost.resets()
    mlflow = dialogue.mlflow_accepts()
    third = Message.of(mlflow.received()).fields[b"traceparent"]
    mlflow.sends(response(200))
    outcome = dialogue.outcome()
    span = span_of(outcome)
    ids = [each.span_id for each in outcome.retries]
    assert second == b"00-%b-%b-01" % (TRACE, ids[1])
    assert third == b"00-%b-%b-01" % (TRACE, span.attempt_id)
    assert len({*ids, span.attempt_id, span.span_id}) == 4
    dialogue.ends()


@pytest.mark.parametrize(
    "field", ["X-A: b", "traceparent: 00-x", CLIENT.upper(), CLIENT + "\r\n" + CLIENT]
)
def test_a_trace_begins_here_where_the_client_has_no_valid_one(field: str) -> None:
    dialogue = traced()
    mlflow = dialogue.mlflow_is_idle()
    dialogue.client().sends(request("GET /stream", field, "tracestate: a=1"))
    sent = Message.of(mlflow.received()).fields
    mlflow.sends(response(200))
    span = span_of(dialogue.outcome())
    assert sent[b"traceparent"] == b"00-%b-%b-00" % (span.trace_id, span.attempt_id)
    assert b"tracestate" not in sent
    assert span.trace_id != TRACE
    assert (span.parent_id, span.sampled) == (b"", False)
    dialogue.ends()


def test_a_stranger_s_word_counts_for_nothing() -> None:
    dialogue = traced()
    client = dialogue.client()
    client.sends(request("GET /refused", CLIENT), b"nonsense\r\n\r\n")
    refused, malformed = dialogue.outcomes()
    span = span_of(refused)
    assert (span.trace_id, span.parent_sampled, span.sampled) == (TRACE, True, False)
    assert len(span_of(malformed).trace_id) == 32
    dialogue.ends()


def test_requests_under_way_when_tracing_begins_or_ends() -> None:
    dialogue = Dialogue()
    clients = [dialogue.client(), dialogue.client()]
    clients[0].sends(request("GET /stream", CLIENT))
    dialogue.plane.tracer = Tracer(ByWord(), os.urandom)
    sent = Message.of(dialogue.mlflow_accepts().received()).fields[b"traceparent"]
    assert b"traceparent: " + sent == CLIENT.encode()
    clients[1].sends(request("GET /stream", CLIENT))
    dialogue.plane.tracer = None
    sent = Message.of(dialogue.mlflow_accepts().received()).fields[b"traceparent"]
    assert b"traceparent: " + sent == CLIENT.encode()
    for client in clients:
        client.resets()
    first, second = dialogue.outcomes()
    assert span_of(first).span_id == b""
    assert span_of(second).span_id != b""
    dialogue.ends()


parents = st.one_of(st.none(), st.sampled_from(["00", "01"]))


@given(st.lists(st.tuples(st.sampled_from(["/stream", "/refused", "/redirect"]), parents)))
def test_the_flag_that_is_sent_on_is_the_client_s_or_the_decision(
    requests: list[tuple[str, str | None]],
) -> None:
    dialogue = traced()
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    for path, flag in requests:
        fields = () if flag is None else (CLIENT[:-2] + flag,)
        client.sends(request(f"GET {path}", *fields))
        if path == "/stream":
            sent = Message.of(mlflow.received()).fields[b"traceparent"]
            assert sent[-2:] == (b"00" if flag is None else flag.encode())
            mlflow.sends(response(200))
        outcome = dialogue.outcome()
        span = span_of(outcome)
        assert span.decided
        assert span.sampled == (flag == "01" and outcome.principal.id == PRINCIPAL.id)
        assert (span.trace_id == TRACE) == (flag is not None)
        assert bool(span.attempt_id) == (path == "/stream")
    dialogue.ends()
