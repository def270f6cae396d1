"""Names of artifacts that people have: the gate passes what MLflow stores, as MLflow stores it."""

from __future__ import annotations

import json
import secrets
from urllib.parse import quote

import pytest

from tests.support.gate import Gate
from tests.support.mlflow_server import MlflowServer
from tests.support.raw import RawResponse
from tests.support.world import World

STORE = "/api/2.0/mlflow-artifacts/artifacts"
IMAGE = "images/dogs%step%{}%timestamp%1720000000000%{}-2222-4333-8444-555555555555.png"
JSON = "Content-Type: application/json"


def quoted(name: str) -> str:
    return quote(name, safe="/")


@pytest.mark.parametrize(
    ("step", "begins"), [(3, "a1111111"), (3, "g1111111"), (2500, "g1111111"), (0, "5c111111")]
)
def test_a_stored_image_is_listed_shown_downloaded_and_deleted(
    step: int, begins: str, gate: Gate, key: str, mlflow_server: MlflowServer, world: World
) -> None:
    """Images of clients 2.12 to 3.10 lie in stores wherever log_image was used."""
    name, body = IMAGE.format(step, begins), secrets.token_bytes(20)
    left = []
    # Some were stored before there was a gate, some come through it.
    for server, bearer in ((mlflow_server, ()), (gate, (f"Authorization: Bearer {key}",))):
        folder = f"at-{server.port}-{step}-{begins}"
        root = f"{world.experiment_id}/{world.run_id}/artifacts/{folder}"
        target = f"{STORE}/{root}/{quoted(name)}"
        assert server.ask("PUT", target, *bearer, body=body).status == 200
        listing = f"/api/2.0/mlflow/artifacts/list?run_id={world.run_id}&path={folder}%2Fimages"
        listed = gate.ask("GET", listing, key=key)
        assert listed.body == mlflow_server.ask("GET", listing).body
        (path,) = [each["path"] for each in json.loads(listed.body)["files"]]
        inside = path.removeprefix(f"{folder}/")
        for form in (
            f"/get-artifact?run_uuid={world.run_id}&path={quote(path, safe='')}",
            f"{STORE}/{root}/{quoted(inside)}",
            f"{STORE}/{root}/{quoted(name)}",
            f"/ajax-api/2.0/mlflow-artifacts/artifacts/{root}/{quoted(inside)}",
        ):
            got = gate.ask("GET", form, key=key)
            assert (got.status, got.body) == (200, body), form
        stored = f"{STORE}?path={quote(f'{root}/images', safe='')}"
        assert gate.ask("GET", stored, key=key).body == mlflow_server.ask("GET", stored).body
        assert server.ask("DELETE", f"{STORE}/{root}/{quoted(inside)}", *bearer).status == 200
        remaining = gate.ask("GET", listing, key=key)
        left.append([each["file_size"] for each in json.loads(remaining.body).get("files", ())])
    # MLflow 3.17.2 itself answers 200 and lets a name with a control character lie.
    assert left[0] == left[1]


NAMES = (
    *("a;b.txt", "a;", ";a", "tab\there.txt", "cr\rhere", "line\nfeed", "\x17.png", "a\\b.txt"),
    *("a\x85b", "what?", "a#b", "a b", "größe.csv", "100%.txt", "50%25.txt", "C++", "k:1"),
)


@pytest.mark.parametrize("name", NAMES)
def test_what_mlflow_does_with_a_name_it_does_behind_the_gate(
    name: str, gate: Gate, key: str, mlflow_server: MlflowServer, world: World
) -> None:
    """Status for status, file for file; what MLflow refuses it refuses itself, or the gate."""

    def story(server: MlflowServer | Gate, folder: str) -> list[tuple[int, bytes]]:
        bearer = (f"Authorization: Bearer {key}",) if isinstance(server, Gate) else ()
        root = f"{world.experiment_id}/{world.run_id}/artifacts/{folder}"
        put = server.ask("PUT", f"{STORE}/{root}/{quoted(name)}", *bearer, body=name.encode())
        got = server.ask("GET", f"{STORE}/{root}/{quoted(name)}", *bearer)
        path = quote(f"{folder}/{name}", safe="")
        shown = server.ask("GET", f"/get-artifact?run_uuid={world.run_id}&path={path}", *bearer)
        gone = server.ask("DELETE", f"{STORE}/{root}/{quoted(name)}", *bearer)
        return [(each.status, _content(each)) for each in (put, got, shown, gone)]

    bare, gated = story(mlflow_server, "bare"), story(gate, "gate")
    assert gated == bare
    stored = mlflow_server.artifacts / world.experiment_id / world.run_id / "artifacts"
    files = [{each.name for each in (stored / side).glob("*")} for side in ("bare", "gate")]
    assert files[0] == files[1]


def _content(response: RawResponse) -> bytes:
    return response.body if response.status == 200 else b""


@pytest.mark.parametrize("step", ["create", "complete", "abort"])
@pytest.mark.parametrize(
    "path", ["/home/ada/model.bin", "model.bin", "C:\\Users\\ada\\model.bin", "../up/model.bin"]
)
def test_an_upload_in_parts_names_a_file_of_the_clients(
    step: str, path: str, gate: Gate, key: str, mlflow_server: MlflowServer
) -> None:
    """A local store takes no parts, which MLflow says itself; its client then sends the whole."""
    message = {"path": path, "num_parts": 2, "upload_id": "u", "parts": [{"part_number": 1}]}
    target = f"/api/2.0/mlflow-artifacts/mpu/{step}/1/{'a' * 32}/artifacts"
    body = json.dumps(message).encode()
    told = gate.ask("POST", target, JSON, key=key, body=body)
    assert told.status == 501
    assert told.body == mlflow_server.ask("POST", target, JSON, body=body).body


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("1/run", ".."),
        ("1/run", "/home/ada/.."),
        ("1/run", "..\\..\\x"),
        ("1/run", "a/"),
        ("1/%252e%252e/2", "model.bin"),
        ("1%252f2", "model.bin"),
    ],
)
def test_an_upload_in_parts_stays_in_its_folder(
    folder: str, path: str, gate: Gate, key: str
) -> None:
    body = json.dumps({"path": path, "num_parts": 2}).encode()
    target = f"/api/2.0/mlflow-artifacts/mpu/create/{folder}"
    assert gate.ask("POST", target, JSON, key=key, body=body).status == 400


@pytest.mark.parametrize("path", ["/version;a", "/api/2.0/mlflow/runs/get;x", "/get-artifact%5C"])
def test_elsewhere_a_path_has_none_of_these(path: str, gate: Gate, key: str) -> None:
    response = gate.ask("GET", path, key=key)
    assert (response.status, response.get("X-Headgate-Reason")) == (400, "request_ambiguous")
