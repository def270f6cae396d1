"""Rows of creates that gates share: which there are, and as what they are read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, select

from headgate.creates.shared import SHARED_SECONDS, Look, Row, RowState
from headgate.stores.sql.clock import now
from headgate.stores.sql.schema import CREATE_KEEPERS, CREATES

ROW_COLUMNS: Final = (
    CREATES.c.id,
    CREATES.c.keeper,
    CREATES.c.claimer,
    CREATES.c.state,
    CREATES.c.awaited,
    CREATES.c.failed,
    CREATES.c.made,
    CREATES.c.digest,
)
"""The columns for ``read_row``."""
NOTHING: Final = Look(0.0)


def looks_at(connection: Connection, digests: Collection[bytes]) -> Mapping[bytes, Look]:
    """What there is of each digest that is not given out."""
    alike = select(*ROW_COLUMNS).where(
        CREATES.c.digest.in_(list(digests)),
        CREATES.c.state != RowState.GIVEN,
        CREATES.c.sent_at > now(connection) - SHARED_SECONDS,
    )
    rows: dict[bytes, list[Row]] = {}
    for each in connection.execute(alike):
        rows.setdefault(bytes(each.digest), []).append(read_row(each))
    if not rows:
        return dict.fromkeys(digests, NOTHING)
    processes = {each for of_one in rows.values() for row in of_one for each in _processes(row)}
    seen, heard_at = heard(connection, processes)
    return {each: Look(seen, rows.get(each, []), heard_at) for each in digests}


def _processes(row: Row) -> Iterable[str]:
    return (row.keeper, row.claimer) if row.claimer else (row.keeper,)


def heard(connection: Connection, processes: Collection[str]) -> tuple[float, Mapping[str, float]]:
    """What time it is, and when each of them has said last that it lives."""
    moment = connection.execute(select(now(connection))).scalar_one()
    chosen = CREATE_KEEPERS.c.id.in_(list(processes))
    found = connection.execute(select(CREATE_KEEPERS.c.id, CREATE_KEEPERS.c.heard_at).where(chosen))
    return moment, {each.id: each.heard_at for each in found}


def read_row(found: Any) -> Row:
    """The row that has been selected with ``ROW_COLUMNS``."""
    return Row(
        found.id,
        found.keeper,
        found.claimer or "",
        RowState(found.state),
        bool(found.awaited),
        bool(found.failed),
        bytes(found.made or b""),
    )
