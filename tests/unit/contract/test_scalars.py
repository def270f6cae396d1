"""Which values a field takes, one by one; Hypothesis holds them against protobuf elsewhere."""

from __future__ import annotations

import math
from typing import Any

import pytest

from headgate.contract.scalars import is_of


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("string", ["", "é"], [1, "\ud800"]),
        ("bytes", ["", "YQ==", "YQ"], ["Y", 1]),
        ("bool", [True, False], [1, "true"]),
        ("int32", [0, "-1", 1.0, 2**31 - 1], [True, None, 1.5, math.inf, "1_0", 2**31]),
        ("int64", [2**63 - 1, "1"], [2**63]),
        ("uint32", [0, 2**32 - 1], [-1]),
        ("uint64", [0, 2**64 - 1], [-1, 2**64]),
        ("double", [1, 1.5, "NaN", "1e3"], [math.nan, 10**400, "nan", True, "1_0"]),
        ("float", [1, 1.5, "Infinity"], [1e39, "1e39", "x"]),
        ("Timestamp", ["2025-04-15T08:49:18.699Z"], [1, "2025-02-30T00:00:00Z", "2025-04-15"]),
        ("Timestamp", ["9998-01-01T00:00:00Z"], ["0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z"]),
        ("Duration", ["1.5s"], ["5", 5]),
        ("FieldMask", ["", "name,tags"], ["a_b"]),
        ("Value", [None, True, 1, "x", [1, {"a": None}]], ["\ud800", [10**400], {"\ud800": 1}]),
        ("Struct", [{}, {"a": [1]}], [[], {"a": math.inf}]),
        ("ListValue", [[], [{"a": 1}]], [{}, [math.nan]]),
        ("json", [None, 10**400], []),
        ("NoSuchType", [], ["x"]),
    ],
)
def test_what_a_type_takes(kind: str, good: list[Any], bad: list[Any]) -> None:
    assert [each for each in good if not is_of(kind, {}, each)] == []
    assert [each for each in bad if is_of(kind, {}, each)] == []


@pytest.mark.parametrize(
    ("value", "good"), [("ON", True), (1, True), ("1", True), ("NOPE", False), (3, False)]
)
def test_an_enumeration_takes_names_and_numbers(value: Any, good: bool) -> None:
    assert is_of("enum", {"OFF": 0, "ON": 1}, value) is good
