"""The instruments of the protocol tests are right: client and scripted upstream, face to face."""

from __future__ import annotations

import threading

import pytest

from headgate.testing.fault_proxy import Fault, FaultProxy
from tests.support.byte_stream import ClosedError
from tests.support.cloud_map import running_cloud_map
from tests.support.raw import RawClient, ResponseError, chunked, request_head
from tests.support.recording_upstream import Exchange, RecordingUpstream
from tests.support.scripts import (
    broken_off,
    chunks,
    closed,
    early,
    fixed,
    gated_chunks,
    held,
    raw,
    response_bytes,
    silent,
)


def client_of(upstream: RecordingUpstream) -> RawClient:
    return RawClient(upstream.host, upstream.port)


def test_records_exact_bytes_and_keeps_the_connection() -> None:
    post = request_head("POST", "/a", "CONTENT-length: 3", "X-Twice: 1", "x-twice: 2")
    with RecordingUpstream(fixed(b"one"), fixed(b"two", status=404)) as upstream:
        with client_of(upstream) as client:
            client.send(post + b"abc" + request_head("GET", "/b"))
            first, second = client.response(), client.response()
        assert (first.status, first.body) == (200, b"one")
        assert (second.status, second.body) == (404, b"two")
        assert upstream.request(0).head == post
        assert upstream.request(0).raw_body == b"abc"
        assert upstream.request(0).all(b"X-Twice") == [b"1", b"2"]
        assert upstream.request(1).request_line == b"GET /b HTTP/1.1"
        assert upstream.connections == 1


def test_records_a_chunked_body_with_and_without_its_framing() -> None:
    with RecordingUpstream(fixed()) as upstream, client_of(upstream) as client:
        client.send(request_head("PUT", "/", "Transfer-Encoding: chunked") + chunked(b"ab", b"c"))
        client.response()
        assert upstream.request(0).body == b"abc"
        assert upstream.request(0).raw_body == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"


def test_keeps_the_bytes_that_are_no_request() -> None:
    get = request_head("GET", "/")
    with RecordingUpstream(fixed()) as upstream, client_of(upstream) as client:
        client.send(get + b"stray")
        client.response()
        client.finish_sending()
        client.expect_close()
        assert upstream.received == [get + b"stray"]


def test_a_request_cut_off_by_its_sender_is_never_complete() -> None:
    with RecordingUpstream(fixed()) as upstream:
        with client_of(upstream) as client:
            client.send(request_head("PUT", "/", "Content-Length: 10") + b"half")
            upstream.wait_until(lambda: len(upstream.requests) == 1)
            client.reset()
        request = upstream.disconnected_request(0)
        assert not request.complete


def test_events_hold_responses_and_chunks_back() -> None:
    before, between = threading.Event(), threading.Event()
    scripts = (
        held(before, fixed(b"late")),
        gated_chunks([(before, b"data: 1\n\n"), (between, b"data: 2\n\n")]),
    )
    with RecordingUpstream(*scripts) as upstream, client_of(upstream) as client:
        client.send(request_head("GET", "/"))
        assert not upstream.request(0).disconnected
        before.set()
        assert client.response().body == b"late"
        client.send(request_head("GET", "/"))
        assert client.response_head().get("transfer-encoding") == "chunked"
        assert client.chunk() == b"data: 1\n\n"
        between.set()
        assert client.chunk() == b"data: 2\n\n"
        assert client.chunk() == b""


def test_responses_early_and_in_chunks() -> None:
    scripts = (early(response_bytes(b"no", status=413)), chunks([b"a", b"bc"]))
    with RecordingUpstream(*scripts) as upstream, client_of(upstream) as client:
        client.send(request_head("PUT", "/", "Content-Length: 4"))
        assert client.response().status == 413
        client.send(b"body" + request_head("GET", "/"))
        assert client.response().body == b"abc"


