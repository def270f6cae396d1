"""Reads the JSON form of an OTLP trace export.

MLflow parses it with Python's ``json``, turns the hexadecimal ids of spans into base64 below the
names that OTLP knows alone, and hands it to protobuf's own parser, which takes the names with
underscores too (``otel_api._convert_otlp_json_ids_to_base64``).  OTLP allows the former names only.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, Final

from headgate.contract.body import read_json
from headgate.contract.otlp import JSON, LONGEST_VALUE, Export
from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError

MOST_BYTES: Final = 512 * 1024
"""Longest body that is parsed as a whole."""

_WHITE_SPACE: Final = b" \t\r\n"
_KEY: Final = re.compile(rb'"key":"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED_KEY: Final = re.compile(
    rb'"(?:k|\\u006[bB])(?:e|\\u0065)(?:y|\\u0079)":"((?:[^"\\]|\\.)*+)"', re.DOTALL
)
_CARRIED: Final = 4096
"""Bytes of the longest name of a tag if every character of it is escaped, and more."""
_OTHER_ENCODINGS: Final = (b"\xff\xfe", b"\xfe\xff")
_ENCODING_BYTES: Final = 4

_TRACE_ID: Final = re.compile(r"[0-9a-fA-F]{32}")
_NAMES: Final = {
    name.lower(): name
    for name in (
        *("resourceSpans", "resource", "scopeSpans", "spans", "traceId", "links", "attributes"),
        *("key", "value", "stringValue"),
    )
}


class JsonScan:
    """Looks at the names of attributes while an export passes, wherever they stand in it.

    Args:
        export: takes what is found.
    """

    __slots__ = ("_carried", "_export", "_head")

    def __init__(self, export: Export) -> None:
        self._export = export
        self._carried = b""
        self._head = b""

    def feed(self, piece: bytes) -> None:
        """Look at more.

        Raises:
            ProtocolError: it is not UTF-8.
            NamesMisplacedError: an attribute says where the data of a trace lie.
        """
        if len(self._head) < _ENCODING_BYTES:
            self._head += piece[:_ENCODING_BYTES]
            _check_encoding(self._head[:_ENCODING_BYTES])
        # White space is without meaning between names and values, and in no name that counts.
        data = self._carried + piece.translate(None, _WHITE_SPACE)
        pattern = _ESCAPED_KEY if b"\\u00" in data else _KEY
        for raw in pattern.findall(data):
            self._export.on_key(_text(raw))
        self._carried = data[-_CARRIED:]

    def finish(self) -> None:
        """All of it has come."""


class JsonReader:
    """Reads a whole export, which must be short.

    Args:
        export: takes what is found.
    """

    __slots__ = ("_export", "_length", "_pieces")

    def __init__(self, export: Export) -> None:
        self._export = export
        self._pieces: list[bytes] = []
        self._length = 0

    def feed(self, piece: bytes) -> None:
        """Take more.

        Raises:
            ProtocolError: it is too long.
        """
        self._pieces.append(piece)
        self._length += len(piece)
        if self._length > MOST_BYTES:
            raise ProtocolError(
                f"in JSON it is longer than {MOST_BYTES // 1024} KiB, the most that is read of it "
                "with a key that is narrowed to experiments; export less at a time, or in protobuf",
                reason=Reason.BODY_TOO_LARGE,
            )

    def finish(self) -> None:
        """Read it: all of it has come.

        Raises:
            ProtocolError: it is no export, or one that could be read in two ways.
            NamesMisplacedError: an attribute says where the data of a trace lie.
        """
        export = self._export
        body = b"".join(self._pieces).removeprefix(codecs.BOM_UTF8)
        message = read_json(body, {b"content-type": JSON})
        for resource_spans in _items(_fields(message).get("resourceSpans")):
            _read_attributes(_fields(resource_spans.get("resource", {})), export)
            for scope_spans in _items(resource_spans.get("scopeSpans")):
                for span in _items(scope_spans.get("spans")):
                    export.on_trace(_trace_id(span.get("traceId")))
                    _read_attributes(span, export)
                    for link in _items(span.get("links")):
                        if link.get("traceId"):
                            export.on_trace(_trace_id(link["traceId"]))


def _read_attributes(message: dict[str, Any], export: Export) -> None:
    for attribute in _items(message.get("attributes")):
        key = attribute.get("key", "")
        if not isinstance(key, str):
            raise _malformed("the name of an attribute is no text")
        if export.on_key(key):
            value = _fields(attribute.get("value", {})).get("stringValue")
            if isinstance(value, str) and len(value) <= LONGEST_VALUE:
                export.on_value(key, value)


def _items(value: Any) -> list[dict[str, Any]]:
    """The messages of a repeated field, which may be left out."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise _malformed("there is no list where one is due")
    return [_fields(each) for each in value]


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a message, of which those that are read have OTLP's own names."""
    if not isinstance(value, dict):
        raise _malformed("there is no object where one is due")
    for name in value:
        if _NAMES.get(name.replace("_", "").lower(), name) != name:
            raise _malformed("a field has not the name that OTLP gives it")
    return value


def _trace_id(value: Any) -> str:
    if not isinstance(value, str) or _TRACE_ID.fullmatch(value) is None:
        raise _malformed("a trace id is not 32 hexadecimal digits")
    return value.lower()


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    if "\\" not in text:
        return text
    try:
        parsed: str = json.loads(f'"{text}"', strict=False)
    except ValueError:
        return text  # MLflow refuses it
    return parsed


def _check_encoding(head: bytes) -> None:
    """Refuse what ``json.detect_encoding`` takes for UTF-16 or UTF-32."""
    if head.startswith(_OTHER_ENCODINGS) or b"\0" in head:
        raise _malformed("it is not UTF-8")


def _malformed(what: str) -> ProtocolError:
    return ProtocolError(f"the body is not an unambiguous OTLP export: {what}")
