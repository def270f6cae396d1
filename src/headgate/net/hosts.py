"""Parses a host like the programs that connect to it.

MLflow's HTTP clients are requests and urllib3, which pass a host to ``getaddrinfo``; that accepts
an IPv4 address in every form that ``inet_aton`` does.  Browsers do too (WHATWG URL, section 3.5).
Names are folded first: full-width digits are digits, and three more characters are dots (UTS 46).
The address of a name can change between a check and its use; only a rule for the server's outgoing
traffic prevents that.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final

from headgate.net.addresses import Address, is_public

_NUMBER: Final = r"(?:0[xX][0-9a-fA-F]*|[0-9]+)"
_NUMERIC_HOST: Final = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,3}}")
_NAME: Final = re.compile(r"[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*")
_LONGEST: Final = 1024
_OTHER_DOTS: Final = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})
# UTS 46 removes these from a name.
_IGNORED: Final = dict.fromkeys(
    [0xAD, 0x34F, *range(0x180B, 0x1810), 0x200B, 0x2060, 0x2064, *range(0xFE00, 0xFE10), 0xFEFF]
)

PRIVATE_SUFFIXES: Final = (
    *("localhost", "invalid", "local", "home.arpa", "onion"),  # RFC 6761, 6762, 8375, 7686
    *("internal", "intranet", "private", "corp", "home", "lan", "mail"),  # RFC 6762 G; ICANN
    *("localdomain", "localnet", "intra", "priv", "arpa"),  # usual; infrastructure (RFC 3172)
    *("svc", "consul"),  # Kubernetes, Consul
)
"""Domains that are never public."""
METADATA_NAMES: Final = (
    *("metadata.google.internal", "metadata.goog"),  # Google Cloud
    *("instance-data.ec2.internal", "instance-data"),  # AWS
    *("metadata.tencentyun.com", "metadata.packet.net", "metadata.platformequinix.com"),
)
"""Names of the metadata services of clouds."""
_NAMED_ADDRESSES: Final = (
    *("nip.io", "sslip.io", "xip.io", "traefik.me", "backname.io", "1u.ms", "rbndr.us"),
    *("localtest.me", "lvh.me", "vcap.me", "local.gd", "localho.st", "lacolhost.com"),
)
"""Domains whose names resolve to the address in the name, or to loopback."""


def folded(host: str) -> str:
    """A host in lower case without a final dot, with dots and digits in ASCII."""
    text = unicodedata.normalize("NFKC", host[:_LONGEST].translate(_IGNORED))
    return text.lower().translate(_OTHER_DOTS).translate(_IGNORED).removesuffix(".")


def address_of(host: str) -> Address | None:
    """The IP address that a host spells, in any accepted form; ``None`` if it is a name.

    ``inet_aton`` accepts one to four numbers, each decimal, octal or hexadecimal; the last one
    fills the remaining bytes.
    """
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            return None
    if _NUMERIC_HOST.fullmatch(host) is None or len(host) > _LONGEST:
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


def is_public_host(host: str) -> bool:
    """Whether a host, without brackets, is public in every interpretation.

    Names without a dot, names of private networks, and ambiguous hosts are not.
    """
    if "%" in host or len(host) > _LONGEST:
        return False
    host = folded(host)
    address = address_of(host)
    if address is not None:
        return is_public(address)
    if _NAME.fullmatch(host) is None or "." not in host:
        return False
    if host.rpartition(".")[2][0].isdigit():
        return False  # no public name ends in a number; some programs parse it as an address
    return not is_below(host, PRIVATE_SUFFIXES + METADATA_NAMES + _NAMED_ADDRESSES)


def is_metadata_name(host: str) -> bool:
    """Whether a name is that of a cloud's metadata service."""
    return is_below(folded(host), METADATA_NAMES)


def is_below(host: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a folded host is one of the domains, or below one."""
    return host in suffixes or host.endswith(tuple(f".{each}" for each in suffixes))


def _number(text: str) -> int:
    if text[:2] in ("0x", "0X"):
        return int(text[2:] or "0", 16)
    if text.startswith("0") and len(text) > 1:
        return int(text, 8)
    return int(text)
