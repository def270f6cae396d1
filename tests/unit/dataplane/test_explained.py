"""Answers of MLflow's that the gate explains instead of passing them on."""

from __future__ import annotations

import json
import ssl

import pytest

from headgate.dataplane.response_checks import MAX_HELD
from headgate.dataplane.terms import FixedCredentials
from headgate.model import BodyHandling, Operation, Retry
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.policies import terms

RUNS = Operation("runs", Retry.NEVER, BodyHandling.LENGTH, json_only=True)
ARTIFACTS = Operation("artifacts", Retry.NEVER, BodyHandling.STREAM)
REFUSED = b"Invalid Host header - possible DNS rebinding attack detected"


def unverified(code: int, message: str) -> ssl.SSLCertVerificationError:
    """What Python raises for a certificate that OpenSSL does not accept."""
    error = ssl.SSLCertVerificationError(1, f"certificate verify failed: {message}")
    error.verify_code = code
    return error


def spoken_to_http() -> ssl.SSLError:
    """What Python raises where a server responds to a TLS handshake with HTTP."""
    error = ssl.SSLError(1, "wrong version number")
    error.reason = "WRONG_VERSION_NUMBER"
    return error


def said(client_bytes: bytes) -> str:
    text = json.loads(Message.of(client_bytes).rest)["message"]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("error", "reason", "cause", "cure"),
    [
        (
            ConnectionRefusedError(111, "Connection refused"),
            Reason.UPSTREAM_CONNECT,
            "Connection refused",
            "MLflow is not running there",
        ),
        (
            TimeoutError("no connection within 5 s"),
            Reason.UPSTREAM_CONNECT,
            "no connection within 5 s",
            "a firewall or security group",
        ),
        (
            ConnectionResetError("closed as soon as it was open"),
            Reason.UPSTREAM_CONNECT,
            "closed as soon as it was open",
            "closes them immediately",
        ),
        (OSError(113, "No route to host"), Reason.UPSTREAM_CONNECT, "No route", "no route to this"),
        (
            unverified(18, "self-signed certificate"),
            Reason.UPSTREAM_TLS,
            "self-signed certificate",
            "set tls.ca",
        ),
        (
            unverified(10, "certificate has expired"),
            Reason.UPSTREAM_TLS,
            "has expired",
            "renew it",
        ),
        (
            unverified(62, "Hostname mismatch"),
            Reason.UPSTREAM_TLS,
            "Hostname mismatch",
            "set tls.server_name",
        ),
        (
            spoken_to_http(),
            Reason.UPSTREAM_TLS,
            "wrong version number",
            "is it http?",
        ),
    ],
)
def test_each_way_of_not_connecting_is_explained(
    dialogue: Dialogue, error: OSError, reason: Reason, cause: str, cure: str
) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    dialogue.pending[0].fails(error)
    received = client.received()
    text = said(received)
    assert "127.0.0.1:5000" in text
    assert cause in text
    assert cure in text
    assert "`headgate doctor`" in text
    assert dialogue.outcome().reason is reason
    assert b"x-headgate-reason: %b" % reason.encode() in received.lower()
    dialogue.ends()


def test_a_connection_that_broke_off_is_explained(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /create", body=b"{}"))
    dialogue.mlflow_accepts().resets()
    text = said(client.received())
    assert "closed the connection" in text
    assert "read MLflow's log" in text
    assert "`headgate doctor`" in text
    assert dialogue.outcome().reason is Reason.UPSTREAM_RESET
    dialogue.ends()


@pytest.mark.parametrize("split", [0, 1, len(REFUSED)])
def test_the_host_check_of_mlflow_is_explained(dialogue: Dialogue, split: int) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    mlflow = dialogue.mlflow_accepts()
    head = response(403, "Content-Type: text/plain", f"Content-Length: {len(REFUSED)}")
    mlflow.sends(head, REFUSED[:split])
    mlflow.sends(REFUSED[split:])

    received = client.received()
    assert received.startswith(b"HTTP/1.1 502 ")
    assert "'127.0.0.1:5000'" in said(received)
    assert "--allowed-hosts" in said(received)
    assert dialogue.outcome().reason is Reason.UPSTREAM_HOST_REFUSED
    dialogue.ends()


SENTENCE = (
    b"Endpoint: /api/2.0/mlflow-artifacts/artifacts/<path:artifact_path> disabled due to the "
    b"mlflow server running with `--no-serve-artifacts`. To enable \xe2\x80\xa6"
)


@pytest.mark.parametrize("split", [0, 1, len(SENTENCE)])
@pytest.mark.parametrize("framed", ["length", "chunked", "close"])
def test_a_sentence_of_mlflows_is_passed_on_as_json(
    dialogue: Dialogue, split: int, framed: str
) -> None:
    """What is switched off, in MLflow's own words; it is not taken for a failure of the server."""
    client = dialogue.client()
    client.sends(request("GET /safe"))
    mlflow = dialogue.mlflow_accepts()
    length = f"Content-Length: {len(SENTENCE)}"
    field = {
        "length": length,
        "chunked": "Transfer-Encoding: chunked",
        "close": "Connection: close",
    }
    head = response(503, "Content-Type: text/html; charset=utf-8", "X-A: b", field[framed])
    mlflow.sends(head.replace(b"Content-Length: 0\r\n", b""))
    for piece in filter(None, (SENTENCE[:split], SENTENCE[split:])):
        mlflow.sends(b"%x\r\n%b\r\n" % (len(piece), piece) if framed == "chunked" else piece)
    if framed == "chunked":
        mlflow.sends(b"0\r\n\r\n")
    if framed == "close":
        mlflow.finishes()
    received = client.received()
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body) == {
        "error_code": "TEMPORARILY_UNAVAILABLE",
        "message": SENTENCE.decode(),
    }
    fields = head.lower().split(b"\r\n")
    assert fields.count(b"content-type: application/json") == 1
    assert fields.count(b"content-length: %d" % len(body)) == 1
    assert b"x-a: b" in fields
    assert not [each for each in fields if each.startswith((b"transfer-", b"content-type: text"))]
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.status) == (Reason.OK, 503)
    dialogue.ends()


