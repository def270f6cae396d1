"""What a body says: read as MLflow reads it, held against the shields, its objects found.

The same code runs on the event loop for small bodies, and in a helper process for large ones
(``examiner``): to read a body costs time in proportion to its bytes and to its JSON values, and the
loop serves everybody.  Both are bounded before anything is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from headgate.contract import table
from headgate.contract.body import read_json
from headgate.decide.judgement import MAX_MENTIONS, Mention
from headgate.decide.object_names import values_of
from headgate.errors import Refusal
from headgate.model import ObjectField, ObjectKind, Operation, Place
from headgate.reasons import Reason
from headgate.shields import Shield
from headgate.shields.locations import is_of_prompt
from headgate.shields.plan import sets_trace_tags
from headgate.shields.trace_locations import TraceLocation
from headgate.wire.errors import ProtocolError


class Bounds(NamedTuple):
    """How large a body may be: its bytes, and at most so many JSON values."""

    size: int
    values: int


_INLINE: Final = Bounds(256 * 1024, 20_000)
"""Up to this a body is read on the loop.  MLflow's client logs 1,000 metrics in one request, which
are about 9,000 values in 150 kB."""
_INLINE_SHIELDED: Final = Bounds(64 * 1024, 4_000)
"""The same where a shield looks at each text."""
_INLINE_GRAPHQL: Final = Bounds(8 * 1024, 2_000)
"""Its query is scanned in Python; MLflow's page sends about 1,500 characters."""
_LARGEST: Final = Bounds(64 * 1024 * 1024, 200_000)
_LARGEST_OF: Final[Mapping[str, Bounds]] = {
    # mlflow.utils.validation: MAX_BATCH_LOG_REQUEST_SIZE, and 1,000 entities of 8 fields each.
    "runs/log-batch": Bounds(1_000_000, 50_000),
    "graphql": Bounds(512 * 1024, 20_000),
}
_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


MAX_PARAMETERS: Final = 1_000
"""Of a query that has to be read; MLflow's client sends ids in parts of some hundreds at most."""


class Finding(NamedTuple):
    """The result of reading a body: the reason to refuse it, or the objects that it names.

    ``readings`` holds these for each of ``Table.readers``, in their order.  ``places`` is where
    the body says that the data of traces lie, which is to be their own place.
    """

    refusal: Refusal | None = None
    readings: tuple[tuple[Mention, ...], ...] = ()
    places: tuple[TraceLocation, ...] = ()


def is_small(operation: Operation, version: str, shield: Shield, body: bytes) -> bool:
    """Whether the body may be read on the loop; it is read as each MLflow of ``readers`` does."""
    bounds = _INLINE_SHIELDED if shield.reads_texts(operation) else _INLINE
    if operation.name == "graphql":
        bounds = _INLINE_GRAPHQL
    times = len(table().readers(operation, version))
    return len(body) <= bounds.size and times * _most_values(body) <= bounds.values


def too_large(operation: Operation, body: bytes) -> Refusal | None:
    """The reason to refuse a body that is not small, before it is parsed."""
    limit = _LARGEST_OF.get(operation.name, _LARGEST)
    reason = Reason.BODY_TOO_LARGE
    if len(body) > limit.size:
        return ambiguous(
            ProtocolError(
                f"the body is longer than {limit.size:,} bytes, the limit for one of "
                f"{operation.name} that has to be read for your key's roles or a shield; send it "
                "in parts",
                reason=reason,
            )
        )
    # Most of what looks like a value stands in texts.
    if _most_values(body) > limit.values and _most_values(_TEXT.sub(b"", body)) > limit.values:
        return ambiguous(
            ProtocolError(
                f"the body has more than {limit.values:,} JSON values, the limit for one of "
                f"{operation.name} that has to be read for your key's roles or a shield; send it "
                "in parts",
                reason=reason,
            )
        )
    return None


def _most_values(body: bytes) -> int:
    """At least as many values as a JSON text holds: each but the first follows one of these."""
    return 1 + body.count(b",") + body.count(b":") + body.count(b"[")


def examine(
    operation: Operation,
    version: str,
    path: bytes,
    fields: Sequence[ObjectField] | None,
    shield: Shield,
    header: Mapping[bytes, bytes],
    body: bytes,
) -> Finding:
    """Read a body: the reason to refuse it, or the objects that it names.

    Args:
        operation: what the request asks for.
        version: of the MLflow that it goes to, or empty.
        path: the canonical one.
        fields: where objects are named that have to be judged, those outside the body left out;
            ``None`` where none has to be.
        shield: the one for all requests, or the stricter one for narrowed keys.
        header: the values of the header fields that the gate reads, by lower-case name.
        body: all of it.
    """
    narrowed = fields is not None
    try:
        message = read_json(body, header)
        tagging = sets_trace_tags(operation)
        # What a narrowed key sends is read as each MLflow reads it, and strictly.
        read = table().reader(operation).body(message) if tagging or not narrowed else {}
        refusal = shield.check_body(operation, message)
        if refusal is not None:
            return Finding(refusal)
        places = (
            shield.trace_locations(operation, path, message, read, always=narrowed)
            if tagging
            else ()
        )
        if isinstance(places, Refusal):
            return Finding(places)
        readings = [
            in_body(operation, fields, header, reader.body(message, strict=True))
            for reader in table().readers(operation, version)
            if fields is not None
        ]
    except ProtocolError as error:
        return Finding(ambiguous(error))
    return Finding(None, tuple(readings), tuple(places))


def in_body(
    operation: Operation,
    fields: Sequence[ObjectField],
    header: Mapping[bytes, bytes],
    message: Mapping[str, Any],
) -> tuple[Mention, ...]:
    """The objects that a body names, each once."""
    found = dict.fromkeys(
        (field, value)
        for field in fields
        if field.place is Place.BODY
        for value in values_of(operation, field, path=b"", query={}, header=header, message=message)
        if not (field.kind is ObjectKind.LOCATION and is_of_prompt(field.name, value))
    )
    # One more than may be named is enough to tell that there are too many.
    return tuple(islice(found, MAX_MENTIONS + 1))


def ambiguous(error: ProtocolError) -> Refusal:
    """The refusal of what MLflow might read in another way."""
    return Refusal(
        error.reason,
        f"Headgate refused the request: {error.message}.",
        status=error.status or None,
        error_code=error.error_code,
    )


TOO_MANY_PARAMETERS: Final = ambiguous(
    ProtocolError(
        f"the query has more than {MAX_PARAMETERS:,} parameters, the limit where they have to be "
        "read; send them in parts"
    )
)
