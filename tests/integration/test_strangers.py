"""What clients without a good key can hold of a gate: bounded, and never all of it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.patience import patience
from tests.support.raw import RawClient, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.tls_client import TlsClient, client_context

SECONDS = 15.0
HEADER_TIMEOUT = 2.0
COUNTED_OUT_SECONDS = 1.5  # less than that, which would end them anyway
CONNECTIONS = 20
ROOM = {"HEADGATE_LISTEN__HOST": "127.0.0.1", "HEADGATE_LIMITS__CONNECTIONS": str(CONNECTIONS)}
OTHER_ADDRESS = "127.0.0.2"


class Scene:
    """A gate, a key, and connections that hold on to it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.upstream = stack.enter_context(RecordingUpstream(fixed()))
        self.key = create_key(folder / "data", "strangers")

    def start(self, settings: Mapping[str, str]) -> Gate:
        return self._stack.enter_context(
            running_gate(self._folder, self.upstream.url, ROOM | dict(settings))
        )

    def connects(self, gate: Gate, address: str = "127.0.0.1") -> socket.socket:
        """A connection that says nothing, from an address of this machine."""
        made = socket.create_connection((gate.host, gate.port), SECONDS, (address, 0))
        return self._stack.enter_context(made)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(tmp_path, stack)


def is_turned_away(connection: socket.socket) -> bool:
    """Whether the gate closes it, instead of waiting for a request."""
    connection.settimeout(1.0)
    try:
        return connection.recv(1, socket.MSG_PEEK) in (b"", b"H")
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def version(gate: Gate, key: str, address: str) -> int:
    """The status of a good request from an address."""
    with socket.create_connection((gate.host, gate.port), SECONDS, (address, 0)) as connection:
        connection.sendall(request_head("GET", "/version", bearer(key), "Connection: close"))
        return int(connection.recv(4096).split(b" ")[1])


def events(gate: Gate, word: str) -> list[str]:
    lines = gate.process.errors.read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [str(each["message"]) for each in found if word in str(each.get("message"))]


