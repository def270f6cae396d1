"""Gigabytes and thousands of connections pass, and the gate is as small afterwards as before."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bulk import BulkUpstream, count_bytes, read_head, send_zeros
from tests.support.gate import bearer, create_key, running_gate
from tests.support.raw import RawClient, request_head
from tests.support.resources import Resources
from tests.support.scene import FOLDER, Scene, running_scene
from tests.support.scripts import fixed
from tests.support.workers import serving_pid

MIB = 1024 * 1024
SIZES = [
    pytest.param(256 * MIB + 5, id="256 MiB"),
    pytest.param(4 * 1024 * MIB + 5, id="4 GiB", marks=pytest.mark.long),  # more than 32 bits hold
]
BULK_SECONDS = 120.0
BULK_MEMORY = 16 * MIB
CONNECTIONS = [2_500, pytest.param(10_000, marks=pytest.mark.long)]
WARM_UP = 1_000
GROWTH = 2 * MIB
"""Below what 2,500 connections would leave if each of them left a kilobyte."""


@pytest.mark.parametrize("size", SIZES)
def test_a_large_body_up(size: int, tmp_path: Path) -> None:
    """Every byte arrives, under its length, in a few megabytes of memory."""
    key = create_key(tmp_path / "data", "bulk")
    with BulkUpstream() as upstream, running_gate(tmp_path, upstream.url) as gate:
        resources = Resources(serving_pid(gate.process))
        before = resources.resident
        with socket.create_connection((gate.host, gate.port), BULK_SECONDS) as client:
            length = f"Content-Length: {size}"
            client.sendall(request_head("PUT", f"{FOLDER}/large", bearer(key), length))
            send_zeros(client, size)
            assert read_head(client).startswith(b"HTTP/1.1 200 ")
        upstream.finished(BULK_SECONDS)
        outcome = gate.outcome(lambda each: each["path"] == f"{FOLDER}/large")
        assert resources.peak - before < BULK_MEMORY
    assert length.encode() in upstream.head
    assert upstream.received == outcome["bytes_in"] == size


@pytest.mark.parametrize("size", SIZES)
def test_a_large_body_down(size: int, tmp_path: Path) -> None:
    key = create_key(tmp_path / "data", "bulk")
    with BulkUpstream(size) as upstream, running_gate(tmp_path, upstream.url) as gate:
        resources = Resources(serving_pid(gate.process))
        before = resources.resident
        with socket.create_connection((gate.host, gate.port), BULK_SECONDS) as client:
            client.sendall(request_head("GET", f"{FOLDER}/large", bearer(key)))
            assert f"Content-Length: {size}\r\n".encode() in read_head(client)
            assert count_bytes(client, size) == size
        outcome = gate.outcome(lambda each: each["path"] == f"{FOLDER}/large")
        assert resources.peak - before < BULK_MEMORY
    assert outcome["bytes_out"] == size


@pytest.mark.parametrize("connections", CONNECTIONS)
def test_connections_one_after_the_other(connections: int, tmp_path: Path) -> None:
    """However each of them ends."""
    with running_scene(tmp_path) as scene:
        target = scene.play("again", fixed(b"again"))
        connect(scene, target, WARM_UP)
        scene.rest()
        before, threads = scene.resources.resident, scene.resources.threads
        connect(scene, target, connections)
        scene.rest()
        # The one thread that reads the key store anew may have started in the meantime.
        assert scene.resources.threads <= threads + 1
        assert scene.resources.resident - before < GROWTH
        asked = (WARM_UP + connections) * 4 // 5
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
