"""Locations that MLflow stores, and later opens with its own permissions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

PROMPT_SOURCES: Final = frozenset({"dummy-source", "prompt-template"})
"""The values of ``source`` for a prompt, which has no files; they are not locations
(``mlflow.prompt.constants._PROMPT_SOURCE_PLACEHOLDERS``)."""

_SOURCE: Final = "source"
"""The field of ``model-versions/create`` with these values."""

_UNSAFE: Final = re.compile(r"[#?;%\\\x00-\x1f\x7f-\x9f]|^\s|\s$")
_SEGMENT_ENDS: Final = ("/", ":")


def is_allowed(location: str, prefixes: Sequence[str]) -> bool:
    """Whether a location starts with one of ``prefixes`` and is unambiguous.

    The comparison is case-sensitive, including the scheme.  The rest after a prefix is a path: it
    names no host and has no dot segment.
    """
    if _UNSAFE.search(location):
        return False
    return any(_is_below(location, prefix) for prefix in prefixes)


def is_of_prompt(field: str, value: str) -> bool:
    """Whether the value of a field marks a prompt, which has no location."""
    return field == _SOURCE and value in PROMPT_SOURCES


def may_be_of_trace(location: str, trace_id: str, prefixes: Sequence[str]) -> bool:
    """Whether a location can be the one that MLflow itself created for a trace.

    MLflow's own ends with the trace's folder (``SqlAlchemyStore._get_trace_artifact_location_tag``,
    ``FileStore._get_traces_artifact_dir``); whether it begins with the folder of the trace's
    experiment only MLflow can tell.
    """
    own = f"/traces/{trace_id}/artifacts"
    return bool(trace_id) and location.endswith(own) and is_allowed(location, prefixes)


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
    if rest in ("", "/"):
        return True
    # Doubled slashes within a path mean one; in front they would begin a host.
    return not rest.startswith("/") and not any(each in (".", "..") for each in rest.split("/"))
