"""JSON with one meaning: no member twice, no number that is none.

A parser that takes the first of two members and one that takes the last disagree on who has sent a
token; RFC 7515 section 4 and RFC 7519 section 4 allow to refuse such objects.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object that ``data`` holds, in UTF-8.

    Raises:
        ValueError: it holds anything else.
    """
    try:
        found = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_distinct,
            parse_constant=_refused,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")
    if b"\\u" in data:  # an escape may be half of a pair, which is no text (RFC 7493 section 2.1)
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands in it twice")
    return found


def _refused(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number
