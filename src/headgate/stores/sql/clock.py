"""The clock of the database's server: those of machines differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import ColumnElement, Connection, Double
from sqlalchemy import literal_column as literally

_NOW: Final[Mapping[str, ColumnElement[float]]] = {
    "postgresql": literally("extract(epoch FROM clock_timestamp())::double precision", Double),
    "sqlite": literally("(julianday('now') - 2440587.5) * 86400.0", Double),
}


def now(connection: Connection) -> ColumnElement[float]:
    """Seconds since the epoch, when the statement is executed."""
    return _NOW[connection.dialect.name]
