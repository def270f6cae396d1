"""Where a response's ``Location`` points for the client: never at MLflow itself."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from headgate.net.hosts import is_public_host
from headgate.wire.origin import Origin

# A browser reads a backslash as a slash and takes tabs out: neither is part of any URI.
_URI: Final = re.compile(rb"[!-\[\]-~]+")


def public_location(
    location: bytes, internal: frozenset[str], base: str, prefix: str, static_prefix: str = ""
) -> bytes | None:
    """Rewrite a ``Location`` that MLflow sent.

    Args:
        location: the field's value.
        internal: the authorities (``host:port``, lower case) under which MLflow is known inside.
        base: ``scheme://authority`` that the client used.
        prefix: the public prefix that was taken off the request's path, or empty.
        static_prefix: the path that MLflow itself runs under, or empty.

    Returns:
        What the client is shown; None when it must not be shown at all, because it names some
        other place inside the network, or could be read to name another than MLflow meant.
    """
    if _URI.fullmatch(location) is None:
        return None
    text = location.decode("ascii")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.path.startswith("//") or (text.startswith("//") and not parts.netloc):
        return None  # a path here, a host to a browser
    if not parts.scheme and not parts.netloc:
        own = _without(static_prefix, text)
        return (prefix + own).encode() if text.startswith("/") else location
    host = parts.hostname or ""
    if not port:
        port = 443 if parts.scheme == "https" else 80
    bracketed = f"[{host}]" if ":" in host else host
    if f"{bracketed}:{port}" in internal:
        rest = _without(static_prefix, parts._replace(scheme="", netloc="").geturl())
        return f"{base}{prefix}{rest if rest.startswith('/') else '/' + rest}".encode()
    return location if is_public_host(host) else None


def _without(static_prefix: str, path: str) -> str:
    """A path of MLflow's without the one that it runs under."""
    rest = path.removeprefix(static_prefix)
    return rest if rest.startswith("/") else path


def location_line(
    location: bytes,
    internal: frozenset[str],
    origin: Origin,
    prefix: bytes,
    static_prefix: bytes = b"",
) -> bytes:
    """The ``Location`` field for the client as it stands in a head, or nothing."""
    base = f"{origin.scheme}://{origin.host.decode('ascii')}" if origin.host else ""
    public = public_location(
        location, internal, base, prefix.decode("ascii"), static_prefix.decode("ascii")
    )
    return b"" if public is None else b"Location: %b\r\n" % public
