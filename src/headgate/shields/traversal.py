"""Paths that lead out of the folder they belong in.

MLflow decodes a path again after its web framework has (``mlflow.utils.uri._decode``), as often
as it changes; stores and file systems have ideas of their own.  A path is judged by what every
number of decodings makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

MAX_DECODINGS: Final = 8
"""More than any client has reason for; what is still encoded then is refused."""

_UNSAFE: Final = re.compile(
    r"""(?:^|/)\.\.(?:/|$)     # climbs
    |\\                       # a slash to some
    |[\x00-\x1f\x7f-\x9f]     # ends the path, or a line
    |^/                       # absolute
    |^[A-Za-z]:(?:/|$)        # a drive
    |^[A-Za-z][A-Za-z0-9+.\-]*:/""",  # a URI instead of a path
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
# mlflow.utils.validation._RUN_ID_REGEX, which the ids of experiments and models fit too.
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][\w\-]{0,255}", re.ASCII)


def is_unsafe_path(path: str) -> bool:
    """Whether a path leads, or could lead, out of its folder.

    Args:
        path: relative to that folder; empty for the folder itself.
    """
    return any(_UNSAFE.search(each) for each in decodings(path)) or _is_endless(path)


def is_unsafe_identifier(identifier: str) -> bool:
    """Whether what should be an id is not one, so that it could be part of a path."""
    return bool(identifier) and _IDENTIFIER.fullmatch(identifier) is None


def decodings(text: str) -> Iterator[str]:
    """The text itself and what each further decoding makes of it, until it stays."""
    yield text
    for _ in range(MAX_DECODINGS):
        if "%" not in text:
            return
        again = unquote(text)
        if again == text:
            return
        yield again
        text = again


def _is_endless(path: str) -> bool:
    *_, last = decodings(path)
    return _ESCAPE.search(last) is not None and unquote(last) != last
