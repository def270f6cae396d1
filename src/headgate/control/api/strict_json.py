"""Reads JSON in the one way in which no two programs differ (RFC 8259 section 4, RFC 7493)."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class JsonError(ValueError):
    """A text is not JSON that every program reads alike; the message says what is wrong."""


def read_json(text: bytes) -> Any:
    """The value that ``text`` stands for.

    Raises:
        JsonError: it is not UTF-8 or not JSON, a name stands twice in one object, a number is
            none of JSON's or too long, or it is nested too deeply.
    """
    try:
        return json.loads(
            text.decode("utf-8"), object_pairs_hook=_once_each, parse_constant=_no_constant
        )
    except JsonError:
        raise
    except UnicodeDecodeError as error:
        raise JsonError(f"the body is not UTF-8, at byte {error.start}") from None
    except RecursionError:
        raise JsonError("the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise JsonError(f"the body is not JSON: {error.msg}, {where}") from None
    except ValueError:  # more digits than Python reads
        raise JsonError("the body has a number that is too long") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise JsonError(f"the name {_shown(name)} stands twice in one object")
        found[name] = value
    return found


def _no_constant(text: str) -> NoReturn:
    raise JsonError(f"{text} is not a number of JSON")


def _shown(name: str) -> str:
    """A name of the client's, safe to repeat."""
    return json.dumps(name[:60])
