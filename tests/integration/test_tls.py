"""TLS on the listener: real handshakes, certificates renewed while it runs, clients' own ones."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from headgate.dataplane.connection_states import LINGER_SECONDS
from tests.support.byte_stream import ClosedError
from tests.support.certificates import Authority, Certificate
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.processes import clean_environment
from tests.support.raw import RawClient, chunk, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.tls_client import TlsClient, client_context
from tests.support.world import World

SECONDS = 15.0
STAGED = ".artifact.uploading.*"  # MLflow's name for an upload that is not complete
LARGE = 32 * 1024 * 1024
FOLDER = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def certificate(authority: Authority) -> Certificate:
    return authority.issue("gate", "127.0.0.1")


@pytest.fixture
def key(tmp_path: Path) -> str:
    return create_key(tmp_path / "data", "tls")


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed(b"answered")) as running:
        yield running


Start = Callable[..., Gate]


@pytest.fixture
def start(tmp_path: Path, certificate: Certificate, key: str) -> Iterator[Start]:
    """Starts a gate that serves HTTPS in front of an address."""
    with ExitStack() as stack:

        def started(url: str, settings: Mapping[str, str] | None = None) -> Gate:
            environment = {
                "HEADGATE_LISTEN__TLS__CERTIFICATE": str(certificate.certificate),
                "HEADGATE_LISTEN__TLS__KEY": str(certificate.key),
            }
            return stack.enter_context(
                running_gate(tmp_path, url, environment | dict(settings or {}))
            )

        yield started


def connect(gate: Gate, context: ssl.SSLContext) -> TlsClient:
    return TlsClient(gate.host, gate.port, context)


def is_served(client: RawClient, key: str) -> bool:
    client.send(request_head("GET", "/version", bearer(key)))
    return client.response().status == 200


def test_a_client_that_verifies_is_served(
    start: Start, upstream: RecordingUpstream, authority: Authority, key: str, tmp_path: Path
) -> None:
    """With the library that MLflow's own client is made of."""
    gate = start(upstream.url)
    assert gate.url.startswith("https://")
    headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
    response = requests.get(
        f"{gate.url}/version", headers=headers, verify=str(authority.certificate), timeout=SECONDS
    )
    assert (response.status_code, response.content) == (200, b"answered")
    assert upstream.request(0).all(b"x-forwarded-proto") == [b"https"]
    stranger = Authority(tmp_path, "stranger").certificate
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(gate.url, headers=headers, verify=str(stranger), timeout=SECONDS)


@pytest.mark.parametrize("offered", [(), ("http/1.1",), ("h2", "http/1.1"), ("h2",)])
def test_http_1_1_is_all_that_is_spoken(
    offered: tuple[str, ...],
    start: Start,
    upstream: RecordingUpstream,
    authority: Authority,
    key: str,
) -> None:
    gate = start(upstream.url)
    with connect(gate, client_context(authority, protocols=offered)) as client:
        assert client.protocol == ("http/1.1" if "http/1.1" in offered else None)
        assert is_served(client, key)


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00", b""])
def test_what_is_no_handshake_harms_nobody(
    sent: bytes, start: Start, upstream: RecordingUpstream, authority: Authority, key: str
) -> None:
    """Plain HTTP, half a handshake and silence end; the next client is served meanwhile."""
    gate = start(upstream.url, {"HEADGATE_LIMITS__HEADER_TIMEOUT": "1"})
    with gate.connect() as client:
        client.send(sent)
        with connect(gate, client_context(authority)) as other:
            assert is_served(other, key)
        try:
            response = client.receive_to_end()
        except ConnectionResetError:
            response = b""
        # A client of plain HTTP learns to use https, and served nothing.
        assert response.startswith(b"HTTP/1.1 400 ") if sent[:1] == b"G" else response == b""
    if sent:
        event = gate.event("tls_handshake_failed")
        assert (event["level"], event["client"]) == ("warning", "127.0.0.1")
        assert event["cause"] == ("not_tls" if sent[:1] == b"G" else "timeout")
        assert event["detail"]


