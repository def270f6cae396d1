"""All servers are replaced together: what clients receive, and how soon it is over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.discovery.cloudmap import LIST_SECONDS
from tests.support.cloud_map import running_cloud_map
from tests.support.endpoints import Endpoints, running_endpoints
from tests.support.gate import Gate, create_key, running_gate
from tests.support.scripted_dns import ScriptedDns

UPSTREAM = "HEADGATE_UPSTREAMS__DEFAULT__"
NAME = "mlflow.internal.test"
OLD = ("127.0.0.2", "127.0.0.3")
NEW = "127.0.0.4"
READ = "/api/2.0/mlflow/runs/get"
CREATE = "/api/2.0/mlflow/runs/create"
JSON = "Content-Type: application/json"
TTL = 30
"""Seconds; without a question before its time, the next one would come then."""
SECONDS = 20.0


@pytest.fixture
def endpoints() -> Iterator[Endpoints]:
    with running_endpoints((*OLD, NEW)) as running:
        yield running


def refused_then_served(gate: Gate, key: str) -> float:
    """Clients come back until they are served; the seconds from the first refusal on."""
    began = time.monotonic()
    response = gate.ask("POST", CREATE, JSON, key=key, body=b"{}")
    assert (response.status, response.get("X-Headgate-Reason")) == (503, "upstream_connect")
    assert response.get("Retry-After") == "2"
    message = json.loads(response.body)["message"]
    assert "could not reach the MLflow server" in message
    assert "Nothing was sent" in message
    gate.process.wait_until(
        lambda: gate.ask("GET", READ, key=key).status == 200 or None, "a new server", SECONDS
    )
    return time.monotonic() - began


def test_dns_is_asked_before_the_ttl_is_over(endpoints: Endpoints, tmp_path: Path) -> None:
    key = create_key(tmp_path / "data", "client")
    with ScriptedDns() as names:
        names.set(NAME, "A", *OLD, ttl=TTL)
        settings = {f"{UPSTREAM}RESOLVER": names.address}
        with running_gate(tmp_path, f"http://{NAME}:{endpoints.port}", settings) as gate:
            assert gate.ask("GET", READ, key=key).status == 200
            asked = names.questions.count((NAME, "A"))
            names.set(NAME, "A", NEW, ttl=TTL)
            endpoints.fail(*OLD)
            assert refused_then_served(gate, key) < SECONDS < TTL
            assert names.questions.count((NAME, "A")) > asked
    assert endpoints.counts()[NEW] == 1


def test_it_is_asked_no_more_than_once_a_second(endpoints: Endpoints, tmp_path: Path) -> None:
    """However many clients come back, and though its response stays what it was."""
    key = create_key(tmp_path / "data", "client")
    with ScriptedDns() as names:
        names.set(NAME, "A", *OLD, ttl=TTL)
        settings = {f"{UPSTREAM}RESOLVER": names.address}
        with running_gate(tmp_path, f"http://{NAME}:{endpoints.port}", settings) as gate:
            endpoints.fail(*OLD)
            began = time.monotonic()
            refused = 0
            while names.questions.count((NAME, "A")) < 4:
                assert gate.ask("GET", READ, key=key).status == 503
                refused += 1
                assert time.monotonic() - began < SECONDS
            assert time.monotonic() - began > 2
            assert refused > 4


def test_one_server_that_answers_is_enough_to_wait(endpoints: Endpoints, tmp_path: Path) -> None:
    key = create_key(tmp_path / "data", "client")
    with ScriptedDns() as names:
        names.set(NAME, "A", *OLD, ttl=TTL)
        settings = {f"{UPSTREAM}RESOLVER": names.address}
        with running_gate(tmp_path, f"http://{NAME}:{endpoints.port}", settings) as gate:
            endpoints.fail(OLD[0])

            def ejected() -> bool | None:
                assert gate.ask("GET", READ, key=key).status == 200
                return "endpoint_ejected" in gate.process.errors.read_text() or None

            gate.process.wait_until(ejected, "the ejection of one", SECONDS)
            for _ in range(20):
                assert gate.ask("GET", READ, key=key).status == 200
            assert names.questions.count((NAME, "A")) == 1


def test_cloud_map_is_asked_for_its_whole_list(endpoints: Endpoints, tmp_path: Path) -> None:
    """Whose health has changed shows in no revision, but in the list every 12 seconds."""
    key = create_key(tmp_path / "data", "client")
    with running_cloud_map() as cloud_map:
        service = cloud_map.create_service("ml", "mlflow")
        for host in (*OLD, NEW):
            service.register(host, host, endpoints.port)
        service.set_health(NEW, healthy=False)
        with running_gate(tmp_path, "cloudmap://ml/mlflow", cloud_map.environment) as gate:
            assert gate.ask("GET", READ, key=key).status == 200
            endpoints.fail(*OLD)
            service.set_health(NEW, healthy=True)
            for host in OLD:
                service.set_health(host, healthy=False)
            assert refused_then_served(gate, key) < LIST_SECONDS / 2
    assert endpoints.counts()[NEW] == 1
