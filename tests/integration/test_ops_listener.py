"""The operators' listener of a real gate: beside mTLS, beside a full main port, and attacked."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

import pytest

from tests.support.byte_stream import ClosedError
from tests.support.certificates import Authority
from tests.support.gate import OPS_LISTENER, Gate, create_key, running_gate
from tests.support.processes import ServerProcess, clean_environment
from tests.support.prometheus import parse
from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed, held
from tests.support.workers import kill_worker, worker_pids

SECONDS = 20.0
PAGES = ("/livez", "/readyz", "/metrics", "/-/livez", "/-/readyz", "/-/metrics")


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed(b"{}")) as made:
        yield made


@pytest.fixture(scope="module")
def gate(upstream: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    settings = OPS_LISTENER | {
        "HEADGATE_LISTEN__WORKERS": "2",
        "HEADGATE_OPS__HOSTS": "metrics.example",
    }
    with running_gate(tmp_path_factory.mktemp("ops"), upstream.url, settings) as made:
        yield made


def connect(gate: Gate) -> RawClient:
    return RawClient(*gate.ops)


def page(gate: Gate, target: str) -> RawResponse:
    """A page, asked for again where another worker has just taken the connection with it."""

    def ask() -> RawResponse | None:
        try:
            return gate.ask_ops(target)
        except (ClosedError, ConnectionError):
            return None

    return gate.process.wait_until(ask, target, SECONDS)


def wait_for(gate: Gate, target: str, body: bytes) -> None:
    def found() -> bool | None:
        return True if page(gate, target).body == body else None

    gate.process.wait_until(found, f"{body!r} at {target}", SECONDS)


@pytest.mark.parametrize("target", PAGES)
def test_pages_without_a_key(gate: Gate, target: str) -> None:
    response = gate.ask_ops(target)
    assert response.status == 200
    assert response.get("Cache-Control") == "no-store"
    assert gate.ask_ops(target, method="HEAD").status == 200
    if target.endswith("z"):
        assert response.body in (b"ok\n", b"ready\n")
    else:
        assert "headgate_requests_total" in parse(response.body.decode())


def test_they_are_those_of_the_main_listener(gate: Gate) -> None:
    key = create_key(gate.data, "reader", ("admin",))

    def main_page() -> RawResponse | None:
        response = gate.ask("GET", "/-/metrics", key=key)
        return response if response.status == 200 else None

    theirs = gate.process.wait_until(main_page, "a known key", SECONDS)
    assert gate.ask("GET", "/-/metrics").status == 401
    ours = gate.ask_ops("/metrics")
    assert set(parse(ours.body.decode())) == set(parse(theirs.body.decode()))


@pytest.mark.parametrize(
    "target",
    ["/", "/-/health", "/health", "/-/api/v1/keys", "//metrics", "/%6detrics", "/mlflow/-/metrics"],
)
def test_there_is_nothing_else_and_that_is_said(gate: Gate, target: str) -> None:
    response = gate.ask_ops(target)
    assert response.status == 404
    assert b"/livez, /readyz and /metrics" in response.body


def test_a_key_changes_nothing(gate: Gate) -> None:
    key = create_key(gate.data, "admin", ("admin",))
    assert gate.ask_ops("/-/health", f"Authorization: Bearer {key}").status == 404
    assert gate.ask_ops("/livez", "Authorization: Bearer nonsense").status == 200
    assert gate.ask_ops("/livez", "X-Headgate-May: read,administer").status == 200


def test_only_get_and_head(gate: Gate) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        response = gate.ask_ops("/livez", "Content-Length: 0", method=method)
        assert response.status == 405
        assert response.get("Allow") == "GET, HEAD"
    for method in ("CONNECT", "TRACE", "BREW"):
        assert gate.ask_ops("/livez", method=method).status in (400, 405, 501)


@pytest.mark.parametrize(
    ("called", "status"),
    [
        ("localhost", 200),
        ("10.1.2.3:9464", 200),
        ("[fd00::1]", 200),
        ("metrics.example:80", 200),
        ("evil.example", 403),
        ("evil.example:9464", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost@evil.example", 400),
        ("localhost, evil.example", 400),
    ],
)
def test_host(gate: Gate, called: str, status: int) -> None:
    for target in ("/metrics", "/nowhere"):
        found = gate.ask_ops(target, called=called).status
        assert found == (404 if status == 200 and target == "/nowhere" else status)


RAW = [
    # An absolute target counts as its path, if it names what Host does.
    (b"GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
    (b"GET http://localhost/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
    (b"GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET http://evil.example/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
    (b"GET /livez HTTP/1.0\r\n\r\n", 200),  # what HAProxy sends by default
    (b"GET /livez HTTP/1.0\r\nHost: evil.example\r\n\r\n", 403),
    (b"GET /livez HTTP/1.1\r\n\r\n", 400),
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
    (b"GET /livez HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    (b"GET /livez HTTP/1.1\nHost: localhost\n\n\r\n\r\n", 400),
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA: \x00\r\n\r\n", 400),
    (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"A: a\r\n" * 200 + b"\r\n", 431),
]


@pytest.mark.parametrize(("data", "status"), RAW)
def test_bytes_of_attackers(gate: Gate, data: bytes, status: int) -> None:
    with connect(gate) as client:
        client.send(data)
        assert client.response().status == status
    assert gate.ask_ops("/livez").status == 200


def test_requests_follow_each_other_on_one_connection(gate: Gate) -> None:
    host = "{}:{}".format(*gate.ops)
    with connect(gate) as client:
        client.send(b"".join(request_head("GET", each, host=host) for each in PAGES * 5))
        assert [client.response().status for _ in PAGES * 5] == [200] * 30


def test_they_count_as_requests_for_the_gates_own_pages(gate: Gate) -> None:
    before = parse(gate.ask_ops("/metrics").body.decode())["headgate_requests_total"]
    for _ in range(10):
        assert gate.ask_ops("/readyz").status == 200
    after = parse(gate.ask_ops("/metrics").body.decode())["headgate_requests_total"]
    own = {"family": "gate", "reason": "ok", "status": "2xx"}
    assert after.total(**own) - before.total(**own) >= 10


def test_connections_that_send_nothing_lock_nobody_out(gate: Gate) -> None:
    with ExitStack() as stack:
        for number in range(1000):
            client = stack.enter_context(connect(gate))
            if number % 2:
                with contextlib.suppress(OSError):
                    client.send(b"GET /livez HTTP/1.1\r\nHost: local")
        assert gate.ask("GET", "/-/livez").status == 200  # the main port
        for target in PAGES:
            assert page(gate, target).status == 200


def test_the_gate_serves_it_while_the_main_port_is_full(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    settings = OPS_LISTENER | {"HEADGATE_LIMITS__CONNECTIONS": "4"}
    with running_gate(tmp_path, upstream.url, settings) as gate, ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(gate.connect())
        with gate.connect() as client:
            client.send(request_head("GET", "/-/livez"))
            assert client.response().status == 429
        for target in PAGES:
            assert gate.ask_ops(target).status == 200


def test_it_is_plain_http_beside_mutual_tls(upstream: RecordingUpstream, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "clients")
    server = authority.issue("server", "127.0.0.1")
    settings = OPS_LISTENER | {
        "HEADGATE_LISTEN__TLS__CERTIFICATE": str(server.certificate),
        "HEADGATE_LISTEN__TLS__KEY": str(server.key),
        "HEADGATE_LISTEN__TLS__CLIENT_CA": str(authority.certificate),
    }
    with running_gate(tmp_path, upstream.url, settings) as gate:
        for target in PAGES:
            assert gate.ask_ops(target).status == 200
        context = ssl.create_default_context(cafile=str(authority.certificate))
        with (
            pytest.raises((ssl.SSLError, OSError)),
            socket.create_connection(gate.ops) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            pass


@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_not_ready_from_sigterm_on_and_stays_there_until_the_end(
    tmp_path: Path, workers: int
) -> None:
    go_on = threading.Event()
    settings = OPS_LISTENER | {
        "HEADGATE_LISTEN__WORKERS": str(workers),
        "HEADGATE_LISTEN__LAME_DUCK": "1.5",
    }
    key = create_key(tmp_path / "data", "second")
    with (
        RecordingUpstream(held(go_on, fixed(b"{}"))) as upstream,
        running_gate(tmp_path, upstream.url, settings) as gate,
        gate.connect() as client,
    ):
        target = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        client.send(request_head("GET", target, f"Authorization: Bearer {key}"))
        upstream.wait_until(lambda: bool(upstream.received))
        wait_for(gate, "/readyz", b"ready\n")
        gate.process.signal(SIGTERM)
        gate.process.wait_until(
            lambda: True if gate.ask_ops("/readyz").status == 503 else None, "not ready", 1.0
        )
        for _ in range(4 * workers):  # whichever worker is asked
            assert gate.ask_ops("/readyz").body == b"draining\n"
        assert gate.ask("GET", "/-/livez").status == 200  # the main port still serves
        gate.event("draining", workers)
        assert page(gate, "/readyz").status == 503  # and now no more, but one request is left
        assert page(gate, "/livez").status == 200
        go_on.set()
        assert client.response().status == 200
        assert gate.process.wait(SECONDS) == 0


def test_a_single_worker_that_stops_makes_no_gate_unready(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    settings = OPS_LISTENER | {
        "HEADGATE_LISTEN__WORKERS": "2",
        "HEADGATE_LISTEN__LAME_DUCK": "1",
    }
    with running_gate(tmp_path, upstream.url, settings) as gate:
        wait_for(gate, "/readyz", b"ready\n")
        os.kill(worker_pids(gate.process)[0], SIGTERM)
        gate.event("lame_duck")
        for _ in range(8):
            assert page(gate, "/readyz").body == b"ready\n"
        gate.event("worker_replaced")
        for _ in range(8):
            assert page(gate, "/readyz").body == b"ready\n"


def test_a_worker_that_dies_is_replaced_here_too(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    with running_gate(tmp_path, upstream.url, OPS_LISTENER) as gate:
        (pid,) = worker_pids(gate.process)
        kill_worker(gate.process, pid, SIGKILL)
        gate.event("worker_replaced")
        wait_for(gate, "/readyz", b"ready\n")


def test_it_is_there_before_an_endpoint_is_known(tmp_path: Path) -> None:
    with running_gate(tmp_path, "http://127.0.0.1:9", OPS_LISTENER) as gate:
        assert gate.ask_ops("/livez").status == 200
        assert gate.ask_ops("/metrics").status == 200


# --- the port is taken ---------------------------------------------------------------------------


def test_a_chosen_port_that_is_taken_is_a_clear_error(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        environment = clean_environment() | {
            "HEADGATE_DATA": str(tmp_path / "data"),
            "HEADGATE_LISTEN__PORT": "0",
            "HEADGATE_OPS__LISTEN": f"127.0.0.1:{port}",
            "MLFLOW_SERVER_URL": upstream.url,
        }
        found = subprocess.run(
            [sys.executable, "-m", "headgate", "serve"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert found.returncode != 0
    assert f"ops.listen: 127.0.0.1:{port} is taken; stop what listens there" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_the_default_port_the_gate_serves_all_the_same(
    upstream: RecordingUpstream, tmp_path: Path, workers: str
) -> None:
    """Also if another gate, or another test, has it already."""
    with ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", 9464)))
        environment = {
            "HEADGATE_DATA": str(tmp_path / "data"),
            "HEADGATE_LISTEN__PORT": "0",
            "HEADGATE_LISTEN__WORKERS": workers,
            "MLFLOW_SERVER_URL": upstream.url,
        }
        command = [sys.executable, "-m", "headgate", "serve"]
        process = stack.enter_context(ServerProcess(command, environment, tmp_path, "gate"))
        line = process.wait_for_line(r"listening on http://127\.0\.0\.1:(\d+)", SECONDS)
        gate = Gate("127.0.0.1", int(line[1]), tmp_path / "data", process)
        assert gate.ask("GET", "/-/livez").status == 200
        event = gate.event("ops_listener_off")
        assert (event["level"], event["address"]) == ("warning", "127.0.0.1:9464")
        assert "health and metrics" not in process.errors.read_text(encoding="utf-8")


def run_health(gate: Gate, *options: str) -> subprocess.CompletedProcess[str]:
    host, port = gate.ops
    return subprocess.run(
        [sys.executable, "-m", "headgate", "health", *options],
        env=clean_environment() | {"HEADGATE_OPS__LISTEN": f"{host}:{port}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_health_check_of_a_container(upstream: RecordingUpstream, tmp_path: Path) -> None:
    """Well while a worker responds, when it drains too; not while it hangs or has ended."""
    settings = OPS_LISTENER | {"HEADGATE_LISTEN__LAME_DUCK": "60"}
    with running_gate(tmp_path, upstream.url, settings) as gate:
        assert run_health(gate).stdout == "ok\n"
        gate.process.wait_until(
            lambda: run_health(gate, "--ready").returncode == 0 or None, "ready", SECONDS
        )
        (worker,) = worker_pids(gate.process)
        os.kill(worker, SIGSTOP)
        try:
            hung = run_health(gate, "--timeout", "0.3")
        finally:
            os.kill(worker, SIGCONT)
        assert hung.returncode == 1
        assert "has not responded within 0.3 s" in hung.stderr
        os.kill(gate.process.pid, SIGTERM)
        wait_for(gate, "/readyz", b"draining\n")
        assert run_health(gate).returncode == 0
        draining = run_health(gate, "--ready")
        assert (draining.returncode, draining.stdout) == (1, "")
        assert "responded with 503: draining" in draining.stderr
        os.kill(gate.process.pid, SIGTERM)
        gate.process.wait(SECONDS)
        gone = run_health(gate)
        assert gone.returncode == 1
        assert "connection refused" in gone.stderr
