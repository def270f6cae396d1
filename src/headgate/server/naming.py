"""Which objects a request names, read in the one way in which MLflow reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from headgate.contract.body import fields_of, snake_case
from headgate.contract.parameters import path_parameters
from headgate.model import ObjectField, Operation, Place
from headgate.wire.errors import ProtocolError, ambiguous


def values_of(
    operation: Operation,
    field: ObjectField,
    *,
    path: bytes,
    query: bytes,
    known: Mapping[bytes, bytes],
    message: Mapping[str, Any],
) -> list[str]:
    """Every value that stands in one of the operation's fields.

    Args:
        operation: what the request asks for.
        field: one of the places where it names an object.
        path: the canonical path, without the public prefix.
        query: the client's query, with its ``?`` or empty.
        known: the fields of the head that the gate reads.
        message: the parsed body.

    Raises:
        ProtocolError: when a field has two spellings, or is no text where text is due.
    """
    if field.place is Place.PATH:
        found = path_parameters(operation, path).get(field.name)
        return [] if found is None else [found]
    if field.place is Place.QUERY:
        return query_values(query, field.name)
    if field.place is Place.HEADER:
        value = known.get(field.name.lower().encode("ascii"))
        return [] if value is None else [value.decode("latin-1").strip()]
    return [_text(value) for value in _walk(message, field.name.split("."))]


def query_values(query: bytes, name: str) -> list[str]:
    """The values of a query parameter, each time it is given and in whichever spelling.

    Raises:
        ProtocolError: when it is given in two spellings, or is not UTF-8.
    """
    values = []
    spellings = set()
    for pair in query.removeprefix(b"?").split(b"&"):
        key, _, value = pair.partition(b"=")
        try:
            spelled = unquote_plus(key.decode("ascii"), errors="strict")
            if snake_case(spelled.removesuffix("[]")) == name:
                spellings.add(spelled)
                values.append(unquote_plus(value.decode("ascii"), errors="strict"))
        except UnicodeDecodeError:
            raise ambiguous("the query is not UTF-8") from None
    if len(spellings) > 1:
        raise ambiguous("a parameter of the query is given in two spellings")
    return values


def _walk(value: Any, names: Sequence[str]) -> Iterator[Any]:
    """The values at the end of a path of field names; ``[]`` after a name follows each item."""
    if not names:
        yield from value if isinstance(value, list) else [value]
        return
    if not isinstance(value, dict):
        return
    name = names[0].removesuffix("[]")
    inner = fields_of(value).get(name)
    if inner is None:
        return
    if isinstance(inner, list) and len(names) > 1:
        for item in inner:
            yield from _walk(item, names[1:])
    else:
        yield from _walk(inner, names[1:])


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ProtocolError("an identifier in the body is neither text nor a whole number")
    return str(value)
