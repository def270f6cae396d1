"""All ways in which MLflow can be out of reach: what clients receive, what the doctor says."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.rcode
import pytest

from headgate.testing.fault_proxy import Fault, FaultProxy
from tests.support.certificates import Authority, Certificate
from tests.support.gate import create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.processes import ServerProcess, clean_environment
from tests.support.recording_upstream import Exchange, RecordingUpstream
from tests.support.scripted_dns import ScriptedDns
from tests.support.scripts import fixed, held, raw, response_bytes, routed, silent

UPSTREAM = "HEADGATE_UPSTREAMS__DEFAULT__"
NAME = "mlflow.internal.test"
HOST_REFUSED = b"Invalid Host header - possible DNS rebinding attack detected"
Settings = dict[str, str]
Make = Callable[[ExitStack, Path], Settings]


def refused(stack: ExitStack, _folder: Path) -> Settings:
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))  # the port is taken, and nothing listens there
    return {f"{UPSTREAM}URL": f"http://127.0.0.1:{listener.getsockname()[1]}"}


def no_connection(stack: ExitStack, _folder: Path) -> Settings:
    """A listener whose queue is full: the kernel drops further attempts, as a firewall does."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    return {
        f"{UPSTREAM}URL": f"http://127.0.0.1:{listener.getsockname()[1]}",
        f"{UPSTREAM}CONNECT_TIMEOUT": "0.5",
    }


def dropped(stack: ExitStack, _folder: Path) -> Settings:
    proxy = stack.enter_context(FaultProxy("127.0.0.1", 0, ("127.0.0.1", 1)))
    proxy.set(Fault.RESET)
    return {f"{UPSTREAM}URL": f"http://127.0.0.1:{proxy.port}"}


def reset(stack: ExitStack, _folder: Path) -> Settings:
    upstream = stack.enter_context(RecordingUpstream(fixed(b"OK")))
    proxy = stack.enter_context(FaultProxy("127.0.0.1", 0, (upstream.host, upstream.port)))
    proxy.set(Fault.RESET_AFTER, bytes_until_reset=10)
    return {f"{UPSTREAM}URL": f"http://127.0.0.1:{proxy.port}"}


def no_response(stack: ExitStack, _folder: Path) -> Settings:
    upstream = stack.enter_context(RecordingUpstream(silent))
    return {
        f"{UPSTREAM}URL": upstream.url,
        f"{UPSTREAM}SILENCE_TIMEOUT": "0.5",
        f"{UPSTREAM}PROBES__TIMEOUT": "0.5",
    }


def named(stack: ExitStack) -> tuple[ScriptedDns, Settings]:
    server = stack.enter_context(ScriptedDns())
    return server, {
        f"{UPSTREAM}URL": f"http://{NAME}:5000",
        f"{UPSTREAM}RESOLVER": server.address,
    }


def no_such_name(stack: ExitStack, _folder: Path) -> Settings:
    return named(stack)[1]


def no_resolution(stack: ExitStack, _folder: Path) -> Settings:
    server, settings = named(stack)
    server.rcode = dns.rcode.SERVFAIL
    return settings


def metadata(stack: ExitStack, _folder: Path) -> Settings:
    server, settings = named(stack)
    server.set(NAME, "A", "169.254.169.254")
    return settings


def shown(stack: ExitStack, certificate: Certificate) -> Settings:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    upstream = stack.enter_context(RecordingUpstream(fixed(), tls=context))
    return {f"{UPSTREAM}URL": upstream.url}


def untrusted(stack: ExitStack, folder: Path) -> Settings:
    return shown(stack, Authority(folder, "authority").issue("mlflow", "127.0.0.1"))


def trusted(authority: Authority) -> Settings:
    return {f"{UPSTREAM}TLS__CA": str(authority.certificate)}


def expired(stack: ExitStack, folder: Path) -> Settings:
    authority = Authority(folder, "authority")
    issued = authority.issue("mlflow", "127.0.0.1", ended=True)
    return trusted(authority) | shown(stack, issued)


def misnamed(stack: ExitStack, folder: Path) -> Settings:
    authority = Authority(folder, "authority")
    return trusted(authority) | shown(stack, authority.issue("mlflow", "mlflow.corp"))


