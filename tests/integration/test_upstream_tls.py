"""HTTPS to MLflow: verified always, and clear about what it does not accept."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.byte_stream import ClosedError
from tests.support.certificates import Authority, Certificate
from tests.support.gate import Gate, create_key, running_gate
from tests.support.raw import request_head
from tests.support.recording_upstream import Exchange, RecordingUpstream
from tests.support.scripts import fixed

PREFIX = "HEADGATE_UPSTREAMS__DEFAULT__TLS__"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


class Start(Protocol):
    """Starts an upstream with a certificate, and a gate in front of it."""

    def __call__(
        self, shown: Certificate, clients: Authority | None = None, **tls: object
    ) -> tuple[Gate, RecordingUpstream]:
        """``clients``: whose certificates the upstream wants to see; ``tls``: the settings."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def started(
            shown: Certificate, clients: Authority | None = None, **tls: object
        ) -> tuple[Gate, RecordingUpstream]:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(shown.certificate, shown.key)
            if clients is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(clients.certificate)
            upstream = stack.enter_context(RecordingUpstream(fixed(b"answered"), tls=context))
            settings = {f"{PREFIX}{name.upper()}": str(value) for name, value in tls.items()}
            gate = stack.enter_context(running_gate(tmp_path, upstream.url, settings))
            return gate, upstream

        yield started


@pytest.fixture
def key(tmp_path: Path) -> str:
    return create_key(tmp_path / "data", "tls")


def assert_not_reached(gate: Gate, upstream: RecordingUpstream, key: str) -> Mapping[str, Any]:
    """The client may come again, the operator learns why; returns the outcome."""
    response = gate.ask("GET", "/version", key=key)
    assert (response.status, response.get("X-Headgate-Reason")) == (503, "upstream_tls")
    assert upstream.requests == []
    outcome = gate.outcome(lambda o: o["request_id"] == response.get("X-Request-ID"))
    assert outcome["fault"] == "upstream"
    assert upstream.url.removeprefix("https://") in outcome["detail"]
    return outcome


def test_a_certificate_that_nobody_vouches_for_is_refused(
    start: Start, authority: Authority, key: str
) -> None:
    """Without a word in the configuration."""
    gate, upstream = start(authority.issue("mlflow", "127.0.0.1"))
    outcome = assert_not_reached(gate, upstream, key)
    assert "certificate verify failed: unable to get local issuer" in outcome["detail"]


def test_named_authorities_are_trusted(start: Start, authority: Authority, key: str) -> None:
    gate, upstream = start(authority.issue("mlflow", "127.0.0.1"), ca=authority.certificate)
    with gate.connect() as client:
        for _ in range(3):
            client.send(
                b"GET /version HTTP/1.1\r\nHost: gate\r\nX-API-Key: %b\r\n\r\n" % key.encode()
            )
            assert client.response().body == b"answered"
    assert upstream.connections == 1  # it is kept, as a plain one is


@pytest.mark.parametrize("says_so", [True, False])
def test_a_response_to_the_end_of_its_connection_ends_with_a_word(
    says_so: bool, start: Start, authority: Authority, key: str
) -> None:
    """Without TLS's own notice of the end, anybody on the way may have cut it short."""

    def script(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\nso far")
        if says_so:
            exchange.say_close()
        exchange.close()

    gate, upstream = start(authority.issue("mlflow", "127.0.0.1"), ca=authority.certificate)
    upstream.scripts = [script]
    with gate.connect() as client:
        client.send(request_head("GET", "/version", f"X-API-Key: {key}"))
        if says_so:
            assert client.response().body == b"so far"
        else:
            with pytest.raises((ClosedError, ConnectionError)):
                client.response()
    reason = gate.outcome(lambda _: True)["reason"]
    assert reason == ("ok" if says_so else "upstream_reset")


def test_a_certificate_for_another_name_is_refused(
    start: Start, authority: Authority, key: str
) -> None:
    gate, upstream = start(authority.issue("mlflow", "mlflow.example"), ca=authority.certificate)
    outcome = assert_not_reached(gate, upstream, key)
    assert "IP address mismatch" in outcome["detail"]


def test_the_name_may_be_another_than_the_address(
    start: Start, authority: Authority, key: str
) -> None:
    shown = authority.issue("mlflow", "mlflow.example")
    gate, _ = start(shown, ca=authority.certificate, server_name="mlflow.example")
    assert gate.ask("GET", "/version", key=key).body == b"answered"


def test_an_upstream_may_be_shown_a_certificate(
    start: Start, authority: Authority, key: str, tmp_path: Path
) -> None:
    gates = Authority(tmp_path, "gates")
    own = gates.issue("own")
    gate, upstream = start(
        authority.issue("mlflow", "127.0.0.1"),
        gates,
        ca=authority.certificate,
        certificate=own.certificate,
        key=own.key,
    )
    assert gate.ask("GET", "/version", key=key).body == b"answered"
    assert len(upstream.requests) == 1


def test_an_upstream_that_misses_a_certificate_is_said_to(
    start: Start, authority: Authority, key: str, tmp_path: Path
) -> None:
    """In TLS 1.3 the refusal comes when the client thinks the handshake done (RFC 8446, 4.4.2)."""
    gates = Authority(tmp_path, "gates")
    shown = authority.issue("mlflow", "127.0.0.1")
    gate, upstream = start(shown, gates, ca=authority.certificate)
    response = gate.ask("GET", "/version", key=key)
    assert (response.status, response.get("X-Headgate-Reason")) == (503, "upstream_tls")
    assert b"tls.certificate" in response.body or b"tls.ca" in response.body
    outcome = gate.outcome(lambda o: o["request_id"] == response.get("X-Request-ID"))
    assert "certificate required" in outcome["detail"]
    assert upstream.requests == []


def test_an_upstream_without_tls_is_said_to(tmp_path: Path, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        thread = threading.Thread(target=complain, args=(plain,))
        thread.start()
        with running_gate(tmp_path, f"https://127.0.0.1:{plain.getsockname()[1]}") as gate:
            response = gate.ask("GET", "/version", key=key)
            assert (response.status, response.get("X-Headgate-Reason")) == (503, "upstream_tls")
            outcome = gate.outcome(lambda o: o["request_id"] == response.get("X-Request-ID"))
        thread.join()
    assert "wrong version number" in outcome["detail"]


def complain(plain: socket.socket) -> None:
    """Answer one handshake as a server of plain HTTP does."""
    connection, _ = plain.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
