"""A gate that takes over from a running one: no client notices, and no failure leaves a gap."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headgate.model import Endpoint
from headgate.runtime import takeover_protocol as protocol
from headgate.runtime.takeover_place import Place
from tests.support.activator import Notified, activated, listening_socket
from tests.support.certificates import Authority
from tests.support.gate import create_key
from tests.support.ports import free_port
from tests.support.postgres import postgres_server
from tests.support.processes import ServerProcess
from tests.support.recipes import blocks
from tests.support.recording_upstream import RecordingUpstream
from tests.support.successive_gates import (
    COMMAND,
    START_SECONDS,
    STOP_SECONDS,
    Gates,
    event,
    events,
    refusal,
    serves,
    successive_gates,
)
from tests.support.traffic import SEARCH, Traffic, slow_mlflow
from tests.support.two_gates import shared_store, stopped
from tests.support.waiting import seconds_until
from tests.support.workers import worker_pids

pytestmark = pytest.mark.first


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(slow_mlflow) as running:
        yield running


@pytest.fixture
def gates(tmp_path: Path, upstream: RecordingUpstream) -> Iterator[Gates]:
    with successive_gates(tmp_path, upstream.url) as made:
        yield made


# --- under load ------------------------------------------------------------------------------

WORKERS = {"http": (1, 1, 2, 2, 1, 2), "https": (2, 2, 1, 2, 2, 2)}
"""Of the gates one after the other: five replacements, each kind of change among them."""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_five_replacements_under_load_refuse_and_reset_nothing(
    scheme: str, gates: Gates, tmp_path: Path
) -> None:
    first, *later = WORKERS[scheme]
    context = serve_https(gates, tmp_path) if scheme == "https" else None
    traffic = Traffic(gates.port, create_key(gates.data, "traffic"), context)
    replaced = [gates.start(first)]
    with traffic.going_on():
        for workers in later:
            traffic.wait_for(newcomer=50, regular=20, upload=1, download=1)
            replaced.append(gates.replace(replaced[-1], workers))
        traffic.wait_for(newcomer=50, regular=20, upload=1, download=1)
        for old in replaced[:-1]:  # each regular client has sent another request meanwhile
            assert old.wait(STOP_SECONDS) == 0
            assert events(old, "cut_off") == []
    assert traffic.failures == []


def serve_https(gates: Gates, folder: Path) -> ssl.SSLContext:
    authority = Authority(folder, "authority")
    made = authority.issue("gate", "127.0.0.1")
    gates.settings["HEADGATE_LISTEN__TLS__CERTIFICATE"] = str(made.certificate)
    gates.settings["HEADGATE_LISTEN__TLS__KEY"] = str(made.key)
    return ssl.create_default_context(cafile=str(authority.certificate))


def test_the_same_load_sees_a_plain_restart(gates: Gates) -> None:
    """The control: what the tests above count is there to be counted."""
    traffic = Traffic(gates.port, create_key(gates.data, "traffic"))
    gate = gates.start(1, listen__lame_duck="0")
    with traffic.going_on():
        traffic.wait_for(newcomer=20, regular=5)
        gate.signal(signal.SIGTERM)
        gate.wait(STOP_SECONDS)
        gates.start(1)
        traffic.wait_for(newcomer=20)
    assert any("newcomer: ConnectionRefusedError" in each for each in traffic.failures)


# --- what goes wrong --------------------------------------------------------------------------


@pytest.fixture
def slow_start(gates: Gates) -> Iterator[dict[str, str]]:
    """Settings with which a start takes some seconds: the name server says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        yield {
            "upstreams__default__url": "http://mlflow.example.com:5000",
            "upstreams__default__resolver": f"127.0.0.1:{mute.getsockname()[1]}",
        }