def test_breaks_off_and_closes_as_told() -> None:
    with RecordingUpstream(broken_off(b"HTTP/1.1 200"), closed(b"HTTP/1.1 200")) as upstream:
        for expected in (ConnectionError, ClosedError):
            with client_of(upstream) as client:
                client.send(request_head("GET", "/"))
                with pytest.raises(expected):
                    client.response()


def test_stopping_ends_scripts_that_wait() -> None:
    """A test that fails in the middle never hangs in the upstream's teardown."""
    never = threading.Event()
    upstream = RecordingUpstream(silent, held(never, fixed()))
    with upstream, client_of(upstream) as first, client_of(upstream) as second:
        first.send(request_head("GET", "/"))
        upstream.request(0)
        second.send(request_head("GET", "/"))
        upstream.request(1)
        upstream.stop()
        first.expect_close()
        second.expect_close()


def test_a_body_left_unread_holds_its_sender_back() -> None:
    go_on = threading.Event()

    def slow_reader(exchange: Exchange) -> None:
        exchange.read_some(1)
        exchange.wait_for(go_on)
        exchange.read_body()
        exchange.send(response_bytes())

    size = 64 * 1024 * 1024  # far over what the kernel's buffers of a connection hold
    request = request_head("PUT", "/", f"Content-Length: {size}") + bytes(size)
    upstream = RecordingUpstream(slow_reader)
    with upstream, RawClient(upstream.host, upstream.port, seconds=0.2) as client:
        with pytest.raises(TimeoutError):
            client.send(request)
        assert len(upstream.requests[0].body) == 1


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    ],
)
def test_the_client_is_strict(response: bytes) -> None:
    """What is not plain HTTP/1.1 fails the test that reads it."""
    with RecordingUpstream(raw(response)) as upstream, client_of(upstream) as client:
        client.send(request_head("GET", "/"))
        with pytest.raises(ResponseError):
            client.response()


def test_the_client_knows_responses_without_a_body() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    scripts = (
        raw(interim + b"HTTP/1.1 204 No Content\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n\r\nto the end"),
    )
    with RecordingUpstream(*scripts) as upstream, client_of(upstream) as client:
        client.send(request_head("GET", "/"))
        assert client.response().status == 204
        client.send(request_head("HEAD", "/"))
        assert client.response("HEAD").get("Content-Length") == "5"


def test_a_fault_proxy_notes_the_requests_that_it_passes_on() -> None:
    post = request_head("POST", "/a?b=c", "Content-Length: 3", "X-Request-ID: one")
    with (
        RecordingUpstream(fixed(b"{}")) as upstream,
        FaultProxy("127.0.0.1", 0, (upstream.host, upstream.port)) as proxy,
        RawClient(proxy.host, proxy.port) as client,
    ):
        client.send(post + b"abc" + post + b"ab")
        client.response()
        client.send(b"c")
        client.response()
        first, second = proxy.requests.arrivals
        assert (first.method, first.path, first.request_id) == ("POST", "/a", "one")
        assert first == second


def test_a_fault_proxy_that_leaves_finishes_what_is_under_way() -> None:
    finish = threading.Event()
    with (
        RecordingUpstream(fixed(b"{}"), held(finish, fixed(b"{}"))) as upstream,
        FaultProxy("127.0.0.1", 0, (upstream.host, upstream.port)) as proxy,
        RawClient(proxy.host, proxy.port) as idle,
        RawClient(proxy.host, proxy.port) as busy,
    ):
        idle.send(request_head("GET", "/"))
        idle.response()
        busy.send(request_head("GET", "/"))
        upstream.request(1)
        proxy.set(Fault.LEAVE)
        idle.expect_close()
        with pytest.raises(ConnectionRefusedError):
            RawClient(proxy.host, proxy.port)
        finish.set()
        assert busy.response().status == 200
        busy.expect_close()


def test_a_cloud_map_knows_nothing_of_the_one_before() -> None:
    for _ in range(2):
        with running_cloud_map() as cloud_map:
            service = cloud_map.create_service("ml", "mlflow")
            known = service.client.list_services()["Services"]
            assert [each["Id"] for each in known] == [service.service]
