"""The lame-duck time: a gate that stops lets balancers turn away before it closes its door.

What comes after it is in ``test_stopping``.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.byte_stream import ClosedError
from tests.support.raw import RawClient
from tests.support.scene import Scene, running_scene
from tests.support.scripts import fixed, gated_chunks, held, silent

SECONDS = 15.0
LAME_DUCK = 1.5
PART = b"x" * 100_000


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A gate whose lame-duck time a test does not see the end of."""
    with running_scene(tmp_path, {"HEADGATE_LISTEN__LAME_DUCK": "600"}) as running:
        yield running


def readiness(scene: Scene) -> int:
    return scene.gate.ask("GET", "/-/readyz").status


def become_lame_duck(scene: Scene) -> None:
    """Send SIGTERM and wait until balancers see it."""
    assert readiness(scene) == 200
    scene.gate.process.signal(signal.SIGTERM)
    scene.gate.process.wait_until(
        lambda: readiness(scene) == 503 or None, "readiness to become false", SECONDS
    )


def stop_now(scene: Scene) -> None:
    """Send a second SIGTERM; the gate ends immediately, in order."""
    scene.gate.process.signal(signal.SIGTERM)
    assert scene.gate.process.wait(SECONDS) == 0


def is_cut(client: RawClient) -> bool:
    try:
        client.response()
    except (ClosedError, ConnectionError):
        return True
    return False


def test_readiness_is_false_while_all_else_goes_on(scene: Scene) -> None:
    become_lame_duck(scene)
    response = scene.gate.ask("GET", "/-/readyz")
    assert (response.status, response.body) == (503, b"draining\n")
    assert int(response.get("Retry-After") or "0") > 0
    assert scene.gate.ask("GET", "/-/livez").status == 200
    for _ in range(10):
        response = scene.gate.ask("GET", "/version", key=scene.key)
        assert (response.status, response.get("Connection")) == (200, "close")
    stop_now(scene)


def test_connections_from_before_are_served_once_more_and_closed(scene: Scene) -> None:
    """Also by the gate's own responses; the client then connects anew, to another gate."""
    with scene.gate.connect() as asking, scene.gate.connect() as refused:
        for client in (asking, refused):
            client.send(scene.head("GET", "/version"))
            assert client.response().get("Connection") is None
        become_lame_duck(scene)
        asking.send(scene.head("GET", "/version"))
        refused.send(scene.head("GET", "/no/such/route"))
        for client, status in ((asking, 200), (refused, 404)):
            response = client.response()
            assert (response.status, response.get("Connection")) == (status, "close")
            client.expect_close()
    stop_now(scene)


def test_what_is_under_way_when_it_ends_still_finishes(tmp_path: Path) -> None:
    """Begun before the signal or after it; a door that opened for nobody in between included."""
    go_on, first = threading.Event(), threading.Event()
    first.set()
    with running_scene(tmp_path, {"HEADGATE_LISTEN__LAME_DUCK": str(LAME_DUCK)}) as scene:
        down = scene.play("down", gated_chunks([(first, b"first"), (go_on, b"second")]))
        waits = scene.play("waits", held(go_on, fixed(b"late")))
        up = scene.play("up", fixed(b"taken"))
        began = time.monotonic()
        become_lame_duck(scene)  # each look at readiness is a connection that leaves nobody behind
        with (
            scene.gate.connect() as downloading,
            scene.gate.connect() as waiting,
            scene.gate.connect() as uploading,
        ):
            downloading.send(scene.head("GET", down))
            downloading.response_head()
            assert downloading.chunk() == b"first"
            waiting.send(scene.head("GET", waits))
            uploading.send(scene.head("PUT", up, f"Content-Length: {2 * len(PART)}") + PART)
            scene.wait_for_arrival(waits)
            scene.wait_for_arrival(up)
            scene.gate.process.wait_until(
                lambda: is_refused(scene) or None, "the listener to close", SECONDS
            )
            assert time.monotonic() - began >= LAME_DUCK
            go_on.set()
            uploading.send(PART)
            assert (downloading.chunk(), downloading.chunk()) == (b"second", b"")
            assert waiting.response().body == b"late"
            assert uploading.response().body == b"taken"
            for client in (downloading, waiting, uploading):
                client.expect_close()
        assert scene.gate.process.wait(SECONDS) == 0
        assert scene.arrived(up)[0].body == PART * 2


def is_refused(scene: Scene) -> bool:
    try:
        scene.gate.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_second_signal_ends_it_and_what_is_under_way(scene: Scene) -> None:
    waits = scene.play("waits", silent)
    with scene.gate.connect() as client:
        client.send(scene.head("GET", waits))
        scene.wait_for_arrival(waits)
        become_lame_duck(scene)
        stop_now(scene)
        assert is_cut(client)


def test_sigint_has_no_lame_duck_time(scene: Scene) -> None:
    """Somebody at a terminal waits for it."""
    scene.gate.process.signal(signal.SIGINT)
    assert scene.gate.process.wait(SECONDS) == 0


def test_every_worker_is_a_lame_duck_and_every_worker_stops(tmp_path: Path) -> None:
    go_on = threading.Event()
    settings = {"HEADGATE_LISTEN__WORKERS": "2", "HEADGATE_LISTEN__LAME_DUCK": str(LAME_DUCK)}
    with running_scene(tmp_path, settings) as scene:
        waits = scene.play("waits", held(go_on, fixed(b"late")))
        scene.gate.process.signal(signal.SIGTERM)
        scene.gate.process.wait_until(
            lambda: {readiness(scene) for _ in range(10)} == {503} or None, "all to tell", SECONDS
        )
        clients = [scene.gate.connect() for _ in range(20)]
        for client in clients:
            client.send(scene.head("GET", waits))
        scene.wait_for_arrival(waits, len(clients))
        scene.gate.process.wait_until(
            lambda: is_refused(scene) or None, "the listeners to close", SECONDS
        )
        go_on.set()
        assert [client.response().body for client in clients] == [b"late"] * 20
        for client in clients:
            client.close()
        assert scene.gate.process.wait(SECONDS) == 0
        reasons = [each["reason"] for each in scene.gate.outcomes() if each["path"] == waits]
        assert reasons == ["ok"] * 20
