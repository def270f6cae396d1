"""MLflow's own clients, old and new: what they see through the gate is what they see without it.

``make test-clients`` plays every part with every version, artifacts in S3; the default run plays
the images of one older client.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from headgate.testing.one_moto import running_moto
from tests.support.cloud_map import CREDENTIALS
from tests.support.gate import Gate, create_key, running_gate
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.mlflow_versions import python_with
from tests.support.processes import clean_environment

VERSIONS = ("2.9.2", "2.22.5", "3.5.1", "3.9.0", "3.17.2")
STORY = Path(__file__).parents[1] / "support" / "client_story.py"
STORY_SECONDS = 600
BUCKET = "artifacts"
# So that a file of 11 MiB goes in three parts, the smallest that S3 takes.
PART_SETTINGS = {
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
    "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(6 * 1024 * 1024),
    "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(5 * 1024 * 1024),
}


def play(version: str, uri: str, folder: Path, *parts: str, key: str = "") -> Mapping[str, Any]:
    """Play parts of the story with a version of the client; what it saw."""
    folder.mkdir()
    settings = PART_SETTINGS | {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
        "GIT_PYTHON_REFRESH": "quiet",
        **({"MLFLOW_TRACKING_TOKEN": key} if key else {}),
    }
    done = subprocess.run(
        [python_with(version), STORY, folder, *parts],
        env=clean_environment() | settings,
        capture_output=True,
        text=True,
        timeout=STORY_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_images_of_an_older_client(
    gate: Gate, key: str, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    bare = play("2.22.5", mlflow_server.url, tmp_path / "bare", "images")
    gated = play("2.22.5", gate.url, tmp_path / "gate", "images", key=key)
    assert gated == bare
    number, pixels, kinds = gated["images"]
    assert (number, all(pixels)) == (6, True), kinds  # one more of each, small


@dataclass(frozen=True)
class Stand:
    """MLflow with its artifacts in S3, a gate before it, and a key."""

    server: MlflowServer
    gate: Gate
    key: str
    moto: str

    def parts_begun(self) -> int:
        """How many requests for uploads in parts have passed the gate."""
        return sum(
            "/mlflow-artifacts/mpu/complete" in each["path"] for each in self.gate.outcomes()
        )


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("clients")
    with running_moto() as (host, port):
        url = f"http://{host}:{port}"
        region = CREDENTIALS["AWS_DEFAULT_REGION"]
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name=region,
            aws_access_key_id="example",
            aws_secret_access_key="example",
        )
        client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": region}
        )
        key = create_key(folder / "data", "clients")
        settings = CREDENTIALS | {"MLFLOW_S3_ENDPOINT_URL": url}
        destination = ("--artifacts-destination", f"s3://{BUCKET}/store")
        with (
            running_mlflow(folder, settings, options=destination) as server,
            running_gate(folder, server.url) as gate,
        ):
            yield Stand(server, gate, key, url)


@pytest.mark.clients
@pytest.mark.timeout(2 * STORY_SECONDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_sees_what_it_sees_without_the_gate(
    version: str, stand: Stand, tmp_path: Path
) -> None:
    """Each part alike, failures of the client's own too; a table shows them."""
    bare = play(version, stand.server.url, tmp_path / "bare")
    begun = stand.parts_begun()
    gated = play(version, stand.gate.url, tmp_path / "gate", key=stand.key)
    parts = stand.parts_begun() - begun
    lines = [f"client {version}", *(_line(part, bare[part], gated[part]) for part in bare)]
    sys.stdout.write("\n".join(("", *lines, f"  uploads in parts completed: {parts}", "")))
    assert gated == bare
    failed = {part for part in gated if "failed" in _said(gated[part])}
    assert not failed
    assert parts == 1


def _said(seen: object) -> str:
    return str(seen["failed"]) if isinstance(seen, dict) and "failed" in seen else ""


def _line(part: str, bare: object, gated: object) -> str:
    same = "same as bare MLflow" if bare == gated else f"bare: {bare}"
    return f"  {part:<10} {same}: {json.dumps(gated, ensure_ascii=False)[:100]}"
