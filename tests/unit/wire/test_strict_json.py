"""JSON that is accepted means one thing to every reader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import from_json

from headgate.wire.strict_json import JsonError, read_json

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
PIECES = st.sampled_from(
    [
        *(
            '{"a":1',
            ',"a":2',
            "}",
            "{",
            "[",
            "]",
            ",",
            ":",
            '"',
            "\\u0061",
            "\\ud800",
            "\\",
            "\x00",
        ),
        *(
            "1e5",
            "-0",
            "01",
            "1.",
            ".5",
            "+1",
            "NaN",
            "Infinity",
            "true",
            "nul",
            "\n",
            "\t",
            "\xa0",
        ),
        *("\ufeff", "//", "'a'", '"a":', '"\\u0041"', "1" * 20, "1E400", "\ud83d\ude00"),
    ]
)


@given(VALUES)
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == value


@given(st.lists(PIECES, max_size=8).map("".join))
@example('{"a":1,"\\u0061":2}')
@example('{"b":{"a":1,"a":1}}')
def test_what_is_accepted_pydantic_reads_alike(text: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    try:
        value = read_json(content)
    except JsonError:
        return
    try:
        other = from_json(content, allow_inf_nan=False)
    except ValueError:
        return  # it is refused then, by the second reader
    assert other == value
    assert _names(content) == len(set(_paths(value)))


def problem(content: bytes) -> str:
    """Why a text is refused; empty if it is not."""
    try:
        read_json(content)
    except JsonError as error:
        return str(error)
    return ""


@given(st.binary(max_size=60))
def test_bytes_are_json_or_an_error(content: bytes) -> None:
    assert problem(content).isprintable()


@pytest.mark.parametrize("deep", [b"[" * 200_000, b'{"a":' * 200_000])
def test_depth_is_bounded(deep: bytes) -> None:
    assert "nested" in problem(deep)


def test_many_names_are_read_in_no_time() -> None:
    """A look-up for each, and not one for each pair."""
    names = ",".join(f'"n{at}":0' for at in range(20_000))
    with pytest.raises(JsonError, match="twice"):
        read_json(b"{%b}" % f'{names},"n19999":1'.encode())


def _names(content: bytes) -> int:
    """How many names stand in the objects of a text."""
    count = 0

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal count
        count += len(found)
        return dict(found)

    json.loads(content, object_pairs_hook=pairs)
    return count


def _paths(value: Any, at: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The place of each name of each object within a value."""
    if isinstance(value, dict):
        inner = [path for name, each in value.items() for path in _paths(each, (*at, name))]
        return [(*at, name) for name in value] + inner
    if isinstance(value, list):
        return [path for index, each in enumerate(value) for path in _paths(each, (*at, index))]
    return []
