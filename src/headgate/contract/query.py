"""Reads a query string as MLflow does: the one reader of the gate.

Flask and FastAPI both split at ``&`` and at the first ``=``, take ``+`` for a space and decode
once, as UTF-8 (``urllib.parse.parse_qsl`` with ``keep_blank_values``).  Of a parameter that is
given twice the one takes the first value, the other the last, and a list takes all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote_plus

from headgate.wire.errors import ambiguous


def parameters(query: bytes) -> Iterator[tuple[str, str]]:
    """Each parameter, decoded, in the order of the query.

    Args:
        query: the client's own, with its ``?``, or empty.

    Raises:
        ProtocolError: for what is not ASCII, or is not UTF-8 once it is decoded: Flask keeps such
            an escape, FastAPI replaces what it stands for.
    """
    for pair in query.removeprefix(b"?").split(b"&"):
        if not pair:
            continue
        name, _, value = pair.partition(b"=")
        try:
            yield (
                unquote_plus(name.decode("ascii"), errors="strict"),
                unquote_plus(value.decode("ascii"), errors="strict"),
            )
        except UnicodeDecodeError:
            raise ambiguous("the query is not UTF-8, percent-encoded") from None


def is_empty(query: bytes) -> bool:
    """Whether MLflow finds no parameter in it: then it reads the body of a GET instead."""
    return not query.removeprefix(b"?").strip(b"&")
