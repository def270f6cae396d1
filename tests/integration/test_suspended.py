"""A gate that stood still for longer than its limits blames nobody for that.

As when a machine is suspended, a container is frozen, or others have the processor: what came
meanwhile waits in the sockets, and is read before anybody is said to have been silent.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.patience import patience
from tests.support.scene import Scene, running_scene
from tests.support.scripts import fixed, held
from tests.support.workers import serving_pid

LIMIT = 1.0


@pytest.fixture(scope="module")
def limit() -> float:
    """Seconds of each limit: nothing else is to be late for it."""
    return patience(LIMIT)


@pytest.fixture(scope="module")
def scene(limit: float, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    settings = {
        "HEADGATE_LIMITS__HEADER_TIMEOUT": limit,
        "HEADGATE_LIMITS__BODY_TIMEOUT": limit,
        "HEADGATE_LIMITS__KEEPALIVE_TIMEOUT": limit,
        "HEADGATE_UPSTREAMS__DEFAULT__SILENCE_TIMEOUT": limit,
        "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": limit,
        "HEADGATE_UPSTREAMS__DEFAULT__PROBES__TIMEOUT": limit,
        "HEADGATE_UPSTREAMS__DEFAULT__PROBES__UNHEALTHY_AFTER": 1,
    }
    texts = {name: str(value) for name, value in settings.items()}
    with running_scene(tmp_path_factory.mktemp("scene"), texts) as running:
        yield running


@pytest.fixture(scope="module")
def old_keys(limit: float, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Keys are too old when the gate goes on."""
    settings = {"HEADGATE_AUTH__MAX_STALE": str(2 * limit)}
    with running_scene(tmp_path_factory.mktemp("keys"), settings) as running:
        yield running


@contextmanager
def standing_still(scene: Scene, limit: float) -> Iterator[None]:
    """The block is done while the gate stands still, which it does for longer than its limits."""
    pid = serving_pid(scene.gate.process)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
        threading.Event().wait(2.5 * limit)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_response_that_came_meanwhile_is_passed_on(scene: Scene, limit: float) -> None:
    go_on = threading.Event()
    target = scene.play("response", held(go_on, fixed(b"here")))
    with scene.gate.connect() as client:
        client.send(scene.head("GET", target))
        scene.wait_for_arrival(target)
        with standing_still(scene, limit):
            go_on.set()
        assert client.response().body == b"here"


def test_a_body_that_came_meanwhile_is_taken(scene: Scene, limit: float) -> None:
    target = scene.play("body", fixed(b"taken"))
    with scene.gate.connect() as client:
        client.send(scene.head("PUT", target, "Content-Length: 6"))
        client.send(b"abc")
        scene.wait_for_arrival(target)
        with standing_still(scene, limit):
            client.send(b"def")
        assert client.response().body == b"taken"


def test_a_head_that_came_meanwhile_is_taken(scene: Scene, limit: float) -> None:
    target = scene.play("head", fixed(b"taken"))
    head = scene.head("GET", target)
    with scene.gate.connect() as client:
        client.send(head[:10])
        with standing_still(scene, limit):
            client.send(head[10:])
        assert client.response().body == b"taken"


def test_the_next_request_on_a_connection_is_taken(scene: Scene, limit: float) -> None:
    target = scene.play("next", fixed(b"taken"))
    with scene.gate.connect() as client:
        client.send(scene.head("GET", target))
        assert client.response().status == 200
        with standing_still(scene, limit):
            client.send(scene.head("GET", target))
        assert client.response().body == b"taken"


def test_keys_are_compared_with_the_store_before_they_are_too_old(
    old_keys: Scene, limit: float
) -> None:
    """And nothing says that the store cannot be read."""
    with old_keys.gate.connect() as client:
        with standing_still(old_keys, limit):
            client.send(old_keys.head("GET", "/version"))
        assert client.response().status == 200
    seen = [each for each in old_keys.gate.events() if each["event"].startswith("key")]
    assert [each["event"] for each in seen if each["level"] != "info"] == []


def test_no_health_check_fails(scene: Scene, limit: float) -> None:
    go_on = threading.Event()
    scene.routes[b"/health"] = held(go_on, fixed(b"OK"))
    scene.wait_for_arrival("/health", len(scene.arrived("/health")) + 1)
    with standing_still(scene, limit):
        go_on.set()
    scene.wait_for_arrival("/health", len(scene.arrived("/health")) + 2)
    assert not [each for each in scene.gate.events() if each["event"] == "endpoint_unhealthy"]
