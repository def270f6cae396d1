"""A worker that stands still is noticed, replaced and counted; the others serve meanwhile."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.testing.planted import Defect
from tests.support.patience import patience
from tests.support.prometheus import parse
from tests.support.raw import RawClient
from tests.support.scene import Scene, running_scene
from tests.support.workers import SECONDS, is_alive, worker_pids

TIMEOUT = 3.0
SEED = 16  # digits of a request id that name the worker
PROGRAM = "headgate.testing.planted"


@pytest.fixture(params=["2"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    settings = {
        "HEADGATE_LISTEN__WORKERS": request.param,
        "HEADGATE_LISTEN__WORKER_TIMEOUT": str(TIMEOUT),
    }
    with running_scene(tmp_path, settings, PROGRAM) as running:
        yield running


def pid_of(scene: Scene, client: RawClient) -> int:
    """The process that serves a connection."""
    client.send(scene.head("GET", "/-/health"))
    response = client.response()
    assert response.status == 200
    found = json.loads(response.body)["worker"]["pid"]
    assert isinstance(found, int)
    return found


def restarts(scene: Scene) -> dict[str, float]:
    text = scene.gate.ask("GET", "/-/metrics", key=scene.key).body.decode()
    family = parse(text)["headgate_worker_restarts_total"]
    return {cause: family.value(cause=cause) for cause in ("stuck", "signal", "exit")}


def freeze(pid: int, how: Defect | signal.Signals) -> None:
    os.kill(pid, how.value)


HOW = [*Defect, signal.SIGSTOP]
NAMES = [each.name for each in HOW]


@pytest.mark.parametrize("scene", ["1", "2"], indirect=True)
@pytest.mark.parametrize("how", HOW, ids=NAMES)
def test_it_is_killed_replaced_and_counted(how: Defect | signal.Signals, scene: Scene) -> None:
    """And its stack is in the log, unless it was stopped altogether."""
    pids = worker_pids(scene.gate.process)
    stuck = pids[-1]
    freeze(stuck, how)
    event = scene.gate.event("worker_stuck")
    assert (event["level"], event["worker_pid"]) == ("error", stuck)
    assert TIMEOUT <= event["seconds"] <= TIMEOUT + patience(2)
    if isinstance(how, Defect):
        assert event["stack"].startswith("Timeout (")
        assert "in _stand_still" in event["stack"]
    ended = scene.gate.event("worker_ended")
    assert (ended["worker_pid"], ended["cause"], ended["code"]) == (stuck, "stuck", -9)
    replaced = scene.gate.event("worker_replaced")
    assert replaced["worker"] == ended["worker"]
    assert replaced["worker_pid"] != stuck
    # Connections that were waiting for it are served by the one in its place.
    responses = [scene.gate.ask("GET", "/version", key=scene.key).status for _ in range(20)]
    assert responses == [200] * 20
    now = worker_pids(scene.gate.process)
    assert len(now) == len(pids)
    assert stuck not in now
    assert set(pids[:-1]) <= set(now)
    assert restarts(scene) == {"stuck": 1, "signal": 0, "exit": 0}


def test_the_other_worker_serves_all_the_while(scene: Scene) -> None:
    with scene.gate.connect() as first:
        other = pid_of(scene, first)
        (stuck,) = set(worker_pids(scene.gate.process)) - {other}
        freeze(stuck, Defect.INTERPRETER)
        served = 0
        while is_alive(stuck):
            assert pid_of(scene, first) == other
            served += 1
        assert pid_of(scene, first) == other
    assert served
    assert [each["event"] for each in scene.gate.events()].count("worker_stuck") == 1


@pytest.mark.parametrize("how", [Defect.LOOP, Defect.INTERPRETER], ids=["LOOP", "INTERPRETER"])
@pytest.mark.parametrize("scene", ["1", "2"], indirect=True)
def test_sigterm_ends_a_gate_with_a_worker_that_stands_still(how: Defect, scene: Scene) -> None:
    for pid in worker_pids(scene.gate.process):
        freeze(pid, how)
    began = time.monotonic()
    scene.gate.process.signal(signal.SIGTERM)
    assert scene.gate.process.wait(SECONDS) == 0
    assert time.monotonic() - began < TIMEOUT + 5


def test_a_machine_that_was_suspended_kills_nobody(scene: Scene) -> None:
    """Everything stands still, for longer than a worker may, and goes on, in any order."""
    pids = worker_pids(scene.gate.process)
    everybody = [scene.gate.process.pid, *pids]
    for order in (everybody, everybody[::-1]):
        for pid in order:
            os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(2 * TIMEOUT)
        for pid in order:
            os.kill(pid, signal.SIGCONT)
        responses = [scene.gate.ask("GET", "/version", key=scene.key).status for _ in range(20)]
        assert responses == [200] * 20
    scene.gate.event("worker_stalled")  # the supervisor has looked since
    assert worker_pids(scene.gate.process) == pids
    assert restarts(scene) == {"stuck": 0, "signal": 0, "exit": 0}


def test_a_worker_that_pauses_for_less_is_left_alone(scene: Scene) -> None:
    stuck = worker_pids(scene.gate.process)[0]
    for _ in range(3):
        os.kill(stuck, signal.SIGSTOP)
        threading.Event().wait(TIMEOUT / 2)
        os.kill(stuck, signal.SIGCONT)
        threading.Event().wait(TIMEOUT / 3)
    assert stuck in worker_pids(scene.gate.process)
    assert [each["event"] for each in scene.gate.events()].count("worker_stuck") == 0