def test_a_certificate_that_ends_soon_is_logged(
    start: Start, upstream: RecordingUpstream, certificate: Certificate, key: str, tmp_path: Path
) -> None:
    """By the log at the start, by health, `check` and `doctor`."""
    gate = start(upstream.url)
    event = gate.event("certificate_ends_soon")
    assert event["setting"] == "listen.tls.certificate"
    assert 0 < event["days_left"] < 2
    context = client_context(Authority(tmp_path, "other"))
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connect(gate, context) as client:
        client.send(request_head("GET", "/-/health", bearer(key)))
        (shown,) = json.loads(client.response().body)["certificates"]
    assert shown["file"] == str(certificate.certificate)
    assert 0 < shown["days_left"] < 2
    environment = clean_environment() | {
        "HEADGATE_DATA": str(tmp_path / "data"),
        "HEADGATE_LISTEN__TLS__CERTIFICATE": str(certificate.certificate),
        "HEADGATE_LISTEN__TLS__KEY": str(certificate.key),
        "MLFLOW_SERVER_URL": upstream.url,
    }
    for command in (["check"], ["doctor", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "headgate", *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "listen.tls.certificate" in done.stdout + done.stderr
        assert " ends on " in done.stdout + done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_renewed_certificate_is_shown_without_a_restart(
    workers: str,
    start: Start,
    upstream: RecordingUpstream,
    authority: Authority,
    certificate: Certificate,
    key: str,
) -> None:
    """By every worker; connections that are open go on with the old one."""
    gate = start(upstream.url, {"HEADGATE_LISTEN__WORKERS": workers})
    context = client_context(authority)

    def serials() -> set[int]:
        found = set()
        for _ in range(10):
            with connect(gate, context) as client:
                found.add(client.serial)
        return found

    with connect(gate, context) as kept:
        assert is_served(kept, key)
        assert serials() == {certificate.serial}
        renewed = authority.issue("gate", "127.0.0.1")
        gate.process.wait_until(
            lambda: serials() == {renewed.serial} or None, "the new certificate", SECONDS
        )
        assert is_served(kept, key)
    assert gate.process.errors.read_text().count("certificate reloaded") == int(workers)


def test_a_broken_certificate_is_logged_and_the_old_one_stays(
    start: Start,
    upstream: RecordingUpstream,
    authority: Authority,
    certificate: Certificate,
    key: str,
) -> None:
    gate = start(upstream.url)
    context = client_context(authority)
    certificate.key.write_text("no key")
    gate.process.wait_for_line(
        r"certificate not reloaded: \S*gate\.key contains no private key in PEM format", SECONDS
    )
    with connect(gate, context) as client:
        assert client.serial == certificate.serial
        assert is_served(client, key)
    renewed = authority.issue("gate", "127.0.0.1")
    gate.process.wait_for_line("certificate reloaded", SECONDS)
    with connect(gate, context) as client:
        assert client.serial == renewed.serial


def test_clients_may_have_to_show_a_certificate(
    start: Start, upstream: RecordingUpstream, authority: Authority, key: str, tmp_path: Path
) -> None:
    """It comes before the key and does not stand for it; authorities change while it runs."""
    clients = Authority(tmp_path, "clients")
    others = Authority(tmp_path, "others")
    trusted = tmp_path / "trusted.pem"
    shutil.copy(clients.certificate, trusted)
    gate = start(upstream.url, {"HEADGATE_LISTEN__TLS__CLIENT_CA": str(trusted)})
    known = client_context(authority, clients.issue("known"))
    stranger = client_context(authority, others.issue("stranger"))
    with connect(gate, known) as client:
        assert is_served(client, key)
    with connect(gate, known) as client:
        client.send(request_head("GET", "/version"))
        assert client.response().status == 401
    for context in (client_context(authority), stranger):
        assert is_refused(gate, context, key)
    shutil.copy(others.certificate, trusted)
    gate.process.wait_for_line("certificate reloaded", SECONDS)
    with connect(gate, stranger) as client:
        assert is_served(client, key)
    assert is_refused(gate, known, key)
    assert len(upstream.requests) == 2


def is_refused(gate: Gate, context: ssl.SSLContext, key: str) -> bool:
    """Whether the gate ends the connection in the handshake, which in TLS 1.3 shows after it."""
    try:
        with connect(gate, context) as client:
            is_served(client, key)
    except (ssl.SSLError, ConnectionError, ClosedError):
        return True
    return False


def test_large_bodies_arrive_whole_through_tls_on_both_sides(
    start: Start, authority: Authority, key: str
) -> None:
    """Up and down, counted and chunked, with a reader that is slower than the other side."""
    body = os.urandom(LARGE)
    digest = hashlib.sha256(body).digest()
    own = authority.issue("mlflow", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    with RecordingUpstream(fixed(body), tls=context) as upstream:
        gate = start(
            upstream.url, {"HEADGATE_UPSTREAMS__DEFAULT__TLS__CA": str(authority.certificate)}
        )
        for index, framing in enumerate(("counted", "chunked")):
            with connect(gate, client_context(authority)) as client:
                head = f"PUT {FOLDER}/blob".split()
                if framing == "counted":
                    length = f"Content-Length: {LARGE}"
                    client.send(request_head(*head, bearer(key), length) + body)
                else:
                    client.send(request_head(*head, bearer(key), "Transfer-Encoding: chunked"))
                    for at in range(0, LARGE, 100_000):
                        client.send(chunk(body[at : at + 100_000]))
                    client.send(chunk(b""))
                response = client.response()
            assert hashlib.sha256(response.body).digest() == digest
            assert hashlib.sha256(upstream.request(index).body).digest() == digest


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset], ids=["close", "reset"])
def test_a_client_that_leaves_in_mid_upload_leaves_no_artifact(
    leave: Callable[[RawClient], None],
    start: Start,
    world: World,
    mlflow_server: MlflowServer,
    authority: Authority,
    key: str,
) -> None:
    """The end of a TLS connection is never taken for the end of a body."""
    gate = start(mlflow_server.url)
    folder = f"{world.experiment_id}/{world.run_id}/artifacts/left-tls-{leave.__name__}"
    stored = mlflow_server.artifacts / folder
    path = f"{FOLDER}/{folder}/half.bin"
    wait = mlflow_server.process.wait_until
    with connect(gate, client_context(authority)) as client:
        head = request_head("PUT", path, bearer(key), "Transfer-Encoding: chunked")
        client.send(head + chunk(os.urandom(1024 * 1024)))
        wait(lambda: any(stored.glob(STAGED)) or None, "the upload to reach MLflow", SECONDS)
        leave(client)
    wait(lambda: not any(stored.glob(STAGED)) or None, "MLflow to give the upload up", SECONDS)
    assert list(stored.iterdir()) == []
    outcome = gate.outcome(lambda o: o["path"] == path)
    assert (outcome["reason"], outcome["fault"]) == ("client_gone", "client")


def test_resting_clients_do_not_hold_up_the_end(
    start: Start, upstream: RecordingUpstream, authority: Authority, key: str
) -> None:
    """They are notified, and need not react: many look at their connection only to use it."""
    gate = start(upstream.url)
    with (
        connect(gate, client_context(authority)) as used,
        connect(gate, client_context(authority)) as unused,
        socket.create_connection((gate.host, gate.port)),
    ):
        assert is_served(used, key)
        began = time.monotonic()
        gate.process.signal(signal.SIGTERM)
        assert gate.process.wait(4 * LINGER_SECONDS) == 0
        assert time.monotonic() - began < 2 * LINGER_SECONDS
        for client in (used, unused):
            client.expect_close()
