"""The canonical form of a request target: the one that is decided on and forwarded.

Percent-escapes are decoded once and written again in one spelling.  Whatever MLflow and the
gate could read differently is refused: MLflow takes ``//api``, ``/%2Fapi`` and ``%67et`` as if
they were the plain route.  The query string is never touched: MLflow's own client sends
``path=1%2F..%2Fartifacts`` in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from headgate.wire.errors import ProtocolError, ambiguous
from headgate.wire.escapes import LOOSE, trouble

# Nothing in such a path can be spelled in two ways.
_PLAIN: Final = re.compile(rb"(?:/[A-Za-z0-9_~\-][A-Za-z0-9_~\-.]*)+/?|/")
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]++)(.*)", re.IGNORECASE)
_KEEP: Final = "/!$&'()*+,:=@~"  # sub-delims and pchar of RFC 3986 but `;`
_AUTHORITY: Final = re.compile(rb"(?:[A-Za-z0-9.\-_~]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
MAX_PATH: Final = 8 * 1024
"""Longest path in bytes, as sent: paths are decoded before the sender is authenticated.  The limits
of file systems and S3 are 4096 and 1024 bytes, before encoding."""


@dataclass(frozen=True, slots=True)
class Target:
    """A canonical target.

    Attributes:
        path: canonical and percent-encoded.
        query: as sent, with its ``?``, or empty.
        loose: why the path is good only where it ends in the name of an artifact, to follow "the
            path"; empty if it is good anywhere.
    """

    path: bytes
    query: bytes
    loose: str = ""


def canonicalise(target: bytes, host: bytes) -> Target:
    """Read a request target in origin-form, or in absolute-form for the own authority.

    Args:
        target: as it stood in the request line.
        host: the value of the ``Host`` field.

    Raises:
        ProtocolError: when the target has no single meaning, or a path over ``MAX_PATH``.
    """
    path, mark, query = target.partition(b"?")
    if len(path) > MAX_PATH:
        raise ProtocolError(f"the path is over {MAX_PATH} bytes", status=414)
    if _PLAIN.fullmatch(path) and b"#" not in query:
        return Target(path, mark + query)
    if not target.startswith(b"/"):
        target = origin_form(target, host)
        path, mark, query = target.partition(b"?")
    if b"#" in target:
        raise ambiguous("the target contains a fragment; write a literal # as %23")
    canonical, loose = canonical_path(path)
    return Target(canonical, mark + query, loose)


def canonical_path(path: bytes) -> tuple[bytes, str]:
    """One spelling for each path, and ``Target.loose``.

    Raises:
        ProtocolError: for empty and dot segments, encoded slashes, NUL, text that is not UTF-8,
            and the same hidden under further encodings.
    """
    if _BAD_ESCAPE.search(path):
        raise ambiguous("the path has a % that does not start an escape; write a literal % as %25")
    decoded = unquote_to_bytes(path)
    if decoded.count(b"/") != path.count(b"/"):
        raise ambiguous("the path has an encoded slash (%2F)")
    try:
        text = decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise ambiguous("the path is not UTF-8") from None
    found = trouble(text, relative=False)
    if found:
        raise ambiguous(f"the path {found}")
    return quote_from_bytes(decoded, safe=_KEEP).encode("ascii"), _loose(text)


def _loose(text: str) -> str:
    match = LOOSE.search(text)
    if match is None:
        return ""
    if match[0] == ";":
        return "has a semicolon, which some servers cut it at"
    return "has a backslash" if match[0] == "\\" else "has a control character"


def origin_form(target: bytes, host: bytes) -> bytes:
    """The path and query of a target in absolute-form.

    Raises:
        ProtocolError: when it is in another form, or names another authority than ``host``.
    """
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise ProtocolError("the target must be a path that begins with /")
    if match[1].lower() != host.lower():
        raise ambiguous("the target and Host name different authorities")
    return match[2] if match[2].startswith(b"/") else b"/" + match[2]


def is_authority(text: bytes) -> bool:
    """Whether ``text`` is a host name or address, with or without a port."""
    return _AUTHORITY.fullmatch(text) is not None
