"""Requests with bodies, and requests that are large, in the forms that MLflow needs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.gate import Gate, bearer
from tests.support.mlflow_server import MlflowServer
from tests.support.raw import RawClient, chunk, chunked, request_head
from tests.support.scene import FOLDER, Scene, running_scene
from tests.support.scripts import early, fixed, response_bytes
from tests.support.world import World

KIB = 1024
HEAD_LIMIT = 128 * KIB
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("bodies"), {}) as running:
        yield running


@pytest.fixture
def client(scene: Scene) -> Iterator[RawClient]:
    with scene.gate.connect() as connection:
        yield connection


@pytest.mark.parametrize("framing", ["Content-Length: 8", "Transfer-Encoding: chunked"])
def test_an_upload_streams(framing: str, scene: Scene, client: RawClient) -> None:
    """The upstream has the first part before the client sends the second."""
    target = scene.play(f"streams-{framing[0]}", fixed())
    part, end = b"part", b""
    if framing.startswith("T"):
        part, end = chunk(part), chunk(end)
    client.send(scene.head("PUT", target, framing) + part)
    request = scene.wait_for_arrival(target)[0]
    scene.upstream.wait_until(lambda: request.body == b"part")
    client.send(part + end)
    assert client.response().status == 200
    assert request.body == b"partpart"


def test_an_invitation_comes_only_after_authentication(scene: Scene, client: RawClient) -> None:
    """RFC 9110 section 10.1.1: a stranger is refused before it sends its body."""
    target = scene.play("invited", fixed(b"taken"))
    fields = ("Expect: 100-continue", "Content-Length: 4")
    with scene.gate.connect() as stranger:
        stranger.send(request_head("PUT", target, *fields))
        head = stranger.response_head()
        assert (head.status, head.get("Connection")) == (401, "close")
    client.send(scene.head("PUT", target, *fields))
    assert client.response_head().status == 100
    client.send(b"body")
    assert client.response().body == b"taken"
    assert [bytes(request.body) for request in scene.arrived(target)] == [b"body"]


def test_nobody_is_invited_who_sends_already(scene: Scene, client: RawClient) -> None:
    target = scene.play("uninvited", fixed(b"taken"))
    client.send(scene.head("PUT", target, "Expect: 100-continue", "Content-Length: 4") + b"body")
    assert client.response_head().status == 200


def test_an_early_response_to_an_upload_that_goes_on(scene: Scene, client: RawClient) -> None:
    """It passes immediately; then the connection ends, for nobody knows what the rest is worth."""
    target = scene.play("early", early(response_bytes(b"no", status=403)))
    client.send(scene.head("PUT", target, "Content-Length: 1000000") + b"x")
    response = client.response()
    assert (response.status, response.body, response.get("Connection")) == (403, b"no", "close")
    client.send(b"x" * 1000)
    client.expect_close()


def padded(scene: Scene, size: int, *, in_target: bool) -> bytes:
    """A request whose target, or whose fields, have ``size`` bytes."""
    if in_target:
        return scene.head("GET", "/version?".ljust(size, "x"))
    around = len(b"GET / HTTP/1.1" + b"\r\n\r\n")
    empty = len(scene.head("GET", "/", "X: ")) - around
    return scene.head("GET", "/", f"X: {'x' * (size - empty)}")


@pytest.mark.parametrize("in_target", [True, False], ids=["target", "field"])
def test_heads_up_to_128_kib_pass(in_target: bool, scene: Scene, client: RawClient) -> None:
    sent = padded(scene, HEAD_LIMIT, in_target=in_target)
    client.send(sent)
    assert client.response().status == 200
    longest = max(len(request.head) for request in scene.upstream.requests)
    assert longest > HEAD_LIMIT - KIB


@pytest.mark.parametrize("in_target", [True, False], ids=["target", "field"])
@pytest.mark.parametrize("more", [8, 100 * KIB])
def test_longer_heads_are_refused(
    more: int, in_target: bool, scene: Scene, client: RawClient
) -> None:
    client.send(padded(scene, HEAD_LIMIT + more, in_target=in_target))
    response = client.response()
    assert response.status == (414 if in_target else 431)
    assert (response.get("X-Headgate-Reason"), response.get("Connection")) == (
        "request_malformed",
        "close",
    )
    client.expect_close()


def test_an_empty_file_uploads_in_chunks(
    world: World, mlflow_server: MlflowServer, gate: Gate, key: str
) -> None:
    """MLflow's own client sends an empty file so."""
    folder = f"{world.experiment_id}/{world.run_id}/artifacts/empty"
    with gate.connect() as client:
        head = request_head(
            "PUT", f"{FOLDER}/{folder}/none.txt", bearer(key), "Transfer-Encoding: chunked"
        )
        client.send(head + chunked())
        assert client.response().status == 200
    assert (mlflow_server.artifacts / folder / "none.txt").read_bytes() == b""


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_a_message_in_chunks_of_any_size_reaches_flask(
    size: int, world: World, gate: Gate, key: str
) -> None:
    """Straight at MLflow it would be taken for an empty message, which finds nothing."""
    message = json.dumps({"experiment_ids": [world.experiment_id], "max_results": 1}).encode()
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    with gate.connect() as client:
        head = request_head(
            "POST",
            "/api/2.0/mlflow/runs/search",
            JSON,
            bearer(key),
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
        )
        client.send(head)
        assert client.response_head().status == 100
        client.send(chunked(*parts))
        response = client.response()
    assert [run["info"]["experiment_id"] for run in json.loads(response.body)["runs"]] == [
        world.experiment_id
    ]


def test_a_chunked_message_reaches_flask_under_its_length(scene: Scene, client: RawClient) -> None:
    message = b'{"filter": ""}'
    head = scene.head(
        "POST", "/api/2.0/mlflow/runs/search", JSON, "Transfer-Encoding: chunked", "Trailer: X-A"
    )
    client.send(head + chunked(*(message[at : at + 1] for at in range(len(message)))))
    assert client.response().status == 200
    request = scene.upstream.requests[-1]
    assert request.all(b"Content-Length") == [b"%d" % len(message)]
    assert request.all(b"Transfer-Encoding") == []
    assert request.raw_body == message


def test_a_range_of_an_artifact(world: World, gate: Gate, key: str) -> None:
    target = f"{FOLDER}/{world.artifact}"
    whole = gate.ask("GET", target, key=key)
    assert (whole.status, whole.body) == (200, world.content)
    part = gate.ask("GET", target, "Range: bytes=-7", key=key)
    assert (part.status, part.body) == (206, world.content[-7:])
    beyond = gate.ask("GET", target, f"Range: bytes={len(world.content)}-", key=key)
    assert beyond.status == 416
