"""What further decodings would make of a path that has been decoded once.

MLflow decodes the path of an artifact again after its web framework has, until nothing changes, and
opens what comes out (``mlflow.utils.uri.validate_path_is_safe`` and ``_decode``, 2.22.5 to 3.17.2;
stores and file systems have ideas of their own).  Its clients 2.12 to 3.10 name images
``KEY%step%3%timestamp%1720000000000%UUID.png``, so that ``%17`` is part of a name.  A further
decoding therefore matters only where it changes the way: dot segments, slashes, absolute paths,
drives, schemes and NUL.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

MAX_DECODINGS: Final = 8
"""The first one included: more than any client has reason for; what is still encoded is refused."""

# MlflowClient.log_image (mlflow/tracking/client.py, 2.12 to 3.10).  Each escape in it is made of
# digits of a number or of a UUID, so none becomes a dot segment or leaves the folder: at most a
# step of 2500 shows a NUL, which MLflow writes as %00, or the UUID a slash within the name.
_IMAGE: Final = re.compile(
    r"%step%-?[0-9]{1,20}%timestamp%-?[0-9]{1,20}%[0-9a-z][0-9a-f]{7}"
    r"-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?=(?:%compressed)?\.(?:png|webp)\Z)"
)
# A slash, a backslash (which is one to Windows and to some stores), or what urlparse, of which
# MLflow's decoding makes use, cuts from the end of a path when nothing follows it.
_CLIMBS: Final = re.compile(r"(?:^|[/\\])\.\.(?:$|[/\\;?#])")
_STAYS: Final = re.compile(r"(?:^|[/\\])\.(?:$|[/\\;?#])")
_ROOTED: Final = re.compile(
    r"[/\\]|[a-z]:(?:$|[/\\])|[a-z][a-z0-9+.\-]*:[/\\]|file:", re.IGNORECASE
)
_DROPPED: Final = {ord(each): None for each in "\t\r\n"}
"""Characters that urlparse drops wherever they stand."""
_LEADING: Final = "".join(map(chr, range(0x21)))
"""Characters that it drops in front: those of C0, and the space."""
LOOSE: Final = re.compile(r"[;\\\x01-\x1f\x7f-\x9f]")
"""Characters that are good in the name of an artifact, and nowhere else in a path."""


def trouble(path: str, *, relative: bool) -> str:
    """Why a path, decoded once, could lead elsewhere than it seems to; empty if it cannot.

    The text completes "the path ...".

    Args:
        path: what a single decoding gives.
        relative: it is to be joined to a folder; otherwise it is one that begins with ``/`` and
            in which ``.`` and empty segments are refused too.
    """
    text = _IMAGE.sub("", path) if "%step%" in path else path
    found = _turn(text, relative=relative)
    for _ in range(MAX_DECODINGS - 1):
        if found or "%" not in text:
            return found
        again = unquote(text)
        if again == text:
            return ""
        if _slashes(again) != _slashes(text):
            return "has a slash encoded more than once"
        text = again
        found = _turn(text, relative=relative)
    if found or unquote(text) == text:
        return found
    return "is percent-encoded too many times"


def _turn(text: str, *, relative: bool) -> str:
    """What leads elsewhere in one reading of a path."""
    if "\0" in text:
        return "has a NUL character"
    washed = text.translate(_DROPPED)
    if _CLIMBS.search(washed):
        return "has a dot segment"
    if relative:
        rooted = _ROOTED.match(text) or _ROOTED.match(washed.lstrip(_LEADING))
        return "is absolute, or names a drive or a scheme" if rooted else ""
    if _STAYS.search(washed):
        return "has a dot segment"
    return "has an empty segment (//)" if "//" in washed else ""


def _slashes(text: str) -> int:
    return text.count("/") + text.count("\\")
