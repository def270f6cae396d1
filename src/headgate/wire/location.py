"""Where an answer's ``Location`` points for the client: never at MLflow itself."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def public_location(
    location: bytes, internal: frozenset[str], base: str, prefix: str
) -> bytes | None:
    """Rewrite a ``Location`` that MLflow sent.

    Args:
        location: the field's value.
        internal: the authorities (``host:port``, lower case) under which MLflow is known inside.
        base: ``scheme://authority`` that the client used.
        prefix: the public prefix that was taken off the request's path, or empty.

    Returns:
        What the client is shown; None when it must not be shown at all, because it names some
        other place inside the network.
    """
    try:
        text = location.decode("ascii")
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme and not parts.netloc:
        return (prefix + text).encode() if text.startswith("/") else location
    host = parts.hostname or ""
    if not port:
        port = 443 if parts.scheme == "https" else 80
    bracketed = f"[{host}]" if ":" in host else host
    if f"{bracketed}:{port}" in internal:
        rest = parts._replace(scheme="", netloc="").geturl()
        return f"{base}{prefix}{rest if rest.startswith('/') else '/' + rest}".encode()
    return None if _is_inside(host) else location


def _is_inside(host: str) -> bool:
    """Whether a host name or address can only be reached inside a private network."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))
