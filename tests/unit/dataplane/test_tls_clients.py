"""Where a client's TLS connection differs: it cannot be half closed, by either side."""

from __future__ import annotations

import pytest

from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.transport import End


def test_mlflow_receives_the_scheme(dialogue: Dialogue) -> None:
    client = dialogue.client(tls=True)
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    assert Message.of(mlflow.received()).fields[b"x-forwarded-proto"] == b"https"
    mlflow.sends(response(307, "Location: http://127.0.0.1:5000/elsewhere"))
    location = Message.of(client.received()).fields[b"location"]
    assert location == b"https://gate.example/elsewhere"


@pytest.mark.parametrize("answered", [b"", response(200, "Content-Length: 10") + b"12345"])
def test_a_client_that_ends_what_it_sends_has_left(answered: bytes, dialogue: Dialogue) -> None:
    client = dialogue.client(tls=True)
    client.sends(request("GET /stream") + request("GET /stream/2"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(*([answered] if answered else []))
    client.finishes()

    assert (client.closed(), mlflow.end()) == (True, End.CUT)
    assert dialogue.outcome().reason is Reason.CLIENT_GONE


def test_a_client_that_ends_what_it_sends_is_not_answered_further(dialogue: Dialogue) -> None:
    client = dialogue.client(tls=True)
    client.stops_reading()
    client.sends(request("GET /stream") + request("POST /length", body=b"x"))
    dialogue.mlflow_accepts().sends(response(200, body=b"x" * 300_000))
    client.finishes()
    client.reads()
    assert client.end() is End.FINISHED
    assert len(dialogue.decider.decided) == 1


@pytest.mark.parametrize("fields", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_a_refused_client_that_is_still_sending_is_read_for_a_while(
    fields: str, dialogue: Dialogue
) -> None:
    """Closing immediately would reset the response away; the client closes once it has read it."""
    client = dialogue.client(tls=True)
    client.sends(request("PUT /refused", fields))
    assert Message.of(client.received()).fields[b"connection"] == b"close"
    assert not client.closed()
    client.sends(b"x" * 1000, b"x" * 1000)
    assert client.is_read()
    client.finishes()
    assert (client.closed(), client.end()) == (True, End.FINISHED)
    dialogue.outcome()


def test_a_refused_client_that_goes_on_sending_is_cut_off(dialogue: Dialogue) -> None:
    client = dialogue.client(tls=True)
    client.sends(request("PUT /refused", "Content-Length: 1000000"))
    for _ in range(6):
        client.sends(b"x")
        dialogue.passes(1)
    assert client.closed()
    dialogue.outcome()


def test_a_client_that_says_close_is_closed(dialogue: Dialogue) -> None:
    client = dialogue.client(tls=True)
    client.sends(request("GET /stream", "Connection: close"))
    dialogue.mlflow_accepts().sends(response(200, body=b"last"))
    assert client.received().endswith(b"last")
    assert client.end() is End.FINISHED
