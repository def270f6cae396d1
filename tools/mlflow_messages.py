"""The protocol buffer messages of MLflow's requests, as data.

A field is written ``TYPE`` or ``TYPE JSON-NAME``, the latter where the JSON name is not the usual
one.  ``TYPE`` is that of protocol buffers; ``enum NAME`` and ``message NAME`` name what the file
describes beside it, and types of ``google.protobuf`` by their last name.  ``[]`` follows a repeated
field, ``{}`` a map, whose type is that of its values; ``/NAME`` the ``oneof`` it belongs to.
"""

from __future__ import annotations

from typing import Any

_WELL_KNOWN = "google.protobuf."
_TYPES = {
    1: "double",
    2: "float",
    3: "int64",
    4: "uint64",
    5: "int32",
    6: "fixed64",
    7: "fixed32",
    8: "bool",
    9: "string",
    12: "bytes",
    13: "uint32",
    15: "sfixed32",
    16: "sfixed64",
    17: "sint32",
    18: "sint64",
}
_ENUM, _MESSAGE = 14, 11


class Messages:
    """Collects messages, and the enumerations in them, by their names."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, str]] = {}
        self.enums: dict[str, dict[str, int]] = {}

    def add(self, message: Any) -> str:
        """Take in a message type and all that it holds; its name."""
        name = str(message.full_name)
        if name not in self.messages:
            fields = self.messages[name] = {}
            for field in message.fields:
                fields[field.name] = self._field(field)
        return name

    def _field(self, field: Any) -> str:
        is_map = field.type == _MESSAGE and field.message_type.GetOptions().map_entry
        kind = field.message_type.fields_by_name["value"] if is_map else field
        text = self._type(kind)
        if is_map:
            text += "{}"
        elif is_repeated(field):
            text += "[]"
        of = field.containing_oneof
        if of is not None and len(of.fields) > 1:
            text += f"/{of.name}"
        usual = camel_case(field.name)
        return text if field.json_name == usual else f"{text} {field.json_name}"

    def _type(self, field: Any) -> str:
        if field.type == _ENUM:
            name = str(field.enum_type.full_name)
            self.enums[name] = {each.name: each.number for each in field.enum_type.values}
            return f"enum {name}"
        if field.type == _MESSAGE:
            if field.message_type.full_name.startswith(_WELL_KNOWN):
                return str(field.message_type.name)
            return f"message {self.add(field.message_type)}"
        return _TYPES[field.type]


def camel_case(name: str) -> str:
    """The usual JSON name of a field (``ToJsonName`` in protobuf's descriptor.cc)."""
    first, *others = name.split("_")
    return first + "".join(each[:1].upper() + each[1:] for each in others)


def is_repeated(field: Any) -> bool:
    """Protocol buffers 7 have taken ``label`` away, those before 6.31 lack ``is_repeated``."""
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == field.LABEL_REPEATED)
