"""Special-use addresses: the registries of IANA, and the metadata services of clouds.

Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), RFC 4291 for IPv6
outside 2000::/3, and the documentation of the clouds for their metadata services.  An IPv6 address
can embed the IPv4 address that receives its packets; the purpose of that one counts as well.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterator
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Purpose(enum.StrEnum):
    """The purpose of an address."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    METADATA = "cloud metadata"
    UNSPECIFIED = "unspecified"
    MULTICAST = "multicast"
    RESERVED = "reserved"


NO_ENDPOINT: Final = frozenset(
    {Purpose.LINK_LOCAL, Purpose.METADATA, Purpose.UNSPECIFIED, Purpose.MULTICAST}
)
"""The purposes that no upstream server has."""

# The first matching network decides, so exceptions come first.
_TABLE: Final[tuple[tuple[Network, Purpose], ...]] = tuple(
    (ipaddress.ip_network(text), purpose)
    for purpose, texts in (
        (
            Purpose.METADATA,
            (
                "169.254.169.254/32",  # AWS, Google Cloud, Azure and others
                "169.254.170.0/24",  # AWS ECS and EKS: credentials of tasks and pods
                "168.63.129.16/32",  # Azure
                "100.100.100.200/32",  # Alibaba Cloud
                "192.0.0.192/32",  # Oracle Cloud
                "fd00:ec2::/32",  # AWS
                "fd20:ce::254/128",  # Google Cloud
                "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
                "fd00:42::42/128",  # Scaleway
            ),
        ),
        (Purpose.UNSPECIFIED, ("0.0.0.0/32", "::/128")),
        (Purpose.MULTICAST, ("224.0.0.0/4", "255.255.255.255/32", "ff00::/8")),
        (Purpose.LOOPBACK, ("127.0.0.0/8", "::1/128")),
        (Purpose.LINK_LOCAL, ("169.254.0.0/16", "fe80::/10")),
        (
            Purpose.PRIVATE,
            (
                "10.0.0.0/8",
                "172.16.0.0/12",
                "192.168.0.0/16",
                "100.64.0.0/10",  # between a provider and its customers (RFC 6598)
                "fc00::/7",
                "fec0::/10",  # retired by RFC 3879, and still in use
                "64:ff9b:1::/48",  # NAT64 of a network's own (RFC 8215)
            ),
        ),
        (
            Purpose.RESERVED,
            (
                "0.0.0.0/8",  # this network (RFC 791); Linux takes some of it for itself
                "192.0.0.0/24",  # protocol assignments (RFC 6890)
                "192.0.2.0/24",  # documentation (RFC 5737)
                "198.51.100.0/24",
                "203.0.113.0/24",
                "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
                "198.18.0.0/15",  # benchmarks (RFC 2544)
                "240.0.0.0/4",  # RFC 1112
                "2001::/23",  # protocol assignments (RFC 2928), Teredo and ORCHID among them
                "2001:db8::/32",  # documentation (RFC 3849)
                "3fff::/20",  # documentation (RFC 9637)
            ),
        ),
        (Purpose.PUBLIC, ("0.0.0.0/0", "2000::/3")),
    )
    for text in texts
)

# Addresses that only represent the IPv4 address in their last 32 bits.
_CARRIERS: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::ffff:0:0/96",  # IPv4-mapped (RFC 4291)
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
    )
)
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")  # IPv4-compatible, retired by RFC 4291
_LOCAL_NAT64: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214, section 6.1


def purposes(address: Address) -> frozenset[Purpose]:
    """The purposes of an address and of the addresses that are embedded in it."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = list(_embedded(address))
        found = {_purpose(each) for each in embedded}
        if not (embedded and any(address in network for network in _CARRIERS)):
            found.add(_purpose(address))
        return frozenset(found)
    return frozenset({_purpose(address)})


def is_public(address: Address) -> bool:
    """Whether an address, and all addresses that are embedded in it, are public."""
    return purposes(address) == {Purpose.PUBLIC}


def may_be_endpoint(address: Address) -> bool:
    """Whether an upstream server may have this address.

    Private and loopback addresses are normal.  Link-local addresses and cloud metadata services are
    not; 0.0.0.0, with which some name servers block a name, would lead back to the gate.
    """
    return not purposes(address) & NO_ENDPOINT


def is_forbidden(address: str) -> bool:
    """Whether a text is not an IP address, or one that no endpoint may have."""
    try:
        return not may_be_endpoint(ipaddress.ip_address(address))
    except ValueError:
        return True


def is_unspecified(address: str) -> bool:
    """Whether it is 0.0.0.0 or ::, the wildcard addresses of listeners."""
    return is_address(address) and ipaddress.ip_address(address).is_unspecified


def is_address(host: str) -> bool:
    """Whether a host is written as an IP address, without brackets."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def unmapped(address: Address) -> Address:
    """The IPv4 address of an IPv4-mapped one, as sockets that listen on ``::`` report clients."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def plain_peer(address: str) -> str:
    """The address of a peer; the IPv4 address of an IPv4 client of ``::``."""
    mapped = address.startswith("::ffff:") and "." in address
    return address[len("::ffff:") :] if mapped else address


def carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 address represents, if it represents exactly one."""
    if isinstance(address, ipaddress.IPv6Address):
        for network in (*_CARRIERS, _COMPATIBLE):
            if address in network and int(address) > 1:
                return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.sixtofour or address
    return address


def _purpose(address: Address) -> Purpose:
    for network, purpose in _TABLE:
        if address.version == network.version and address in network:
            return purpose
    return Purpose.RESERVED  # IPv6 that is not allocated


def _embedded(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that may receive packets to an IPv6 address."""
    number = int(address)
    if any(address in network for network in _CARRIERS) or (address in _COMPATIBLE and number > 1):
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)
    elif address in _LOCAL_NAT64:
        yield from _translated(number)
    elif number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if address.sixtofour is not None:  # 2002::/16 (RFC 3056)
        yield address.sixtofour
    yield from address.teredo or ()  # 2001::/32 (RFC 4380): the server and the client


def _translated(number: int) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses for prefixes of 48, 56, 64 and 96 bits (RFC 6052, section 2.2).

    They skip bits 64 to 71, and zeros are not an address.
    """
    without = number >> 64 << 56 | number & (1 << 56) - 1  # 120 bits
    places = [without >> 120 - length - 32 & 0xFFFFFFFF for length in (48, 56, 64)]
    for each in (*places, number & 0xFFFFFFFF):
        if each:
            yield ipaddress.IPv4Address(each)
