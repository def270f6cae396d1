"""Addresses that a request makes the server call; private ones are refused.

Only the text of the address is checked, without resolving names (``headgate.net``).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from headgate.net.addresses import Address, Purpose, carried, is_public, purposes
from headgate.net.hosts import address_of, folded, is_public_host

_ADDRESS_NAME: Final = re.compile(r"(?:^|_)(?:url|base|host|hostname|proxy)$")
_URL: Final = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.\-]*:[/\\]{2}|[Hh][Tt]{2}[Pp][Ss]?:)")
_AMBIGUOUS: Final = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f]")
_BY_ITSELF_ONLY: Final = frozenset({Purpose.METADATA, Purpose.LINK_LOCAL})


def is_address_text(name: str, value: str) -> bool:
    """Whether a text is an address to call, by the name of its field or by its form."""
    return bool(value) and (_ADDRESS_NAME.search(name) or _URL.match(value)) is not None


def is_private(target: str, allowed: Sequence[str] = ()) -> bool:
    """Whether a URL, or a host with or without a port, is an address of a private network.

    A text that two programs could read as two hosts counts as private.

    Args:
        target: the text in the body.
        allowed: private hosts and networks that are allowed, as in the configuration; a network
            does not include a cloud metadata service, which has to be listed by its address.
    """
    host = host_of(target)
    if not host:
        return True
    address = address_of(host)
    if address is not None:
        return not is_public(address) and not _is_in(address, allowed)
    return not is_public_host(host) and host not in allowed


def host_of(target: str) -> str:
    """The host as a program that connects to it reads it; empty if the text has none.

    >>> host_of("http://LOCALHOST.:80/x")
    'localhost'
    """
    text = target if "://" in target or target.startswith("//") else f"//{target}"
    if _AMBIGUOUS.search(text):
        return ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port  # either raises ValueError if it is invalid
    except ValueError:
        return ""
    # Some programs decode escapes in a host (requests.utils.requote_uri), and some do not.
    if not host or "@" in parts.netloc or "%" in host:
        return ""
    return folded(host)


def _is_in(address: Address, allowed: Sequence[str]) -> bool:
    alone = bool(purposes(address) & _BY_ITSELF_ONLY)
    address = carried(address)
    for each in allowed:
        try:
            network = ipaddress.ip_network(each)
        except ValueError:
            continue  # a host name
        if alone and network.num_addresses > 1:
            continue
        if address.version == network.version and address in network:
            return True
    return False
