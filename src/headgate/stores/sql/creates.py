"""Creates that gates share, in the database of the keys."""

from __future__ import annotations

import secrets
from collections.abc import Container, Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from headgate.creates import Response, Verdict
from headgate.creates.shared import (
    SHARED_SECONDS,
    Look,
    Progress,
    RowState,
    is_awaited,
    lives_at,
    verdict,
)
from headgate.stores.creates import Answer, Doubt, Enter, Forget, Keep, Operation, TakeBack
from headgate.stores.sql.clock import now
from headgate.stores.sql.create_operations import apply, beat
from headgate.stores.sql.create_rows import ROW_COLUMNS, heard, looks_at, read_row
from headgate.stores.sql.database import Database
from headgate.stores.sql.later_tables import LaterTables
from headgate.stores.sql.schema import CREATE_KEEPERS, CREATES, CREATES_SCHEMA
from headgate.stores.sql.undoing import undone


class SqlCreateStore:
    """A ``CreateStore``.

    Args:
        database: open; the store closes it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._tables = LaterTables(database, CREATES_SCHEMA, "creates")

    def close(self) -> None:
        """See ``CreateStore``."""
        self.database.close()

    def apply(self, me: str, operations: Sequence[Operation]) -> list[Answer]:
        """See ``CreateStore``: one transaction."""
        self._tables.require()
        try:
            with self.database.writing() as connection:
                return apply(connection, me, operations)
        except IntegrityError:
            # Another process has taken what one of them was to give, in this moment.
            if len(operations) == 1:
                return self._apply_late(me, operations[0])
        return [answer for each in operations for answer in self.apply(me, [each])]

    def _apply_late(self, me: str, operation: Operation) -> list[Answer]:
        """Do what is left of one where another process was faster."""
        if isinstance(operation, Keep | TakeBack):
            return self.apply(me, [Doubt(operation.id, awaited=False)])
        return [False]

    def look(self, digest: bytes) -> Look:
        """See ``CreateStore``."""
        self._tables.require()
        with self.database.reading() as connection:
            return looks_at(connection, {digest})[digest]

    def claim(self, me: str, row: int, seen: str) -> bool:
        """See ``CreateStore``."""
        self._tables.require()
        with self.database.writing() as connection:
            beat(connection, me)
            was = CREATES.c.claimer == seen if seen else CREATES.c.claimer.is_(None)
            claimed = update(CREATES).where(
                CREATES.c.id == row, was, CREATES.c.state < RowState.WRITING
            )
            # One whose keeper is gone was never said to be in doubt.
            first = connection.execute(
                claimed.where(CREATES.c.state == RowState.SENT).values(
                    claimer=me, state=RowState.DOUBTFUL, awaited=0
                )
            )
            if first.rowcount:
                return True
            return connection.execute(claimed.values(claimer=me)).rowcount > 0

    def progress(self, me: str, row: int, gone: Container[str]) -> Progress | None:
        """See ``CreateStore``."""
        self._tables.require()
        kept = (CREATES.c.status, CREATES.c.lines, CREATES.c.body)
        with self.database.reading() as connection:
            found = connection.execute(
                select(*ROW_COLUMNS, *kept).where(CREATES.c.id == row, CREATES.c.claimer == me)
            ).first()
            if found is None or found.state >= RowState.WRITING:
                return None
            read = read_row(found)
            moment, heard_at = heard(connection, [read.keeper])
            response = None
            if read.state is RowState.KEPT and found.status is not None:
                response = Response(found.status, bytes(found.lines), bytes(found.body))
            return Progress(response, is_awaited(read, lives_at(moment, heard_at, gone)))

    def join(
        self, me: str, row: int, digest: bytes, found: Sequence[bytes], gone: Container[str]
    ) -> tuple[Verdict, bytes]:
        """See ``CreateStore``."""
        self._tables.require()
        alike = select(*ROW_COLUMNS).where(CREATES.c.digest == digest).order_by(CREATES.c.id)
        try:
            with self.database.writing() as connection:
                beat(connection, me)
                rows = [read_row(each) for each in connection.execute(alike.with_for_update())]
                if not any(each.id == row and each.claimer == me for each in rows):
                    return Verdict.OPEN, b""
                moment, heard_at = heard(connection, [each.keeper for each in rows])
                result, made = verdict(rows, row, found, lives_at(moment, heard_at, gone))
                if result is Verdict.JOINED:
                    taken = update(CREATES).where(CREATES.c.id == row)
                    connection.execute(taken.values(made=made))
                return result, made
        except IntegrityError:  # somebody else was given it in this moment
            return Verdict.OPEN, b""

    def prune(self) -> int:
        """See ``CreateStore``."""
        self._tables.require()
        with self.database.writing() as connection:
            before = now(connection) - SHARED_SECONDS
            connection.execute(delete(CREATES).where(CREATES.c.sent_at < before))
            silent = CREATE_KEEPERS.c.heard_at < before - SHARED_SECONDS
            connection.execute(delete(CREATE_KEEPERS).where(silent))
            return connection.execute(select(func.count()).select_from(CREATES)).scalar_one()

    def leave(self, me: str) -> None:
        """See ``CreateStore``."""
        self._tables.require()
        with self.database.writing() as connection:
            connection.execute(delete(CREATE_KEEPERS).where(CREATE_KEEPERS.c.id == me))

    def require_writable(self) -> None:
        """Do all that is ever written here, and undo it: nobody sees any of it.

        Raises:
            HeadgateError: something of it fails.
        """
        self._tables.require()
        me, row, digest = secrets.token_hex(8), secrets.randbits(62), secrets.token_bytes(32)
        kept = Response(200, b"", b"")
        with undone(self.database.writing()) as connection:
            doubt, keep = Doubt(row, awaited=True), Keep(row, kept, b"made")
            apply(connection, me, [Enter(row, digest), doubt, keep, Forget(row)])
            connection.execute(delete(CREATE_KEEPERS).where(CREATE_KEEPERS.c.id == me))
