"""Which objects a request names, read in the one way in which MLflow reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headgate.contract.parameters import path_parameters
from headgate.model import ObjectField, Operation, Place
from headgate.wire.errors import ProtocolError


def values_of(
    operation: Operation,
    field: ObjectField,
    *,
    path: bytes,
    query: Mapping[str, list[str]],
    header: Mapping[bytes, bytes],
    message: Mapping[str, Any],
) -> list[str]:
    """Every value that stands in one of the operation's fields.

    Args:
        operation: what the request asks for.
        field: one of the places where it names an object.
        path: the canonical path, without the public prefix.
        query: the parameters of the query, as ``contract.reader.Reader`` has read them.
        header: the values of the header fields that the gate reads, by lower-case name.
        message: the body, as it has read it.

    Raises:
        ProtocolError: an identifier in the body is neither text nor a whole number.
    """
    if field.place is Place.PATH:
        found = path_parameters(operation, path).get(field.name)
        return [] if found is None else [found]
    if field.place is Place.QUERY:
        return query.get(field.name, [])
    if field.place is Place.HEADER:
        value = header.get(field.name.lower().encode("ascii"))
        return [] if value is None else [value.decode("latin-1").strip()]
    return [_text(value) for value in _walk(message, field.name.split("."))]


def _walk(value: Any, names: Sequence[str]) -> Iterator[Any]:
    """The values at the end of a path of field names; ``[]`` after a name follows each item."""
    if not names:
        yield from value if isinstance(value, list) else [value]
        return
    inner = value.get(names[0].removesuffix("[]")) if isinstance(value, dict) else None
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
