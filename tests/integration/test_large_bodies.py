"""Large bodies that have to be judged are read in a process beside the worker."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate import Gate, running_gate
from tests.support.keys import make_key
from tests.support.named_objects import NamedObjects
from tests.support.recording_upstream import RecordingUpstream
from tests.support.workers import worker_pids

RUN, OTHER = f"{1:032x}", f"{2:032x}"
INPUTS = "/api/2.0/mlflow/runs/log-inputs"
MB = 1024 * 1024
SECONDS = 20.0


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    objects = NamedObjects({"1": "team-a/x", "2": "team-b/x"}, {RUN: "1", OTHER: "2"})
    with RecordingUpstream(objects) as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> str:
    (tmp_path / "data").mkdir()
    settings = '[roles.team-a]\ngrants = ["*:* on experiment team-a/*"]\n'
    (tmp_path / "headgate.toml").write_text(settings)
    return make_key(tmp_path / "data", "narrowed", ["team-a"])


@pytest.fixture
def gate(tmp_path: Path, upstream: RecordingUpstream, key: str) -> Iterator[Gate]:
    environment = {"HEADGATE_CONFIG": str(tmp_path / "headgate.toml")}
    with running_gate(tmp_path, upstream.url, environment) as running:
        yield running


def inputs(run: str) -> bytes:
    """What a client sends that logs a data set with a long profile."""
    data_set = {"name": "d", "digest": "x", "profile": "mean, " * 2 * MB}
    return json.dumps({"run_id": run, "datasets": [{"dataset": data_set}]}).encode()


def helpers(gate: Gate) -> list[int]:
    """The processes that read for the gate's workers."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            named = b"examiner_process" in file.read_bytes()
            parent = int((file.parent / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        if named and parent in (gate.process.pid, *worker_pids(gate.process)):
            found.append(int(file.parent.name))
    return found


def post(gate: Gate, key: str, body: bytes) -> tuple[int, str]:
    response = gate.ask("POST", INPUTS, "Content-Type: application/json", key=key, body=body)
    return response.status, json.loads(response.body).get("message", "")


def test_a_large_body_is_judged_by_what_it_names(
    gate: Gate, key: str, upstream: RecordingUpstream
) -> None:
    assert post(gate, key, inputs(RUN)) == (200, "")
    assert post(gate, key, inputs(OTHER))[0] == 403
    forwarded = [each for each in upstream.requests if INPUTS.encode() in each.request_line]
    assert [bytes(each.body) for each in forwarded] == [inputs(RUN)]


def test_a_body_of_too_many_values_is_refused_with_the_limit(gate: Gate, key: str) -> None:
    status, message = post(gate, key, b"[" + b"[]," * 5 * MB + b"[]]")
    assert status == 413
    assert "200,000 JSON values" in message


def test_the_process_is_there_when_needed_and_ends_with_the_gate(gate: Gate, key: str) -> None:
    assert not helpers(gate)
    assert post(gate, key, inputs(RUN))[0] == 200
    (helper,) = helpers(gate)
    helper_ends = os.pidfd_open(helper)
    try:
        gate.process.stop()
        assert select.select([helper_ends], [], [], SECONDS)[0]
    finally:
        os.close(helper_ends)
