"""What a real gate writes for CloudWatch comes to what was sent through it.

Moto stands in for CloudWatch Logs and CloudWatch; it keeps log events as they are, so
``tests.support.emf`` takes the metrics out of them, as the specification of the format says.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import boto3
import botocore.client
import pytest
from moto import mock_aws

from headgate.telemetry.emf_selection import metric_count
from tests.support.cloudwatch_files import FOLDER, VALUES, filled
from tests.support.emf import Sample, checked, extracted, identities, sums
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.processes import clean_environment
from tests.support.raw import RawResponse, ask
from tests.support.recipes import blocks
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.workers import kill_worker, worker_pids

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
GOOD = 40
REFUSED = 7
ON = {
    "HEADGATE_TELEMETRY__CLOUDWATCH__ENABLED": "true",
    "HEADGATE_TELEMETRY__CLOUDWATCH__SERVICE": "gate-1",
    "HEADGATE_LISTEN__WORKERS": "2",
}


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed()) as running:
        yield running


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws():
        yield


def documents(output: Path) -> list[bytes]:
    """The lines of a log that are documents; every line of it is whole."""
    lines = output.read_bytes().splitlines()
    return [line for line in lines if line[:1] == b"{" and json.loads(line)["event"] == "metrics"]


def by_way_of_cloudwatch_logs(lines: list[bytes]) -> list[Sample]:
    """Send lines as a log driver does, read them back, and take the metrics out of them."""
    logs = boto3.client("logs", region_name="eu-central-1")
    names = {"logGroupName": "/ecs/headgate", "logStreamName": "gate/headgate/1"}
    logs.create_log_group(logGroupName=names["logGroupName"])
    logs.create_log_stream(**names)
    now = int(time.time() * 1000)
    sent = [{"timestamp": now, "message": line.decode("ascii")} for line in lines]
    logs.put_log_events(**names, logEvents=sent)
    kept = logs.get_log_events(**names, startFromHead=True)["events"]
    return list(extracted(checked(each["message"].encode("ascii")) for each in kept))


def put_into_cloudwatch(samples: list[Sample]) -> None:
    """What CloudWatch Logs does with what it has taken out."""
    cloudwatch = boto3.client("cloudwatch", region_name="eu-central-1")
    for each in samples:
        cloudwatch.put_metric_data(
            Namespace=each.namespace,
            MetricData=[
                {
                    "MetricName": each.name,
                    "Dimensions": [{"Name": n, "Value": v} for n, v in each.dimensions],
                    "Timestamp": each.stamp / 1000,
                    "Values": each.values,
                    "Unit": each.unit,
                }
            ],
        )


def total(name: str, **dimensions: str) -> float:
    """What CloudWatch says that a metric came to in the last hour."""
    cloudwatch = boto3.client("cloudwatch", region_name="eu-central-1")
    now = time.time()
    points = cloudwatch.get_metric_statistics(
        Namespace="Headgate",
        MetricName=name,
        Dimensions=[{"Name": n, "Value": v} for n, v in dimensions.items()],
        StartTime=now - 3600,
        EndTime=now + 3600,
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def ask_many(gate: Gate, key: str) -> None:
    for _ in range(GOOD):
        assert gate.ask("GET", "/api/2.0/mlflow/runs/get?run_id=1", key=key).status == 200
    for _ in range(REFUSED):
        assert gate.ask("GET", "/version").status == 401


@pytest.mark.usefixtures("amazon")
def test_the_metrics_come_to_what_was_sent(upstream: RecordingUpstream, tmp_path: Path) -> None:
    """The last set is written when the gate stops, by when all workers have counted everything."""
    key = create_key(tmp_path / "data", "cloudwatch")
    with running_gate(tmp_path, upstream.url, ON) as gate:
        ask_many(gate, key)
        output = gate.process.output
    lines = documents(output)
    samples = by_way_of_cloudwatch_logs(lines)
    put_into_cloudwatch(samples)
    assert total("Requests", Service="gate-1") == GOOD + REFUSED
    assert total("ClientFaults", Service="gate-1") == REFUSED
    assert total("GateFaults", Service="gate-1") == total("MlflowFaults", Service="gate-1") == 0
    durations = [each for each in samples if each.name == "RequestDuration"]
    assert sum(len(each.values) for each in durations) == GOOD  # the others have no route
    assert all(len(line) + 1 <= 4096 for line in lines)
    assert all(b'"event":"metrics"' in line for line in lines)  # as the how-to searches for them
    assert key not in output.read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.usefixtures("amazon")
def test_a_set_a_minute_also_when_its_writer_is_killed(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """Takes three minutes: the pace is the gate's own."""
    key = create_key(tmp_path / "data", "cloudwatch")
    with running_gate(tmp_path, upstream.url, ON) as gate:
        ask_many(gate, key)
        seen = wait_for_sets(gate, 1)
        kill_worker(gate.process, worker_pids(gate.process)[0], signal.SIGKILL)
        seen = wait_for_sets(gate, 3)
        output = gate.process.output
    gaps = [after - before for before, after in pairwise(seen)]
    assert max(gaps) <= 61_000
    samples = list(extracted(checked(each) for each in documents(output)))
    assert len(identities(samples)) <= metric_count(1)
    assert sums(samples)["ClientFaults", ("gate-1",)] == REFUSED


