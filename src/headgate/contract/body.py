"""Reads a request body that a decision depends on, and refuses what could be read in two ways.

MLflow parses JSON with Python's ``json`` and then into a protobuf message: of duplicate keys the
last wins, ``experiment_id`` and ``experimentId`` are one field of which the last wins, and a JSON
string that holds JSON is parsed again (mlflow/server/handlers.py, ``_get_request_message``).  A
check that read the other one would authorise another object than MLflow acts on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from headgate.wire.errors import ProtocolError, ambiguous

MAX_DEPTH = 64
_JSON_TYPE = re.compile(rb"application/(?:[a-z0-9.+\-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_LONGEST_NAME = 128
"""No field of MLflow's has a longer one; to fold what is none costs time for nothing."""
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def read_json(body: bytes, header: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Parse a body as MLflow will, or refuse it.

    Args:
        body: all of it; empty stands for an empty object, as it does for MLflow.
        header: the values of the request's header fields, by lower-case name.

    Raises:
        ProtocolError: when it is not JSON, not UTF-8, not an object, too deep, compressed, sent as
            another type, or has a field twice in any spelling.
    """
    if not body:
        return {}
    content_type = header.get(b"content-type", b"")
    if _JSON_TYPE.fullmatch(content_type) is None:
        raise ProtocolError("the body must be sent as Content-Type: application/json")
    coding = header.get(b"content-encoding", b"identity").lower()
    if coding != b"identity":
        raise ProtocolError("the body is compressed, and MLflow reads no compressed JSON")
    try:
        parsed = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise ProtocolError("the body is not UTF-8") from None
    except RecursionError:
        raise ProtocolError(f"the body is nested more than {MAX_DEPTH} deep") from None
    except ValueError:
        raise ProtocolError("the body is not JSON") from None
    if not isinstance(parsed, dict):
        raise ProtocolError("the body must be a JSON object")
    _refuse_deep(parsed)
    return parsed


def snake_case(name: str) -> str:
    """The one spelling of a protobuf field: ``experimentId`` is ``experiment_id``."""
    if len(name) > _LONGEST_NAME:
        return name
    return _CAMEL.sub(r"_\1", name).lower()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ambiguous("a field of the body is given more than once")
    return found


def _refuse_deep(parsed: dict[str, Any]) -> None:
    level: list[Any] = [parsed]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ProtocolError(f"the body is nested more than {MAX_DEPTH} deep")
