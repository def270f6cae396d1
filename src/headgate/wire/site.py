"""Whether a request is for the gate's own site, and whether a page of that site sent it.

``Host`` protects a gate that asks for no key: a page whose name has come to lead to 127.0.0.1 (DNS
rebinding) still sends its own name.  ``Origin`` and ``Sec-Fetch-Site`` protect writes: browsers
send along the password of their user whichever page asks (CSRF).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from headgate.wire.request_fields import RequestFields
from headgate.wire.target import is_authority

_ORIGIN: Final = re.compile(rb"(https?)://([^/]+)")
_SAME_ORIGIN: Final = b"same-origin"
_OTHER_PAGES: Final = frozenset({b"cross-site", b"same-site"})
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
LONGEST_SHOWN: Final = 100
"""Characters of an authority that a message repeats."""


class Authority(NamedTuple):
    """A host in one spelling (lower case, no final dot, brackets around IPv6) and its port."""

    host: str
    port: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


def read_authority(text: bytes) -> Authority | None:
    """The authority that ``text`` writes, or ``None`` when it is none."""
    if not is_authority(text):
        return None
    lower = text.decode("ascii").lower()
    if lower.startswith("["):
        inside, _, port = lower[1:].partition("]")
        try:
            host = f"[{ipaddress.IPv6Address(inside)}]"
        except ValueError:
            return None
        port = port.removeprefix(":")
    else:
        host, _, port = lower.partition(":")
        host = host.removesuffix(".")
        if host.endswith("."):  # no name has an empty label (RFC 1035 section 2.3.1)
            return None
    return Authority(host, str(int(port)) if port else "")


def is_loopback(host: str) -> bool:
    """Whether a host, spelled as in an ``Authority``, is this machine whatever DNS says."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


class Site:
    """The names under which clients reach the gate.

    Args:
        listener: the address it listens on, without a port.
        public_names: further names, each with a port where browsers show one.
    """

    __slots__ = ("_listener", "_names", "_public")

    def __init__(self, listener: str = "", public_names: Iterable[str] = ()) -> None:
        own = read_authority(b"[%b]" % listener.encode() if ":" in listener else listener.encode())
        self._listener = own.host if own is not None else ""
        found = [read_authority(name.encode("ascii")) for name in public_names]
        self._public = frozenset(name for name in found if name is not None)
        self._names = frozenset(name.host for name in self._public)

    def has(self, authority: bytes) -> bool:
        """Whether a ``Host`` is a loopback name, the listener's address or a public name.

        Any port counts: another port of one machine is no other name.
        """
        read = read_authority(authority)
        return read is not None and (
            read.host == self._listener or read.host in self._names or is_loopback(read.host)
        )

    def is_called(self, fields: RequestFields) -> bool:
        """Whether a request names no other site, in ``Host`` or through a trusted proxy.

        No browser leaves ``Host`` out.
        """
        said = fields.origin.host
        return (not fields.host or self.has(fields.host)) and (
            not said or said == fields.host or self.has(said)
        )

    def is_own_page(self, fields: RequestFields) -> bool:
        """Whether a page of this site sent a request that bears ``Origin``.

        ``Sec-Fetch-Site`` is written by browsers alone, and only to https and loopback.  It knows
        what proxies hide, so it decides where it speaks, provided that the name is known: a page
        whose name was made to lead here is of the same origin too.
        """
        values = fields.values
        fetch_site = values.get(b"sec-fetch-site", b"")
        if fetch_site in _OTHER_PAGES:
            return False
        said = fields.origin.host or fields.host
        if fetch_site == _SAME_ORIGIN and self.has(said):
            return True
        page = _page(values[b"origin"])
        if page is None or _is_downgraded(page, fields):
            return False
        if any(_is_same(page, name) for name in self._public):
            return True
        called = (read_authority(text) for text in (said, fields.origin.first_host))
        return any(name is not None and _is_same(page, name) for name in called)


class _Page(NamedTuple):
    """What an ``Origin`` says of a page."""

    scheme: str
    authority: Authority

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def _page(origin: bytes) -> _Page | None:
    """The page that an ``Origin`` names; ``None`` for ``null`` and whatever is no web address."""
    match = _ORIGIN.fullmatch(origin.lower())
    authority = read_authority(match[2]) if match is not None else None
    if match is None or authority is None:
        return None
    return _Page(match[1].decode("ascii"), authority)


def _is_downgraded(page: _Page, fields: RequestFields) -> bool:
    """Whether the page came over http and its request over https.

    Anything on the network path could have written such a page.
    """
    return page.scheme == "http" and fields.origin.scheme == "https"


def _is_same(page: _Page, called: Authority) -> bool:
    """Whether a page's origin is where a request went.

    A browser writes no default port, some proxies do.  Behind one that ends TLS the gate may be
    called on port 80 for a page of https.
    """
    scheme, (host, port) = page
    if host != called.host:
        return False
    default = _DEFAULT_PORTS[scheme]
    if port not in ("", default):
        return port == called.port
    return called.port in ("", default) or (scheme == "https" and called.port == "80")


def why_foreign(fields: RequestFields, peer: str) -> str:
    """Why ``is_own_page`` is false for a request: both values, and the cure.

    ``peer`` is the address at the other end of the connection.
    """
    called = _shown(fields.origin.host or fields.host)
    page = _page(fields.values[b"origin"])
    if page is None or len(page.authority.host) > LONGEST_SHOWN:
        return f"its Origin is not a web page, while the gate was called as {called}"
    why = f"its Origin is '{page}', while the gate was called as {called}"
    if _is_downgraded(page, fields):
        return f"{why} over https"
    claimed = fields.values.get(b"x-forwarded-host", b"").split(b",")
    if any(read_authority(each.strip()) == page.authority for each in claimed):
        line = f'trusted_proxies = ["{peer}"]'
    else:
        line = f'public_names = ["{page.authority}"]'
    return f"{why}; if that page is the gate's own, set {line} under [listen]"


def _shown(authority: bytes) -> str:
    read = read_authority(authority)
    return f"'{read}'" if read is not None and len(read.host) <= LONGEST_SHOWN else "something else"