def test_a_new_gate_that_cannot_start_changes_nothing(gates: Gates) -> None:
    old = gates.start(2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ops = f"127.0.0.1:{taken.getsockname()[1]}"
        new = gates.launch("--take-over", ops__listen=ops)
        assert f"ops.listen: {ops} is taken" in refusal(new)
    assert event(old, "hand_over_failed")["process"] == new.pid
    serves(gates)
    gates.replace(old, 2)
    serves(gates)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_new_gate_that_is_killed_while_it_starts_changes_nothing(
    workers: int, gates: Gates, slow_start: dict[str, str]
) -> None:
    old = gates.start(2)
    new = gates.launch("--take-over", listen__workers=str(workers), **slow_start)
    event(old, "hand_over_offered")
    new.signal(signal.SIGKILL)
    assert "ended before it served" in event(old, "hand_over_failed")["reason"]
    serves(gates)
    old.signal(signal.SIGTERM)
    assert old.wait(STOP_SECONDS) == 0
    with pytest.raises(ConnectionRefusedError):  # it was the only one again, and ended its sockets
        gates.status()


def kill_all(gate: ServerProcess) -> None:
    """Kill a gate with all its workers, as a lack of memory may."""
    for pid in (gate.pid, *worker_pids(gate)):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("with_workers", [True, False])
def test_an_old_gate_that_dies_leaves_its_sockets(
    with_workers: bool, gates: Gates, slow_start: dict[str, str]
) -> None:
    """Who connects meanwhile waits for the new one."""
    old = gates.start(2)
    new = gates.launch("--take-over", listen__workers="1", **slow_start)
    event(old, "hand_over_offered")
    if with_workers:
        kill_all(old)
    else:
        old.signal(signal.SIGKILL)
    serves(gates)
    assert event(new, "taken_over")["died"] is True
    new.signal(signal.SIGTERM)
    assert new.wait(STOP_SECONDS) == 0
    with pytest.raises(ConnectionRefusedError):
        gates.status()


def test_an_old_gate_that_is_stopped_meanwhile_leaves_its_sockets(
    gates: Gates, slow_start: dict[str, str]
) -> None:
    old = gates.start(2)
    new = gates.launch("--take-over", **slow_start)
    event(old, "hand_over_offered")
    old.signal(signal.SIGTERM)
    assert old.wait(STOP_SECONDS) == 0
    serves(gates)
    event(new, "taken_over")


def test_of_two_new_gates_one_takes_over(gates: Gates, slow_start: dict[str, str]) -> None:
    old = gates.start()
    first = gates.launch("--take-over", **slow_start)
    event(old, "hand_over_offered")
    first.signal(signal.SIGSTOP)
    sentence = refusal(gates.launch("--take-over"))
    first.signal(signal.SIGCONT)
    assert f"process {first.pid} (Headgate " in sentence
    assert "is about to take over" in sentence
    event(first, "taken_over")
    assert old.wait(STOP_SECONDS) == 0
    serves(gates)


def test_an_old_gate_that_hangs_goes_on_later(gates: Gates, slow_start: dict[str, str]) -> None:
    old = gates.start()
    new = gates.launch("--take-over", **slow_start)
    event(old, "hand_over_offered")
    old.signal(signal.SIGSTOP)
    try:
        sentence = refusal(new)
        assert "still accepts connections after 10 s; it goes on" in sentence
        serves(gates)  # its workers are not stopped
    finally:
        old.signal(signal.SIGCONT)
    event(old, "hand_over_failed")
    gates.replace(old)
    serves(gates)


def test_it_needs_a_gate_at_its_own_address(gates: Gates) -> None:
    old = gates.start()
    there = f"127.0.0.1:{gates.port}"
    elsewhere = f"127.0.0.1:{free_port()}"
    sentence = refusal(gates.launch("--listen", elsewhere, "--take-over"))
    assert f"no gate at {elsewhere} with the data folder" in sentence
    assert f"there may be one at {there}" in sentence
    assert "any free port" in refusal(gates.launch("--listen", "127.0.0.1:0", "--take-over"))
    other = str(gates.folder / "other")
    assert "no gate at" in refusal(gates.launch("--take-over", data=other))
    nowhere = {"auth__mode": "none", "data": str(gates.folder / "missing")}
    assert "cannot be opened" in refusal(gates.launch("--take-over", **nowhere))
    assert events(old, "hand_over_offered") == []
    serves(gates)


def test_https_is_not_put_in_the_place_of_http(gates: Gates, tmp_path: Path) -> None:
    old = gates.start()
    serve_https(gates, tmp_path)
    sentence = refusal(gates.launch("--take-over"))
    assert "serves http and this one is to serve https" in sentence
    event(old, "hand_over_failed")
    serves(gates)


def test_after_a_crash_the_next_gate_can_be_taken_over_from(gates: Gates) -> None:
    """What the one that crashed has left there is in nobody's way."""
    kill_all(gates.start())
    assert "no gate at" in refusal(gates.launch("--take-over"))
    again = gates.start()
    assert events(again, "hand_over_unavailable") == []
    gates.replace(again)
    serves(gates)


def test_where_there_is_no_folder_a_gate_serves_without(gates: Gates) -> None:
    (gates.folder / "file").write_text("")
    gate = gates.start(1, auth__mode="none", data=str(gates.folder / "file"))
    assert event(gate, "hand_over_unavailable")["reason"]
    serves(gates)


def test_another_protocol_is_refused_in_one_sentence(gates: Gates) -> None:
    """And what is no gate at all is shown out."""
    old = gates.start()
    hellos: tuple[object, ...] = (
        {"kind": "hello", "protocol": 99, "version": "99.0", "pid": 1},
        {"kind": "serves"},
        {"kind": "hello", "protocol": 1},
        [],
    )
    for hello in hellos:
        with Place(gates.data, Endpoint("127.0.0.1", gates.port)) as place:
            channel = place.connect()
        with channel:
            channel.settimeout(30)
            channel.send(json.dumps(hello).encode())
            message = protocol.receive(channel)
            assert message.kind == protocol.REFUSED
            assert message.text("sentence")
    serves(gates)
    gates.replace(old)


# --- what else goes over ----------------------------------------------------------------------


def test_the_operators_listener_goes_over_and_is_always_ready(gates: Gates) -> None:
    """Nobody is turned away, and the old gate has no lame-duck time."""
    old = gates.start(2, ops__listen="127.0.0.1:0", listen__lame_duck="60")
    line = old.wait_for_line(r"health and metrics on http://127.0.0.1:(\d+)", START_SECONDS)
    watcher = Watcher(int(line[1]))
    with watcher.watching():
        for _ in range(2):
            old = gates.replace(old, 2, ops__listen="127.0.0.1:0", listen__lame_duck="60")
            watcher.wait_for(20)
    assert watcher.failures == []
    old.signal(signal.SIGINT)
    old.wait_for_line(rf"health and metrics on http://127.0.0.1:{line[1]}", START_SECONDS)


@dataclass
class Watcher:
    """A load balancer: asks on a connection of its own each time whether the gate is ready."""

    port: int
    ready: int = 0
    failures: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join(60)

    def wait_for(self, more: int) -> None:
        goal, until = self.ready + more, time.monotonic() + 60
        while self.ready < goal:
            assert time.monotonic() < until, self.failures[:3]
            self._stopping.wait(0.01)

    def _run(self) -> None:
        while not self._stopping.wait(0.005):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                with contextlib.closing(connection):
                    connection.request("GET", "/readyz")
                    status = connection.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            else:
                self.ready += status == 200
                if status != 200:
                    self.failures.append(str(status))


def test_a_socket_of_the_service_manager_goes_over_too(gates: Gates) -> None:
    with listening_socket() as held:
        gates.port = held.getsockname()[1]
        old = gates.stack.enter_context(
            activated(COMMAND, {"headgate": held}, gates.settings, gates.folder, "activated")
        )
        old.wait_for_line("listening on ", START_SECONDS)
        new = gates.replace(old, 2)
        assert old.wait(STOP_SECONDS) == 0
        serves(gates)
        new.signal(signal.SIGTERM)
        assert new.wait(STOP_SECONDS) == 0
        with socket.create_connection(("127.0.0.1", gates.port)):  # it is the manager's still
            pass


def test_the_service_manager_hears_of_the_new_process(gates: Gates) -> None:
    manager = Notified()
    try:
        gates.settings["NOTIFY_SOCKET"] = manager.address
        old = gates.start(WATCHDOG_USEC="4000000")
        manager.wait_for(lambda message: "READY" in message)
        del gates.settings["NOTIFY_SOCKET"]
        new = gates.replace(old)
        told = manager.wait_for(lambda message: "MAINPID" in message)
        assert int(told["MAINPID"]) == new.pid
        assert manager.wait_for(lambda message: "READY" in message)["STATUS"]
        assert old.wait(STOP_SECONDS) == 0
        for _ in range(3):
            manager.wait_for(lambda message: "WATCHDOG" in message)
        assert not any("STOPPING" in message for message in manager.messages)
    finally:
        manager.close()


# --- while an upstream is parked --------------------------------------------------------------


@dataclass
class Operator:
    """Asks the admin API of whichever gate is there."""

    gates: Gates
    key: str | None

    def ask(self, method: str, target: str, **content: object) -> tuple[int, Any]:
        """The status and the document of a response."""
        fields = {"Content-Type": "application/json"}
        if self.key is not None:
            fields["Authorization"] = f"Bearer {self.key}"
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.gates.port, timeout=120)
        ) as connection:
            body = json.dumps(content) if content else None
            connection.request(method, target, body, fields)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def park(self) -> None:
        """Park the upstream, and wait until nothing is under way."""
        assert self.ask("POST", f"{API}/park", seconds=300)[0] == 200
        assert seconds_until(lambda: bool(self.upstream()["drained"]), 60) < 60

    def unpark(self) -> None:
        """Let requests go on."""
        assert self.ask("POST", f"{API}/unpark", force=False)[0] == 200

    def upstream(self) -> dict[str, Any]:
        """How it stands."""
        status, found = self.ask("GET", API)
        assert status == 200, found
        assert isinstance(found, dict)
        return found

    def waiting(self) -> int:
        """How many requests are held, in all gates that the store knows of."""
        return sum(each["waiting"] for each in self.upstream()["gates"])


