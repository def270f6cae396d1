"""An upstream that is named by one URL and does not move."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from headgate.config import Upstream
from headgate.model import Endpoint

# MLflow's default Host check lets these through, and no name but localhost
# (mlflow/server/fastapi_security.py).
_ACCEPTED = tuple(
    ipaddress.ip_network(block)
    for block in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "::1")
)


def endpoint_of(settings: Upstream) -> Endpoint:
    """The endpoint that the URL names; without a port, at the one of its scheme."""
    parts = urlsplit(settings.url)
    return Endpoint(parts.hostname or "", parts.port or (443 if settings.is_https else 80))


def host_header(settings: Upstream, endpoint: Endpoint) -> str:
    """The ``Host`` to send, as ``host_header`` in the settings chooses it.

    May ask the system's resolver, and so block; a name that does not resolve now is sent as it is.
    """
    choice = settings.host_header
    if choice not in ("auto", "name", "address"):
        return choice
    if choice == "name" or endpoint.host == "localhost":
        return str(endpoint)
    address = _address_of(endpoint)
    if address is None:
        return str(endpoint)
    accepted = any(ipaddress.ip_address(address) in network for network in _ACCEPTED)
    return (
        str(Endpoint(address, endpoint.port)) if accepted or choice == "address" else str(endpoint)
    )


def authorities_of(endpoint: Endpoint, host: str) -> frozenset[str]:
    """The names (``host:port``, lower case) under which the endpoint is known inside.

    ``host`` is the ``Host`` it is sent, from which MLflow makes its absolute URLs.
    """
    sent = host.lower()
    has_port = ":" in sent.rpartition("]")[2]
    names = {str(endpoint).lower(), *([sent] if has_port else [f"{sent}:80", f"{sent}:443"])}
    address = _address_of(endpoint)
    if address is not None:
        names.add(str(Endpoint(address, endpoint.port)))
    if endpoint.host in ("localhost", "127.0.0.1", "::1"):
        names |= {f"{name}:{endpoint.port}" for name in ("localhost", "127.0.0.1", "[::1]")}
    return frozenset(names)


def _address_of(endpoint: Endpoint) -> str | None:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError:
        return None
    return str(found[0][4][0])
