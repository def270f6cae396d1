"""JSON with one meaning, for what the gate itself reads: tokens, key sets, requests to its API.

A parser that takes the first of two members of one name and one that takes the last disagree on
what was sent; RFC 8259 section 4 calls that unpredictable, RFC 7493 forbids it, and RFC 7515
section 4 and RFC 7519 section 4 allow to refuse it.  MLflow's own messages are read in the way in
which MLflow reads them (``headgate.contract``).
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class JsonError(ValueError):
    """A text is not JSON that every program reads alike.

    The message says what is wrong, as the rest of a sentence, and is safe to repeat.
    """


def read_json(text: bytes) -> Any:
    """The value that ``text`` stands for.

    Raises:
        JsonError: it is not UTF-8 or not JSON, a name stands twice in one object, a number is
            none of JSON's or too large, half of a surrogate pair stands alone (RFC 7493
            section 2.1), or it is nested too deeply.
    """
    try:
        found = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_once_each,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if b"\\u" in text:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        return found
    except JsonError:
        raise
    except UnicodeDecodeError as error:
        raise JsonError(f"is not UTF-8, at byte {error.start}") from None
    except UnicodeEncodeError:
        raise JsonError("has half of a surrogate pair") from None
    except RecursionError:
        raise JsonError("is nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise JsonError(f"is not JSON: {error.msg}, {where}") from None
    except ValueError:  # more digits than Python reads
        raise JsonError("has a number that is too long") from None


def read_object(text: bytes) -> dict[str, Any]:
    """The JSON object that ``text`` stands for.

    Raises:
        JsonError: it stands for another value, or as in ``read_json``.
    """
    found = read_json(text)
    if not isinstance(found, dict):
        raise JsonError("is not a JSON object")
    return found


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise JsonError(f"has the name {json.dumps(name[:60])} twice in one object")
        found[name] = value
    return found


def _no_constant(text: str) -> NoReturn:
    raise JsonError(f"has {text}, which is not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise JsonError("has a number that is too large")
    return number
