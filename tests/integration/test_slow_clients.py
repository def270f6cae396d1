"""Clients that take their time: each wait has an end, and none of them holds the others up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.recording_upstream import Exchange
from tests.support.scene import SHORT_PATIENCE, Scene, running_scene
from tests.support.scripts import fixed, held, raw, response_bytes, silent

PACE_SECONDS = 0.1
DROPS = 100
HALF_OPEN = 500
PER_CONNECTION = 64 * 1024
"""Bytes of memory that one half-open connection may cost, its kernel buffers aside."""
READ_SIZE = 64 * 1024
READ_SLOWLY = 3 * 1024 * 1024
LONGER_PATIENCE = SHORT_PATIENCE | {
    "HEADGATE_LIMITS__HEADER_TIMEOUT": "3",
    "HEADGATE_LIMITS__BODY_TIMEOUT": "3",
}
TLS_HELLO = b"\x16\x03\x01\x02\x00" * 20
ENDLESS = f"Content-Length: {10**9}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("slow"), SHORT_PATIENCE) as scene:
        yield scene


@pytest.fixture
def scene(running: Scene) -> Iterator[Scene]:
    """After each test the gate must come to rest by itself."""
    yield running
    running.rest()


def drip(scene: Scene, begun: bytes, drop: bytes) -> RawResponse:
    """Send ``begun``, then ``drop`` again and again until the gate answers."""
    with RawClient(scene.gate.host, scene.gate.port, PACE_SECONDS) as client:
        client.send(begun)
        for _ in range(DROPS):
            try:
                return client.response()
            except TimeoutError:
                client.send(drop)
        raise AssertionError(f"no response after {DROPS * PACE_SECONDS:g} s")


@pytest.mark.parametrize("drop", [b"", b"x"], ids=["stands", "drips"])
def test_a_head_must_be_whole_in_time(drop: bytes, scene: Scene) -> None:
    """However often another byte of it comes."""
    response = drip(scene, b"GET /version HTTP/1.1\r\nX-Slow: ", drop)
    assert (response.status, response.get("X-Headgate-Reason")) == (408, "request_malformed")
    assert response.get("Connection") == "close"


@pytest.mark.parametrize("drop", [b"", b"x"], ids=["stands", "drips"])
@pytest.mark.parametrize("begun", [b"", b"x" * 50], ids=["none", "some"])
def test_a_body_must_move(begun: bytes, drop: bytes, scene: Scene) -> None:
    """The upstream sees that it will not get the rest."""
    target = scene.play(f"body-{len(begun)}-{len(drop)}", silent)
    response = drip(scene, scene.head("PUT", target, ENDLESS) + begun, drop)
    assert (response.status, response.get("X-Headgate-Reason")) == (408, "request_malformed")
    request = scene.wait_for_arrival(target)[0]
    scene.upstream.wait_until(lambda: request.disconnected)
    assert not request.complete


def test_chunks_without_data_are_no_progress(scene: Scene) -> None:
    """Bytes of framing alone keep no request alive."""
    target = scene.play("extensions", silent)
    begun = scene.head("PUT", target, "Transfer-Encoding: chunked") + b"5;"
    assert drip(scene, begun, b"x" * 100).status == 408


def test_a_body_that_waits_for_its_invitation_waits_no_longer_than_others(scene: Scene) -> None:
    target = scene.play("invited", silent)
    with scene.gate.connect() as client:
        client.send(scene.head("PUT", target, ENDLESS, "Expect: 100-continue"))
        assert client.response_head().status == 100
        assert client.response().status == 408


def test_a_resting_connection_is_closed_without_a_word(scene: Scene) -> None:
    with scene.gate.connect() as silent_one, scene.gate.connect() as client:
        client.send(scene.head("GET", "/version"))
        assert client.response().status == 200
        client.expect_close()
        silent_one.expect_close()


def test_who_does_not_read_is_cut_off(scene: Scene) -> None:
    """And the upstream, held back until then, learns of it."""
    size = 256 * 1024 * 1024
    target = scene.play("unread", raw(response_bytes(b"x" * size)))
    scene.resources.forget_peak()
    before = scene.resources.peak
    with scene.gate.connect() as client:
        client.send(scene.head("GET", target))
        request = scene.wait_for_arrival(target)[0]
        scene.upstream.wait_until(lambda: request.disconnected)
    assert scene.reasons(target, 1) == ["client_gone"]
    assert scene.resources.peak - before < 16 * 1024 * 1024


def test_who_reads_slowly_gets_all(scene: Scene) -> None:
    """A response may take longer than every timeout, as long as it moves.

    The kernel takes new bytes only when much of its buffer is free; that is not standing still.
    """
    content = bytes(range(256)) * 100_000
    target = scene.play("slowly", raw(response_bytes(content)))
    got = bytearray()
    with scene.gate.connect() as client:
        client.send(scene.head("GET", target))
        client.response_head()
        while piece := client.receive_some(READ_SIZE):
            got += piece
            if len(got) < READ_SLOWLY:
                threading.Event().wait(PACE_SECONDS)
            elif len(got) == len(content):
                break
    assert got == content


@pytest.mark.parametrize("size", [0, 10])
def test_a_slow_upstream_is_not_the_clients_fault(size: int, scene: Scene) -> None:
    """Its silence is waited for, longer than any client is."""
    go_on = threading.Event()
    target = scene.play(f"thinks-{size}", held(go_on, fixed(b"late")))
    with scene.gate.connect() as client, scene.gate.connect() as other:
        client.send(scene.head("PUT", target, f"Content-Length: {size}") + b"x" * size)
        scene.wait_for_arrival(target)
        other.expect_close()  # a client's whole patience has passed
        go_on.set()
        assert client.response().body == b"late"


def test_an_upstream_that_takes_nothing_holds_the_client_back(scene: Scene) -> None:
    """A body that the upstream does not take is no fault of the client; nor is it kept."""
    go_on = threading.Event()

    def takes_nothing(exchange: Exchange) -> None:
        exchange.wait_for(go_on)
        exchange.read_body()
        exchange.send(response_bytes(b"taken"))

    body = b"x" * (64 * 1024 * 1024)
    target = scene.play("takes-nothing", takes_nothing)
    scene.resources.forget_peak()
    before = scene.resources.peak
    with scene.gate.connect() as client, scene.gate.connect() as other:
        request = scene.head("PUT", target, f"Content-Length: {len(body)}") + body
        sender = threading.Thread(target=client.send, args=(request,))
        sender.start()
        scene.wait_for_arrival(target)
        other.expect_close()  # a client's whole patience has passed
        go_on.set()
        assert client.response().body == b"taken"
        sender.join()
    assert scene.resources.peak - before < 16 * 1024 * 1024


def test_500_half_open_connections_hold_nobody_up(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Others are served while they stand, and nothing of them is left."""
    with running_scene(tmp_path_factory.mktemp("half-open"), LONGER_PATIENCE) as scene:
        target = scene.play("half-open", silent)
        whole = scene.head("PUT", target, "Content-Length: 100")
        stranger = request_head("PUT", target, "Content-Length: 100")
        beginnings = [b"", whole[:1], whole[:60], whole, whole + b"x" * 50, stranger, TLS_HELLO]
        before = scene.resources.resident
        with ExitStack() as stack:
            clients = [stack.enter_context(scene.gate.connect()) for _ in range(HALF_OPEN)]
            for number, client in enumerate(clients):
                client.send(beginnings[number % len(beginnings)])
            assert scene.gate.ask("GET", "/version", key=scene.key).status == 200
            assert scene.resources.sockets >= scene.sockets_at_rest + HALF_OPEN
            assert scene.resources.resident - before < HALF_OPEN * PER_CONNECTION
            for client in clients:
                client.receive_to_end()
        assert not any(each.complete for each in scene.arrived(target))
        scene.rest()
