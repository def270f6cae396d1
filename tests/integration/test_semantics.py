"""HTTP/1.1 as both sides mean it: what the gate passes on, in which order, and when."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate import bearer
from tests.support.raw import RawClient, chunk, chunked, request_head
from tests.support.recording_upstream import Exchange
from tests.support.scene import Scene, running_scene
from tests.support.scripts import (
    chunks,
    fixed,
    gated_chunks,
    held,
    raw,
    response_bytes,
)

EVENT_STREAM = "Content-Type: text/event-stream"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("semantics"), {}) as running:
        yield running


@pytest.fixture
def client(scene: Scene) -> Iterator[RawClient]:
    with scene.gate.connect() as connection:
        yield connection


# --- connections and order ---------------------------------------------------------------------


def test_one_connection_serves_many_requests_on_both_sides(tmp_path: Path) -> None:
    with running_scene(tmp_path, {}) as scene, scene.gate.connect() as client:
        for number in range(50):
            target = scene.play(f"many-{number}", fixed(b"%d" % number))
            client.send(scene.head("PUT", target, "Content-Length: 1") + b"x")
            response = client.response()
            assert (response.status, response.body) == (200, b"%d" % number)
            assert response.get("Connection") is None
        assert scene.upstream.connections == 1


def test_pipelined_requests_are_answered_in_order(scene: Scene, client: RawClient) -> None:
    """However long the first takes; the gate's own responses wait for their turn, too."""
    go_on = threading.Event()
    first = scene.play("first", held(go_on, fixed(b"first")))
    second = scene.play("second", fixed(b"second"))
    client.send(
        scene.head("GET", first)
        + request_head("GET", second)  # without a key
        + scene.head("PUT", second, "Content-Length: 4")
        + b"body"
        + scene.head("GET", "/no/such/route")
        + scene.head("GET", second)
    )
    scene.wait_for_arrival(first)
    go_on.set()
    responses = [client.response() for _ in range(5)]
    assert [response.status for response in responses] == [200, 401, 200, 404, 200]
    assert [responses[number].body for number in (0, 2, 4)] == [b"first", b"second", b"second"]


def test_thousands_of_pipelined_requests(scene: Scene, client: RawClient) -> None:
    """More than the gate reads ahead."""
    count = 3000
    target = scene.play("thousands", fixed(b"x"))
    sender = threading.Thread(target=client.send, args=(scene.head("GET", target) * count,))
    sender.start()
    assert {client.response().body for _ in range(count)} == {b"x"}
    sender.join()
    assert len(scene.arrived(target)) == count


def test_who_only_ends_sending_is_still_answered(scene: Scene, client: RawClient) -> None:
    """Half-close (RFC 9112 section 9.6): both of two pipelined responses arrive, then the end."""
    go_on = threading.Event()
    target = scene.play("half-close", held(go_on, fixed(b"late")))
    client.send(scene.head("GET", target) * 2)
    client.finish_sending()
    scene.wait_for_arrival(target)
    go_on.set()
    assert [client.response().body for _ in range(2)] == [b"late", b"late"]
    client.expect_close()


@pytest.mark.parametrize("keeps", [True, False])
def test_http_1_0(keeps: bool, scene: Scene, client: RawClient) -> None:
    """It is never sent chunks, and is kept only when it asks and can see the response's end."""
    counted = scene.play("counted", fixed(b"counted"))
    in_chunks = scene.play("in-chunks", chunks([b"in ", b"chunks"]))
    field = b"Connection: keep-alive\r\n" if keeps else b""

    def request(target: str) -> bytes:
        key = bearer(scene.key).encode()
        return b"GET %b HTTP/1.0\r\n%b\r\n%b\r\n" % (target.encode(), key, field)

    client.send(request(counted))
    response = client.response()
    assert response.body == b"counted"
    assert response.get("Connection") == ("keep-alive" if keeps else "close")
    if keeps:
        client.send(request(in_chunks))
        response = client.response()
        assert (response.get("Transfer-Encoding"), response.get("Connection")) == (None, "close")
        assert response.body == b"in chunks"
    client.expect_close()


# --- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [204, 304])
def test_responses_without_a_body(status: int, scene: Scene, client: RawClient) -> None:
    """Nothing that may stand beside the status makes anybody wait for a body."""
    target = scene.play(f"none-{status}", raw(b"HTTP/1.1 %d X\r\nETag: x\r\n\r\n" % status))
    for _ in range(2):
        client.send(scene.head("GET", target, "If-None-Match: x"))
        response = client.response()
        assert (response.status, response.get("ETag")) == (status, "x")


