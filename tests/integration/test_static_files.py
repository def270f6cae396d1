"""MLflow's static files come compressed, once for everybody, and nothing else does."""

from __future__ import annotations

import gzip
import itertools
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.raw import RawResponse, request_head
from tests.support.recording_upstream import RecordingUpstream, Script
from tests.support.scripts import closed, fixed, raw, response_bytes, routed

SCRIPT = b"function f(x) { return x + 1; }\n" * 20_000
ETAG = '"1700000000-640000-12345"'
FIELDS = (f"ETag: {ETAG}", "Cache-Control: public, max-age=3600", "Accept-Ranges: bytes")
TYPE = "text/javascript; charset=utf-8"
BOTH = "Accept-Encoding: gzip, deflate, br, zstd"


def sent(body: bytes = SCRIPT, *fields: str, kind: str = TYPE, status: int = 200) -> Script:
    return raw(response_bytes(body, *(fields or FIELDS), content_type=kind, status=status))


class Scene:
    """A gate in front of an upstream with a file that no other test has asked for."""

    def __init__(self, number: int, gate: Gate, upstream: RecordingUpstream, key: str) -> None:
        self.asset = f"/static-files/static/js/main.{number:08x}.js"
        self.gate = gate
        self.upstream = upstream
        self.key = key
        self.routes: dict[bytes, Script] = {self.asset.encode(): sent()}
        upstream.scripts[:] = [routed(self.routes, fixed())]

    def ask(self, *fields: str, path: str = "", method: str = "GET") -> RawResponse:
        with self.gate.connect() as client:
            client.send(request_head(method, path or self.asset, bearer(self.key), *fields))
            return client.response(method)


@pytest.fixture(scope="module")
def new_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Scene]]:
    """A gate; each call gives it a file of its own."""
    folder = tmp_path_factory.mktemp("static")
    key = create_key(folder / "data", "static")
    numbers = itertools.count()
    with RecordingUpstream(fixed()) as upstream, running_gate(folder, upstream.url) as gate:
        yield lambda: Scene(next(numbers), gate, upstream, key)


@pytest.fixture
def scene(new_scene: Callable[[], Scene]) -> Scene:
    return new_scene()


def unpacked(response: RawResponse) -> bytes:
    coding = response.get("Content-Encoding")
    if coding == "br":
        brotli = pytest.importorskip("brotli")
        whole: bytes = brotli.decompress(response.body)
        return whole
    return gzip.decompress(response.body) if coding == "gzip" else response.body


@pytest.mark.parametrize(
    ("accepts", "coding"),
    [
        (BOTH, "br"),
        ("Accept-Encoding: gzip", "gzip"),
        ("Accept-Encoding: br;q=0.5, gzip", "gzip"),
        ("Accept-Encoding: br;q=0, gzip;q=0.1", "gzip"),
        ("Accept-Encoding: *", "br"),
        ("Accept-Encoding: *;q=0", None),
        ("Accept-Encoding: identity", None),
        ("Accept-Encoding: gzip;q=0", None),
        ("Accept-Encoding: zstd, deflate", None),
        ("X: y", None),
    ],
)
def test_the_client_chooses_the_coding(accepts: str, coding: str | None, scene: Scene) -> None:
    pytest.importorskip("brotli")
    for _ in range(2):  # compressed now, and kept
        response = scene.ask(accepts)
        assert (response.status, response.get("Content-Encoding")) == (200, coding)
        assert unpacked(response) == SCRIPT
        assert response.get("Vary") == "Accept-Encoding"
        assert response.get("Cache-Control") == "public, max-age=3600"
        assert response.get("Content-Type") == TYPE
        assert response.get("Content-Length") == str(len(response.body))
        assert response.get("ETag") == (f"W/{ETAG}" if coding else ETAG)
        assert response.get("Accept-Ranges") == (None if coding else "bytes")


def test_a_file_that_has_changed_is_another_one(scene: Scene) -> None:
    assert unpacked(scene.ask(BOTH)) == SCRIPT
    changed = SCRIPT.replace(b"1", b"2")
    scene.routes[scene.asset.encode()] = sent(changed, 'ETag: "2"')
    assert unpacked(scene.ask(BOTH)) == changed
    scene.routes[scene.asset.encode()] = sent(
        SCRIPT, "Last-Modified: Sat, 28 Nov 2026 10:00:00 GMT"
    )
    assert unpacked(scene.ask(BOTH)) == SCRIPT


