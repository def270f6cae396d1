"""Either side leaves in the middle: the other learns of it, and the gate keeps nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.support.byte_stream import ClosedError
from tests.support.raw import RawClient, RawResponse, chunk
from tests.support.recording_upstream import Exchange, Script
from tests.support.scene import Scene, running_scene
from tests.support.scripts import broken_off, closed, fixed, response_bytes, silent

CLIENTS = 25
PART = b"x" * 10_000
FULL_SECONDS = 0.5
LEAVES = [RawClient.close, RawClient.reset]

by_leave = pytest.mark.parametrize("leave", LEAVES, ids=lambda leave: leave.__name__)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("aborts")) as scene:
        yield scene


@pytest.fixture
def scene(running: Scene) -> Iterator[Scene]:
    """After each test the gate must come to rest by itself."""
    yield running
    running.rest()


@pytest.fixture
def clients(scene: Scene) -> Iterator[list[RawClient]]:
    with ExitStack() as stack:
        yield [stack.enter_context(scene.gate.connect()) for _ in range(CLIENTS)]


@by_leave
@pytest.mark.parametrize("sent", [0, 1, 40, -1])
def test_leaving_before_the_end_of_the_head(
    sent: int, leave: Callable[[RawClient], None], scene: Scene, clients: list[RawClient]
) -> None:
    """Nothing was asked, so nothing reaches the upstream."""
    target = scene.play(f"no-head-{leave.__name__}-{sent}", fixed())
    for client in clients:
        client.send(scene.head("GET", target)[:sent])
        leave(client)
    scene.rest()
    assert scene.arrived(target) == []


@by_leave
@pytest.mark.parametrize("framing", ["Content-Length: 20000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("part", [b"", PART], ids=["before", "within"])
def test_leaving_within_the_body(
    part: bytes,
    framing: str,
    leave: Callable[[RawClient], None],
    scene: Scene,
    clients: list[RawClient],
) -> None:
    """The upstream sees its connection end, never the end of a body."""
    target = scene.play(f"no-body-{leave.__name__}-{framing[0]}-{len(part)}", silent)
    sent = chunk(part) if part and framing.startswith("T") else part
    for client in clients:
        client.send(scene.head("PUT", target, framing) + sent)
    requests = scene.wait_for_arrival(target, CLIENTS)
    scene.upstream.wait_until(lambda: all(len(each.body) == len(part) for each in requests))
    for client in clients:
        leave(client)
    scene.upstream.wait_until(lambda: all(each.disconnected for each in requests))
    assert not any(each.complete for each in requests)
    assert scene.reasons(target, CLIENTS) == ["client_gone"] * CLIENTS


@pytest.mark.parametrize("framing", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_leaving_while_the_upstream_takes_nothing(
    framing: str, scene: Scene, clients: list[RawClient]
) -> None:
    """The connection to the upstream is closed although the client is not read from.

    With a reset, that is: an end in order stands behind what the client could not send.
    """

    def script(exchange: Exchange) -> None:
        exchange.wait_for(left)
        exchange.read_body()

    left = threading.Event()
    target = scene.play(f"full-{framing[0]}", script)
    part = chunk(PART) if framing.startswith("T") else PART
    for client in clients[:3]:
        client.send(scene.head("PUT", target, framing))
        fill(client, part)
        client.reset()
    assert scene.reasons(target, 3) == ["client_gone"] * 3
    left.set()
    requests = scene.wait_for_arrival(target, 3)
    scene.upstream.wait_until(lambda: all(each.disconnected for each in requests))
    assert not any(each.complete for each in requests)


def fill(client: RawClient, part: bytes) -> None:
    """Send until nobody has taken anything for a while."""
    client.wait_at_most(FULL_SECONDS)
    with suppress(TimeoutError):
        while True:
            client.send(part)


def test_leaving_before_the_response(scene: Scene, clients: list[RawClient]) -> None:
    """A reset reaches the upstream immediately, however long it would have worked."""
    target = scene.play("no-response", silent)
    for client in clients:
        client.send(scene.head("GET", target))
    requests = scene.wait_for_arrival(target, CLIENTS)
    for client in clients:
        client.reset()
    scene.upstream.wait_until(lambda: all(each.disconnected for each in requests))
    assert scene.reasons(target, CLIENTS) == ["client_gone"] * CLIENTS


def test_leaving_after_the_end_of_what_is_sent(scene: Scene, clients: list[RawClient]) -> None:
    target = scene.play("no-response-to-the-half", silent)
    for client in clients:
        client.send(scene.head("GET", target))
        client.finish_sending()
    requests = scene.wait_for_arrival(target, CLIENTS)
    for client in clients:
        client.reset()
    scene.upstream.wait_until(lambda: all(each.disconnected for each in requests))
    assert scene.reasons(target, CLIENTS) == ["client_gone"] * CLIENTS


def test_the_gauges_rise_and_fall(scene: Scene, clients: list[RawClient]) -> None:
    """What the gate itself counts as under way ends with its clients."""
    target = scene.play("counted", silent)
    for client in clients:
        client.send(scene.head("GET", target))
    scene.wait_for_gauge("headgate_requests_in_flight", CLIENTS)
    for client in clients:
        client.reset()
    scene.wait_for_gauge("headgate_requests_in_flight", 0)
    scene.wait_for_gauge("headgate_connections", 1)  # the one that asks


def endless(exchange: Exchange) -> None:
    """Answer until the gate breaks the connection off."""
    exchange.read_body()
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        exchange.send(chunk(PART))


@by_leave
def test_leaving_within_the_response(
    leave: Callable[[RawClient], None], scene: Scene, clients: list[RawClient]
) -> None:
    """The upstream is not drained for nobody."""
    target = scene.play(f"no-rest-{leave.__name__}", endless)
    for client in clients:
        client.send(scene.head("GET", target))
    for client in clients:
        assert client.response_head().status == 200
        assert client.chunk()
        leave(client)
    requests = scene.wait_for_arrival(target, CLIENTS)
    scene.upstream.wait_until(lambda: all(each.disconnected for each in requests))
    assert scene.reasons(target, CLIENTS) == ["client_gone"] * CLIENTS


BEFORE_THE_RESPONSE: dict[str, tuple[Script, str]] = {
    "reset": (broken_off(), "upstream_reset"),
    "close": (closed(), "upstream_reset"),
    "reset-in-head": (broken_off(b"HTTP/1.1 200 OK\r\nContent-Le"), "upstream_reset"),
    "close-in-head": (closed(b"HTTP/1.1 200 OK\r\nContent-Le"), "upstream_reset"),
    "close-after-interim": (closed(b"HTTP/1.1 103 Early Hints\r\n\r\n"), "upstream_reset"),
    "no-http": (closed(b"SSH-2.0-Other\r\n\r\n"), "upstream_error"),
    "both-framings": (
        closed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx"),
        "upstream_error",
    ),
    "head-without-end": (closed(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), "upstream_error"),
}


@pytest.mark.parametrize("name", BEFORE_THE_RESPONSE)
def test_an_upstream_that_breaks_before_its_response(
    name: str, scene: Scene, clients: list[RawClient]
) -> None:
    """502 with the reason; a request that may have been executed is not sent again."""
    script, reason = BEFORE_THE_RESPONSE[name]
    target = scene.play(f"broken-{name}", script)
    for client in clients:
        client.send(scene.head("PUT", target, "Content-Length: 4") + b"body")
    for client in clients:
        response = client.response()
        assert (response.status, response.get("X-Headgate-Reason")) == (502, reason)
        client.send(scene.head("GET", "/version"))
        assert client.response().status == 200  # the client's own connection is as good as before
    assert len(scene.arrived(target)) == CLIENTS
    assert scene.reasons(target, CLIENTS) == [reason] * CLIENTS


COUNTED = response_bytes(PART)[:-1]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(PART)
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\n" + PART
WITHIN_THE_RESPONSE: dict[str, tuple[bytes, bytes, Callable[[Exchange], None]]] = {
    "reset-of-counted": (COUNTED, b"", Exchange.reset),
    "close-of-counted": (COUNTED, b"", Exchange.close),
    "reset-of-chunked": (CHUNKED, b"", Exchange.reset),
    "close-of-chunked": (CHUNKED, b"", Exchange.close),
    "close-in-last-chunk": (CHUNKED, b"0\r\n", Exchange.close),
    "broken-chunk": (CHUNKED, b"no size\r\n", Exchange.close),
    "reset-of-the-endless": (TO_THE_END, b"", Exchange.reset),
}


def cut(name: str, go_on: threading.Event) -> Script:
    """Begin a response, and break it off when told to."""
    begun, then, end = WITHIN_THE_RESPONSE[name]

    def script(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.send(begun)
        exchange.wait_for(go_on)
        exchange.send(then)
        end(exchange)

    return script


@pytest.mark.parametrize("name", WITHIN_THE_RESPONSE)
def test_an_upstream_that_breaks_within_its_response(
    name: str, scene: Scene, clients: list[RawClient]
) -> None:
    """The client cannot take the part for the whole: its connection is cut inside the body."""
    go_on = threading.Event()
    target = scene.play(f"cut-{name}", cut(name, go_on))
    for client in clients:
        client.send(scene.head("GET", target))
    heads = [client.response_head() for client in clients]
    go_on.set()
    for client, head in zip(clients, heads, strict=True):
        with pytest.raises((ClosedError, ConnectionError)):
            read_rest(client, head)
    assert set(scene.reasons(target, CLIENTS)) <= {"upstream_reset", "upstream_error"}


@pytest.mark.parametrize("name", WITHIN_THE_RESPONSE)
def test_http_1_0_can_tell_a_broken_response_from_a_whole_one(name: str, scene: Scene) -> None:
    """Its responses have no chunks: where the connection ends, there the body does."""
    go_on = threading.Event()
    target = scene.play(f"cut-1.0-{name}", cut(name, go_on))
    with scene.gate.connect() as client:
        client.send(scene.head("GET", target).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert client.response_head().status == 200
        go_on.set()
        with pytest.raises(ConnectionResetError):
            client.receive_to_end()


def read_rest(client: RawClient, head: RawResponse) -> None:
    """Read the body to its end by the framing that ``head`` announces."""
    length = head.get("Content-Length")
    if length is not None:
        client.receive(int(length))
    else:
        while client.chunk():
            continue


@pytest.mark.parametrize("end", [Exchange.reset, Exchange.close])
def test_an_upstream_that_ends_a_resting_connection(
    end: Callable[[Exchange], None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The gate notices and opens another; neither a read nor a write is lost to it."""
    go_on = threading.Event()

    def then_end(exchange: Exchange) -> None:
        fixed()(exchange)
        exchange.wait_for(go_on)
        end(exchange)

    with running_scene(tmp_path_factory.mktemp("resting"), {}) as scene:
        target = scene.play("rests", then_end)
        with scene.gate.connect() as client:
            client.send(scene.head("GET", target))
            assert client.response().status == 200
            held = scene.resources.sockets
            go_on.set()
            scene.gate.process.wait_until(
                lambda: scene.resources.sockets < held or None, "the gate to notice", 10
            )
            for method in ("POST", "GET"):
                client.send(scene.head(method, "/graphql", "Content-Length: 0"))
                assert client.response().status == 200
    assert [each.connection for each in scene.upstream.requests] == [0, 1, 1]


