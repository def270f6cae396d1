"""The tags in which MLflow keeps where the data of a trace lie.

MLflow follows them with its own rights, to any folder of its machine and to any store that it can
reach (``mlflow.tracing.utils.artifact_utils``, ``mlflow.utils.mlflow_tags.IMMUTABLE_TAGS``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

ARTIFACT_LOCATION: Final = "mlflow.artifactlocation"
SPANS_LOCATION: Final = "mlflow.trace.spanslocation"
ARCHIVE_LOCATION: Final = "mlflow.trace.archivelocation"
LOCATION_TAGS: Final = frozenset({ARTIFACT_LOCATION, SPANS_LOCATION, ARCHIVE_LOCATION})
"""The tags, folded as ``fold`` does."""
LONGEST_TAG: Final = 250
"""Characters that the name of a tag may have (``mlflow.utils.validation``)."""

_UNSEEN: Final = frozenset({"Mn", "Me", "Cf", "Cc"})


class LocationTag(NamedTuple):
    """A tag about a trace's place.  ``tag``: folded.  ``value``: empty where it is no text."""

    tag: str
    value: str


def fold(name: str) -> str:
    """The name of a tag as the laxest database compares it.

    The usual collations of MySQL and SQL Server take capitals, accents, final spaces and invisible
    characters for equal; then a tag of another spelling overwrites the real one.
    """
    if not name.isascii() or not name.isprintable():
        name = "".join(
            each
            for each in unicodedata.normalize("NFKD", name)
            if unicodedata.category(each) not in _UNSEEN
        )
    return name.casefold().rstrip()


def location_tags(message: Any) -> Iterator[LocationTag]:
    """Every tag about a trace's place in a body, whichever way it is written.

    MLflow's messages hold tags as objects with ``key`` and ``value``, in lists or at the top, and
    as maps from key to value.
    """
    if isinstance(message, dict):
        key = message.get("key")
        if isinstance(key, str) and fold(key) in LOCATION_TAGS:
            yield LocationTag(fold(key), _text(message.get("value")))
        for name, inner in message.items():
            if fold(name) in LOCATION_TAGS:
                yield LocationTag(fold(name), _text(inner))
            elif isinstance(inner, dict | list):
                yield from location_tags(inner)
    elif isinstance(message, list):
        for inner in message:
            if isinstance(inner, dict | list):
                yield from location_tags(inner)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