def plain(stack: ExitStack, _folder: Path) -> Settings:
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=complain, args=(listener,), daemon=True)
    thread.start()
    stack.callback(listener.shutdown, socket.SHUT_RDWR)
    return {f"{UPSTREAM}URL": f"https://127.0.0.1:{listener.getsockname()[1]}"}


def complain(listener: socket.socket) -> None:
    """Answer each handshake as a server of plain HTTP does."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def host_refused(stack: ExitStack, _folder: Path) -> Settings:
    routes = {
        b"/health": raw(response_bytes(b"OK", content_type="text/plain")),
        b"/version": raw(response_bytes(b"3.17.2", content_type="text/plain")),
    }
    refusal = raw(response_bytes(HOST_REFUSED, status=403, content_type="text/plain"))
    upstream = stack.enter_context(RecordingUpstream(routed(routes, refusal)))
    return {f"{UPSTREAM}URL": upstream.url}


def redirects(stack: ExitStack, _folder: Path) -> Settings:
    """As a balancer does that wants https."""
    moved = response_bytes(
        b"<html>301", "Location: https://mlflow.corp/", status=301, content_type="text/html"
    )
    upstream = stack.enter_context(RecordingUpstream(raw(moved)))
    return {f"{UPSTREAM}URL": upstream.url}


def unauthenticated(stack: ExitStack, _folder: Path) -> Settings:
    asks = raw(response_bytes(b"You are not authenticated.", status=401, content_type="text/html"))
    upstream = stack.enter_context(RecordingUpstream(routed({b"/health": fixed(b"OK")}, asks)))
    return {f"{UPSTREAM}URL": upstream.url}


def page(stack: ExitStack, _folder: Path) -> Settings:
    login = raw(response_bytes(b"<!doctype html><h1>Log in</h1>", content_type="text/html"))
    upstream = stack.enter_context(RecordingUpstream(login))
    return {f"{UPSTREAM}URL": upstream.url}


@dataclass(frozen=True)
class Failure:
    """One of them: the gate's response, and the doctor's finding and cure."""

    make: Make
    status: int
    reason: str
    said: tuple[str, ...]
    step: str
    seen: str
    cure: str


FAILURES = {
    "connection refused": Failure(
        *(refused, 503, "upstream_connect", ("Connection refused", "is not running there")),
        *("connect to", "Connection refused", "Start MLflow there"),
    ),
    "no connection": Failure(
        *(no_connection, 503, "upstream_connect", ("within 0.5 s", "firewall")),
        *("connect to", "within 0.5 s", "security groups and firewalls"),
    ),
    "dropped": Failure(
        *(dropped, 503, "upstream_connect", ("closes them immediately",)),
        *("connect to", "", "closes them"),
    ),
    "name not found": Failure(
        *(no_such_name, 503, "no_endpoint", ("NXDOMAIN", "Check the name")),
        *("find MLflow", "NXDOMAIN", "Correct the name"),
    ),
    "name cannot be resolved": Failure(
        *(no_resolution, 503, "no_endpoint", ("SERVFAIL",)),
        *("find MLflow", "SERVFAIL", "check its log"),
    ),
    "metadata address": Failure(
        *(metadata, 503, "no_endpoint", ("169.254.169.254", "refused")),
        *("find MLflow", "169.254.169.254", "allow_link_local"),
    ),
    "time-out": Failure(
        *(no_response, 504, "upstream_timeout", ("stayed silent for 0.5 s", "MLflow's log")),
        *("connect to", "no response within", "hangs"),
    ),
    "reset": Failure(
        *(reset, 502, "upstream_reset", ("closed the connection", "MLflow's log")),
        *("connect to", "", "MLflow's log for a crash"),
    ),
    "certificate": Failure(
        *(untrusted, 503, "upstream_tls", ("unable to get local issuer", "tls.ca")),
        *("connect to", "certificate verify failed", "upstreams.default.tls.ca"),
    ),
    "expired certificate": Failure(
        *(expired, 503, "upstream_tls", ("has expired", "renew it")),
        *("connect to", "certificate has expired", "Renew the certificate"),
    ),
    "certificate of another name": Failure(
        *(misnamed, 503, "upstream_tls", ("not valid for '127.0.0.1'", "tls.server_name")),
        *("connect to", "not valid for '127.0.0.1'", "upstreams.default.tls.server_name"),
    ),
    "no TLS": Failure(
        *(plain, 503, "upstream_tls", ("wrong version number", "is it http?")),
        *("connect to", "wrong version number", "write http:// in the URL"),
    ),
    "Host check": Failure(
        *(host_refused, 502, "upstream_host_refused", ("--allowed-hosts",)),
        *("pass the Host check", "MLflow refuses the Host", "--allowed-hosts"),
    ),
    "redirect": Failure(
        *(redirects, 502, "upstream_not_json", ("status 301", "load balancer")),
        *("connect to", "responded 301, a redirect", "follows no redirect"),
    ),
    "authentication": Failure(
        *(unauthenticated, 502, "upstream_credentials", ("Your key is valid", "policy 'replace'")),
        *("pass the authentication", "(401)", "upstreams.default.credentials"),
    ),
    "web page": Failure(
        *(page, 502, "upstream_not_json", ("a web page (status 200)", "login page")),
        *("connect to", "a web page", "login page"),
    ),
}


def doctor(folder: Path, settings: Settings) -> tuple[int, dict[str, Any], str]:
    """What ``headgate doctor`` finds: its exit code, what it tells programs, and people."""
    environment = clean_environment() | settings | {"HEADGATE_DATA": str(folder / "data")}
    outputs = []
    for more in ((), ("--json",)):
        done = subprocess.run(
            [sys.executable, "-m", "headgate", "doctor", *more],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stderr == ""
        outputs.append(done.stdout)
    return done.returncode, json.loads(outputs[1]), outputs[0]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


# Whether a connection was dropped before or after the request was sent is for the network to say.
@pytest.mark.parametrize("name", sorted(FAILURES.keys() - {"dropped"}))
def test_a_client_learns_why_and_what_helps(name: str, stack: ExitStack, tmp_path: Path) -> None:
    failure = FAILURES[name]
    settings = failure.make(stack, tmp_path)
    key = create_key(tmp_path / "data", "client")
    gate = stack.enter_context(running_gate(tmp_path, None, settings))
    create = "/api/2.0/mlflow/experiments/create"
    response = gate.ask("POST", create, "Content-Type: application/json", key=key, body=b"{}")
    assert (response.status, response.get("X-Headgate-Reason")) == (failure.status, failure.reason)
    told = json.loads(response.body)["message"]
    for part in (*failure.said, "`headgate doctor`"):
        assert part in told
    assert gate.outcome(lambda outcome: outcome["reason"] == failure.reason)


@pytest.mark.parametrize("name", FAILURES)
def test_the_doctor_names_the_first_thing_wrong_and_its_cure(
    name: str, stack: ExitStack, tmp_path: Path
) -> None:
    failure = FAILURES[name]
    code, told, text = doctor(tmp_path, failure.make(stack, tmp_path))
    assert (code, told["ok"]) == (1, False)
    *before, last = told["steps"]
    assert all(step["ok"] for step in before)
    assert not last["ok"]
    assert last["step"].startswith(failure.step)
    assert failure.seen in last["seen"]
    assert failure.cure in last["cure"]
    assert failure.seen in text
    assert failure.cure in text


def test_the_doctor_walks_the_whole_way_to_a_real_mlflow(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    code, told, text = doctor(tmp_path, {"MLFLOW_SERVER_URL": mlflow_server.url})
    assert (code, told["ok"]) == (0, True), text
    endpoint = f"{mlflow_server.host}:{mlflow_server.port}"
    assert [step["step"] for step in told["steps"]] == [
        "find MLflow",
        f"connect to {endpoint}",
        f"ask {endpoint} for its version",
        f"pass the Host check of {endpoint}",
        "use experiments",
        "use models",
        "use artifacts",
        "use traces",
        "keep artifacts",
    ]


def test_the_doctor_finds_an_mlflow_below_a_path_of_its_own(tmp_path: Path) -> None:
    nowhere = raw(response_bytes(b"<html>404", status=404, content_type="text/html"))
    routes = {
        b"/ml/health": raw(response_bytes(b"OK", content_type="text/plain")),
        b"/ml/version": raw(response_bytes(b"3.17.2", content_type="text/plain")),
        b"/ml/api/2.0/mlflow/experiments/get?experiment_id=0": fixed(),
        b"/ml/api/2.0/mlflow/experiments/search": fixed(),
    }
    with RecordingUpstream(routed(routes, nowhere)) as upstream:
        settings = {"MLFLOW_SERVER_URL": upstream.url}
        _, lost, _ = doctor(tmp_path, settings)
        _, found, _ = doctor(tmp_path, settings | {f"{UPSTREAM}STATIC_PREFIX": "/ml"})
    assert "static_prefix" in lost["steps"][-1]["cure"]
    walked = [step["step"].partition(" ")[0] for step in found["steps"] if step["ok"]]
    assert walked[:5] == ["find", "connect", "ask", "pass", "use"]


def test_the_doctor_speaks_to_mlflow_by_its_name_as_the_gate_does(
    stack: ExitStack, tmp_path: Path
) -> None:
    """Its certificate bears that name, and not the address."""
    authority = Authority(tmp_path, "authority")
    by_address = shown(stack, authority.issue("mlflow", NAME))
    port = by_address[f"{UPSTREAM}URL"].rpartition(":")[2]
    server, _ = named(stack)
    server.set(NAME, "A", "127.0.0.1")
    settings = {
        f"{UPSTREAM}URL": f"https://{NAME}:{port}",
        f"{UPSTREAM}RESOLVER": server.address,
        f"{UPSTREAM}HOST_HEADER": "name",
    }
    _, told, text = doctor(tmp_path, settings | trusted(authority))
    steps = {each["step"]: each["ok"] for each in told["steps"]}
    assert steps.get(f"connect to 127.0.0.1:{port}"), text


def test_the_doctor_tells_upstreams_and_endpoints_apart(stack: ExitStack, tmp_path: Path) -> None:
    """Each endpoint is used: one may have lost a store that the other has."""
    models = b"/api/2.0/mlflow/registered-models/search?max_results=1"
    version = {b"/version": raw(response_bytes(b"3.17.2", content_type="text/plain"))}
    broken = version | {models: fixed(b'{"message": "no store"}', status=500)}
    well, ill = (
        stack.enter_context(RecordingUpstream(routed(routes, fixed())))
        for routes in (version, broken)
    )
    odd = tmp_path / "odd.pem"
    odd.write_text("no certificate")
    file = tmp_path / "headgate.toml"
    file.write_text(
        f'[upstreams.default]\nurl = "{well.url},{ill.url}"\n'
        f'[upstreams.locked]\nurl = "https://127.0.0.1:1"\nprefixes = ["/locked"]\n'
        f'tls.ca = "{odd}"\n'
        '[upstreams.six]\nurl = "http://[fd00::1]:1"\nprefixes = ["/six"]\nconnect_timeout = 1\n'
    )
    code, told, text = doctor(tmp_path, {"HEADGATE_CONFIG": str(file)})
    assert code == 1
    failed = [(each["upstream"], each["step"]) for each in told["steps"] if not each["ok"]]
    at = ill.url.removeprefix("http://")
    assert ("default", f"use models at {at}") in failed
    assert ("default", f"use models at {well.url.removeprefix('http://')}") not in failed
    assert ("locked", "read its settings") in failed
    assert ("six", "connect to [fd00::1]:1") in failed
    for part in ("upstream locked", "odd.pem contains no certificate", "connect to [fd00::1]:1"):
        assert part in text


def test_a_doctor_that_is_interrupted_leaves_no_artifact_behind(
    stack: ExitStack, tmp_path: Path
) -> None:
    go_on = threading.Event()

    def script(exchange: Exchange) -> None:
        line = exchange.request.request_line
        response = fixed(b"3.17.2" if b" /version " in line else b"{}")
        (held(go_on, response) if line.startswith(b"PUT ") else response)(exchange)

    upstream = stack.enter_context(RecordingUpstream(script))
    settings = {"MLFLOW_SERVER_URL": upstream.url, "HEADGATE_DATA": str(tmp_path / "data")}
    command = [sys.executable, "-m", "headgate", "doctor"]
    process = stack.enter_context(ServerProcess(command, settings, tmp_path, "doctor"))

    def asked(method: bytes) -> int:
        return sum(each.request_line.startswith(method) for each in upstream.requests)

    upstream.wait_until(lambda: asked(b"PUT ") == 1)
    process.signal(signal.SIGINT)
    go_on.set()
    assert process.wait(20) != 0
    assert asked(b"DELETE ") == 1
