"""A Cloud Map that is oddly filled, or cannot be asked: what it becomes, what is reported."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import boto3
import pytest

from headgate.config import Upstream
from headgate.discovery import discovery_for
from headgate.discovery.cloudmap import MAX_RESULTS
from headgate.errors import HeadgateError
from tests.support.adapters import Reports, watch
from tests.support.cloud_map import CloudMap, CloudMapService
from tests.support.gate import create_key, running_gate
from tests.support.ports import free_port

ENDPOINT = "AWS_ENDPOINT_URL_SERVICEDISCOVERY"
READ = "/api/2.0/mlflow/runs/get"


@pytest.fixture
def service(cloud_map: CloudMap, request: pytest.FixtureRequest) -> CloudMapService:
    """A service of the test's own, in a namespace of the test's own."""
    return cloud_map.create_service(namespace_of(request), "mlflow")


def namespace_of(request: pytest.FixtureRequest) -> str:
    return "".join(each for each in request.node.name if each.isalnum())[-60:]


def first_report(url: str, **settings: object) -> set[str] | str:
    """The first thing that is said."""
    (adapter,) = discovery_for(Upstream.model_validate({"url": url, **settings}))
    said: list[set[str] | str] = []

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets or reports.errors))
        said.append(reports.sets[0][0] if reports.sets else reports.errors[0])

    watch(adapter, story)
    return said[0]


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return f"cloudmap://{namespace_of(request)}/mlflow"


def put(service: CloudMapService, name: str, **attributes: str) -> None:
    """Register an instance with these attributes alone."""
    service.client.register_instance(
        ServiceId=service.service,
        InstanceId=name,
        Attributes={f"AWS_INSTANCE_{key}": value for key, value in attributes.items()},
    )


def test_an_instance_without_a_port_is_at_that_of_the_url(
    service: CloudMapService, url: str
) -> None:
    put(service, "one", IPV4="10.0.0.1")
    put(service, "two", IPV4="10.0.0.2", PORT="5001")
    assert first_report(url) == {"10.0.0.1:5000", "10.0.0.2:5001"}
    assert first_report(f"{url}?port=8080") == {"10.0.0.1:8080", "10.0.0.2:5001"}


@pytest.mark.parametrize("port", ["0", "65536", "70000", "http", "-1", "5000.0"])
def test_a_port_that_is_none_leaves_its_instance_out(
    service: CloudMapService, url: str, port: str
) -> None:
    """Rather than send requests to another one: 70000 would wrap around to 4464."""
    put(service, "bad", IPV4="10.0.0.1", PORT=port)
    said = first_report(url)
    assert isinstance(said, str)
    assert "an address and a port that may be used" in said
    put(service, "good", IPV4="10.0.0.2", PORT="5001")
    assert first_report(url) == {"10.0.0.2:5001"}


def test_ipv6_and_instances_without_an_address(service: CloudMapService, url: str) -> None:
    put(service, "six", IPV6="FD00:0:0::1")
    put(service, "again", IPV6="fd00::1")
    put(service, "name", CNAME="mlflow.example.test")
    put(service, "either", IPV4="169.254.1.1", IPV6="fd00::2")
    assert first_report(url) == {"[fd00::1]:5000", "[fd00::2]:5000"}


def test_ill_instances_are_left_out_unless_all_are(service: CloudMapService, url: str) -> None:
    for last in (1, 2, 3):
        put(service, str(last), IPV4=f"10.0.0.{last}")
    service.set_health("1", healthy=False)
    assert first_report(url) == {"10.0.0.2:5000", "10.0.0.3:5000"}
    for last in (2, 3):
        service.set_health(str(last), healthy=False)
    assert first_report(url) == {"10.0.0.1:5000", "10.0.0.2:5000", "10.0.0.3:5000"}


def test_more_instances_than_one_response_holds_by_default(
    service: CloudMapService, url: str
) -> None:
    """Of which there are 100; ECS registers up to 1,000 tasks of a service."""
    every = {f"10.0.1.{last}:5000" for last in range(1, 151)}
    for each in every:
        put(service, each.replace(":", "-"), IPV4=each.partition(":")[0])
    assert first_report(url) == every
    assert MAX_RESULTS == 1000


@pytest.mark.parametrize(
    "code", ["ExpiredTokenException", "UnrecognizedClientException", "AccessDeniedException"]
)
def test_credentials_that_aws_does_not_take_are_reported(
    cloud_map: CloudMap, service: CloudMapService, url: str, code: str
) -> None:
    cloud_map.throttled = code
    try:
        said = first_report(url)
    finally:
        cloud_map.throttled = None
    assert isinstance(said, str)
    assert said.startswith(code)


def test_credentials_that_are_not_there_are_reported(
    cloud_map: CloudMap, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers credentials
    assert first_report(url) == "Unable to locate credentials"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AWS_DEFAULT_REGION", None, "You must specify a region"),
        ("AWS_DEFAULT_REGION", "eu central", "region"),
        (ENDPOINT, "nonsense", "Invalid endpoint"),
    ],
)
def test_what_makes_it_impossible_to_ask_is_reported_at_the_start(
    cloud_map: CloudMap,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    value: str | None,
    told: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(HeadgateError, match=told):
        first_report(url)


def test_an_api_that_cannot_be_reached_is_reported_to_clients(
    cloud_map: CloudMap, tmp_path: Path
) -> None:
    """With the reason and the time to come back."""
    key = create_key(tmp_path / "data", "client")
    settings = cloud_map.environment | {ENDPOINT: f"http://127.0.0.1:{free_port()}"}
    with running_gate(tmp_path, "cloudmap://ml/mlflow", settings) as gate:
        response = gate.ask("GET", READ, key=key)
        assert (response.status, response.get("X-Headgate-Reason")) == (503, "no_endpoint")
        assert response.get("Retry-After") == "2"
        message = json.loads(response.body)["message"]
        assert "Cloud Map ml/mlflow: Could not connect to the endpoint URL" in message


def test_an_api_that_hangs_is_reported_and_does_not_hold_up_the_end(
    cloud_map: CloudMap, tmp_path: Path
) -> None:
    key = create_key(tmp_path / "data", "client")
    with socket.create_server(("127.0.0.1", 0)) as hole:
        settings = cloud_map.environment | {ENDPOINT: f"http://127.0.0.1:{hole.getsockname()[1]}"}
        with running_gate(tmp_path, "cloudmap://ml/mlflow", settings) as gate:

            def told() -> bool | None:
                message = json.loads(gate.ask("GET", READ, key=key).body)["message"]
                return "Read timeout on endpoint URL" in message or None

            gate.process.wait_until(told, "the reason", 20)
