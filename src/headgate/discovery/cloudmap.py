"""Endpoints registered in AWS Cloud Map, as ECS service discovery registers its tasks.

``DiscoverInstancesRevision`` is cheap and tells of registrations; changes of health do not move
it, so the whole list is asked for every now and then as well.  boto3 blocks, and runs in a thread.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Mapping
from typing import Any, Protocol

from headgate.cluster import Found
from headgate.discovery.pause import Pause
from headgate.discovery.report import Report, is_forbidden
from headgate.errors import HeadgateError
from headgate.model import Endpoint
from headgate.net.addresses import is_address

REVISION_SECONDS = 2.0
LIST_SECONDS = 12.0
MAX_RESULTS = 1000
DEFAULT_PORT = 5000


class CloudMapClient(Protocol):
    """The two calls that are used of boto3's ``servicediscovery`` client."""

    def discover_instances(self, **parameters: Any) -> Mapping[str, Any]:
        """``DiscoverInstances``."""

    def discover_instances_revision(self, **parameters: Any) -> Mapping[str, Any]:
        """``DiscoverInstancesRevision``."""


class CloudMapDiscovery:
    """The instances of one Cloud Map service.

    Args:
        client: ``cloudmap_client`` makes one.
        namespace: Cloud Map's HTTP or DNS namespace.
        service: the service in it.
        port: of instances that are registered without one (``AWS_INSTANCE_PORT``).
        errors: the exceptions that the client raises.
    """

    def __init__(
        self,
        client: CloudMapClient,
        namespace: str,
        service: str,
        port: int,
        errors: tuple[type[Exception], ...],
        *,
        allow_link_local: bool = False,
    ) -> None:
        self._client = client
        self._names = {"NamespaceName": namespace, "ServiceName": service}
        self._port = port
        self._errors = errors
        self._allow_link_local = allow_link_local
        self._source = f"Cloud Map {namespace}/{service}"
        self._pause = Pause()

    def refresh_now(self) -> None:
        """See ``Discovery``."""
        self._pause.end()

    async def run(self, report: Report) -> None:
        """See ``Discovery``."""
        loop = asyncio.get_running_loop()
        revision: object = None
        listed = float("-inf")
        while True:
            try:
                seen = await asyncio.to_thread(self._revision)
                if seen != revision or loop.time() - listed >= LIST_SECONDS:
                    found = await asyncio.to_thread(self._list)
                    revision, listed = seen, loop.time()
                    if found:
                        report.found(found, self._source, LIST_SECONDS)
                    else:
                        report.failed(self._source, "no healthy instance is registered")
            except LookupError as error:
                report.failed(self._source, str(error))
            except self._errors as error:
                report.failed(self._source, _clause(error))
                listed = float("-inf")  # that it answers again is told at once
            if await self._pause.wait(REVISION_SECONDS * (1 + 0.2 * random.random())):  # noqa: S311
                listed = float("-inf")  # health may have changed, which moves no revision

    def _revision(self) -> object:
        return self._client.discover_instances_revision(**self._names).get("InstancesRevision")

    def _list(self) -> list[Found]:
        # Fails open as DNS does: when none is healthy, all are named.
        answer = self._client.discover_instances(
            **self._names, MaxResults=MAX_RESULTS, HealthStatus="HEALTHY_OR_ELSE_ALL"
        )
        instances = answer.get("Instances", ())
        found = [each for each in map(self._endpoint, instances) if each is not None]
        if instances and not found:
            raise LookupError(
                "no instance has an address and a port that may be used (link-local: refused)"
            )
        return found

    def _is_allowed(self, address: str) -> bool:
        return is_address(address) and (self._allow_link_local or not is_forbidden(address))

    def _endpoint(self, instance: Mapping[str, Any]) -> Found | None:
        attributes = instance.get("Attributes", {})
        written = (attributes.get(f"AWS_INSTANCE_{kind}", "") for kind in ("IPV4", "IPV6"))
        address = next(filter(self._is_allowed, written), None)
        port = attributes.get("AWS_INSTANCE_PORT")
        if address is None or (port is not None and not is_port(port)):
            return None
        endpoint = Endpoint(
            str(ipaddress.ip_address(address)), self._port if port is None else int(port)
        )
        health = {"HEALTHY": True, "UNHEALTHY": False}.get(instance.get("HealthStatus", ""))
        return Found(endpoint, attributes.get("AVAILABILITY_ZONE"), health)


def is_port(text: str) -> bool:
    """Whether a text names a port that can be connected to."""
    return text.isascii() and text.isdecimal() and 0 < int(text) < 65536


def cloudmap_client(
    endpoint_url: str | None = None,
) -> tuple[CloudMapClient, tuple[type[Exception], ...]]:
    """boto3's client, and the exceptions it raises; credentials and region are boto3's own.

    ``endpoint_url`` is for a stand-in of AWS.

    Raises:
        HeadgateError: boto3 is not installed, or no region is configured.
    """
    try:
        import boto3  # noqa: PLC0415 - an extra: only who uses Cloud Map has it
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    except ImportError:
        raise HeadgateError(
            "cloudmap:// needs boto3, which is not installed: pip install 'headgate[aws]'"
        ) from None
    settings = Config(
        # A call that hangs is soon made again, and holds up the end of the gate no longer.
        connect_timeout=2,
        read_timeout=2,
        retries={"total_max_attempts": 2, "mode": "standard"},
        # A stand-in answers at its own address, not at data-<address>.
        inject_host_prefix=endpoint_url is None,
    )
    try:
        client = boto3.client("servicediscovery", endpoint_url=endpoint_url, config=settings)
    except (BotoCoreError, ValueError) as error:
        raise HeadgateError(f"AWS Cloud Map cannot be asked: {error}") from error
    return client, (BotoCoreError, ClientError)


def _clause(error: Exception) -> str:
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        details = response.get("Error", {})
        return f"{details.get('Code', 'error')}: {details.get('Message', '')}".rstrip(": ")
    return str(error) or type(error).__name__
