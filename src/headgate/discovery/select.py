"""Which adapter an upstream's URL asks for."""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

from headgate.cluster import Found
from headgate.config import Upstream
from headgate.discovery.cloudmap import DEFAULT_PORT, CloudMapDiscovery, cloudmap_client
from headgate.discovery.dns import DnsDiscovery
from headgate.discovery.dns_addresses import Addresses
from headgate.discovery.dns_resolver import resolver_for
from headgate.discovery.dns_srv import SrvDiscovery
from headgate.discovery.report import Discovery
from headgate.discovery.static import StaticDiscovery
from headgate.events import Emit, discard
from headgate.model import Endpoint
from headgate.net.addresses import is_address

CLOUDMAP_ENDPOINT = "AWS_ENDPOINT_URL_SERVICEDISCOVERY"
"""boto3's own variable for another address of the API, as a stand-in has."""


def discovery_for(settings: Upstream, emit: Emit = discard) -> list[Discovery]:
    """The adapters that find the endpoints of one upstream.

    Raises:
        HeadgateError: when an adapter lacks what it needs.
    """
    fixed: list[Found] = []
    adapters: list[Discovery] = []
    hosts_file = settings.resolver is None  # a resolver that is named is the only one that counts
    link_local = settings.allow_link_local
    for url in settings.urls:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if settings.is_https else 80)
        if parts.scheme == "cloudmap":
            adapters.append(_cloudmap(settings, host, parts.path.strip("/"), parts.query))
        elif parts.scheme.startswith("srv+"):
            adapters.append(
                SrvDiscovery(
                    host,
                    resolver_for(settings.resolver, emit),
                    hosts_file=hosts_file,
                    allow_link_local=link_local,
                    emit=emit,
                )
            )
        elif host == "localhost":
            fixed.append(Found(Endpoint("127.0.0.1", port), name=parts.netloc))
        elif is_address(host):
            fixed.append(Found(Endpoint(host, port), name=parts.netloc))
        else:
            addresses = Addresses(
                host,
                resolver_for(settings.resolver, emit),
                hosts_file=hosts_file,
                allow_link_local=link_local,
                emit=emit,
            )
            adapters.append(DnsDiscovery(addresses, parts.netloc, port))
    if fixed:
        adapters.append(StaticDiscovery(fixed))
    return adapters


def _cloudmap(settings: Upstream, namespace: str, service: str, query: str) -> Discovery:
    client, errors = cloudmap_client(os.environ.get(CLOUDMAP_ENDPOINT))
    port = int(parse_qs(query).get("port", [str(DEFAULT_PORT)])[0])
    return CloudMapDiscovery(
        client, namespace, service, port, errors, allow_link_local=settings.allow_link_local
    )
