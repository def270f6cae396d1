"""The messages of MLflow's requests, and the reading of JSON as one of them.

MLflow hands parsed JSON to ``google.protobuf.json_format.ParseDict``, which knows a field by its
name and by its JSON name, in no other spelling, and ignores what it does not know.  At the first
value of a wrong type it stops, and MLflow goes on with the fields that were set until then
(``mlflow.server.handlers._get_request_message``).  So a message is read here with its types:
what MLflow would read only in part is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headgate.contract.scalars import SCALARS, is_of
from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError, ambiguous

INVALID: Final = "INVALID_PARAMETER_VALUE"
"""The error code of MLflow's for a value that it does not take."""

_LONGEST_NAME: Final = 256
"""Four times as long as any field of MLflow's, in whatever spelling."""
JSON: Final = "json"
KINDS: Final = SCALARS | {"message"}
_MADE_TEXT: Final = frozenset({"experiment_id", "experiment_ids"})
"""What older versions make a text of: null is an id then (``_stringify_all_experiment_ids``)."""
_WORDS: Final = {"string": "text", "double": "number", "float": "number", "bool": "true or false"}
_EXTENSION: Final = re.compile(r"\[[a-zA-Z0-9._]*\]")
_TYPE: Final = re.compile(
    r"(?P<kind>\w+)(?: (?P<of>[\w.]+))?(?P<many>\[\]|\{\})?(?:/(?P<oneof>\w+))?(?: (?P<json>\w+))?"
)


