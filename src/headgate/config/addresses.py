"""The address of a DNS server in the configuration."""

from __future__ import annotations

from urllib.parse import urlsplit

from headgate.net.addresses import is_address

DNS_PORT = 53


def name_server(value: str) -> tuple[str, int]:
    """The address and port of a DNS server: ``10.0.0.2``, ``10.0.0.2:5353``, ``[fd00::2]:5353``.

    Raises:
        ValueError: the value is not such an address.
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
