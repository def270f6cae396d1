"""What the gate says to requests that cannot succeed, and what it leaves behind: nothing."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.client import credential, run_client
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.raw import RawClient, RawResponse, chunk, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.waiting import seconds_until
from tests.support.world import World

REVOCATION_SECONDS = 2.0
STAGED = ".artifact.uploading.*"  # MLflow's name for an upload that is not complete


@pytest.fixture(scope="module")
def _upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed()) as running:
        yield running


@pytest.fixture
def upstream(_upstream: RecordingUpstream) -> RecordingUpstream:
    """The module's upstream, with nothing recorded yet."""
    _upstream.forget(fixed())
    return _upstream


@pytest.fixture(scope="module")
def watched_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="module")
def watched_key(watched_folder: Path) -> str:
    """A key that ``watched_gate`` knows from its start."""
    return create_key(watched_folder / "data", "watched")


@pytest.fixture(scope="module")
def watched_gate(
    _upstream: RecordingUpstream, watched_key: str, watched_folder: Path
) -> Iterator[Gate]:
    """A gate whose upstream records what reaches it."""
    with running_gate(watched_folder, _upstream.url) as running:
        yield running


def basic(text: bytes) -> str:
    return f"Authorization: Basic {base64.b64encode(text).decode()}"


def assert_refused(response: RawResponse, status: int, reason: str, error_code: str) -> str:
    """The response is the gate's own and has MLflow's shape; returns its message."""
    assert (response.status, response.get("X-Headgate-Reason")) == (status, reason)
    assert response.get("Content-Type") == "application/json"
    body = json.loads(response.body)
    assert body["error_code"] == error_code
    message = body["message"]
    assert isinstance(message, str)
    assert "Headgate" in message
    return message


def unknown_key(tmp_path: Path) -> str:
    """A well-formed key of another gate."""
    return create_key(tmp_path / "another", "stranger")