API = "/-/api/v1/upstreams/default"


@dataclass
class Held:
    """A request of its own thread that waits for the end of a park."""

    operator: Operator
    result: tuple[int, Any] | None = None

    def send(self) -> threading.Thread:
        """Send it."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        self.result = self.operator.ask("GET", SEARCH)


@pytest.mark.parametrize("mode", ["keys", "none"])
def test_what_is_held_is_released_by_the_gate_that_holds_it(mode: str, gates: Gates) -> None:
    """Both gates follow what is asked: the old one's clients do not wait for the new one."""
    settings = {"auth__mode": mode}
    key = create_key(gates.data, "operator", ["admin"]) if mode == "keys" else None
    old = gates.start(2, **settings)
    operator = Operator(gates, key)
    operator.park()
    early = Held(operator)
    thread = early.send()
    assert seconds_until(lambda: operator.waiting() == 1, 30) < 30
    gates.replace(old, 1, **settings)
    assert operator.upstream()["park"] is not None
    late = Held(operator)
    other = late.send()
    assert seconds_until(lambda: operator.waiting() >= 1, 30) < 30
    assert (early.result, late.result) == (None, None)
    operator.unpark()
    for each in (thread, other):
        each.join(60)
    assert (early.result, late.result) == ((200, {"size": 0}), (200, {"size": 0}))
    assert old.wait(STOP_SECONDS) == 0


