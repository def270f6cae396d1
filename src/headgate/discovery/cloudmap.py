"""Endpoints registered in AWS Cloud Map, as ECS service discovery registers its tasks.

``DiscoverInstancesRevision`` is cheap and changes with registrations, but not with health, so the
whole list is asked for every ``LIST_SECONDS`` as well.  boto3 blocks, and runs in a thread.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Mapping
from typing import Any, Final, Protocol

from headgate.cluster import Found
from headgate.discovery.pause import Pause
from headgate.discovery.report import DiscoveryError, Report, is_forbidden
from headgate.errors import HeadgateError
from headgate.model import Endpoint
from headgate.net.addresses import is_address
from headgate.symptoms import DiscoveryFailure

REVISION_SECONDS = 2.0
LIST_SECONDS = 12.0
MAX_RESULTS = 1000
DEFAULT_PORT = 5000
# The codes of the two calls' errors, and those that AWS has for every API
# (docs.aws.amazon.com/cloud-map/latest/api/CommonErrors.html).
_CODES: Final[Mapping[str, DiscoveryFailure]] = {
    "NamespaceNotFound": DiscoveryFailure.SERVICE_UNKNOWN,
    "ServiceNotFound": DiscoveryFailure.SERVICE_UNKNOWN,
    "AccessDenied": DiscoveryFailure.ACCESS_DENIED,
    "AccessDeniedException": DiscoveryFailure.ACCESS_DENIED,
    "NotAuthorized": DiscoveryFailure.ACCESS_DENIED,
    "UnauthorizedOperation": DiscoveryFailure.ACCESS_DENIED,
    "ExpiredToken": DiscoveryFailure.CREDENTIALS_REFUSED,
    "ExpiredTokenException": DiscoveryFailure.CREDENTIALS_REFUSED,
    "IncompleteSignature": DiscoveryFailure.CREDENTIALS_REFUSED,
    "InvalidClientTokenId": DiscoveryFailure.CREDENTIALS_REFUSED,
    "InvalidSignatureException": DiscoveryFailure.CREDENTIALS_REFUSED,
    "RequestExpired": DiscoveryFailure.CREDENTIALS_REFUSED,
    "SignatureDoesNotMatch": DiscoveryFailure.CREDENTIALS_REFUSED,
    "UnrecognizedClientException": DiscoveryFailure.CREDENTIALS_REFUSED,
    "MissingAuthenticationToken": DiscoveryFailure.NO_CREDENTIALS,
    "MissingAuthenticationTokenException": DiscoveryFailure.NO_CREDENTIALS,
    "RequestLimitExceeded": DiscoveryFailure.THROTTLED,
    "Throttling": DiscoveryFailure.THROTTLED,
    "ThrottlingException": DiscoveryFailure.THROTTLED,
    "ThrottledException": DiscoveryFailure.THROTTLED,
    "TooManyRequestsException": DiscoveryFailure.THROTTLED,
}


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
        errors: the exceptions that the client raises, each with what it means; the first that
            fits counts.  Errors with a code mean what the code does.
    """

    def __init__(
        self,
        client: CloudMapClient,
        namespace: str,
        service: str,
        port: int,
        errors: Mapping[type[Exception], DiscoveryFailure],
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
                        failure = DiscoveryFailure.NO_INSTANCE
                        report.failed(self._source, failure, "no healthy instance is registered")
            except DiscoveryError as error:
                report.failed(self._source, error.failure, error.detail)
            except tuple(self._errors) as error:
                report.failed(self._source, self._failure_of(error), _clause(error))
                listed = float("-inf")  # the first response after it is reported immediately
            if await self._pause.wait(REVISION_SECONDS * (1 + 0.2 * random.random())):  # noqa: S311
                listed = float("-inf")  # health may have changed, which moves no revision

    def _failure_of(self, error: Exception) -> DiscoveryFailure:
        code = _error_of(error).get("Code", "")
        if code in _CODES:
            return _CODES[code]
        kinds = (failure for kind, failure in self._errors.items() if isinstance(error, kind))
        return next(kinds, DiscoveryFailure.OTHER)

    def _revision(self) -> object:
        return self._client.discover_instances_revision(**self._names).get("InstancesRevision")

    def _list(self) -> list[Found]:
        # Fails open as DNS does: when none is healthy, all are named.
        response = self._client.discover_instances(
            **self._names, MaxResults=MAX_RESULTS, HealthStatus="HEALTHY_OR_ELSE_ALL"
        )
        instances = response.get("Instances", ())
        found = [each for each in map(self._endpoint, instances) if each is not None]
        if instances and not found:
            raise DiscoveryError(
                DiscoveryFailure.SPECIAL_ADDRESS,
                "no instance has an address and a port that may be used (link-local: refused)",
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
) -> tuple[CloudMapClient, Mapping[type[Exception], DiscoveryFailure]]:
    """boto3's client, and what the exceptions that it raises mean.

    Credentials and region are boto3's own.

    ``endpoint_url`` is for a stand-in of AWS.

    Raises:
        HeadgateError: boto3 is not installed, or no region is configured.
    """
    try:
        import boto3  # noqa: PLC0415 - an extra: only gates that use Cloud Map have it
        from botocore import exceptions  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
    except ImportError:
        raise HeadgateError(
            "cloudmap:// needs boto3, which is not installed: pip install 'headgate[aws]'"
        ) from None
    settings = Config(
        # A call that hangs is soon made again, and holds up the end of the gate no longer.
        connect_timeout=2,
        read_timeout=2,
        retries={"total_max_attempts": 2, "mode": "standard"},
        # A stand-in listens at its own address, not at data-<address>.
        inject_host_prefix=endpoint_url is None,
    )
    try:
        client = boto3.client("servicediscovery", endpoint_url=endpoint_url, config=settings)
    except (exceptions.BotoCoreError, ValueError) as error:
        raise HeadgateError(f"AWS Cloud Map cannot be asked: {error}") from error
    return client, {
        exceptions.NoCredentialsError: DiscoveryFailure.NO_CREDENTIALS,
        exceptions.PartialCredentialsError: DiscoveryFailure.NO_CREDENTIALS,
        exceptions.CredentialRetrievalError: DiscoveryFailure.NO_CREDENTIALS,
        exceptions.TokenRetrievalError: DiscoveryFailure.NO_CREDENTIALS,
        exceptions.SSOError: DiscoveryFailure.NO_CREDENTIALS,
        exceptions.ConnectionError: DiscoveryFailure.API_UNREACHABLE,
        exceptions.HTTPClientError: DiscoveryFailure.API_UNREACHABLE,
        exceptions.BotoCoreError: DiscoveryFailure.OTHER,
        exceptions.ClientError: DiscoveryFailure.OTHER,
    }


def _clause(error: Exception) -> str:
    details = _error_of(error)
    if details:
        return f"{details.get('Code', 'error')}: {details.get('Message', '')}".rstrip(": ")
    return str(error) or type(error).__name__


def _error_of(error: Exception) -> Mapping[str, str]:
    """The code and the message of an error that AWS responded with; empty for any other."""
    response = getattr(error, "response", None)
    details = response.get("Error", {}) if isinstance(response, Mapping) else {}
    return details if isinstance(details, Mapping) else {}
