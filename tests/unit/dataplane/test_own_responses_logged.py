"""What the log says of requests that the gate answers itself: malformed ones, and its refusals."""

from __future__ import annotations

import pytest

from headgate.config import Limits
from headgate.events import TurnedAway
from headgate.model import BodyHandling, Operation, Phase, ResponsePolicy, Retry, Source
from headgate.net.addresses import plain_peer
from headgate.reasons import Reason
from headgate.testing.decider import REFUSED
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response


@pytest.mark.parametrize(
    ("head", "method", "target", "detail"),
    [
        (b"GET /a HTTP/1.1\r\n\r\n", b"GET", b"/a", "the Host field is missing"),
        (b"POST /a?b HTTP/1.1\r\nHost: a b\r\n\r\n", b"POST", b"/a?b", "the Host field"),
        (b"TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n", b"TRACE", b"/a", "TRACE is not served here"),
        (b"GET  /a HTTP/1.1\r\nHost: a\r\n\r\n", b"GET", b"/a", "more than one space"),
        (b"GET /a HTTP/3.0\r\nHost: a\r\n\r\n", b"GET", b"/a", "HTTP/1.1"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"", b"", "does not start with a method"),
        (b"GET /" + b"a" * 200_000, b"GET", b"/" + b"a" * 4091, "the request target is over"),
        (b"get /a HTTP/1.1\r\n\r\n", b"get", b"/a", "does not start with a method"),
        (b"GET /a\x00b HTTP/1.1\r\n\r\n", b"GET", b"/a", "not HTTP/1.1"),
        (b"GET /a\xe9 HTTP/1.1\r\n\r\n", b"GET", b"/a", "char in url path"),
        (b"GET http://a/b HTTP/1.1\r\n\r\n", b"GET", b"http://a/b", "Host"),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", b"CONNECT", b"a:443", "CONNECT"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS", b"*", "target"),
        (b"PASSWORD hunter2 \r\n\r\n", b"", b"", "method"),
        (b'{"password": "hunter2"} \r\n\r\n', b"", b"", "method"),
    ],
)
def test_a_malformed_request_is_logged_with_what_it_looked_like(
    head: bytes, method: bytes, target: bytes, detail: str, dialogue: Dialogue
) -> None:
    dialogue.client().sends(head)
    outcome = dialogue.outcome()
    assert outcome.reason in (Reason.REQUEST_MALFORMED, Reason.REQUEST_AMBIGUOUS)
    assert (outcome.method, outcome.target) == (method, target)
    assert detail in outcome.detail


def test_a_head_that_does_not_come_whole_is_logged_with_what_has_come(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(b"GET /a?b HTT")
    dialogue.passes(dialogue.limits.header_timeout + 1)
    outcome = dialogue.outcome()
    assert (outcome.status, outcome.method, outcome.target) == (408, b"GET", b"/a?b")
    assert outcome.source is Source.GATE
    assert outcome.message.startswith("Headgate refused the request: the head was not complete")
    assert outcome.bytes_out == len(client.received().partition(b"\r\n\r\n")[2])


def test_a_connection_that_is_turned_away_is_logged() -> None:
    dialogue = Dialogue(Limits(connections=2))
    clients = [dialogue.client() for _ in range(2)]
    got = Message.of(clients[1].received())
    outcome = dialogue.outcome()
    assert (outcome.phase, outcome.reason) == (Phase.ACCEPT, Reason.OVERLOADED)
    assert (outcome.source, outcome.method, outcome.client) == (Source.GATE, b"", "192.0.2.1")
    assert got.line.startswith(b"HTTP/1.1 %d " % outcome.status)
    assert (outcome.request_id, outcome.bytes_out) == (got.fields[b"x-request-id"], len(got.rest))
    assert got.fields[b"connection"] == b"close"
    assert outcome.message.startswith("Headgate is busy: too many connections are open")
    assert outcome.detail == TurnedAway.STRANGERS.value
    dialogue.ends()


def test_what_the_gate_s_own_pages_refuse_is_logged(dialogue: Dialogue) -> None:
    """They are no upstream, and say their reason and their sentence themselves."""
    dialogue.balancer.name = ""
    dialogue.decider.script[b"/-/page"] = Operation(
        "gate", Retry.NEVER, BodyHandling.STREAM, response_policy=ResponsePolicy(states_reason=True)
    )
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    for body, message in (
        (b'{"message": "No such key."}', "No such key."),
        (b"no JSON", ""),
        (b"[1]", ""),
        (b'{"message": 1}', ""),
    ):
        client.sends(request("GET /-/page"))
        head = response(404, "X-Headgate-Reason: not_found", f"Content-Length: {len(body)}")
        mlflow.sends(head + body[:2])
        mlflow.sends(body[2:])
        outcome = dialogue.outcome()
        assert (outcome.reason, outcome.source) == (Reason.NOT_FOUND, Source.GATE)
        assert (outcome.upstream, outcome.endpoint, outcome.message) == ("", "", message)


def test_an_exporter_s_refusal_says_the_same_sentence(dialogue: Dialogue) -> None:
    dialogue.decider.script[b"/v1/traces"] = lambda _: REFUSED
    dialogue.decider.is_otlp = lambda _: True  # type: ignore[method-assign, assignment]
    dialogue.client().sends(request("POST /v1/traces", "Content-Type: application/x-protobuf"))
    assert dialogue.outcome().message == "No key."


@pytest.mark.parametrize(("method", "has_body"), [(b"POST", True), (b"HEAD", False)])
def test_the_bytes_of_a_refusal_are_counted(
    method: bytes, has_body: bool, dialogue: Dialogue
) -> None:
    client = dialogue.client()
    client.sends(b"%b /a HTTP/1.1\r\nHost: a b\r\n\r\n" % method)
    body = client.received().partition(b"\r\n\r\n")[2]
    assert bool(body) is has_body
    assert dialogue.outcome().bytes_out == len(body)


@pytest.mark.parametrize(
    ("peer", "shown"),
    [("::ffff:127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("10.0.0.1", "10.0.0.1"), ("", "")],
)
def test_an_ipv4_client_of_a_socket_for_both_has_its_own_address(peer: str, shown: str) -> None:
    assert plain_peer(peer) == shown
