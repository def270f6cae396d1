"""A gate under a service manager: on its sockets, restarted under load, and telling how it is."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.activator import Notified, activated, listening_socket
from tests.support.certificates import Authority
from tests.support.debian import SYSTEMD, require
from tests.support.gate import bearer, create_key
from tests.support.ports import free_port
from tests.support.processes import ServerProcess
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.workers import worker_pids

START_SECONDS = 60.0
STOP_SECONDS = 30.0
COMMAND = (sys.executable, "-m", "headgate", "serve")
TARGET = "/api/2.0/mlflow/experiments/search"


@dataclass
class Newcomers:
    """Clients that open a connection for each request, one after the other."""

    port: int
    key: str
    context: ssl.SSLContext | None = None
    served: int = 0
    failures: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        while not self._stopping.is_set():
            result = self._ask()
            with self._lock:
                self.served += result == "200"
                if result != "200":
                    self.failures.append(result)

    def _ask(self) -> str:
        connection: http.client.HTTPConnection
        if self.context is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        else:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=60, context=self.context
            )
        try:
            with contextlib.closing(connection):
                connection.request("GET", TARGET, headers=dict([bearer(self.key).split(": ", 1)]))
                return str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            return repr(error)

    @contextlib.contextmanager
    def coming(self, count: int) -> Iterator[None]:
        threads = [threading.Thread(target=self.run, daemon=True) for _ in range(count)]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._stopping.set()
            for each in threads:
                each.join(60)

    def wait_for(self, more: int) -> None:
        goal, until = self.served + more, time.monotonic() + 60
        while self.served < goal:
            assert time.monotonic() < until, f"{self.served} of {goal}: {self.failures[:3]}"
            self._stopping.wait(0.01)


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed(b"{}")) as running:
        yield running


@pytest.fixture
def notified() -> Iterator[Notified]:
    made = Notified()
    yield made
    made.close()


@pytest.fixture
def held() -> Iterator[socket.socket]:
    with listening_socket() as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, upstream: RecordingUpstream) -> dict[str, str]:
    return {
        "HEADGATE_DATA": str(tmp_path / "data"),
        "HEADGATE_LISTEN__LAME_DUCK": "0",
        "HEADGATE_OPS__LISTEN": "",
        "MLFLOW_SERVER_URL": upstream.url,
    }


def port_of(held: socket.socket) -> int:
    port: int = held.getsockname()[1]
    return port


def started(process: ServerProcess) -> None:
    process.wait_for_line("listening on ", START_SECONDS)


@pytest.mark.parametrize(("workers", "scheme"), [(1, "http"), (2, "http"), (2, "https")])
def test_a_restart_refuses_and_resets_no_connection(
    workers: int, scheme: str, settings: dict[str, str], held: socket.socket, tmp_path: Path
) -> None:
    """The next gate starts once the one before has ended, as a service manager has it."""
    settings["HEADGATE_LISTEN__WORKERS"] = str(workers)
    context = None
    if scheme == "https":
        authority = Authority(tmp_path, "authority")
        made = authority.issue("gate", "127.0.0.1")
        settings["HEADGATE_LISTEN__TLS__CERTIFICATE"] = str(made.certificate)
        settings["HEADGATE_LISTEN__TLS__KEY"] = str(made.key)
        context = ssl.create_default_context(cafile=str(authority.certificate))
    clients = Newcomers(port_of(held), create_key(tmp_path / "data", "newcomers"), context)
    with contextlib.ExitStack() as stack:
        gate = stack.enter_context(activated(COMMAND, {"headgate": held}, settings, tmp_path, "0"))
        started(gate)
        with clients.coming(4):  # they leave before the last gate does
            for number in range(1, 4):
                clients.wait_for(100)
                gate.signal(signal.SIGTERM)
                assert gate.wait(STOP_SECONDS) == 0
                gate = stack.enter_context(
                    activated(COMMAND, {"headgate": held}, settings, tmp_path, str(number))
                )
                started(gate)
            clients.wait_for(100)
    assert clients.failures == []


def test_the_address_is_what_the_sockets_say(
    settings: dict[str, str], held: socket.socket, tmp_path: Path
) -> None:
    """And it stays so when the configuration is read again."""
    settings |= {"HEADGATE_LISTEN__HOST": "192.0.2.1", "HEADGATE_LISTEN__PORT": "1"}
    with (
        listening_socket() as for_operators,
        activated(COMMAND, {"ops": for_operators, "headgate": held}, settings, tmp_path) as gate,
    ):
        gate.wait_for_line(f"listening on http://127.0.0.1:{port_of(held)},", START_SECONDS)
        where = f"http://127.0.0.1:{port_of(for_operators)}"
        gate.wait_for_line(f"health and metrics on {where}", START_SECONDS)
        connection = http.client.HTTPConnection("127.0.0.1", port_of(for_operators), timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/livez")
            assert connection.getresponse().status == 200
        gate.signal(signal.SIGHUP)
        gate.wait_for_line("configuration_reloaded", START_SECONDS)
        assert "restart_needed" not in gate.errors.read_text()


def test_an_open_gate_on_a_socket_for_the_network_does_not_start(
    settings: dict[str, str], tmp_path: Path
) -> None:
    settings["HEADGATE_AUTH__MODE"] = "none"
    with (
        listening_socket("0.0.0.0") as for_all,  # noqa: S104
        activated(COMMAND, {"headgate": for_all}, settings, tmp_path) as gate,
    ):
        assert gate.wait(START_SECONDS) != 0
        assert "'none' with listen.host '0.0.0.0'" in gate.errors.read_text()


def test_a_socket_that_does_not_listen_is_one_sentence(
    settings: dict[str, str], tmp_path: Path
) -> None:
    with (
        socket.socket() as mute,
        activated(COMMAND, {"headgate": mute}, settings, tmp_path) as gate,
    ):
        assert gate.wait(START_SECONDS) != 0
        assert "which is no listening TCP socket; use ListenStream=" in gate.errors.read_text()


def is_ready(message: object) -> bool:
    return isinstance(message, dict) and "READY" in message


def test_the_manager_hears_of_start_reload_and_end(
    settings: dict[str, str], held: socket.socket, notified: Notified, tmp_path: Path
) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text("[limits]\nconnections = 100\n")
    settings |= {"NOTIFY_SOCKET": notified.address, "HEADGATE_LISTEN__WORKERS": "2"}
    command = (*COMMAND, "--config", str(file))
    with activated(command, {"headgate": held}, settings, tmp_path) as gate:
        assert notified.wait_for(is_ready)["STATUS"] == "2 worker(s) serve"
        started(gate)
        before = time.monotonic()
        gate.signal(signal.SIGHUP)
        reloading = notified.wait_for(lambda message: "RELOADING" in message)
        assert before * 1e6 <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic() * 1e6
        assert notified.wait_for(is_ready)["STATUS"] == "reloaded"
        file.write_text("[limits]\nconnections = 'many'\n")
        gate.signal(signal.SIGHUP)
        refused = notified.wait_for(is_ready)["STATUS"]
        assert refused.startswith("reload refused: limits.connections")
        gate.signal(signal.SIGTERM)
        stopping = notified.wait_for(lambda message: "STOPPING" in message)
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 60_000_000
        assert gate.wait(STOP_SECONDS) == 0


def test_it_is_not_ready_while_a_worker_waits(
    settings: dict[str, str], held: socket.socket, notified: Notified, tmp_path: Path
) -> None:
    """The name server says nothing, and a start waits some seconds for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        settings |= {
            "NOTIFY_SOCKET": notified.address,
            "MLFLOW_SERVER_URL": "http://mlflow.example.com:5000",
            "HEADGATE_UPSTREAMS__DEFAULT__RESOLVER": f"127.0.0.1:{port_of(mute)}",
        }
        with activated(COMMAND, {"headgate": held}, settings, tmp_path):
            first = notified.wait_for(lambda message: "STATUS" in message)
            assert "READY" not in first
            assert first["STATUS"].startswith("starts: 0 of 1 worker(s) serve")
            notified.wait_for(is_ready)