@pytest.mark.parametrize(("method", "attempts"), [("GET", 2), ("PUT", 1)])
def test_an_upstream_that_ends_a_kept_connection_on_the_next_request(
    method: str, attempts: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It may have been executed: only what may be executed twice is sent again."""

    def on_the_first_connection(exchange: Exchange) -> None:
        exchange.read_body()
        if exchange.request.connection == 0:
            exchange.reset()
        else:
            exchange.send(response_bytes(b"again"))

    with running_scene(tmp_path_factory.mktemp("kept"), {}) as scene:
        target = scene.play("once", on_the_first_connection)
        with scene.gate.connect() as client:
            client.send(scene.head("GET", "/version"))
            assert client.response().status == 200
            client.send(scene.head(method, target, "Content-Length: 0"))
            response = client.response()
        assert len(scene.arrived(target)) == attempts
    if attempts == 2:
        assert (response.status, response.body) == (200, b"again")
    else:
        assert (response.status, response.get("X-Headgate-Reason")) == (502, "upstream_reset")


def test_an_early_response_ends_the_upload(scene: Scene, clients: list[RawClient]) -> None:
    """The client gets the response while it sends; neither connection is used on."""

    def refuse(exchange: Exchange) -> None:
        exchange.read_some(1)
        exchange.send(response_bytes(b"enough", status=413))
        exchange.wait_for_disconnect()

    target = scene.play("early", refuse)
    for client in clients:
        client.send(scene.head("PUT", target, f"Content-Length: {10**9}") + PART)
        response = client.response()
        assert (response.status, response.body) == (413, b"enough")
        assert response.get("Connection") == "close"
        client.send(PART)  # what is still on its way does not reset the response away
        client.expect_close()
    requests = scene.wait_for_arrival(target, CLIENTS)
    scene.upstream.wait_until(lambda: all(each.disconnected for each in requests))


def test_an_early_response_outlives_its_connection(scene: Scene, clients: list[RawClient]) -> None:
    """A server that closes in the middle of a body resets the connection behind its response."""

    def refuse(exchange: Exchange) -> None:
        exchange.read_some(100_000)
        exchange.send(response_bytes(b"enough", status=413))
        exchange.close()

    def upload(client: RawClient) -> None:
        with suppress(OSError):  # the gate takes no more
            client.send(scene.head("PUT", target, f"Content-Length: {10**9}"))
            while True:
                client.send(PART)

    target = scene.play("early-and-closed", refuse)
    for client in clients:
        sender = threading.Thread(target=upload, args=(client,))
        sender.start()
        response = client.response()
        assert (response.status, response.body) == (413, b"enough")
        client.shut()
        sender.join()
    assert scene.reasons(target, CLIENTS) == ["ok"] * CLIENTS