@pytest.mark.parametrize(
    "page",
    [
        b"<!doctype html><title>503</title>",
        b" <html><body>Service Unavailable</body></html>",
        b"Sorry.<br>We are down</p>",
        b"",
        b"\xff\xfe",
        b"a\0b",
        b"a line\nand another",
        b"x" * (MAX_HELD + 1),
    ],
)
def test_a_page_with_status_503_stays_a_page(dialogue: Dialogue, page: bytes) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(503, "Content-Type: text/html", f"Content-Length: {len(page)}"), page)
    received = client.received()
    assert received.startswith(b"HTTP/1.1 503 ")
    assert "a web page (status 503)" in said(received)
    assert dialogue.outcome().reason is Reason.UPSTREAM_NOT_JSON
    dialogue.ends()


def test_another_403_is_passed_on(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(403, "Content-Type: text/plain", "Content-Length: 4"), b"no")
    mlflow.sends(b"pe")
    received = client.received()
    assert received.startswith(b"HTTP/1.1 403 ")
    assert received.endswith(b"\r\n\r\nnope")
    assert dialogue.outcome().reason is Reason.OK
    dialogue.ends()


@pytest.mark.parametrize(("status", "told"), [(200, 502), (404, 502), (500, 500), (503, 503)])
def test_a_page_where_json_is_due_is_explained(dialogue: Dialogue, status: int, told: int) -> None:
    dialogue.decider.script[b"/runs"] = RUNS
    client = dialogue.client()
    client.sends(request("POST /runs", body=b"{}"))
    mlflow = dialogue.mlflow_accepts()
    page = ("Content-Type: text/html; charset=utf-8", "Content-Length: 6")
    mlflow.sends(response(status, *page), b"<html>")

    received = client.received()
    assert received.startswith(b"HTTP/1.1 %d " % told)
    assert f"(status {status})" in said(received)
    assert dialogue.outcome().reason is Reason.UPSTREAM_NOT_JSON
    dialogue.ends()


@pytest.mark.parametrize(
    ("media_type", "explained"),
    [("text/html", True), ("text/plain", True), ("application/json", False)],
)
@pytest.mark.parametrize("operation", [RUNS, ARTIFACTS])
def test_an_mlflow_that_asks_for_credentials_means_the_gate(
    dialogue: Dialogue, operation: Operation, media_type: str, explained: bool
) -> None:
    """Whatever is asked of it; in JSON it may be what a model's provider answered."""
    dialogue.decider.script[b"/asked"] = operation
    client = dialogue.client()
    client.sends(request("GET /asked"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(401, f"Content-Type: {media_type}", "Content-Length: 2"), b"no")
    received = client.received()
    assert received.startswith(b"HTTP/1.1 502 " if explained else b"HTTP/1.1 401 ")
    expected = Reason.UPSTREAM_CREDENTIALS if explained else Reason.OK
    assert dialogue.outcome().reason is expected
    dialogue.ends()


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("Basic Z2F0ZTpzZWNyZXQ=", Reason.UPSTREAM_CREDENTIALS),
        ("", Reason.UPSTREAM_NOT_JSON),
    ],
)
def test_an_mlflow_that_forbids_something_to_the_gates_user(
    dialogue: Dialogue, authorization: str, reason: Reason
) -> None:
    """Its authentication says so as HTML; who shows no credentials has met something else."""
    dialogue.balancer.terms = terms(credentials=FixedCredentials(authorization))
    dialogue.decider.script[b"/runs"] = RUNS
    client = dialogue.client()
    client.sends(request("POST /runs", body=b"{}"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(
        response(403, "Content-Type: text/html", "Content-Length: 17"), b"Permission denied"
    )
    received = client.received()
    assert received.startswith(b"HTTP/1.1 502 ")
    assert ("Your key is valid" in said(received)) == bool(authorization)
    assert dialogue.outcome().reason is reason
    dialogue.ends()


def test_a_page_is_passed_on_where_pages_are_due(dialogue: Dialogue) -> None:
    dialogue.decider.script[b"/artifact"] = ARTIFACTS
    client = dialogue.client()
    client.sends(request("GET /artifact"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Type: text/html", "Content-Length: 6"), b"<html>")
    assert client.received().endswith(b"<html>")
    dialogue.ends()


def test_a_403_that_broke_off_is_forgotten_when_its_request_is_sent_again(
    dialogue: Dialogue,
) -> None:
    client = dialogue.client()
    client.sends(request("GET /safe"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(403, "Content-Type: text/plain", "Content-Length: 4"), b"no")
    mlflow.resets()
    dialogue.mlflow_accepts().sends(response(200, body=b"yes"))
    received = client.received()
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\nyes")
    dialogue.ends()
