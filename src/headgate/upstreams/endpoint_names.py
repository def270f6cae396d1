"""The names of an upstream's endpoints: for MLflow, in certificates, and inside."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from headgate.cluster import Found
from headgate.config import Upstream
from headgate.model import Endpoint

# MLflow's default Host check lets these through, and no name but localhost
# (mlflow/server/fastapi_security.py).
_ACCEPTED = tuple(
    ipaddress.ip_network(block)
    for block in ("127.0.0.1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "::1")
)


class EndpointNames:
    """Which name led to each endpoint, and what follows from it.

    Args:
        settings: those of the upstream.
    """

    def __init__(self, settings: Upstream) -> None:
        self._settings = settings
        self._names: dict[str, dict[Endpoint, str]] = {}

    def learn(self, found: Sequence[Found], source: str) -> None:
        """Take the names that a source of discovery gives now, in place of those it gave before."""
        if found:  # else those that were named last still count, by their names
            self._names[source] = {each.endpoint: each.name for each in found if each.name}

    def name_of(self, endpoint: Endpoint) -> str:
        """The name, perhaps with a port, that led to the endpoint; else the endpoint itself."""
        names = (found[endpoint] for found in self._names.values() if endpoint in found)
        return next(names, str(endpoint))

    def host_header(self, endpoint: Endpoint) -> str:
        """The ``Host`` to send to an endpoint."""
        return host_header(self._settings, endpoint, self.name_of(endpoint))

    def tls_name(self, endpoint: Endpoint) -> str:
        """The name that the endpoint's certificate must bear."""
        fixed = self._settings.tls.server_name
        return fixed or urlsplit(f"//{self.name_of(endpoint)}").hostname or endpoint.host

    def authorities(self) -> frozenset[str]:
        """The names (``host:port``, lower case) in the URLs, which no client may be shown."""
        return frozenset(
            name for url in self._settings.urls for name in _with_port(urlsplit(url).netloc.lower())
        )


def host_header(settings: Upstream, endpoint: Endpoint, name: str) -> str:
    """The ``Host`` to send to an endpoint, as ``host_header`` in the settings chooses it.

    ``name`` is what led to the endpoint.
    """
    choice = settings.host_header
    if choice not in ("auto", "name", "address"):
        return choice
    if choice == "name":
        return name
    address = ipaddress.ip_address(endpoint.host)
    accepted = any(address in network for network in _ACCEPTED)
    return str(endpoint) if accepted or choice == "address" else name


def authorities_of(endpoint: Endpoint, host: str) -> frozenset[str]:
    """The names (``host:port``, lower case) under which an endpoint is known inside.

    ``host`` is the ``Host`` it is sent, from which MLflow makes its absolute URLs.
    """
    names = {str(endpoint).lower(), *_with_port(host.lower())}
    if endpoint.host in ("127.0.0.1", "::1"):
        names |= {f"{name}:{endpoint.port}" for name in ("localhost", "127.0.0.1", "[::1]")}
    return frozenset(names)


def _with_port(authority: str) -> list[str]:
    has_port = ":" in authority.rpartition("]")[2]
    return [authority] if has_port else [f"{authority}:80", f"{authority}:443"]
