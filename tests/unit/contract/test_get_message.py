"""The JSON body of a GET becomes the query that says the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.contract.get_message import MOST_BYTES, query_of
from headgate.contract.messages import build
from headgate.wire.errors import ProtocolError

MESSAGE = build(
    {
        "Search": {
            "name": "string",
            "limit": "double",
            "deep": "bool",
            "ids": "string[]",
            "inner": "message Inner",
        },
        "Inner": {"name": "string"},
    },
    {},
)["Search"]
HEADER = {b"content-type": b"application/json"}


def query(message: dict[str, Any]) -> bytes:
    return query_of(json.dumps(message).encode(), HEADER, MESSAGE)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({}, b""),
        ({"name": None}, b""),
        ({"name": "a b/&é"}, b"?name=a%20b%2F%26%C3%A9"),
        ({"limit": 5.0}, b"?limit=5"),
        ({"limit": 5.5}, b"?limit=5.5"),
        ({"deep": True}, b"?deep=true"),
        ({"ids": ["1", "2"]}, b"?ids=1&ids=2"),
    ],
)
def test_fields_become_parameters(message: dict[str, Any], expected: bytes) -> None:
    assert query(message) == expected


def test_a_message_within_fits_no_query() -> None:
    with pytest.raises(ProtocolError, match="inner in the body of a GET is"):
        query({"inner": {"name": "x"}})


@pytest.mark.parametrize("text", ["x" * MOST_BYTES, "é" * (MOST_BYTES // 6)])
def test_what_mlflow_would_not_take_is_refused_with_414(text: str) -> None:
    """As a body, and where only the query that it becomes is too long."""
    with pytest.raises(ProtocolError, match="a query of more than 60 KiB") as caught:
        query_of(json.dumps({"name": text}, ensure_ascii=False).encode(), HEADER, MESSAGE)
    assert caught.value.status == 414
