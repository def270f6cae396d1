"""Reads the protobuf form of an OTLP trace export while it passes.

It keeps no more than what is cut off at the end of a piece.  Only the fields that lead to what
MLflow acts on are followed; everything else is left out by its length.  What no exporter writes and
what could hide something is refused: groups, a second name of an attribute or id of a span, lengths
that lead out of their message (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from headgate.contract.otlp import LONGEST_KEY, LONGEST_VALUE, Export
from headgate.wire.errors import ProtocolError

TRACE_ID_BYTES: Final = 16

# Kinds of message, and what a field of one leads to.  The numbers are those of
# opentelemetry/proto/{collector/trace/v1,trace/v1,resource/v1,common/v1}.
_SKIP: Final = 0
_REQUEST: Final = 1
_RESOURCE_SPANS: Final = 2
_RESOURCE: Final = 3
_SCOPE_SPANS: Final = 4
_SPAN: Final = 5
_LINK: Final = 6
_ATTRIBUTE: Final = 7
_VALUE: Final = 8
_LEAF: Final = 16  # what follows are not messages
_TRACE_ID: Final = 16
_LINKED_ID: Final = 17
_KEY: Final = 18
_TEXT: Final = 19

_FIELDS: Final[tuple[dict[int, int], ...]] = (
    {},
    {1: _RESOURCE_SPANS},
    {1: _RESOURCE, 2: _SCOPE_SPANS},
    {1: _ATTRIBUTE},
    {2: _SPAN},
    {1: _TRACE_ID, 9: _ATTRIBUTE, 13: _LINK},
    {1: _LINKED_ID},
    {1: _KEY, 2: _VALUE},
    {1: _TEXT},
)
_MOST_KNOWN: Final = 512
_MAX_VARINT: Final = 10
_LAST_SHIFT: Final = 28
_CONTINUES: Final = 0x80
_LEAST_TAG: Final = 8
# How a field is written.
_NUMBER: Final = 0
_EIGHT_BYTES: Final = 1
_LENGTH: Final = 2
_FOUR_BYTES: Final = 5


class ProtobufReader:
    """Reads one export, piece by piece, into ``export``.

    ``fields``: how many have been read, which is what takes time.

    Args:
        export: takes what is found.
    """

    __slots__ = (
        "_at",
        "_data",
        "_ends",
        "_export",
        "_has_id",
        "_has_key",
        "_key",
        "_kinds",
        "_known",
        "_length",
        "_offset",
        "_skip",
        "_tag",
        "_value",
        "_values",
        "fields",
    )

    def __init__(self, export: Export) -> None:
        self._export = export
        self.fields: i64 = 0
        self._data = b""  # what is not read yet
        self._offset = 0  # of the beginning of ``_data`` in the whole
        self._skip = 0  # bytes to leave out that have not come yet
        self._kinds: list[int] = [_REQUEST]
        self._ends: list[int] = [-1]  # the end of the whole is not known
        self._tag: i64 = 0  # of the field that is being read, with ...
        self._length: i64 = 0  # ... its length, and ...
        self._at: i64 = 0  # ... where in ``_data`` it goes on
        self._values = export.wants_values
        self._has_id = False
        self._has_key = False
        self._key = ""  # if its value is of interest
        self._value = ""
        # Whether the value of an attribute is of interest: all spans have the same few.
        self._known: dict[bytes, bool] = {}

    def feed(self, piece: bytes) -> None:
        """Read more.

        Raises:
            ProtocolError: it is no export, or not clearly one.
            NamesMisplacedError: an attribute says where the data of a trace lie.
        """
        if self._skip:
            if self._skip >= len(piece):
                self._skip -= len(piece)
                self._offset += len(piece)
                return
            piece = piece[self._skip :]
            self._offset += self._skip
            self._skip = 0
        self._data = self._data + piece if self._data else piece
        read = self._read(self._data)
        self._data = self._data[read:]
        self._offset += read

    def finish(self) -> None:
        """All of it has come.

        Raises:
            ProtocolError: it ends within a message.
        """
        self._close(self._offset)
        if self._data or self._skip or len(self._kinds) > 1:
            raise _malformed("it ends within a message")

    def _read(self, data: bytes) -> int:
        """Read as many whole fields as there are; the bytes they took."""
        size: i64 = len(data)
        at: i64 = 0
        while at < size:
            if self._ends[-1] == self._offset + at:
                self._close(self._offset + at)
            self._at = at
            self.fields += 1
            if not self._read_tag(data):
                return at
            end: i64 = self._offset + self._at + self._length
            outer: i64 = self._ends[-1]
            if self._tag < _LEAST_TAG or (outer >= 0 and end > outer):
                raise _malformed("a field has no number, or leads out of its message")
            if not self._enter(data, end):
                return at
            at = self._at
            if at > size:
                self._skip = at - size
                return size
        return at

    def _read_tag(self, data: bytes) -> bool:
        """Read from ``_at`` what a field is and how long; whether that is all there.

        A number is left out here already, and of no length then.
        """
        self._tag = self._varint(data)
        if self._tag < 0:
            return False
        wire: i64 = self._tag & 7
        if wire == _LENGTH:
            self._length = self._varint(data)
            return self._length >= 0
        if wire == _NUMBER:
            self._length = 0
            return self._skip_number(data)
        if wire == _EIGHT_BYTES:
            self._length = 8
        elif wire == _FOUR_BYTES:
            self._length = 4
        else:
            raise _malformed("it holds a group, or something that no field can be")
        return True

    def _enter(self, data: bytes, end: i64) -> bool:
        """Read or leave out what follows at ``_at``; not if it is wanted and not yet all there."""
        child = _SKIP
        if self._tag & 7 == _LENGTH:
            child = _FIELDS[self._kinds[-1]].get(self._tag >> 3, _SKIP)
        if child == _VALUE and not self._values:
            child = _SKIP
        if child >= _LEAF:
            if self._length > LONGEST_KEY:
                self._too_long(child)
            elif self._at + self._length > len(data):
                return False
            else:
                self._leaf(child, data[self._at : self._at + self._length])
        elif child != _SKIP:
            self._open(child, end)
            return True
        self._at += self._length
        return True

    def _skip_number(self, data: bytes) -> bool:
        size: i64 = len(data)
        at: i64 = self._at
        most: i64 = at + _MAX_VARINT
        while at < size:
            at += 1
            if data[at - 1] < _CONTINUES:
                self._at = at
                return True
            if at == most:
                raise _malformed("a number is too long")
        return False

    def _varint(self, data: bytes) -> i64:
        """The number at ``_at``, which goes on behind it; -1 if it is cut off."""
        size: i64 = len(data)
        at: i64 = self._at
        if at < size and data[at] < _CONTINUES:
            self._at = at + 1
            return data[at]
        value: i64 = 0
        shift: i64 = 0
        while at < size:
            byte: i64 = data[at]
            at += 1
            if shift <= _LAST_SHIFT:
                value |= (byte & 0x7F) << shift
            elif byte & 0x7F:
                raise _malformed("a length, or the number of a field, is too large")
            shift += 7
            if byte < _CONTINUES:
                self._at = at
                return value
            if shift >= 7 * _MAX_VARINT:
                raise _malformed("a number is too long")
        return -1

    def _open(self, kind: int, end: int) -> None:
        self._kinds.append(kind)
        self._ends.append(end)
        if kind == _SPAN:
            self._has_id = False
        elif kind == _ATTRIBUTE:
            self._has_key = False
            self._key = self._value = ""

    def _close(self, at: int) -> None:
        """End the messages that end at ``at``."""
        while self._ends[-1] == at:
            self._ends.pop()
            kind = self._kinds.pop()
            if kind == _SPAN and not self._has_id:
                raise _malformed("a span has no trace id")
            if kind == _ATTRIBUTE and self._key:
                self._export.on_value(self._key, self._value)

    def _too_long(self, kind: int) -> None:
        """Something is too long for what it should be: a name that can be no tag, or no id."""
        if kind in (_TRACE_ID, _LINKED_ID):
            raise _malformed("a trace id is not 16 bytes long")
        if kind == _KEY:
            self._begin_key()
        else:
            self._value = ""

    def _leaf(self, kind: int, value: bytes) -> None:
        if kind == _KEY:
            self._take_key(value)
        elif kind == _TEXT:
            self._value = value.decode("utf-8", "replace") if len(value) <= LONGEST_VALUE else ""
        elif len(value) == TRACE_ID_BYTES:
            if kind == _TRACE_ID:
                if self._has_id:
                    raise _malformed("a span has two trace ids")
                self._has_id = True
            if self._values:
                self._export.on_trace(value.hex())
        elif value or kind == _TRACE_ID:
            raise _malformed("a trace id is not 16 bytes long")

    def _begin_key(self) -> None:
        if self._has_key:
            raise _malformed("an attribute has two names")
        self._has_key = True

    def _take_key(self, key: bytes) -> None:
        self._begin_key()
        wanted = self._known.get(key)
        if wanted is None:
            try:
                wanted = self._export.on_key(key.decode("utf-8"))
            except UnicodeDecodeError:
                raise _malformed("the name of an attribute is not UTF-8") from None
            if len(self._known) < _MOST_KNOWN:
                self._known[key] = wanted
        if wanted:
            self._key = key.decode("utf-8")


def _malformed(what: str) -> ProtocolError:
    return ProtocolError(f"the body is not an unambiguous OTLP export: {what}")