def test_one_address_leaves_half_of_the_connections_to_others(scene: Scene) -> None:
    gate = scene.start({})
    held = [scene.connects(gate) for _ in range(CONNECTIONS // 2)]
    more = [scene.connects(gate) for _ in range(5)]
    assert all(map(is_turned_away, more))
    assert more[0].recv(4096).startswith(b"HTTP/1.1 429 ")
    assert version(gate, scene.key, OTHER_ADDRESS) == 200
    gate.process.wait_until(lambda: events(gate, "turned away") or None, "a line of the log", 5.0)
    assert len(events(gate, "turned away")) <= 2
    for connection in held:
        connection.close()
    gate.process.wait_until(
        lambda: not is_turned_away(scene.connects(gate)) or None, "room again", SECONDS
    )


def test_who_has_shown_a_good_key_may_have_more_than_half(scene: Scene) -> None:
    """As a training cluster behind one address does."""
    gate = scene.start({})
    with ExitStack() as stack:
        for _ in range(CONNECTIONS - 2):
            client = stack.enter_context(gate.connect())
            client.send(request_head("GET", "/version", bearer(scene.key)))
            assert client.response().status == 200
        assert not is_turned_away(scene.connects(gate))


def test_a_trusted_proxy_may_have_all(scene: Scene) -> None:
    gate = scene.start({"HEADGATE_LISTEN__TRUSTED_PROXIES": "127.0.0.1"})
    held = [scene.connects(gate) for _ in range(CONNECTIONS - 1)]
    assert not is_turned_away(held[-1])
    assert version(gate, scene.key, OTHER_ADDRESS) == 200


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def secured(scene: Scene, authority: Authority) -> Gate:
    """A gate that serves HTTPS."""
    certificate = authority.issue("gate", "127.0.0.1")
    return scene.start(
        {
            "HEADGATE_LISTEN__TLS__CERTIFICATE": str(certificate.certificate),
            "HEADGATE_LISTEN__TLS__KEY": str(certificate.key),
            "HEADGATE_LIMITS__HEADER_TIMEOUT": str(patience(HEADER_TIMEOUT)),
        }
    )


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00"])
def test_tls_handshakes_count_from_their_beginning(
    begun: bytes, scene: Scene, secured: Gate, authority: Authority
) -> None:
    """They never end, and no request comes of them."""
    for _ in range(CONNECTIONS // 2):
        scene.connects(secured).sendall(begun)
    assert is_turned_away(scene.connects(secured))
    for _ in range(CONNECTIONS // 2):
        scene.connects(secured, OTHER_ADDRESS).sendall(begun)
    assert is_turned_away(scene.connects(secured, "127.0.0.3"))
    # Once their time is over, what they held is free again.
    secured.process.wait_until(
        lambda: not is_turned_away(scene.connects(secured)) or None, "room again", SECONDS
    )
    with TlsClient(secured.host, secured.port, client_context(authority)) as client:
        client.send(request_head("GET", "/version", bearer(scene.key)))
        assert client.response().status == 200


@pytest.mark.parametrize(
    "junk", [b"\x16garbage" * 100, b"\x16\x03\x01\x00\x02\xff\xff", b"\x00\x01", b"\xff"]
)
def test_handshakes_that_fail_are_counted_out(junk: bytes, scene: Scene, secured: Gate) -> None:
    for _ in range(6):  # side by side, since some junk has the gate wait for the rest of it
        connections = [scene.connects(secured) for _ in range(CONNECTIONS // 2)]
        for connection in connections:
            connection.sendall(junk)
        for connection in connections:
            with connection, contextlib.suppress(ConnectionResetError):
                while connection.recv(4096):
                    continue
    # The gate counts a connection out a moment after the client has seen its end.
    secured.process.wait_until(
        lambda: not is_turned_away(scene.connects(secured)) or None, "room", COUNTED_OUT_SECONDS
    )


def test_plain_http_on_the_port_of_tls_learns_so(scene: Scene, secured: Gate) -> None:
    for _ in range(2 * CONNECTIONS):
        with RawClient(secured.host, secured.port) as client:
            client.send(request_head("GET", "/version", bearer(scene.key)))
            response = client.response()
            assert (response.status, response.get("X-Headgate-Reason")) == (
                400,
                "request_malformed",
            )
            assert "https://" in json.loads(response.body)["message"]
            client.expect_close()


def test_a_client_of_another_authority_leaves_nothing_behind(
    scene: Scene, secured: Gate, tmp_path: Path
) -> None:
    context = client_context(Authority(tmp_path, "another"))
    for _ in range(2 * CONNECTIONS):
        with pytest.raises((ssl.SSLError, OSError)):
            TlsClient(secured.host, secured.port, context)
    assert not is_turned_away(scene.connects(secured))


# --- heads ---------------------------------------------------------------------------------------


def test_unfinished_heads_are_bounded_together(scene: Scene) -> None:
    """1,000 heads of 120 KB each would be 120 MB."""
    gate = scene.start({"HEADGATE_LIMITS__CONNECTIONS": "5000"})
    part = b"GET /version HTTP/1.1\r\nHost: gate\r\nX-Filler: " + b"x" * 120_000
    held = [scene.connects(gate) for _ in range(1_000)]
    for connection in held:
        connection.sendall(part)
    responses = gate.process.wait_until(lambda: _answered(held, 1_000 - 559), "answers", SECONDS)
    assert set(responses) == {b"HTTP/1.1 429"}
    assert version(gate, scene.key, "127.0.0.1") == 200


def _answered(held: list[socket.socket], least: int) -> list[bytes] | None:
    """What those received that are not waited for any more; ``None`` while they are too few."""
    found = []
    for connection in held:
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            found.append(connection.recv(12, socket.MSG_PEEK))
    return found if len(found) >= least else None


# --- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_a_path_is_bounded_and_a_query_is_not(scene: Scene, known: bool) -> None:
    gate = scene.start({})
    key = scene.key if known else None
    artifact = "/api/2.0/mlflow-artifacts/artifacts/"
    fits = artifact + "a" * (8192 - len(artifact))
    assert gate.ask("GET", fits, key=key).status == (200 if known else 401)
    response = gate.ask("GET", fits + "a", key=key)
    assert (response.status, response.get("X-Headgate-Reason")) == (414, "request_malformed")
    assert "8192 bytes" in json.loads(response.body)["message"]
    assert gate.ask("GET", "/version?" + "a" * 100_000, key=key).status == (200 if known else 401)