@pytest.mark.parametrize("prefix", ["", "/mlflow", "/api/mlflow"])
def test_without_a_good_key_nothing_reaches_mlflow(
    prefix: str, watched_gate: Gate, upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """No key, an unknown key, a damaged key, malformed headers: 401 and what to set."""
    stranger = unknown_key(tmp_path)
    presented: list[tuple[str, ...]] = [
        (),
        (bearer(stranger),),
        (bearer(stranger[:-1]),),
        (bearer("not-a-key"),),
        (f"X-API-Key: {stranger}",),
        ("X-API-Key:",),
        (basic(f"anybody:{stranger}".encode()),),
        (basic(b"no colon"),),
        (basic(b"user:"),),
        (basic(b"\xff\xfe:x"),),
        (basic(f"{stranger}:".encode()),),
        (basic(f"{stranger}:x".encode()),),
        (f"Authorization: Bearer Bearer {stranger}",),
        ("Authorization: Bearer Bearer",),
        ("Authorization: Basic !!!",),
        ("Authorization: Basic",),
        ("Authorization: Bearer",),
        ("Authorization:",),
        (f"Authorization: {stranger}",),
        (f"Authorization: Digest {stranger}",),
        (f"Authorization: Bearer {stranger} {stranger}",),
    ]
    for fields in presented:
        response = watched_gate.ask("GET", f"{prefix}/api/2.0/mlflow/experiments/search", *fields)
        is_whole = fields in (
            (bearer(stranger),),
            (f"X-API-Key: {stranger}",),
            (basic(f"anybody:{stranger}".encode()),),
        )
        reason = "key_unknown" if is_whole else "unauthenticated"
        message = assert_refused(response, 401, reason, "UNAUTHENTICATED")
        assert "MLFLOW_TRACKING_TOKEN" in message, fields
        assert (response.get("WWW-Authenticate") or "").startswith("Basic "), fields
        assert stranger.encode() not in response.head + response.body
    assert upstream.requests == []


def test_a_good_key_in_the_wrong_place_is_named_and_not_accepted(
    watched_gate: Gate, watched_key: str, upstream: RecordingUpstream
) -> None:
    for field, told in (
        (basic(f"{watched_key}:".encode()), "user name"),
        (basic(f"{watched_key}:x".encode()), "user name"),
        (f"Authorization: Bearer Bearer {watched_key}", "'Bearer'"),
        (f"X-API-Key: Bearer {watched_key}", "'Bearer'"),
        (basic(f"u:Bearer {watched_key}".encode()), "'Bearer'"),
    ):
        response = watched_gate.ask("GET", "/version", field)
        assert told in assert_refused(response, 401, "unauthenticated", "UNAUTHENTICATED")
        assert watched_key.encode() not in response.head + response.body
    assert upstream.requests == []


@pytest.mark.parametrize("user", ["jürgen".encode("latin-1"), "ana€".encode("cp1252"), b"\xff"])
def test_a_user_name_may_be_in_any_coding(
    user: bytes, watched_gate: Gate, watched_key: str
) -> None:
    credentials = basic(user + f":{watched_key}".encode())
    assert watched_gate.ask("GET", "/version", credentials).status == 200


def test_the_status_line_says_why(watched_gate: Gate, watched_key: str) -> None:
    """Tools that show nothing else: wget, and requests' raise_for_status."""
    for fields, path, line in (
        ((), "/version", b"HTTP/1.1 401 Unauthorized: no API key"),
        ((bearer("x"),), "/version", b"HTTP/1.1 401 Unauthorized: not a Headgate key"),
        ((bearer(watched_key),), "/no/such", b"HTTP/1.1 404 Not Found: no such MLflow route"),
        ((bearer(watched_key),), "/version", b"HTTP/1.1 200 OK"),
    ):
        assert watched_gate.ask("GET", path, *fields).head.partition(b"\r\n")[0] == line


def test_a_stranger_learns_nothing_about_routes(watched_gate: Gate) -> None:
    """Paths that exist and paths that do not look the same without a key."""
    known, unknown = (watched_gate.ask("GET", path) for path in ("/version", "/no/such/path"))
    assert known.status == unknown.status == 401
    assert known.body == unknown.body


@pytest.mark.parametrize("name", ["Authorization: Bearer", "X-API-Key:"])
def test_the_same_header_twice_is_refused(
    name: str, watched_gate: Gate, watched_key: str, upstream: RecordingUpstream
) -> None:
    """Of two credentials no program may pick one: the next program could pick the other."""
    field = f"{name} {watched_key}"
    assert watched_gate.ask("GET", "/version", field).status == 200
    assert_refused(
        watched_gate.ask("GET", "/version", field, field), 400, "request_ambiguous", "BAD_REQUEST"
    )
    assert len(upstream.requests) == 1


def test_the_client_shows_its_user_what_to_set(gate: Gate, tmp_path: Path) -> None:
    """The gate's sentence reaches the person through MLflow's own exception."""
    done = run_client(
        "import mlflow; mlflow.search_experiments()",
        gate.url,
        credential("bearer", unknown_key(tmp_path)),
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("mlflow.exceptions.RestException: UNAUTHENTICATED: Headgate refused")
    assert "MLFLOW_TRACKING_TOKEN" in last


def test_a_new_key_works_and_a_revoked_one_stops_within_two_seconds(
    watched_gate: Gate,
) -> None:
    """On connections opened before just as on new ones."""
    key = create_key(watched_gate.data, "short-lived")
    request = request_head("GET", "/version", bearer(key))
    with watched_gate.connect() as kept:

        def status() -> int:
            kept.send(request)
            return kept.response().status

        seconds_until(lambda: status() == 200, REVOCATION_SECONDS)
        watched_gate.revoke_key("short-lived")
        seconds_until(lambda: status() == 401, REVOCATION_SECONDS)
        kept.send(request)
        message = assert_refused(kept.response(), 401, "key_revoked", "UNAUTHENTICATED")
    assert "was revoked" in message
    assert watched_gate.ask("GET", "/version", key=key).status == 401


def test_a_revoked_key_stops_in_every_worker(upstream: RecordingUpstream, tmp_path: Path) -> None:
    """Whichever worker a connection meets, two seconds after the revocation it is refused."""
    key = create_key(tmp_path / "data", "shared")
    request = request_head("GET", "/version", bearer(key))
    with (
        running_gate(tmp_path, upstream.url, {"HEADGATE_LISTEN__WORKERS": "2"}) as gate,
        contextlib.ExitStack() as stack,
    ):
        # The kernel spreads connections over the workers; of so many, each worker has some.
        clients = [stack.enter_context(gate.connect()) for _ in range(40)]

        def statuses() -> set[int]:
            for client in clients:
                client.send(request)
            return {client.response().status for client in clients}

        assert statuses() == {200}
        gate.revoke_key("shared")
        seconds_until(lambda: statuses() == {401}, REVOCATION_SECONDS)


def test_mlflow_not_running(tmp_path: Path) -> None:
    """503 with ``Retry-After``, so that the SDK waits; the response names what was tried."""
    key = create_key(tmp_path / "data", "early")
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        with running_gate(tmp_path, f"http://{address}") as gate:
            response = gate.ask("POST", "/mlflow/api/2.0/mlflow/runs/search", key=key, body=b"{}")
            message = assert_refused(response, 503, "upstream_connect", "TEMPORARILY_UNAVAILABLE")
            assert "could not reach the MLflow server" in message
            assert int(response.get("Retry-After") or "0") >= 1
            assert address in message
            outcome = gate.outcome(lambda o: o["request_id"] == response.get("X-Request-ID"))
    assert outcome["fault"] == "upstream"
    assert address in outcome["detail"]


@pytest.mark.parametrize("framing", ["counted", "chunked"])
@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset], ids=["close", "reset"])
def test_a_client_that_leaves_in_mid_upload_leaves_no_artifact(
    framing: str,
    leave: Callable[[RawClient], None],
    world: World,
    mlflow_server: MlflowServer,
    gate: Gate,
    key: str,
) -> None:
    """MLflow never takes the half for the whole, and the outcome says who ended it."""
    folder = f"{world.experiment_id}/{world.run_id}/artifacts/left-{framing}-{leave.__name__}"
    stored = mlflow_server.artifacts / folder
    path = f"/mlflow/api/2.0/mlflow-artifacts/artifacts/{folder}/half.bin"
    half = os.urandom(1024 * 1024)
    with gate.connect() as client:
        if framing == "counted":
            length = f"Content-Length: {2 * len(half)}"
            client.send(request_head("PUT", path, bearer(key), length) + half)
        else:
            coding = "Transfer-Encoding: chunked"
            client.send(request_head("PUT", path, bearer(key), coding) + chunk(half))
        wait = mlflow_server.process.wait_until
        wait(lambda: any(stored.glob(STAGED)) or None, "the upload to reach MLflow", 10)
        leave(client)
    wait(lambda: not any(stored.glob(STAGED)) or None, "MLflow to give the upload up", 10)
    assert list(stored.iterdir()) == []
    outcome = gate.outcome(lambda o: o["path"] == path)
    assert (outcome["reason"], outcome["fault"]) == ("client_gone", "client")
