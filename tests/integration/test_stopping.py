"""A gate that is asked to stop finishes what is under way, and nothing else."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.byte_stream import ClosedError
from tests.support.raw import RawClient, chunk
from tests.support.scene import Scene, running_scene
from tests.support.scripts import fixed, gated_chunks, held, silent

STOP_SECONDS = 10.0
PART = b"x" * 100_000


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A gate with the patience that it has by default."""
    with running_scene(tmp_path, {}) as running:
        yield running


def is_refused(scene: Scene) -> bool:
    """Whether the gate takes no new connection any longer."""
    try:
        scene.gate.connect().close()
    except ConnectionError:  # refused, or reset while it waited to be accepted
        return True
    return False


def begin_stopping(scene: Scene, number: signal.Signals = signal.SIGTERM) -> None:
    """Send the signal and wait until the listener is closed."""
    scene.gate.process.signal(number)
    scene.gate.process.wait_until(
        lambda: is_refused(scene) or None, "the listener to close", STOP_SECONDS
    )


def test_requests_under_way_finish(scene: Scene) -> None:
    """An upload, a response that is awaited and one that is half delivered; then exit code 0."""
    go_on, first = threading.Event(), threading.Event()
    first.set()
    up = scene.play("up", fixed(b"taken"))
    waits = scene.play("waits", held(go_on, fixed(b"late")))
    down = scene.play("down", gated_chunks([(first, b"first"), (go_on, b"second")]))
    with (
        scene.gate.connect() as uploading,
        scene.gate.connect() as waiting,
        scene.gate.connect() as downloading,
    ):
        uploading.send(scene.head("PUT", up, f"Content-Length: {2 * len(PART)}") + PART)
        waiting.send(scene.head("GET", waits))
        downloading.send(scene.head("GET", down))
        downloading.response_head()
        assert downloading.chunk() == b"first"
        scene.wait_for_arrival(up)
        scene.wait_for_arrival(waits)

        begin_stopping(scene)
        go_on.set()
        uploading.send(PART)
        for client, body in ((uploading, b"taken"), (waiting, b"late")):
            response = client.response()
            assert (response.body, response.get("Connection")) == (body, "close")
            client.expect_close()
        assert (downloading.chunk(), downloading.chunk()) == (b"second", b"")
        downloading.expect_close()
    assert scene.gate.process.wait(STOP_SECONDS) == 0
    assert scene.arrived(up)[0].body == PART * 2
    reasons = [outcome["reason"] for outcome in scene.gate.outcomes()]
    assert reasons == ["ok"] * 3  # the last lines of the log are written too


@pytest.mark.parametrize("begun", [b"", b"GET /version HT"], ids=["resting", "in-head"])
def test_connections_without_a_request_end(begun: bytes, scene: Scene) -> None:
    """Nobody waits for the next request of a client that rests, nor indefinitely for a head."""
    with scene.gate.connect() as client:
        client.send(scene.head("GET", "/version"))
        assert client.response().status == 200
        client.send(begun)
        begin_stopping(scene)
        if begun:
            client.send(b"TP/1.1\r\nHost: localhost\r\n\r\n")
            response = client.response()
            assert (response.status, response.get("Connection")) == (401, "close")
        client.expect_close()
    assert scene.gate.process.wait(STOP_SECONDS) == 0


def test_a_pipelined_request_is_not_begun(scene: Scene) -> None:
    """The response before it tells the client that the connection ends there."""
    go_on = threading.Event()
    first = scene.play("first", held(go_on, fixed(b"first")))
    second = scene.play("second", fixed(b"second"))
    with scene.gate.connect() as client:
        client.send(scene.head("GET", first) + scene.head("PUT", second, "Content-Length: 0"))
        scene.wait_for_arrival(first)
        begin_stopping(scene)
        go_on.set()
        response = client.response()
        assert (response.body, response.get("Connection")) == (b"first", "close")
        client.expect_close()
    assert scene.gate.process.wait(STOP_SECONDS) == 0
    assert scene.arrived(second) == []


def test_what_does_not_finish_is_cut_off(tmp_path: Path) -> None:
    """After the configured time: neither side can take it for whole; the exit code is 0."""
    with running_scene(tmp_path, {"HEADGATE_LISTEN__DRAIN_TIMEOUT": "0.5"}) as scene:
        up, waits = scene.play("up", silent), scene.play("waits", silent)
        with scene.gate.connect() as uploading, scene.gate.connect() as waiting:
            uploading.send(scene.head("PUT", up, "Transfer-Encoding: chunked") + chunk(PART))
            waiting.send(scene.head("GET", waits))
            scene.wait_for_arrival(up)
            scene.wait_for_arrival(waits)
            scene.gate.process.signal(signal.SIGTERM)
            assert scene.gate.process.wait(STOP_SECONDS) == 0
            for client in (uploading, waiting):
                assert is_cut(client)
        requests = [*scene.arrived(up), *scene.arrived(waits)]
        scene.upstream.wait_until(lambda: all(each.disconnected for each in requests))
        assert not scene.arrived(up)[0].complete


def is_cut(client: RawClient) -> bool:
    """Whether the connection ends without a response."""
    try:
        client.response()
    except (ClosedError, ConnectionError):
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait(number: signal.Signals, scene: Scene) -> None:
    waits = scene.play("waits", silent)
    with scene.gate.connect() as client:
        client.send(scene.head("GET", waits))
        scene.wait_for_arrival(waits)
        begin_stopping(scene, number)
        scene.gate.process.signal(number)
        assert scene.gate.process.wait(STOP_SECONDS) == 0
        assert is_cut(client)