def test_what_mlflow_says_of_a_file_holds(scene: Scene) -> None:
    """A file that is kept is asked for all the same: it may be gone."""
    scene.ask(BOTH)
    scene.routes[scene.asset.encode()] = raw(response_bytes(b"{}", status=404))
    assert scene.ask(BOTH).status == 404
    scene.routes[scene.asset.encode()] = raw(
        f"HTTP/1.1 304 Not Modified\r\nETag: {ETAG}\r\n\r\n".encode()
    )
    response = scene.ask(BOTH, f"If-None-Match: W/{ETAG}")
    assert (response.status, response.get("ETag")) == (304, f"W/{ETAG}")
    assert response.get("Vary") == "Accept-Encoding"
    assert scene.upstream.requests[-1].all(b"if-none-match") == [f"W/{ETAG}".encode()]


@pytest.mark.parametrize(
    "script",
    [
        sent(SCRIPT, "ETag: x", "Content-Encoding: zstd"),
        sent(SCRIPT, 'ETag: "x"', "Cache-Control: no-store"),
        sent(SCRIPT, 'ETag: "x"', "Cache-Control: no-transform"),
        sent(SCRIPT, "X-No: validator"),
        sent(os.urandom(5000), 'ETag: "x"', kind="image/png"),
        sent(b"short", 'ETag: "x"'),
    ],
)
def test_what_is_no_such_file_is_passed_on_as_it_is(script: Script, scene: Scene) -> None:
    scene.routes[scene.asset.encode()] = script
    plain = scene.ask("Accept-Encoding: identity")
    for _ in range(2):
        response = scene.ask(BOTH)
        assert response.body == plain.body
        assert response.get("Content-Encoding") == plain.get("Content-Encoding")


def test_other_routes_are_never_compressed(scene: Scene) -> None:
    """What a client may have chosen in part, beside what is secret, must not be."""
    path = "/api/2.0/mlflow-artifacts/artifacts/1/a.js"
    scene.routes[path.encode()] = sent()
    response = scene.ask(BOTH, path=path)
    assert (response.body, response.get("Content-Encoding")) == (SCRIPT, None)
    assert response.get("ETag") == ETAG


def test_a_range_is_of_the_file_itself(scene: Scene) -> None:
    scene.ask(BOTH)
    scene.routes[scene.asset.encode()] = sent(
        SCRIPT[:100], f"ETag: {ETAG}", f"Content-Range: bytes 0-99/{len(SCRIPT)}", status=206
    )
    response = scene.ask(BOTH, "Range: bytes=0-99")
    assert (response.status, response.body, response.get("ETag")) == (206, SCRIPT[:100], ETAG)
    scene.routes[scene.asset.encode()] = sent()  # a server may ignore it
    response = scene.ask(BOTH, "Range: bytes=0-99")
    assert (response.body, response.get("Content-Encoding")) == (SCRIPT, None)


def test_head_is_as_get(scene: Scene) -> None:
    head = scene.ask(BOTH, method="HEAD")
    assert (head.status, head.get("Content-Encoding")) == (200, "br")
    got = scene.ask(BOTH)
    head = scene.ask(BOTH, method="HEAD")
    names = ("Content-Encoding", "Content-Length", "ETag", "Vary", "Content-Type")
    assert [head.get(name) for name in names] == [got.get(name) for name in names]


def test_strangers_are_asked_for_a_key(scene: Scene) -> None:
    scene.ask(BOTH)
    assert scene.gate.ask("GET", scene.asset, BOTH).status == 401


def test_clients_that_leave_and_many_at_once(scene: Scene) -> None:
    """The first client waits; nobody is answered with less than the file."""
    for _ in range(20):
        with scene.gate.connect() as client:
            client.send(request_head("GET", scene.asset, bearer(scene.key), BOTH))
    found: list[bytes] = []

    def ask() -> None:
        found.append(unpacked(scene.ask(BOTH)))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SCRIPT] * 10


def test_a_kept_connection_goes_on(scene: Scene) -> None:
    with scene.gate.connect() as client:
        for _ in range(3):
            client.send(request_head("GET", scene.asset, bearer(scene.key), BOTH))
            assert unpacked(client.response()) == SCRIPT
            client.send(request_head("GET", "/version", bearer(scene.key)))
            assert client.response().status == 200


def test_a_file_that_breaks_off_is_not_kept(scene: Scene) -> None:
    whole = response_bytes(SCRIPT, *FIELDS, content_type=TYPE)
    scene.routes[scene.asset.encode()] = closed(whole[: len(whole) // 2])
    assert scene.ask(BOTH).status == 502
    scene.routes[scene.asset.encode()] = sent()
    assert unpacked(scene.ask(BOTH)) == SCRIPT