def fold(name: str) -> str:
    """What is left of a name without its spelling: case, underscores, hyphens, brackets."""
    return "".join(filter(str.isalnum, name.lower()))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Attributes:
        name: as the message has it.
        kind: the type in protocol buffers, ``enum``, ``message``, a type of ``google.protobuf`` by
            its last name, or ``json`` for one that a handler reads by itself.
        message: the type of a field that is one.
        values: the names and numbers of an enumeration.
        repeated: it holds a list.
        is_map: it holds values of ``kind`` by names of the client's.
        oneof: the set of fields of which one may be given; empty if it is in none.
    """

    name: str
    kind: str
    message: Message | None = None
    values: Mapping[str, int] = field(default_factory=dict)
    repeated: bool = False
    is_map: bool = False
    oneof: str = ""

    def reads_as(self, other: Field, assumed: set[tuple[int, int]]) -> bool:
        """Whether another field takes the same values; see ``Message.reads_as``."""
        if (self.name, self.kind, self.values, self.repeated, self.is_map, self.oneof) != (
            other.name,
            other.kind,
            other.values,
            other.repeated,
            other.is_map,
            other.oneof,
        ):
            return False
        if self.message is None or other.message is None:
            return self.message is other.message
        return self.message.reads_as(other.message, assumed)


@dataclass(slots=True)
class Message:
    """A type of message: its fields by every exact spelling, and their names by ``fold``."""

    name: str
    fields: dict[str, Field] = field(default_factory=dict)
    folded: dict[str, str] = field(default_factory=dict)

    def add(self, spelled: Iterable[str], new: Field) -> None:
        """Take in a field under its spellings.

        Raises:
            ValueError: one of them is another field's already.
        """
        for spelling in spelled:
            known = self.fields.setdefault(spelling, new)
            if known is not new and _shape(known) != _shape(new):
                raise ValueError(f"{self.name}.{spelling} has two types")
            self.folded.setdefault(fold(spelling), new.name)

    def reads_as(self, other: Message, assumed: set[tuple[int, int]]) -> bool:
        """Whether another type reads every object in the same way.

        ``assumed``: pairs that are being compared already, for a type may hold itself.
        """
        pair = id(self), id(other)
        if self is other or pair in assumed:
            return True
        assumed.add(pair)
        return self.fields.keys() == other.fields.keys() and all(
            known.reads_as(other.fields[spelling], assumed)
            for spelling, known in self.fields.items()
        )

    def field(self, spelling: str) -> Field | None:
        """The field that MLflow knows by this spelling, if it knows one.

        Raises:
            ProtocolError: it knows one by another spelling, and would ignore this one.
        """
        found = self.fields.get(spelling)
        if found is None:
            refuse_spelling(spelling, self.folded, "the body")
        return found

    def read(self, value: Any, *, strict: bool) -> dict[str, Any]:
        """A parsed object as this message: its fields by their names, those within it too.

        Args:
            value: the object.
            strict: whether values must be of their fields' types, so that MLflow reads all of it.

        Raises:
            ProtocolError: a field has a spelling that MLflow ignores, is there in two spellings,
                or would make MLflow stop reading.
        """
        found: dict[str, Any] = {}
        oneofs: set[str] = set()
        for spelling, inner in value.items():
            known = self.field(spelling)
            if known is None:
                if strict and _EXTENSION.fullmatch(spelling):
                    raise _unread("a field that is named like an extension, in brackets")
                continue
            if known.name in found:
                raise ambiguous("a field of the body is given in two spellings")
            if known.oneof and inner is not None:
                if strict and known.oneof in oneofs:
                    raise _unread(f"{known.name} beside another field that excludes it")
                oneofs.add(known.oneof)
            if inner is None and strict and known.name in _MADE_TEXT:
                raise _unread(f"a {known.name} that is null")
            found[known.name] = None if inner is None else _value(known, inner, strict)
        return found


def _shape(known: Field) -> tuple[object, ...]:
    message = known.message.name if known.message is not None else ""
    return known.name, known.kind, message, known.repeated, known.is_map


def refuse_spelling(spelling: str, folded: Mapping[str, str], where: str) -> None:
    """Refuse a name that is a known one but for its spelling.

    Args:
        spelling: a name that MLflow does not know.
        folded: the names that it knows, by their ``fold``.
        where: the part of the request, for the text.

    Raises:
        ProtocolError: it is; the text names the known one.
    """
    if len(spelling) > _LONGEST_NAME:
        return  # to fold it would take time for nothing
    meant = folded.get(fold(spelling))
    if meant is not None:
        raise ambiguous(
            f"{where} has {meant} in a spelling that MLflow ignores; write {meant} exactly so"
        )


def build(
    types: Mapping[str, Mapping[str, str]], enums: Mapping[str, Mapping[str, int]]
) -> dict[str, Message]:
    """The types of messages of one version, by name, from the file that describes it."""
    messages = {name: Message(name) for name in types}
    for name, fields in types.items():
        for spelled, text in fields.items():
            match = _TYPE.fullmatch(text)
            if match is None or match["kind"] not in KINDS:
                raise ValueError(f"{name}.{spelled}: {text!r} is no type")
            kind, of, many = match["kind"], match["of"] or "", match["many"]
            new = Field(
                spelled,
                kind,
                messages[of] if kind == "message" else None,
                enums[of] if kind == "enum" else {},
                many == "[]",
                many == "{}",
                match["oneof"] or "",
            )
            messages[name].add(dict.fromkeys((spelled, match["json"] or camel_case(spelled))), new)
    return messages


def camel_case(name: str) -> str:
    """The usual JSON name of a field (``ToJsonName`` in protobuf's descriptor.cc)."""
    first, *others = name.split("_")
    return first + "".join(each[:1].upper() + each[1:] for each in others)


def joined(messages: Iterable[Message], by_hand: Iterable[str] = ()) -> Message | None:
    """One type with the fields of several, and with what a handler reads by itself.

    Raises:
        ValueError: a field has two types.
    """
    every = list({each.name: each for each in messages}.values())
    names = sorted({*by_hand})
    if len(every) == 1 and not names:
        return every[0]
    whole = Message("+".join(each.name for each in every))
    for each in every:
        for spelling, known in each.fields.items():
            whole.add((spelling,), known)
    for name in names:
        whole.fields.setdefault(name, Field(name, JSON))
        whole.folded.setdefault(fold(name), name)
    return whole if whole.fields else None


def _value(known: Field, value: Any, strict: bool) -> Any:
    """A value, not null, of a field; messages in it read as such."""
    if known.is_map and isinstance(value, dict):
        return {name: _single(known, each, strict) for name, each in value.items()}
    if known.repeated and isinstance(value, list):
        return [_single(known, each, strict) for each in value]
    if strict and (known.repeated or known.is_map):
        raise _unread(f"a {known.name} that is no {'list' if known.repeated else 'object'}")
    return _single(known, value, strict)


def _single(known: Field, value: Any, strict: bool) -> Any:
    kind = known.kind
    if known.message is not None and isinstance(value, dict):
        return known.message.read(value, strict=strict)
    if strict and not is_of(kind, known.values, value):
        raise _unread(f"a {known.name} that is no {_WORDS.get(kind, kind)}")
    return value


def _unread(what: str) -> ProtocolError:
    return ProtocolError(
        f"the body has {what}, where MLflow stops reading and processes only a part; "
        "correct its type or leave it out",
        reason=Reason.REQUEST_AMBIGUOUS,
        error_code=INVALID,
    )
