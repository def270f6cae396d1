"""What an IP address in the configuration, or in an answer of discovery, may be."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
DNS_PORT = 53

# Where clouds serve metadata and credentials, as far as that is not link-local anyway.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google Cloud
        "fd00:c1::a9fe:a9fe",  # Oracle Cloud
        "192.0.0.192",  # Oracle Cloud
        "168.63.129.16",  # Azure
        "100.100.100.200",  # Alibaba Cloud
    )
)
# Where an IPv6 address ends with the IPv4 address that it leads to.
_CARRIERS = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # NAT64 of a network's own (RFC 8215)
        "::/96",  # compatible with IPv4 (RFC 4291)
        "::ffff:0:0:0/96",  # translated (RFC 2765)
    )
)


def is_forbidden(address: str) -> bool:
    """Whether an address is link-local or a cloud's metadata service, and so never MLflow.

    An IPv4 address counts in each form in which IPv6 carries it; what is no address is forbidden,
    and so is 0.0.0.0, which name servers answer for what they block and which leads back here.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return True
    return any(
        each.is_link_local or each.is_multicast or each.is_unspecified or each in _METADATA
        for each in (parsed, *_carried(parsed))
    )


def _carried(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    if any(address in network for network in _CARRIERS):
        return [ipaddress.IPv4Address(address.packed[-4:])]
    found = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
    return [each for each in found if each is not None]


def is_unspecified(address: str) -> bool:
    """Whether it is 0.0.0.0 or ::, where a server listens on everything."""
    return is_address(address) and ipaddress.ip_address(address).is_unspecified


def is_address(host: str) -> bool:
    """Whether a host is written as an IP address, without brackets."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def name_server(value: str) -> tuple[str, int]:
    """The address and port of a DNS server: ``10.0.0.2``, ``10.0.0.2:5353``, ``[fd00::2]:5353``.

    Raises:
        ValueError: it is none.
    """
    if is_address(value):
        return value, DNS_PORT
    try:
        parts = urlsplit(f"//{value}")
        host, port = parts.hostname or "", parts.port or DNS_PORT
    except ValueError:
        host, port = "", 0
    if not is_address(host) or parts.netloc != value or parts.username is not None:
        raise ValueError("must be an address such as '10.0.0.2' or '10.0.0.2:5353'")
    return host, port
