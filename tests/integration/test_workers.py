"""Several workers on one port: one gate to its clients, whatever happens to one of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.byte_stream import ClosedError
from tests.support.certificates import Authority
from tests.support.gate import Gate, bearer
from tests.support.patience import patience
from tests.support.processes import clean_environment
from tests.support.prometheus import Family, parse
from tests.support.raw import RawClient, request_head
from tests.support.scene import Scene, running_scene
from tests.support.scripts import fixed, held
from tests.support.workers import SECONDS, is_alive, kill_worker, worker_pids

TWO = {"HEADGATE_LISTEN__WORKERS": "2"}
SEED = 16  # digits of a request id that name the worker
REVOCATION_SECONDS = 2.0


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A gate of two workers; it leaves nothing behind in the folder for temporary files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with running_scene(tmp_path, {**TWO, "TMPDIR": str(temporary)}) as running:
        yield running
        if running.gate.process.exit_code == -signal.SIGKILL:
            return
    assert list(temporary.iterdir()) == []


def worker_of(scene: Scene) -> str:
    """Which worker answers a new connection."""
    response = scene.gate.ask("GET", "/version", key=scene.key)
    assert response.status == 200
    return (response.get("X-Request-ID") or "")[:SEED]


def workers_seen(scene: Scene, count: int = 60) -> set[str]:
    return {worker_of(scene) for _ in range(count)}


def metrics(gate: Gate, key: str) -> Mapping[str, Family]:
    response = gate.ask("GET", "/-/metrics", key=key)
    assert response.status == 200
    return parse(response.body.decode())


def holding(scene: Scene, target: str, count: int) -> list[RawClient]:
    """That many connections with a request under way each."""
    clients = [scene.gate.connect() for _ in range(count)]
    for client in clients:
        client.send(scene.head("GET", target))
    scene.wait_for_arrival(target, count)
    return clients


def is_answered(client: RawClient) -> bool:
    try:
        return client.response().status == 200
    except (ClosedError, ConnectionError):
        return False


def close(clients: list[RawClient]) -> None:
    for client in clients:
        client.close()


def test_both_serve_on_one_port_and_count_as_one(scene: Scene) -> None:
    assert len(worker_pids(scene.gate.process)) == 2
    assert len(workers_seen(scene)) == 2
    for _ in range(4):  # whichever worker is asked
        requests = metrics(scene.gate, scene.key)["headgate_requests_total"]
        assert requests.total(family="meta", reason="ok", status="2xx") == 60


def test_what_is_loaded_before_they_start_is_in_memory_once(scene: Scene) -> None:
    """Pages of its own are a third of what a worker has; a collection of garbage changes none."""
    for pid in worker_pids(scene.gate.process):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        sizes = {line.split()[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
        assert sizes["Private_Dirty:"] < 0.45 * sizes["Rss:"], rollup


def test_a_killed_worker_takes_only_its_own_requests_with_it(scene: Scene) -> None:
    """It is replaced immediately, and what was counted before and after adds up."""
    go_on = threading.Event()
    waits = scene.play("waits", held(go_on, fixed(b"late")))
    before = workers_seen(scene)
    clients = holding(scene, waits, 20)
    ids = {request.all(b"x-request-id")[0].decode() for request in scene.arrived(waits)}
    of_each = {seed: sum(each.startswith(seed) for each in ids) for seed in before}
    assert all(of_each.values())
    scene.wait_for_gauge("headgate_requests_in_flight", 20)

    kill_worker(scene.gate.process, worker_pids(scene.gate.process)[0], signal.SIGKILL)
    after = workers_seen(scene)
    (killed,) = before - after
    (survivor,) = before & after
    go_on.set()
    answered = [is_answered(client) for client in clients]
    close(clients)
    assert answered.count(False) == of_each[killed]
    assert answered.count(True) == of_each[survivor]

    found = metrics(scene.gate, scene.key)
    requests = found["headgate_requests_total"]
    assert requests.total(family="meta") == 120
    assert requests.total(family="artifacts", reason="ok") == of_each[survivor]
    scene.wait_for_gauge("headgate_connections", 1)  # the one that asks
    scene.wait_for_gauge("headgate_requests_in_flight", 0)
    logged = scene.gate.process.wait_for_line(r"worker \d \(pid \d+\) ended by signal 9", SECONDS)
    assert logged


def test_under_load_nobody_meets_a_closed_door(scene: Scene) -> None:
    """New connections succeed throughout; only answers of the killed worker are missing."""
    stop = threading.Event()
    statuses: set[int] = set()
    served: list[None] = []
    broken: list[Exception] = []

    def load() -> None:
        while not stop.is_set():
            try:
                statuses.add(scene.gate.ask("GET", "/version", key=scene.key).status)
                served.append(None)
            except (ClosedError, ConnectionResetError, BrokenPipeError) as error:
                broken.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            served.clear()
            scene.gate.process.wait_until(lambda: len(served) > 100 or None, "load", SECONDS)
            kill_worker(scene.gate.process, worker_pids(scene.gate.process)[0], signal.SIGKILL)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert statuses == {200}
    assert len(broken) <= 3 * len(threads)  # each may have met each killed worker once


def test_connections_that_wait_for_a_killed_worker_wait_for_the_next(scene: Scene) -> None:
    pids = worker_pids(scene.gate.process)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    clients = [scene.gate.connect() for _ in range(20)]
    for client in clients:
        client.send(scene.head("GET", "/version"))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert [client.response().status for client in clients] == [200] * 20
    close(clients)


def test_a_worker_that_is_asked_to_stop_is_replaced_while_it_drains(scene: Scene) -> None:
    """Its requests finish, and no new connection waits for it."""
    go_on = threading.Event()
    waits = scene.play("waits", held(go_on, fixed(b"late")))
    clients = holding(scene, waits, 20)
    stopped = worker_pids(scene.gate.process)[0]
    os.kill(stopped, signal.SIGTERM)
    scene.gate.process.wait_until(
        lambda: len(workers_seen(scene, 20)) == 1 or None, "one worker alone", SECONDS
    )
    assert is_alive(stopped)
    assert len(workers_seen(scene, 40)) == 1
    go_on.set()
    assert all(is_answered(client) for client in clients)
    close(clients)
    scene.gate.process.wait_until(
        lambda: len(workers_seen(scene, 20)) == 2 or None, "two workers again", SECONDS
    )
    assert not is_alive(stopped)


def test_a_revoked_key_stops_in_every_worker_also_in_a_new_one(scene: Scene) -> None:
    """No worker takes it 2 seconds after."""
    key = scene.gate.create_key("short-lived")
    request = request_head("GET", "/version", bearer(key))
    kept = [scene.gate.connect() for _ in range(20)]

    def statuses() -> set[int]:
        for client in kept:
            client.send(request)
        return {client.response().status for client in kept}

    scene.gate.process.wait_until(lambda: statuses() == {200} or None, "the key", SECONDS)
    scene.gate.revoke_key("short-lived")
    revoked = time.monotonic()
    scene.gate.process.wait_until(lambda: statuses() == {401} or None, "its end", SECONDS)
    assert time.monotonic() - revoked <= patience(REVOCATION_SECONDS)
    kill_worker(scene.gate.process, worker_pids(scene.gate.process)[0], signal.SIGKILL)
    responses = [scene.gate.ask("GET", "/version", key=key).status for _ in range(20)]
    assert responses == [401] * 20
    close(kept)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "Ctrl-C"])
def test_all_drain_and_stop_together(how: str, scene: Scene) -> None:
    """Ctrl-C goes to every process of a terminal, and means what one SIGINT means."""
    go_on = threading.Event()
    waits = scene.play("waits", held(go_on, fixed(b"late")))
    clients = holding(scene, waits, 20)
    pids = worker_pids(scene.gate.process)
    if how == "Ctrl-C":
        os.killpg(scene.gate.process.pid, signal.SIGINT)
    else:
        scene.gate.process.signal(signal.Signals[how])

    def is_refused() -> bool | None:
        with contextlib.suppress(ConnectionRefusedError):
            scene.gate.connect().close()
            return None
        return True

    scene.gate.process.wait_until(is_refused, "the port to be closed by all", SECONDS)
    go_on.set()
    assert all(is_answered(client) for client in clients)
    close(clients)
    assert scene.gate.process.wait(SECONDS) == 0
    assert not any(is_alive(pid) for pid in pids)
    assert [outcome["reason"] for outcome in scene.gate.outcomes()] == ["ok"] * 20


@pytest.mark.parametrize("patience", ["60", "0.5"])
def test_each_step_of_a_stop_is_an_event(patience: str, tmp_path: Path) -> None:
    """In order, and what is cut off at the end of it."""
    go_on = threading.Event()
    settings = {"HEADGATE_LISTEN__LAME_DUCK": "0.5", "HEADGATE_LISTEN__DRAIN_TIMEOUT": patience}
    with running_scene(tmp_path, settings) as scene:
        scene.gate.event("started")
        waits = scene.play("waits", held(go_on, fixed(b"late")))
        clients = holding(scene, waits, 1)
        scene.gate.process.signal(signal.SIGTERM)
        scene.gate.event("draining")
        if patience == "60":
            go_on.set()
        assert scene.gate.process.wait(SECONDS) == 0
        go_on.set()
        close(clients)
        seen = [each for each in scene.gate.events() if each["event"] != "log"]
    last = "drained" if patience == "60" else "cut_off"
    names = [each["event"] for each in seen if not each["event"].startswith("endpoint")]
    assert sorted(names[:3]) == ["lame_duck", "started", "stopping"]
    assert names[3:] == ["draining", last, "stopped"]
    found = {each["event"]: each for each in seen}
    assert found["draining"]["requests"] == 1
    assert found["lame_duck"]["seconds"] == 0.5
    if last == "cut_off":
        assert found["cut_off"]["requests"] == 1


def test_workers_do_not_outlive_their_supervisor(scene: Scene) -> None:
    """Even one that is killed: they finish what is under way and stop by themselves."""
    go_on = threading.Event()
    waits = scene.play("waits", held(go_on, fixed(b"late")))
    clients = holding(scene, waits, 4)
    pids = worker_pids(scene.gate.process)
    scene.gate.process.signal(signal.SIGKILL)
    assert scene.gate.process.wait(SECONDS) == -signal.SIGKILL
    go_on.set()
    assert all(is_answered(client) for client in clients)
    close(clients)
    end = time.monotonic() + SECONDS
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < end
        threading.Event().wait(0.02)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_gate_that_cannot_start_says_so_in_one_line(workers: str, tmp_path: Path) -> None:
    """Whether that shows before there are workers or in each of them."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "keys.sqlite").write_text("no database" * 100)
    unfit = Authority(tmp_path, "authority").issue("gate", "127.0.0.1")
    unfit.key.write_text("no key")
    with_key = {
        "HEADGATE_LISTEN__TLS__CERTIFICATE": str(unfit.certificate),
        "HEADGATE_LISTEN__TLS__KEY": str(unfit.key),
        "HEADGATE_AUTH__MODE": "none",
    }
    for settings, message in (
        ({}, "is not an SQLite database"),
        (with_key, f"{unfit.key} contains no private key in PEM format"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "headgate", "serve", "--workers", workers],
            env=clean_environment()
            | {
                "HEADGATE_DATA": str(tmp_path / "data"),
                "HEADGATE_LISTEN__PORT": "0",
                "HEADGATE_OPS__LISTEN": "",
                "MLFLOW_SERVER_URL": "http://127.0.0.1:5000",
            }
            | settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        # That the certificate of a test ends soon is one more.
        soon = "headgate: listen.tls.certificate: "
        lines = [line for line in lines if not line.startswith(soon)]
        assert len(lines) == 1
        assert lines[0].startswith("headgate: ")
        assert message in lines[0]
