"""What the service manager hears, and when."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from headgate.runtime.service_manager import MARGIN_SECONDS, ServiceManager
from tests.support.activator import Notified


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["abstract", "path"])
def notified(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Notified]:
    made = Notified(None if request.param == "abstract" else tmp_path / "notify")
    yield made
    made.close()


def drained(notified: Notified) -> list[dict[str, str]]:
    """Every message so far: sending is over before the call returns."""
    notified._socket.setblocking(False)
    while True:
        try:
            notified.receive()
        except BlockingIOError:
            break
    found = list(notified.messages)
    notified.messages.clear()
    return found


def test_it_starts_serves_and_stops(notified: Notified) -> None:
    manager = ServiceManager(notified.address)
    manager.look(1, 1, 2)
    manager.look(1, 1, 2)
    manager.ready(2)
    manager.look(2, 2, 2)
    manager.look(1, 1, 2)
    manager.look(2, 2, 2)
    manager.stopping(65)
    first, ready, *others, stopping = drained(notified)
    assert first == {"STATUS": "starts: 1 of 2 worker(s) serve; the others look for MLflow"}
    assert ready == {"READY": "1", "STATUS": "2 worker(s) serve"}
    assert [each["STATUS"][:6] for each in others if "STATUS" in each] == ["1 of 2", "2 work"]
    assert stopping["STOPPING"] == "1"
    assert int(stopping["EXTEND_TIMEOUT_USEC"]) == (65 + MARGIN_SECONDS) * 1_000_000


def test_a_reload_ends_once_every_worker_has_reloaded(notified: Notified) -> None:
    clock = Clock()
    manager = ServiceManager(notified.address, clock=clock)
    manager.ready(2)
    drained(notified)
    manager.await_reload([10, 11])
    manager.reloaded(10)  # quicker than the supervisor
    assert drained(notified) == []
    manager.reloading()
    begun = {"RELOADING": "1", "MONOTONIC_USEC": "100000000", "STATUS": "reloads"}
    assert drained(notified) == [begun]
    manager.reloaded(11)
    assert drained(notified) == [{"READY": "1", "STATUS": "reloaded"}]


def test_a_refused_reload_says_why_in_one_line(notified: Notified) -> None:
    manager = ServiceManager(notified.address)
    manager.ready(1)
    manager.await_reload([10])
    manager.reloading()
    manager.reloaded(10, "listen.port: too high\nREADY=0")
    assert drained(notified)[-1] == {
        "READY": "1",
        "STATUS": "reload refused: listen.port: too high READY=0",
    }


def test_a_reload_before_the_start_or_after_the_end_is_none(notified: Notified) -> None:
    manager = ServiceManager(notified.address)
    manager.await_reload([10])
    manager.reloading()
    assert drained(notified) == []
    manager.ready(1)
    manager.await_reload([10])
    manager.stopping(1)
    manager.reloading()
    manager.reloaded(10)
    assert [set(each) & {"RELOADING", "STOPPING"} for each in drained(notified)] == [
        set(),
        {"STOPPING"},
    ]


def test_the_watchdog_hears_at_half_its_time_while_a_worker_is_alive(notified: Notified) -> None:
    clock = Clock()
    manager = ServiceManager(notified.address, 30, clock)
    manager.look(1, 1, 1)  # not ready: the manager does not watch yet
    manager.ready(1)
    drained(notified)

    def told(seconds: float, beating: int) -> bool:
        clock.now += seconds
        manager.look(1, beating, 1)
        return {"WATCHDOG": "1"} in drained(notified)

    assert told(0.5, 1)
    assert not told(14.5, 1)
    assert told(0.5, 1)
    assert not told(20, 0)
    assert not told(20, 0)
    assert told(0.5, 1)
    manager.stopping(60)
    drained(notified)
    assert told(15, 0)


def test_the_environment_is_read_once() -> None:
    environment = {
        "NOTIFY_SOCKET": "@x",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }
    ServiceManager.from_environment(environment)
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize(("microseconds", "pid"), [("30000000", "1"), ("0", ""), ("many", "")])
def test_a_watchdog_of_another_process_or_none(
    microseconds: str, pid: str, notified: Notified
) -> None:
    environment = {"NOTIFY_SOCKET": notified.address, "WATCHDOG_USEC": microseconds}
    if pid:
        environment["WATCHDOG_PID"] = pid
    manager = ServiceManager.from_environment(environment)
    manager.ready(1)
    manager.look(1, 1, 1)
    assert not any("WATCHDOG" in each for each in drained(notified)[1:])


@pytest.mark.parametrize("address", [None, "@nobody-listens", "/no/such/file", "/" + 200 * "x"])
def test_a_manager_that_does_not_listen_hurts_nobody(address: str | None) -> None:
    manager = ServiceManager(address, 2)
    manager.look(0, 0, 1)
    manager.ready(1)
    manager.look(1, 1, 1)
    manager.stopping(5)


def test_a_manager_whose_queue_is_full_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.bind(str(tmp_path / "full"))
        manager = ServiceManager(str(tmp_path / "full"))
        for workers in range(2000):
            manager.ready(workers)
