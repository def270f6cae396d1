"""Addresses that the server is told to call: not those of its own network.

Only what can be read off the text itself is judged.  What a name resolves to can change between
any check and its use; against that helps a rule for the server's outgoing traffic.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

_ADDRESS_NAME: Final = re.compile(r"(?:^|_)(?:url|base|host|hostname|proxy)$")
_URL: Final = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.\-]*:[/\\]{2}|[Hh][Tt]{2}[Pp][Ss]?:)")
_AMBIGUOUS: Final = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f]")
_NUMBER: Final = r"(?:0[xX][0-9a-fA-F]*|[0-9]+)"
_NUMERIC_HOST: Final = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,3}}")
_NAME: Final = re.compile(r"[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*")
# Names that are never public: RFC 6761, RFC 6762, RFC 8375, ICANN's .internal, and the names of
# Kubernetes.  What hands out a machine's own credentials is below .internal too, or has no dot.
_OWN_SUFFIXES: Final = (".localhost", ".local", ".home.arpa", ".internal", ".localdomain", ".svc")
_OWN_NAMES: Final = frozenset({"metadata.goog"})
# Names that resolve to whatever address is written in them.
_NAMED_ADDRESSES: Final = (".nip.io", ".sslip.io", ".xip.io", ".localtest.me", ".lvh.me")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_address_text(name: str, value: str) -> bool:
    """Whether a text is an address to call, by the name of its field or by its own looks."""
    return bool(value) and (_ADDRESS_NAME.search(name) or _URL.match(value)) is not None


def is_private(target: str, allowed: Sequence[str] = ()) -> bool:
    """Whether a URL, or a host with or without a port, leads into a network of one's own.

    What two programs could take for two hosts counts as private too.

    Args:
        target: as it stands in a body.
        allowed: hosts and networks that may be named nevertheless, as in the configuration.
    """
    host = host_of(target)
    if not host:
        return True
    address = address_of(host)
    if address is not None:
        return not _is_public(address) and not _is_in(address, allowed)
    if _NAME.fullmatch(host) is None or re.fullmatch(_NUMBER, host.rpartition(".")[2]):
        return True  # no name ends in a number
    # A name without a dot is one that only the server's own network knows.
    own = "." not in host or host in _OWN_NAMES or host.endswith(_OWN_SUFFIXES + _NAMED_ADDRESSES)
    return own and host not in allowed


def _is_public(address: Address) -> bool:
    retired = address.version == 6 and address.is_site_local  # fec0::/10, and still in use
    return address.is_global and not address.is_multicast and not retired


def host_of(target: str) -> str:
    """The host, as whoever connects to it will read it; empty if that cannot be told.

    >>> host_of("http://LOCALHOST.:80/x")
    'localhost'
    """
    text = target if "://" in target or target.startswith("//") else f"//{target}"
    if _AMBIGUOUS.search(text):
        return ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port  # either raises ValueError for what cannot be read
    except ValueError:
        return ""
    if not host or "@" in parts.netloc:
        return ""
    # Names are folded before they are looked up: full-width digits are digits (RFC 5895).
    folded = unicodedata.normalize("NFKC", unquote(host)).lower().replace("\u3002", ".")
    return folded.removesuffix(".")


def address_of(host: str) -> Address | None:
    """The IP address that a host is, in any of the spellings that resolvers take; else ``None``.

    ``inet_aton`` takes one to four numbers, each decimal, octal or hexadecimal, of which the last
    fills the bytes that are left.  Addresses within addresses are taken out.
    """
    if ":" in host:
        try:
            return _unwrapped(ipaddress.IPv6Address(host.partition("%")[0]))
        except ValueError:
            return None
    if _NUMERIC_HOST.fullmatch(host) is None:
        return None
    try:
        *leading, last = (_number(part) for part in host.split("."))
    except ValueError:
        return None
    if any(number > 255 for number in leading) or last >= 256 ** (4 - len(leading)):
        return None
    value = last
    for at, number in enumerate(leading):
        value += number << 8 * (3 - at)
    return ipaddress.IPv4Address(value)


def _number(text: str) -> int:
    if text[:2] in ("0x", "0X"):
        return int(text[2:] or "0", 16)
    if text.startswith("0") and len(text) > 1:
        return int(text, 8)
    return int(text)


def _unwrapped(address: ipaddress.IPv6Address) -> Address:
    """The IPv4 address that packets to an IPv6 address may end at, if there is one."""
    if address in _NAT64 or int(address) >> 32 == 0:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_in(address: Address, allowed: Sequence[str]) -> bool:
    for each in allowed:
        try:
            network = ipaddress.ip_network(each)
        except ValueError:
            continue  # a name
        if address.version == network.version and address in network:
            return True
    return False
