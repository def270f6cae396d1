"""Which JSON values MLflow takes for a field, by the field's type in protocol buffers.

As ``google.protobuf.json_format._ConvertScalarFieldValue`` has it, in the versions 4 to 7; where
they differ, and where Python reads a number in a way that nobody writes it in (``1_000``), only
what all of them take.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Check = Callable[[Mapping[str, int], Any], bool]

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,300}+(?:\.[0-9]{0,300}+)?+(?:[eE][+-]?[0-9]{1,3}+)?+")
_QUOTED_FLOATS: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_FLOAT_MAX: Final = 3.4028234663852886e38
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/_\-]{4})*+(?:[A-Za-z0-9+/_\-]{2,3}={0,2}+)?+")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9}+)?+"
    r"(?:Z|[+\-](?:0[0-9]|1[0-3]):[0-5][0-9])"
)
_DURATION: Final = re.compile(r"-?[0-9]{1,11}+(?:\.[0-9]{1,9}+)?+s")
_FIELD_MASK: Final = re.compile(r"(?:[a-z][A-Za-z0-9]*+(?:[.,][a-z][A-Za-z0-9]*+)*+)?+")
_WHOLE_BITS: Final = 1023
"""Whole numbers up to this length are in the range of a ``double``."""


def is_of(kind: str, values: Mapping[str, int], value: Any) -> bool:
    """Whether MLflow takes ``value``, not null, for a field that is not a message.

    Args:
        kind: the type of the field.
        values: names and numbers, if it is an enumeration.
        value: as it stands in the JSON.
    """
    check = _CHECKS.get(kind)
    return check is not None and check(values, value)


def _whole(least: int, most: int) -> Check:
    def check(_values: Mapping[str, int], value: Any) -> bool:
        if isinstance(value, str):
            if _INTEGER.fullmatch(value) is None:
                return False
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
            return False
        return least <= value <= most

    return check


_INT32: Final = _whole(-(2**31), 2**31 - 1)
_INT64: Final = _whole(-(2**63), 2**63 - 1)
_UINT32: Final = _whole(0, 2**32 - 1)
_UINT64: Final = _whole(0, 2**64 - 1)


def _is_text(_values: Mapping[str, int], value: Any) -> bool:
    return isinstance(value, str) and (value.isascii() or _SURROGATE.search(value) is None)


def _is_number(value: Any) -> bool:
    """Whether it is a number in the range of a ``double``."""
    if isinstance(value, float):
        return math.isfinite(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole and value.bit_length() <= _WHOLE_BITS


def _is_double(_values: Mapping[str, int], value: Any) -> bool:
    if isinstance(value, str):
        return value in _QUOTED_FLOATS or _NUMBER.fullmatch(value) is not None
    return _is_number(value)


def _is_float(values: Mapping[str, int], value: Any) -> bool:
    if not _is_double(values, value):
        return False
    return value in _QUOTED_FLOATS or abs(float(value)) <= _FLOAT_MAX


def _is_bool(_values: Mapping[str, int], value: Any) -> bool:
    return isinstance(value, bool)


def _is_enum(values: Mapping[str, int], value: Any) -> bool:
    if isinstance(value, str) and value in values:
        return True
    return _INT32(values, value) and int(value) in values.values()


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda _values, value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_timestamp(_values: Mapping[str, int], value: Any) -> bool:
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return False
    try:
        day = dt.date.fromisoformat(match[1])
    except ValueError:
        return False
    return 1 < day.year < dt.MAXYEAR  # its offset may lead out of the range


def _is_any(_values: Mapping[str, int], value: Any) -> bool:
    """Whether a JSON value can be a ``Value``."""
    level = [value]
    while level:
        each = level.pop()
        if isinstance(each, dict):
            level += each
            level += each.values()
        elif isinstance(each, list):
            level += each
        elif isinstance(each, str):
            if not _is_text({}, each):
                return False
        elif not (each is None or isinstance(each, bool) or _is_number(each)):
            return False
    return True


_CHECKS: Final[Mapping[str, Check]] = {
    "string": _is_text,
    "bytes": _matches(_BASE64),
    "bool": _is_bool,
    "enum": _is_enum,
    "double": _is_double,
    "float": _is_float,
    **dict.fromkeys(("int32", "sint32", "sfixed32"), _INT32),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), _INT64),
    **dict.fromkeys(("uint32", "fixed32"), _UINT32),
    **dict.fromkeys(("uint64", "fixed64"), _UINT64),
    "Timestamp": _is_timestamp,
    "Duration": _matches(_DURATION),
    "FieldMask": _matches(_FIELD_MASK),
    "Value": _is_any,
    "Struct": lambda values, value: isinstance(value, dict) and _is_any(values, value),
    "ListValue": lambda values, value: isinstance(value, list) and _is_any(values, value),
    "json": lambda _values, _value: True,
}

SCALARS: Final = frozenset(_CHECKS)
"""The types of fields that are no messages."""
