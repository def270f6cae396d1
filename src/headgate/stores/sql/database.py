"""What the store needs of a database, SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection, Row, Select

from headgate.stores.sql.migrating import SchemaState


class Database(Protocol):
    """A database that is open.

    Each method raises ``HeadgateError`` with what is wrong and what to do; so do the blocks that
    it gives, for the errors of statements inside them.  Several threads may use it.
    """

    is_new: bool
    kind: str
    """Its name, for a person."""

    @property
    def connection_kind(self) -> str:
        """How it is connected to, for a person; asks it if need be."""
        ...

    @property
    def location(self) -> str:
        """Where it is, for a person; without any secret."""
        ...

    def first(self, statement: Select[Any]) -> Row[Any] | None:
        """The first row of one statement, the cheapest way."""
        ...

    def rows(self, statement: Select[*tuple[Any, ...]]) -> Sequence[Row[Any]]:
        """All rows of one statement that finds few, the cheapest way."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that sees the state of one moment."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that is kept when the block ends, and dropped when it raises."""
        ...

    def schema(self) -> SchemaState:
        """Which schema it has."""
        ...

    def close(self) -> None:
        """Close all connections; it cannot be used afterwards."""
        ...