@pytest.mark.long
def test_a_reader_that_stalls_fails_no_request_and_loses_no_count(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """Takes three minutes. Nobody reads standard output until documents were lost."""
    key = create_key(tmp_path / "data", "cloudwatch", ["admin"])
    settings = (
        clean_environment()
        | ON
        | {
            "HEADGATE_DATA": str(tmp_path / "data"),
            "HEADGATE_LISTEN__PORT": "0",
            "HEADGATE_LISTEN__LAME_DUCK": "0",
            "MLFLOW_SERVER_URL": upstream.url,
        }
    )
    errors = tmp_path / "errors"
    with (
        errors.open("wb") as stream,
        subprocess.Popen(
            [sys.executable, "-m", "headgate", "serve"],
            env=settings,
            stdout=subprocess.PIPE,
            stderr=stream,
        ) as process,
    ):
        try:
            port = wait_for(lambda: port_in(errors), 30.0)
            for _ in range(10 * GOOD):  # many times what a pipe holds
                assert got(port, "/version", key).status == 200
            wait_for(lambda: lost_documents(port, key), 75.0)
            for _ in range(GOOD):
                assert got(port, "/version", key).status == 200
            assert process.stdout is not None
            output = b""
            while b"Heartbeat" not in output:
                output += os.read(process.stdout.fileno(), 65_536)
            process.terminate()
            output += process.stdout.read()
            assert process.wait(30.0) == 0
        finally:
            process.kill()
    kept = tmp_path / "output"
    kept.write_bytes(output)
    found = sums(extracted(checked(each) for each in documents(kept)))
    assert found["Requests", ("gate-1",)] == 11 * GOOD
    assert found["TelemetryLost", ("gate-1",)] > 0


def port_in(errors: Path) -> int | None:
    said = re.search(rb"listening on http://[\d.]+:(\d+)", errors.read_bytes())
    return None if said is None else int(said[1])


def got(port: int, target: str, key: str) -> RawResponse:
    return ask("127.0.0.1", port, "GET", target, bearer(key))


def lost_documents(port: int, key: str) -> float | None:
    """How many documents the gate says that it has lost, if any."""
    text = got(port, "/-/metrics", key).body.decode("ascii")
    said = re.search(r'telemetry_lost_total\{exporter="emf",cause="stalled"\} (\d+)', text)
    return float(said[1]) if said is not None and said[1] != "0" else None


def wait_for(condition: Callable[[], T | None], seconds: float) -> T:
    """The first result of ``condition`` that is not ``None``."""
    end = time.monotonic() + seconds
    while (result := condition()) is None:
        assert time.monotonic() < end
        select.select([], [], [], 0.2)
    return result


def wait_for_sets(gate: Gate, count: int) -> list[int]:
    """The stamps of the first ``count`` sets, once they are written."""

    def found() -> list[int] | None:
        samples = extracted(checked(each) for each in documents(gate.process.output))
        stamps = [each.stamp for each in samples if each.name == "Heartbeat"]
        return stamps if len(stamps) >= count else None

    return gate.process.wait_until(found, f"{count} sets", 75.0 * count)


# --- the files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alarms", "dashboard", "queries"])
def test_terraform_fills_in_the_same(name: str) -> None:
    """As a module does it, with ``templatefile``; no provider is needed for that."""
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not installed")
    file = FOLDER / f"cloudwatch-{name}.json"
    values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in VALUES.items())
    asked = f'jsonencode(jsondecode(templatefile("{file}", {{{values}}})))\n'
    answer = subprocess.run(
        [terraform, "console"], input=asked, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert json.loads(json.loads(answer)) == filled(file.name)


# --- the how-to ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("amazon")
def test_the_program_of_the_how_to_creates_everything_and_changes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There are no saved queries in moto: botocore checks what would be sent for them."""
    (program,) = blocks("watch-in-cloudwatch", "python")
    queries: dict[str, Mapping[str, Any]] = {}
    real: Callable[..., Any] = botocore.client.BaseClient._make_api_call

    def call(client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
        if operation == "PutQueryDefinition":
            client._convert_to_request_dict(
                parameters,
                client.meta.service_model.operation_model(operation),
                endpoint_url="https://logs.example.com",
            )
            queries[parameters["name"]] = parameters
            return {"queryDefinitionId": parameters["name"]}
        if operation == "DescribeQueryDefinitions":
            known = [{"name": name, "queryDefinitionId": f"id of {name}"} for name in queries]
            return {"queryDefinitions": known}
        return real(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    monkeypatch.chdir(ROOT)
    for _ in range(2):
        exec(compile(program, "watch-in-cloudwatch.md", "exec"), {})  # noqa: S102
    cloudwatch = boto3.client("cloudwatch", region_name="eu-central-1")
    pages = cloudwatch.get_paginator("describe_alarms").paginate()
    alarms = [each for page in pages for each in page["MetricAlarms"]]
    names = [each["AlarmName"] for each in alarms]
    assert len(names) == len(set(names)) >= 25
    assert "HeadgateNoEndpoint-headgate-default" in names
    body = cloudwatch.get_dashboard(DashboardName="headgate")["DashboardBody"]
    assert "${" not in body.replace("${PROP(", "")
    assert queries["headgate/headgate/failures"]["logGroupNames"] == [VALUES["log_group"]]
    assert all(each["queryDefinitionId"] == f"id of {name}" for name, each in queries.items())
