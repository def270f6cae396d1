"""Where a request came from: the peer, unless a proxy that is trusted says more.

Forwarding fields are believed from configured networks only, by default from none; from anyone
else they are dropped.  Of a chain of addresses only the part that trusted proxies wrote counts:
it is walked from its end, and the first address that is no such proxy is the client.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from headgate.net.addresses import unmapped
from headgate.wire.target import is_authority

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_HOPS: Final = 32


class Origin(NamedTuple):
    """Where one request came from, and the fields that say so to MLflow.

    ``address`` is the client's, ``scheme`` and ``host`` are those the client used, as the nearest
    proxy says that is trusted; ``first_host`` is the host that the first of its chain wrote, which
    may be forged, though by no page in a browser.
    """

    address: str
    scheme: str
    host: bytes
    lines: bytes
    first_host: bytes = b""


NOWHERE: Final = Origin("", "http", b"", b"")


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address, which may be no IP address at all, is in one of the networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    plain = unmapped(parsed)
    return any(plain in network for network in networks)


def origin_of(
    header: Mapping[bytes, bytes], peer: str, scheme: str, trusted: Sequence[Network]
) -> Origin:
    """Tell where a request came from.

    Args:
        header: the values of the header fields that the gate reads, by lower-case name.
        peer: the address at the other end of the connection.
        scheme: ``http`` or ``https``, as the connection is.
        trusted: the networks of proxies that are believed.
    """
    host = header.get(b"host", b"")
    first_host = b""
    chain = [peer]
    address = peer
    if trusted and is_in(peer, trusted):
        given = [hop.strip() for hop in header.get(b"x-forwarded-for", b"").split(b",")]
        for hop in reversed(given[-MAX_HOPS:]):
            text = _address(hop)
            if text is None:
                break
            chain.insert(0, text)
            address = text
            if not is_in(text, trusted):
                break
        proto = header.get(b"x-forwarded-proto", b"").split(b",")[-1].strip().lower()
        if proto in (b"http", b"https"):
            scheme = proto.decode("ascii")
        hosts = [each.strip() for each in header.get(b"x-forwarded-host", b"").split(b",")]
        if is_authority(hosts[-1]):
            host = hosts[-1]
        if len(hosts) > 1:
            first_host = hosts[0]
    return Origin(address, scheme, host, _lines(", ".join(chain), scheme, host), first_host)


def _address(hop: bytes) -> str | None:
    if b"%" in hop:  # a zone (RFC 4007) may be any text, and means nothing on another machine
        return None
    try:
        return str(unmapped(ipaddress.ip_address(hop.decode("ascii"))))
    except ValueError:
        return None


def _lines(chain: str, scheme: str, host: bytes) -> bytes:
    """The forwarding fields, which are always sent.

    MLflow's assistant takes a request from loopback without them for the operator's own
    (mlflow/server/assistant, GHSA-7xcw-g7v8-rq26).
    """
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (
        chain.encode("ascii"),
        scheme.encode("ascii"),
        host,
    )
