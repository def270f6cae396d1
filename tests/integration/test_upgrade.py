"""Offers to change the protocol are ignored (RFC 9110 section 7.8), and MLflow hears none."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.debian import CURL, require
from tests.support.gate import Gate, bearer
from tests.support.patience import patience
from tests.support.raw import RawClient, chunked
from tests.support.scene import Scene, running_scene
from tests.support.scripts import fixed
from tests.support.world import World

SEARCH = "/api/2.0/mlflow/runs/search"
JSON = "Content-Type: application/json"
MESSAGE = b'{"experiment_ids": ["0"], "max_results": 1}'
LENGTH = f"Content-Length: {len(MESSAGE)}"
H2C = ("Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA")
OF_THIS_HOP = (b"upgrade", b"http2-settings", b"connection", b"x-hop")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("upgrade"), {}) as running:
        yield running


@pytest.fixture
def client(scene: Scene) -> Iterator[RawClient]:
    with scene.gate.connect() as connection:
        yield connection


@pytest.mark.parametrize(
    "offer",
    [
        ("Connection: Upgrade, HTTP2-Settings", *H2C),  # as Java's HttpClient and curl send it
        (*H2C, "Connection: keep-alive, X-Hop", "Connection: HTTP2-Settings, upgrade", "X-Hop: 1"),
        (
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ),
        ("Connection: upgrade", "Upgrade: h2c, websocket", "Upgrade: TLS/1.0"),
        ("Upgrade: h2c",),
        ("Connection: Upgrade",),
    ],
    ids=["h2c", "lists", "websocket", "several", "upgrade-alone", "connection-alone"],
)
@pytest.mark.parametrize(
    "framing", [LENGTH, "Transfer-Encoding: chunked"], ids=["length", "chunked"]
)
def test_the_body_behind_an_offer_arrives_whole(
    framing: str, offer: tuple[str, ...], scene: Scene, client: RawClient
) -> None:
    """Once, with nothing of the offer; and the connection serves further requests."""
    body = MESSAGE if framing is LENGTH else chunked(MESSAGE[:9], MESSAGE[9:])
    before = len(scene.upstream.requests)
    client.send(scene.head("POST", SEARCH, JSON, framing, *offer) + body)
    assert client.response().status == 200
    client.send(scene.head("GET", "/version", *offer))
    assert client.response().status == 200
    posted, asked = scene.upstream.requests[before:]
    assert (bytes(posted.body), posted.complete) == (MESSAGE, True)
    assert asked.request_line == b"GET /version HTTP/1.1"
    for request in (posted, asked):
        assert not [name for name, _ in request.fields if name.lower() in OF_THIS_HOP]


def test_an_upload_that_offers_streams(scene: Scene, client: RawClient) -> None:
    target = scene.play("offered", fixed(b"taken"))
    fields = ("Content-Length: 8", "Expect: 100-continue", "Connection: Upgrade", *H2C)
    client.send(scene.head("PUT", target, *fields))
    assert client.response_head().status == 100
    client.send(b"part")
    request = scene.wait_for_arrival(target)[0]
    scene.upstream.wait_until(lambda: request.body == b"part")
    client.send(b"part")
    assert client.response().body == b"taken"
    assert bytes(request.body) == b"partpart"


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.0", "HTTP/3.0", "", "x" * 4000])
def test_a_plain_route_answers_as_without_an_offer(protocol: str, gate: Gate, key: str) -> None:
    plain = gate.ask("GET", "/version", key=key)
    offered = gate.ask(
        *("GET", "/version", "Connection: Upgrade", f"Upgrade: {protocol}"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
        key=key,
    )
    assert (plain.status, offered.status) == (200, 200)
    assert offered.body == plain.body
    assert offered.get("Upgrade") is None


def test_an_offer_does_not_spare_the_key(gate: Gate) -> None:
    refused = gate.ask("GET", "/version", "Connection: Upgrade", "Upgrade: websocket")
    assert (refused.status, refused.get("X-Headgate-Reason")) == (401, "unauthenticated")


def test_curl_that_asks_for_http_2_reaches_mlflow(world: World, gate: Gate, key: str) -> None:
    message = json.dumps({"experiment_ids": [world.experiment_id], "max_results": 1})
    done = subprocess.run(
        [
            *(str(require(CURL)), "--http2", "--silent", "--show-error", "--max-time", "20"),
            *("--header", bearer(key), "--header", JSON, "--data", message),
            *("--verbose", "--write-out", "\n%{http_version} %{http_code}", gate.url + SEARCH),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=patience(30),
    )
    assert done.returncode == 0, done.stderr
    assert "> Upgrade: h2c" in done.stderr
    body, _, spoken = done.stdout.rpartition("\n")
    assert spoken == "1.1 200", done.stdout
    assert [run["info"]["run_id"] for run in json.loads(body)["runs"]] == [world.run_id]
