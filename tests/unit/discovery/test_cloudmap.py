"""Instances of Cloud Map, as a client that never leaves the process tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from botocore import exceptions

from headgate.cluster import Found
from headgate.discovery.cloudmap import CloudMapDiscovery, cloudmap_client
from headgate.symptoms import DiscoveryFailure


def coded(code: str) -> exceptions.ClientError:
    """An error that AWS responds with."""
    return exceptions.ClientError({"Error": {"Code": code, "Message": "no"}}, "DiscoverInstances")


class Client:
    """Answers with the same instances each time."""

    def __init__(self, *instances: Mapping[str, Any]) -> None:
        self._instances = instances

    def discover_instances(self, **_parameters: Any) -> Mapping[str, Any]:
        return {"Instances": self._instances}

    def discover_instances_revision(self, **_parameters: Any) -> Mapping[str, Any]:
        return {"InstancesRevision": 1}


class First:
    """Takes the first thing that is said."""

    def __init__(self) -> None:
        self.failure: DiscoveryFailure | None = None
        self.said: asyncio.Future[list[Found] | str] = asyncio.get_running_loop().create_future()

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        self.said.set_result(list(found))

    def failed(self, source: str, failure: DiscoveryFailure, detail: str) -> None:
        self.said.set_result(detail)
        self.failure = failure


def first_report(*instances: Mapping[str, Any], link_local: bool = False) -> list[Found] | str:
    async def story() -> list[Found] | str:
        adapter = CloudMapDiscovery(
            Client(*instances), "ml", "mlflow", 5000, {}, allow_link_local=link_local
        )
        report = First()
        running = asyncio.get_running_loop().create_task(adapter.run(report))
        try:
            async with asyncio.timeout(10):
                return await report.said
        finally:
            running.cancel()

    return asyncio.run(story())


class Failing(Client):
    """Raises the same exception each time."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def discover_instances_revision(self, **_parameters: Any) -> Mapping[str, Any]:
        raise self._error


def failure_of(error: Exception) -> DiscoveryFailure | None:
    """What an exception of boto3's is taken for."""
    _, errors = cloudmap_client("http://127.0.0.1:1")

    async def story() -> DiscoveryFailure | None:
        report = First()
        adapter = CloudMapDiscovery(Failing(error), "ml", "mlflow", 5000, errors)
        running = asyncio.get_running_loop().create_task(adapter.run(report))
        try:
            async with asyncio.timeout(10):
                await report.said
        finally:
            running.cancel()
        return report.failure

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (coded("NamespaceNotFound"), DiscoveryFailure.SERVICE_UNKNOWN),
        (coded("ServiceNotFound"), DiscoveryFailure.SERVICE_UNKNOWN),
        (coded("AccessDeniedException"), DiscoveryFailure.ACCESS_DENIED),
        (coded("ExpiredTokenException"), DiscoveryFailure.CREDENTIALS_REFUSED),
        (coded("UnrecognizedClientException"), DiscoveryFailure.CREDENTIALS_REFUSED),
        (coded("ThrottlingException"), DiscoveryFailure.THROTTLED),
        (coded("RequestLimitExceeded"), DiscoveryFailure.THROTTLED),
        (coded("InternalFailure"), DiscoveryFailure.OTHER),
        (exceptions.NoCredentialsError(), DiscoveryFailure.NO_CREDENTIALS),
        (
            exceptions.PartialCredentialsError(provider="env", cred_var="x"),
            DiscoveryFailure.NO_CREDENTIALS,
        ),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://x"),
            DiscoveryFailure.API_UNREACHABLE,
        ),
        (exceptions.ConnectTimeoutError(endpoint_url="x"), DiscoveryFailure.API_UNREACHABLE),
        (exceptions.ReadTimeoutError(endpoint_url="x"), DiscoveryFailure.API_UNREACHABLE),
        (exceptions.DataNotFoundError(data_path="x"), DiscoveryFailure.OTHER),
    ],
)
def test_each_error_of_aws_has_its_kind(
    error: Exception, failure: DiscoveryFailure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert failure_of(error) is failure


def found_of(*instances: Mapping[str, Any]) -> list[Found]:
    said = first_report(*instances)
    assert isinstance(said, list)
    return said


def instance(address: str, **more: str) -> Mapping[str, Any]:
    name = "AWS_INSTANCE_IPV6" if ":" in address else "AWS_INSTANCE_IPV4"
    return {"Attributes": {name: address, **more}, "HealthStatus": "HEALTHY"}


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254"]
)
def test_a_metadata_address_is_refused_unless_allowed(address: str) -> None:
    said = first_report(instance(address))
    assert isinstance(said, str)
    assert "link-local: refused" in said
    (found,) = found_of(instance(address), instance("10.0.0.1"))
    assert found.endpoint.host == "10.0.0.1"
    assert len(first_report(instance(address), link_local=True)) == 1


def test_port_zone_and_health_are_taken_from_the_instance() -> None:
    more = {"AWS_INSTANCE_PORT": "5001", "AVAILABILITY_ZONE": "eu-central-1a"}
    (found,) = found_of(instance("10.0.0.1", **more))
    assert (str(found.endpoint), found.zone, found.healthy) == (
        "10.0.0.1:5001",
        "eu-central-1a",
        True,
    )


def test_no_instance_at_all() -> None:
    assert first_report() == "no healthy instance is registered"
