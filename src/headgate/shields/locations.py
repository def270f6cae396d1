"""Locations that MLflow stores now and follows later, with its own rights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

PROMPT_SOURCES: Final = frozenset({"dummy-source", "prompt-template"})
"""What stands as ``source`` of a prompt, which has no files; as a location it leads nowhere
(``mlflow.prompt.constants._PROMPT_SOURCE_PLACEHOLDERS``)."""

_ARTIFACT_TAG: Final = "mlflow.artifactLocation"
_ARCHIVE_TAG: Final = "mlflow.trace.archiveLocation"
_OF_TRACE: Final = re.compile(r".*/traces/[A-Za-z0-9_\-]+/artifacts")

_UNSAFE: Final = re.compile(r"[#?;%\\\x00-\x1f\x7f-\x9f]|^\s|\s$")
_SEGMENT_ENDS: Final = ("/", ":")


def is_allowed(location: str, prefixes: Sequence[str]) -> bool:
    """Whether a location begins with one of ``prefixes`` and can be read in one way only.

    Letters count as they are: a scheme in capitals is another one.  What follows a prefix is a
    path: it names no host, has no dot segment and no empty one.
    """
    if _UNSAFE.search(location):
        return False
    return any(_is_below(location, prefix) for prefix in prefixes)


def is_allowed_tag(key: str, value: str, prefixes: Sequence[str]) -> bool:
    """Whether a trace may be given a tag: MLflow keeps in two of them where its data lie.

    Clients of MLflow 2 send the one back as they got it from the server, which made it itself
    (``mlflow.tracing.utils.artifact_utils``); nobody has to send another.
    """
    if key == _ARCHIVE_TAG:
        return False
    if key != _ARTIFACT_TAG:
        return True
    return _OF_TRACE.fullmatch(value) is not None and is_allowed(value, prefixes)


def _is_below(location: str, prefix: str) -> bool:
    if not location.startswith(prefix):
        return False
    rest = location[len(prefix) :]
    if not prefix.endswith(_SEGMENT_ENDS):
        if rest and not rest.startswith("/"):  # another bucket that begins alike
            return False
        rest = rest.removeprefix("/")
    elif prefix.endswith(":"):
        # One slash begins a path.  After two comes a host, unless a third says that there is none.
        rest = rest.removeprefix("//") if rest.startswith("///") else rest
        rest = rest.removeprefix("/")
    segments = rest.removesuffix("/").split("/")
    return segments == [""] or not any(each in ("", ".", "..") for each in segments)