def test_the_watchdog_hears_nothing_of_workers_that_hang(
    settings: dict[str, str], held: socket.socket, notified: Notified, tmp_path: Path
) -> None:
    settings |= {
        "NOTIFY_SOCKET": notified.address,
        "WATCHDOG_USEC": "2000000",
        "HEADGATE_LISTEN__WORKERS": "2",
        "HEADGATE_LISTEN__WORKER_TIMEOUT": "60",
    }
    with activated(COMMAND, {"headgate": held}, settings, tmp_path) as gate:
        notified.wait_for(is_ready)
        notified.wait_for(lambda message: "WATCHDOG" in message)
        pids = worker_pids(gate)
        os.kill(pids[0], signal.SIGSTOP)  # one alone is the supervisor's affair
        for _ in range(5):
            notified.wait_for(lambda message: "WATCHDOG" in message)
        os.kill(pids[1], signal.SIGSTOP)
        try:
            wait_for_silence(notified, 4.0)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        notified.wait_for(lambda message: "WATCHDOG" in message)


def wait_for_silence(notified: Notified, seconds: float) -> None:
    """Wait until nothing has come for so long, which is twice what the watchdog allows."""
    last, until = time.monotonic(), time.monotonic() + 30
    while time.monotonic() - last < seconds:
        assert time.monotonic() < until, "the watchdog is still told that the gate lives"
        notified.receive()
        if notified.messages:
            notified.messages.clear()
            last = time.monotonic()


@pytest.mark.parametrize("workers", [1, 2])
def test_systemd_itself_passes_the_socket(
    workers: int, settings: dict[str, str], tmp_path: Path
) -> None:
    """``systemd-socket-activate`` starts the gate for the first connection."""
    program = require(SYSTEMD)
    settings["HEADGATE_LISTEN__WORKERS"] = str(workers)
    port, key = free_port(), create_key(tmp_path / "data", "first")
    options = [f"-E{name}={value}" for name, value in settings.items()]
    command = [
        str(program),
        f"--listen=127.0.0.1:{port}",
        "--fdname=headgate",
        *options,
        *COMMAND,
    ]
    with ServerProcess(command, {}, tmp_path, "activated") as process:
        process.wait_for_line("Listening on", START_SECONDS)
        assert Newcomers(port, key)._ask() == "200"
        process.wait_for_line(f"listening on http://127.0.0.1:{port},", START_SECONDS)
