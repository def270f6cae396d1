"""The JSON body of a GET, which MLflow reads as the message when there is no query.

``mlflow-export-import``, which people move from server to server with, sends nothing else
(``mlflow.server.handlers._get_request_message``, all versions).  A body in a GET means nothing to
HTTP (RFC 9110 section 9.3.1), so the gate sends the message on as the query that it is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from headgate.contract.body import read_json
from headgate.contract.messages import Message
from headgate.wire.errors import ProtocolError

MOST_BYTES: Final = 60 * 1024
"""Of a query that comes of a body: uvicorn takes heads of 64 KiB (h11)."""


def query_of(body: bytes, header: Mapping[bytes, bytes], message: Message) -> bytes:
    """The query that says what a body does, with its ``?``; empty for an empty message.

    Args:
        body: all of it.
        header: the values of the request's header fields, by lower-case name.
        message: what the operation reads.

    Raises:
        ProtocolError: for a body that could be read in two ways, or only in part; for a value that
            no query can hold; with status 414 for one that would be too long.
    """
    if len(body) > MOST_BYTES:
        raise _too_long()
    read = message.read(read_json(body, header), strict=True)
    pairs = [
        f"{name}={quote(text, safe='', errors='replace')}"
        for name, value in read.items()
        for text in _texts(message, name, value)
    ]
    query = ("?" + "&".join(pairs)).encode("ascii") if pairs else b""
    if len(query) > MOST_BYTES:
        raise _too_long()
    return query


def _texts(message: Message, name: str, value: Any) -> Iterator[str]:
    """The values of one field as a query has them; none for null, which is no value."""
    field = message.fields[name]
    for each in value if isinstance(value, list) else [value]:
        if each is None:
            continue
        if field.message is not None or field.is_map or isinstance(each, dict | list):
            raise ProtocolError(
                f"{name} in the body of a GET is not a single value, so it cannot be sent as the "
                "query; send the request without it"
            )
        if isinstance(each, float) and each.is_integer():
            each = int(each)  # noqa: PLW2901  as older protocol buffers take it
        yield str(each).lower() if isinstance(each, bool) else str(each)


def _too_long() -> ProtocolError:
    return ProtocolError(
        f"the body of a GET would be a query of more than {MOST_BYTES // 1024} KiB, which MLflow "
        "does not take; ask for less at a time",
        status=414,
    )