def test_head_has_the_headers_of_get_and_no_body(scene: Scene, client: RawClient) -> None:
    """MLflow is asked for the whole, as a query of ``HEAD`` counts for nothing there."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
    target = scene.play("head", raw(reply))
    for _ in range(2):
        client.send(scene.head("HEAD", target))
        response = client.response("HEAD")
        assert (response.status, response.get("Content-Length")) == (200, "1000")


def test_interim_responses_are_the_gates_own(scene: Scene, client: RawClient) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
    target = scene.play("interim", raw(interim + response_bytes(b"final")))
    client.send(scene.head("PUT", target, "Content-Length: 1") + b"x")
    head = client.response_head()
    assert head.status == 200
    assert client.receive(5) == b"final"


def test_a_response_to_the_end_of_its_connection(scene: Scene, client: RawClient) -> None:
    """It is chunked for the client, whose connection goes on."""

    def to_the_end(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\nto the end")
        exchange.close()

    target = scene.play("to-the-end", to_the_end)
    for _ in range(2):
        client.send(scene.head("GET", target))
        response = client.response()
        assert (response.body, response.get("Transfer-Encoding")) == (b"to the end", "chunked")


def test_ranges_and_conditions_pass(scene: Scene, client: RawClient) -> None:
    """Both the questions and the responses to them."""
    asked = ["Range: bytes=0-0,-1", "If-Range: x", "If-Match: a, b", "If-Modified-Since: never"]
    told = ["Content-Range: bytes 0-0/9", "ETag: W/x", "Accept-Ranges: bytes", "Age: 1"]
    target = scene.play("range", raw(response_bytes(b"0", *told, status=206)))
    client.send(scene.head("GET", target, *asked))
    response = client.response()
    assert (response.status, response.body) == (206, b"0")
    for field in told:
        name, _, value = field.partition(": ")
        assert response.get(name) == value
    fields = scene.arrived(target)[0].fields
    assert [each for each in fields if b": ".join(each).decode() in asked] == [
        tuple(field.encode().split(b": ")) for field in asked
    ]


def test_repeated_headers_and_query_keys_keep_their_order(scene: Scene, client: RawClient) -> None:
    """In both directions, with the names as they were spelled."""
    told = ["x-B: 1", "X-a: 2", "x-B: 3", "Vary: Origin", "Vary: Accept"]
    target = scene.play("order?b=2&a=1&b=1&&=&a", raw(response_bytes(b"", *told)))
    client.send(scene.head("GET", target, "X-b: 1", "x-A: 2", "X-b: 3", "x-A: 2"))
    response = client.response()
    assert [
        f"{name}: {value}" for name, value in response.headers if f"{name}: {value}" in told
    ] == (told)
    fields = [field for field in scene.arrived(target)[0].fields if field[0] in (b"X-b", b"x-A")]
    assert fields == [(b"X-b", b"1"), (b"x-A", b"2"), (b"X-b", b"3"), (b"x-A", b"2")]


@pytest.mark.parametrize("framing", ["counted", "chunked"])
def test_content_codings_are_left_alone(framing: str, scene: Scene, client: RawClient) -> None:
    packed = gzip.compress(b"x" * 100_000)
    field = "Content-Encoding: gzip"
    if framing == "counted":
        script, length = raw(response_bytes(packed, field)), f"Content-Length: {len(packed)}"
        sent = packed
    else:
        script, length = chunks([packed[:9], packed[9:]], field), "Transfer-Encoding: chunked"
        sent = chunked(packed[:9], packed[9:])
    target = scene.play(f"coding-{framing}", script)
    client.send(scene.head("PUT", target, field, length, "Accept-Encoding: gzip, br;q=0.1") + sent)
    response = client.response()
    assert (response.body, response.get("Content-Encoding")) == (packed, "gzip")
    request = scene.arrived(target)[0]
    assert request.body == packed
    assert request.all(b"Content-Encoding") == [b"gzip"]
    assert request.all(b"Accept-Encoding") == [b"gzip, br;q=0.1"]


def test_server_sent_events_pass_one_by_one(scene: Scene, client: RawClient) -> None:
    """Event n is there before the upstream sends event n + 1."""
    events = [(threading.Event(), b"data: %d\n\n" % number) for number in range(20)]
    target = scene.play("events", gated_chunks(events, EVENT_STREAM))
    client.send(scene.head("GET", target))
    assert client.response_head().get("Content-Type") == "text/event-stream"
    for event, data in events:
        event.set()
        assert client.chunk() == data
    assert client.chunk() == b""


def test_an_event_in_pieces_passes_as_it_comes(scene: Scene, client: RawClient) -> None:
    """Half a chunk is not held back until the rest of it is there."""
    go_on = threading.Event()

    def in_pieces(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.send(response_bytes(content_type="text/event-stream").partition(b"Content-L")[0])
        exchange.send(b"Transfer-Encoding: chunked\r\n\r\n8\r\nhalf")
        exchange.wait_for(go_on)
        exchange.send(b"half\r\n" + chunk(b""))

    target = scene.play("pieces", in_pieces)
    client.send(scene.head("GET", target))
    client.response_head()
    assert client.chunk() == b"half"
    go_on.set()
    assert client.chunk() == b"half"
    assert client.chunk() == b""