def test_what_is_held_is_refused_for_the_next_gate_where_the_old_one_ends(gates: Gates) -> None:
    """It is never cut: the client sends it again, and the new gate holds it."""
    key = create_key(gates.data, "operator", ["admin"])
    old = gates.start(1, limits__keepalive_timeout="1")
    operator = Operator(gates, key)
    operator.park()
    held = Held(operator)
    thread = held.send()
    assert seconds_until(lambda: operator.waiting() == 1, 30) < 30
    gates.replace(old)
    assert old.wait(STOP_SECONDS) == 0
    thread.join(60)
    assert held.result is not None
    assert held.result[0] == 429, held.result
    again = Held(operator)
    thread = again.send()
    assert seconds_until(lambda: operator.waiting() == 1, 30) < 30
    operator.unpark()
    thread.join(60)
    assert again.result == (200, {"size": 0})


# --- without the key store --------------------------------------------------------------------


def test_keys_and_parks_stay_known_while_their_store_is_down(gates: Gates, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "database-ca")
    certificate = authority.issue("database", "localhost")
    server = gates.stack.enter_context(postgres_server(tmp_path, certificate))
    checked = {"sslmode": "verify-full", "sslrootcert": str(authority.certificate)}
    url = server.url("gates", host="localhost", **checked)
    store = shared_store(server, tmp_path / "store", "gates", url)
    admin = store.told("keys", "create", "admin", "--role", "admin")
    gates.settings["HEADGATE_AUTH__DATABASE_URL_FILE"] = str(store.url_file)
    old = gates.start(2)
    operator = Operator(gates, admin)
    operator.park()
    with stopped(server):
        gates.replace(old, 2)
        held = Held(operator)
        thread = held.send()
        assert operator.ask("GET", "/-/health")[0] in (200, 503)  # the key is known
        thread.join(2)
        assert held.result is None  # and so is the park
    assert seconds_until(lambda: operator.ask("GET", API)[0] == 200, 60) < 60
    operator.unpark()
    thread.join(60)
    assert held.result == (200, {"size": 0})


def test_the_commands_of_the_page(gates: Gates) -> None:
    text = "".join(blocks("replace-a-gate", "sh"))
    start, check, replace = (line for line in text.splitlines() if line)
    file = gates.folder / "headgate.toml"
    file.write_text(f'[listen]\nport = {gates.port}\n\n[ops]\nlisten = ""\n', "utf-8")
    commands = [
        [sys.executable, "-m", *shlex.split(line.replace("/etc/headgate/headgate.toml", str(file)))]
        for line in (start, check, replace)
    ]
    old = gates.stack.enter_context(
        ServerProcess(commands[0], gates.settings, gates.folder, "start")
    )
    old.wait_for_line("listening on ", START_SECONDS)
    checked = gates.stack.enter_context(
        ServerProcess(commands[1], gates.settings, gates.folder, "check")
    )
    assert checked.wait(START_SECONDS) == 0
    new = gates.stack.enter_context(
        ServerProcess(commands[2], gates.settings, gates.folder, "replace")
    )
    new.wait_for_line("listening on ", START_SECONDS)
    assert old.wait(STOP_SECONDS) == 0
    serves(gates)
