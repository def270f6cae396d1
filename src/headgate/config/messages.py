"""Messages for invalid values: one for each of pydantic's kinds of errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_MESSAGES: Final = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a table of settings",
    "enum": "must be {expected}",
    "extra_forbidden": "no such setting",
    "finite_number": "must be a number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "model_attributes_type": "must be a table of settings",
    "model_type": "must be a table of settings",
    "path_type": "must be the path of a file, in quotes",
    "string_type": "must be a string, in quotes",
    "too_short": "must have {min_length} or more",
    "tuple_type": "must be a list",
    "byte_size": "must be a number of bytes, such as 64KiB or 2GiB",
    "byte_size_unit": "must be a number of bytes, such as 64KiB or 2GiB",
}
_LONGEST: Final = 60  # characters of a value that the message repeats
_SHOWN: Final = frozenset(
    kind for kind in _MESSAGES if kind.endswith(("_parsing", "_type", "_float")) or kind == "enum"
)
"""The kinds whose message repeats the value; not for tables."""


_SECRET: Final = frozenset({"database_url"})
"""Settings of which no message repeats the value."""


def message_of(item: Mapping[str, Any]) -> str:
    """The message for one of the errors that a ``ValidationError`` lists."""
    kind = str(item["type"])
    message = _MESSAGES.get(kind)
    if message is None:  # from a validator of ours, or a kind that no setting has yet
        return str(item["msg"]).removeprefix("Value error, ")
    text = message.format_map(item.get("ctx", {}))
    value = item.get("input")
    is_secret = not _SECRET.isdisjoint(item.get("loc", ()))
    if kind in _SHOWN and isinstance(value, str | int | float) and not is_secret:
        shown = _as_toml(value)
        if len(shown) <= _LONGEST and shown.isprintable():
            text += f", not {shown}"
    return text


def _as_toml(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
