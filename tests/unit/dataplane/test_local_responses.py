"""Documents that the gate answers itself, and lines that it adds to MLflow's responses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headgate.dataplane.decisions import Forward, Respond
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.testing.decider import PRINCIPAL, SAFE
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response

LINES = (b"X-Content-Type-Options: nosniff\r\n", b"Content-Disposition: attachment\r\n")


@pytest.mark.parametrize(
    ("method", "body"), [("GET", b'{"a":1}'), ("HEAD", b""), ("POST", b'{"a":1}')]
)
def test_a_document_is_answered_without_mlflow(
    method: str, body: bytes, dialogue: Dialogue
) -> None:
    dialogue.decider.script[b"/own"] = lambda _: Respond(b'{"a":1}', PRINCIPAL)
    client = dialogue.client()
    client.sends(request(f"{method} /own", body=b"unread" if method == "POST" else b""))

    got = Message.of(client.received())
    assert (got.line, got.rest) == (b"HTTP/1.1 200 OK", body)
    assert got.fields[b"content-length"] == b"7"
    assert got.fields[b"content-type"] == b"application/json"
    assert got.fields[b"x-request-id"]
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase, outcome.status) == (Reason.OK, Phase.RESPOND, 200)
    assert (outcome.principal.name, outcome.principal.id) == (PRINCIPAL.name, PRINCIPAL.id)
    assert dialogue.pool.pending == []
    client.sends(request("GET /own"))
    assert client.received().endswith(b'{"a":1}')


@pytest.mark.parametrize("line", ["TRACE /stream", "CONNECT gate.example:80"])
def test_a_405_names_the_methods_that_are_served(line: str, dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request(line))
    got = Message.of(client.received())
    assert got.line.startswith(b"HTTP/1.1 405 ")
    assert got.fields[b"allow"] == b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


@pytest.fixture
def marked(dialogue: Dialogue) -> Dialogue:
    """A dialogue in which lines are added to responses."""
    route = replace(dialogue.decider.route(SAFE, b"/marked"), response_lines=LINES)
    dialogue.decider.script[b"/marked"] = lambda _: Forward(route, b"", PRINCIPAL)
    return dialogue


@pytest.mark.parametrize(
    ("status", "own", "shown"),
    [
        (200, (), (b"attachment", b"nosniff")),
        (206, (), (b"attachment", b"nosniff")),
        (200, ("content-DISPOSITION: inline",), (b"inline", b"nosniff")),
        (404, (), (None, None)),
    ],
)
def test_lines_are_added_where_mlflow_has_none(
    status: int, own: tuple[str, ...], shown: tuple[bytes | None, ...], marked: Dialogue
) -> None:
    client = marked.client()
    client.sends(request("GET /marked"))
    marked.mlflow_accepts().sends(response(status, *own))
    got = Message.of(client.received()).fields
    found = (got.get(b"content-disposition"), got.get(b"x-content-type-options"))
    assert found == shown
