"""Gigabytes and thousands of connections pass, and the gate is as small afterwards as before."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from tests.support.bulk import BulkUpstream, count_bytes, read_head, send_zeros
from tests.support.gate import bearer, create_key, running_gate
from tests.support.raw import RawClient, request_head
from tests.support.resources import Resources
from tests.support.scene import FOLDER, Scene, running_scene
from tests.support.scripts import fixed
from tests.support.workers import serving_pid

MIB = 1024 * 1024
FOUR_GIB_AND_MORE = 4 * 1024 * MIB + 5
"""A size that 32 bits cannot hold."""
BULK_SECONDS = 120.0
BULK_MEMORY = 16 * MIB
CONNECTIONS = 10_000
WARM_UP = 1_000
GROWTH = 2 * MIB
"""Far below what 10,000 connections would leave if each of them left a kilobyte."""


def test_4_gib_up(tmp_path: Path) -> None:
    """Every byte arrives, under its length, in a few megabytes of memory."""
    key = create_key(tmp_path / "data", "bulk")
    with BulkUpstream() as upstream, running_gate(tmp_path, upstream.url) as gate:
        resources = Resources(serving_pid(gate.process))
        before = resources.resident
        with socket.create_connection((gate.host, gate.port), BULK_SECONDS) as client:
            length = f"Content-Length: {FOUR_GIB_AND_MORE}"
            client.sendall(request_head("PUT", f"{FOLDER}/large", bearer(key), length))
            send_zeros(client, FOUR_GIB_AND_MORE)
            assert read_head(client).startswith(b"HTTP/1.1 200 ")
        upstream.finished(BULK_SECONDS)
        outcome = gate.outcome(lambda each: each["path"] == f"{FOLDER}/large")
        assert resources.peak - before < BULK_MEMORY
    assert length.encode() in upstream.head
    assert upstream.received == outcome["bytes_in"] == FOUR_GIB_AND_MORE


def test_4_gib_down(tmp_path: Path) -> None:
    key = create_key(tmp_path / "data", "bulk")
    with BulkUpstream(FOUR_GIB_AND_MORE) as upstream, running_gate(tmp_path, upstream.url) as gate:
        resources = Resources(serving_pid(gate.process))
        before = resources.resident
        with socket.create_connection((gate.host, gate.port), BULK_SECONDS) as client:
            client.sendall(request_head("GET", f"{FOLDER}/large", bearer(key)))
            assert f"Content-Length: {FOUR_GIB_AND_MORE}\r\n".encode() in read_head(client)
            assert count_bytes(client, FOUR_GIB_AND_MORE) == FOUR_GIB_AND_MORE
        outcome = gate.outcome(lambda each: each["path"] == f"{FOLDER}/large")
        assert resources.peak - before < BULK_MEMORY
    assert outcome["bytes_out"] == FOUR_GIB_AND_MORE


def test_10_000_connections_one_after_the_other(tmp_path: Path) -> None:
    """However each of them ends."""
    with running_scene(tmp_path) as scene:
        target = scene.play("again", fixed(b"again"))
        connect(scene, target, WARM_UP)
        scene.rest()
        before, threads = scene.resources.resident, scene.resources.threads
        connect(scene, target, CONNECTIONS)
        scene.rest()
        # The one thread that reads the key store anew may have started in the meantime.
        assert scene.resources.threads <= threads + 1
        assert scene.resources.resident - before < GROWTH
        asked = (WARM_UP + CONNECTIONS) * 4 // 5
        assert len(scene.arrived(target)) == asked
        assert scene.reasons(target, asked) == ["ok"] * asked


def connect(scene: Scene, target: str, count: int) -> None:
    """Open ``count`` connections; every fifth asks for nothing, the rest ask once."""
    request = scene.head("GET", target)
    last = scene.head("GET", target, "Connection: close")

    def ask(client: RawClient, sent: bytes, end: Callable[[RawClient], None]) -> None:
        client.send(sent)
        assert client.response().body == b"again"
        end(client)

    ways: list[Callable[[RawClient], None]] = [
        lambda client: ask(client, request, RawClient.close),
        lambda client: ask(client, request, RawClient.reset),
        lambda client: ask(client, request, RawClient.finish_sending),
        lambda client: ask(client, last, RawClient.expect_close),
        lambda client: client.send(request[:-1]),
    ]
    for number in range(count):
        with scene.gate.connect() as client:
            ways[number % len(ways)](client)
