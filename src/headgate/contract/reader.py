"""Reads the query and the body of an operation's requests with the names that MLflow reads there.

A parameter or field counts in the exact spelling that MLflow reads, and in no other.  What is such
a name but for its spelling is refused: MLflow would ignore it, and a decision that counted it would
speak of another request than MLflow executes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from headgate.contract.messages import INVALID, Field, Message, fold, refuse_spelling
from headgate.contract.query import parameters
from headgate.contract.scalars import is_of
from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError

_NOTHING: Final = Message("")
_FEW: Final = 4
"""Of more parameters than that, the pattern is tried sooner."""
_TRUTH: Final = ("true", "false")


class Reader:
    """Reads the requests of one operation; one for each, made once.

    ``plain_query`` matches queries that ``query`` accepts; most queries that it does not match have
    a parameter that MLflow does not know.  ``query`` also accepts one that begins with one of
    ``lone_parameters`` and has no ``&``; this check takes a third of the time.

    Args:
        message: what its handler reads of the query of a GET, or of any other's body.
        is_get: whether it is one.
        query: the parameters of the query that its handler reads by itself.
    """

    __slots__ = (
        "_by_name",
        "_folded",
        "is_get",
        "lone_parameters",
        "message",
        "names",
        "plain_query",
    )

    def __init__(
        self,
        message: Message | None = None,
        *,
        is_get: bool = False,
        query: Iterable[str] = (),
    ) -> None:
        self.is_get = is_get
        self.message = message if message is not None else _NOTHING
        by_name = {each.name: each for each in self.message.fields.values()} if is_get else {}
        self._by_name: dict[str, Field] = by_name
        self.names = frozenset({*query, *by_name})
        self._folded = {fold(name): name for name in sorted(self.names)}
        few = self.names if len(self.names) <= _FEW else ()
        self.lone_parameters = tuple(f"?{name}=".encode("ascii") for name in sorted(few))
        self.plain_query = _plain_query(self.names)

    def reads_as(self, other: Reader) -> bool:
        """Whether another one reads every request in the same way."""
        return (
            self.names == other.names
            and self.is_get == other.is_get
            and self.message.reads_as(other.message, set())
        )

    @property
    def is_message_of_get(self) -> bool:
        """Whether it is a message that MLflow reads from a GET's query, or, if empty, its body."""
        return bool(self._by_name)

    def query(self, query: bytes, *, strict: bool = False) -> dict[str, list[str]]:
        """The values of each parameter that MLflow reads, each time it is given.

        Args:
            query: the client's own, with its ``?``, or empty.
            strict: whether values must be of their fields' types, so that MLflow reads all of it.

        Raises:
            ProtocolError: a name has a spelling that MLflow ignores, the query is not UTF-8, or a
                value would make MLflow stop reading.
        """
        found: dict[str, list[str]] = {}
        for name, value in parameters(query):
            if name in self.names:
                found.setdefault(name, []).append(value)
                field = self._by_name.get(name)
                if strict and field is not None and not _takes(field, value):
                    raise ProtocolError(
                        f"{name} in the query has a value where MLflow stops reading and "
                        "processes only a part; correct it or omit it",
                        reason=Reason.REQUEST_AMBIGUOUS,
                        error_code=INVALID,
                    )
            else:
                refuse_spelling(name, self._folded, "the query")
        return found

    def body(self, parsed: dict[str, Any], *, strict: bool = False) -> dict[str, Any]:
        """The fields of a parsed body that MLflow reads; see ``Message.read``.

        Raises:
            ProtocolError: as there.
        """
        return self.message.read(parsed, strict=strict)


def _plain_query(names: Iterable[str]) -> re.Pattern[bytes] | None:
    """What fits a query whose every parameter has an exact spelling, told in a microsecond.

    One that it does not fit need not be wrong.
    """
    spelled = b"|".join(re.escape(name.encode("ascii")) for name in sorted(names))
    return re.compile(rb"\?(?:(?:%b)=[^&]*+(?:&|\Z))*+" % spelled) if spelled else None


def _takes(field: Field, value: str) -> bool:
    """Whether MLflow takes the text of a parameter for a field of its message."""
    if field.kind == "bool":
        return value.lower() in _TRUTH
    return is_of(field.kind, field.values, value)
