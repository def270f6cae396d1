"""Creates that gates share, in the database of the keys."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Executable,
    LargeBinary,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from headgate.creates import Response, Verdict
from headgate.creates.shared import (
    SHARED_SECONDS,
    Look,
    Progress,
    Row,
    RowState,
    is_awaited,
    lives_at,
    verdict,
)
from headgate.stores.creates import (
    Answer,
    Doubt,
    Enter,
    Forget,
    Give,
    Keep,
    Note,
    Operation,
    TakeBack,
    Written,
)
from headgate.stores.maintenance import OlderSchemaError
from headgate.stores.sql.clock import now
from headgate.stores.sql.database import Database
from headgate.stores.sql.schema import CREATE_KEEPERS, CREATES, CREATES_SCHEMA

_ROW: Final = (
    CREATES.c.id,
    CREATES.c.keeper,
    CREATES.c.claimer,
    CREATES.c.state,
    CREATES.c.awaited,
    CREATES.c.failed,
    CREATES.c.made,
    CREATES.c.digest,
)
_IS_MINE: Final = func.coalesce(CREATES.c.claimer, CREATES.c.keeper) == bindparam("me")
_ONE: Final = CREATES.c.id == bindparam("row")
_MADE: Final = bindparam("made", type_=LargeBinary)
_OTHERS: Final = CREATES.alias("others")
_IS_FREE: Final = ~(
    select(_OTHERS.c.id)
    .where(_OTHERS.c.made == _MADE, _OTHERS.c.id != CREATES.c.id)
    .correlate(CREATES)
    .exists()
)
"""Nobody else was given it."""
_GIVE: Final = (
    update(CREATES)
    .where(_ONE, _IS_MINE, CREATES.c.state < RowState.WRITING, _IS_FREE)
    .values(
        state=RowState.WRITING,
        made=_MADE,
        awaited=0,
        status=None,
        lines=None,
        body=None,
    )
)
_TAKE_BACK: Final = (
    update(CREATES)
    .where(_ONE, _IS_MINE, CREATES.c.state == RowState.WRITING)
    .values(
        state=RowState.KEPT,
        claimer=None,
        made=_MADE,
        status=bindparam("status"),
        lines=bindparam("lines"),
        body=bindparam("body"),
    )
)
_WRITTEN: Final = (
    update(CREATES)
    .where(_ONE, _IS_MINE, CREATES.c.state == RowState.WRITING)
    .values(state=RowState.GIVEN)
)
_DOUBT: Final = (
    update(CREATES)
    .where(
        _ONE,
        CREATES.c.keeper == bindparam("me"),
        CREATES.c.state.in_([RowState.SENT, RowState.DOUBTFUL]),
    )
    .values(
        state=RowState.DOUBTFUL,
        awaited=bindparam("is_awaited"),
        failed=bindparam("has_failed"),
    )
)
_KEEP: Final = (
    update(CREATES)
    .where(
        _ONE,
        CREATES.c.keeper == bindparam("me"),
        CREATES.c.state.in_([RowState.SENT, RowState.DOUBTFUL]),
        _IS_FREE,
    )
    .values(
        state=RowState.KEPT,
        awaited=0,
        made=_MADE,
        status=bindparam("status"),
        lines=bindparam("lines"),
        body=bindparam("body"),
    )
)
_FORGET: Final = delete(CREATES).where(_ONE, _IS_MINE)
_RELEASE: Final = (
    update(CREATES).where(_ONE, CREATES.c.claimer == bindparam("me")).values(claimer=None)
)


class SqlCreateStore:
    """A ``CreateStore``.

    Args:
        database: open; the store closes it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._has_tables = False

    def close(self) -> None:
        """See ``CreateStore``."""
        self.database.close()

    def apply(self, me: str, operations: Sequence[Operation]) -> list[Answer]:
        """See ``CreateStore``: one transaction."""
        self._require_tables()
        try:
            with self.database.writing() as connection:
                return self._apply(connection, me, operations)
        except IntegrityError:
            # Another process has taken what one of them was to give, in this moment.
            if len(operations) == 1:
                return [False]
        return [answer for each in operations for answer in self.apply(me, [each])]

    def _apply(
        self, connection: Connection, me: str, operations: Sequence[Operation]
    ) -> list[Answer]:
        _beat(connection, me)
        enters = [each for each in operations if isinstance(each, Enter)]
        looks = self._enter(connection, me, enters) if enters else {}
        return [
            looks[each.id] if isinstance(each, Enter) else _execute(connection, me, each)
            for each in operations
        ]

    def _enter(
        self, connection: Connection, me: str, enters: Sequence[Enter]
    ) -> Mapping[int, Look]:
        """Look what there is, and add what is to be added."""
        wanted = {each.digest for each in enters if not each.forced}
        looks = _looks(connection, wanted) if wanted else {}
        found: dict[int, Look] = {}
        values = []
        for each in enters:
            look = looks.get(each.digest, _NOTHING)
            added = each.forced or not look.rows
            found[each.id] = Look(look.now, look.rows, look.heard, added)
            if added:
                values.append(
                    {
                        "id": each.id,
                        "digest": each.digest,
                        "keeper": me,
                        "state": RowState.SENT,
                        "awaited": 1,
                        "failed": 0,
                    }
                )
        if values:
            connection.execute(insert(CREATES).values(sent_at=now(connection)), values)
        return found

    def look(self, digest: bytes) -> Look:
        """See ``CreateStore``."""
        self._require_tables()
        with self.database.reading() as connection:
            return _looks(connection, {digest})[digest]

    def claim(self, me: str, row: int, seen: str) -> bool:
        """See ``CreateStore``."""
        self._require_tables()
        with self.database.writing() as connection:
            _beat(connection, me)
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
        self._require_tables()
        kept = (CREATES.c.status, CREATES.c.lines, CREATES.c.body)
        with self.database.reading() as connection:
            found = connection.execute(
                select(*_ROW, *kept).where(CREATES.c.id == row, CREATES.c.claimer == me)
            ).first()
            if found is None or found.state >= RowState.WRITING:
                return None
            read = _row(found)
            moment, heard = _heard(connection, [read.keeper])
            response = None
            if read.state is RowState.KEPT and found.status is not None:
                response = Response(found.status, bytes(found.lines), bytes(found.body))
            return Progress(response, is_awaited(read, lives_at(moment, heard, gone)))

    def join(
        self, me: str, row: int, digest: bytes, found: Sequence[bytes], gone: Container[str]
    ) -> tuple[Verdict, bytes]:
        """See ``CreateStore``."""
        self._require_tables()
        alike = select(*_ROW).where(CREATES.c.digest == digest).order_by(CREATES.c.id)
        try:
            with self.database.writing() as connection:
                _beat(connection, me)
                rows = [_row(each) for each in connection.execute(alike.with_for_update())]
                if not any(each.id == row and each.claimer == me for each in rows):
                    return Verdict.OPEN, b""
                moment, heard = _heard(connection, [each.keeper for each in rows])
                result, made = verdict(rows, row, found, lives_at(moment, heard, gone))
                if result is Verdict.JOINED:
                    taken = update(CREATES).where(CREATES.c.id == row)
                    connection.execute(taken.values(made=made))
                return result, made
        except IntegrityError:  # somebody else was given it in this moment
            return Verdict.OPEN, b""

    def prune(self) -> int:
        """See ``CreateStore``."""
        self._require_tables()
        with self.database.writing() as connection:
            before = now(connection) - SHARED_SECONDS
            connection.execute(delete(CREATES).where(CREATES.c.sent_at < before))
            silent = CREATE_KEEPERS.c.heard_at < before - SHARED_SECONDS
            connection.execute(delete(CREATE_KEEPERS).where(silent))
            return connection.execute(select(func.count()).select_from(CREATES)).scalar_one()

    def leave(self, me: str) -> None:
        """See ``CreateStore``."""
        self._require_tables()
        with self.database.writing() as connection:
            connection.execute(delete(CREATE_KEEPERS).where(CREATE_KEEPERS.c.id == me))

    def require_writable(self) -> None:
        """Do all that is ever written here, and undo it: nobody sees any of it.

        Raises:
            HeadgateError: something of it fails.
        """
        self._require_tables()
        me, row, digest = secrets.token_hex(8), secrets.randbits(62), secrets.token_bytes(32)
        kept = Response(200, b"", b"")
        with contextlib.suppress(_UndoError), self.database.writing() as connection:
            self._apply(
                connection,
                me,
                [
                    Enter(row, digest),
                    Doubt(row, awaited=True),
                    Keep(row, kept, b"made"),
                    Forget(row),
                ],
            )
            connection.execute(delete(CREATE_KEEPERS).where(CREATE_KEEPERS.c.id == me))
            raise _UndoError

    def _require_tables(self) -> None:
        """Refuse a store of an older schema, in words.

        Raises:
            OlderSchemaError: it has no tables for this.
        """
        if self._has_tables:
            return
        schema = self.database.schema().schema
        if schema < CREATES_SCHEMA:
            raise OlderSchemaError(
                f"the key store {self.database.location} has the older schema {schema}, which "
                f"keeps nothing of creates; upgrade it with 'headgate db upgrade'"
            )
        self._has_tables = True


class _UndoError(Exception):
    """What was tried is not kept."""


_NOTHING: Final = Look(0.0)


def _execute(connection: Connection, me: str, operation: Operation) -> Answer:
    """Do one of them that is no ``Enter``."""
    if isinstance(operation, Give):
        made = operation.made or None
        given = connection.execute(_GIVE, {"me": me, "row": operation.id, "made": made})
        if given.rowcount > 0:
            return True
        return _add_given(connection, me, operation, RowState.WRITING)
    if isinstance(operation, Note):
        _add_given(connection, me, operation, RowState.GIVEN)
        return None
    statement, values = _change(operation)
    connection.execute(statement, {"me": me, "row": operation.id, **values})
    return None


def _change(operation: Operation) -> tuple[Executable, Mapping[str, object]]:
    if isinstance(operation, Doubt):
        values = {"is_awaited": int(operation.awaited), "has_failed": int(operation.failed)}
        return _DOUBT, values
    if isinstance(operation, Keep | TakeBack):
        response = operation.response
        return (
            _KEEP if isinstance(operation, Keep) else _TAKE_BACK,
            {
                "made": operation.made or None,
                "status": response.status,
                "lines": response.lines,
                "body": response.body,
            },
        )
    if isinstance(operation, Written):
        return _WRITTEN, {}
    return (_FORGET if isinstance(operation, Forget) else _RELEASE), {}


def _add_given(connection: Connection, me: str, given: Give | Note, state: RowState) -> bool:
    """Add a row of what is given, unless there is one, or one with what it has made."""
    insert_of = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {
        "id": given.id,
        "digest": given.digest,
        "keeper": me,
        "state": state,
        "awaited": 0,
        "failed": 0,
        "sent_at": now(connection),
        "made": given.made or None,
    }
    # Drivers do not say how many rows an INSERT has added.
    put = insert_of(CREATES).values(values).on_conflict_do_nothing().returning(CREATES.c.id)
    return connection.execute(put).first() is not None


def _beat(connection: Connection, me: str) -> None:
    """Say that a process lives."""
    moment = now(connection)
    lives = update(CREATE_KEEPERS).where(CREATE_KEEPERS.c.id == me).values(heard_at=moment)
    if connection.execute(lives).rowcount == 0:
        connection.execute(insert(CREATE_KEEPERS).values(id=me, heard_at=moment))


def _looks(connection: Connection, digests: Collection[bytes]) -> Mapping[bytes, Look]:
    """What there is of each digest that is not given out."""
    alike = select(*_ROW).where(
        CREATES.c.digest.in_(list(digests)),
        CREATES.c.state != RowState.GIVEN,
        CREATES.c.sent_at > now(connection) - SHARED_SECONDS,
    )
    rows: dict[bytes, list[Row]] = {}
    for each in connection.execute(alike):
        rows.setdefault(bytes(each.digest), []).append(_row(each))
    if not rows:
        return dict.fromkeys(digests, _NOTHING)
    processes = {each for of_one in rows.values() for row in of_one for each in _processes(row)}
    seen, heard = _heard(connection, processes)
    return {each: Look(seen, rows.get(each, []), heard) for each in digests}


def _processes(row: Row) -> Iterable[str]:
    return (row.keeper, row.claimer) if row.claimer else (row.keeper,)


def _heard(connection: Connection, processes: Collection[str]) -> tuple[float, Mapping[str, float]]:
    """What time it is, and when each of them has said last that it lives."""
    moment = connection.execute(select(now(connection))).scalar_one()
    chosen = CREATE_KEEPERS.c.id.in_(list(processes))
    found = connection.execute(select(CREATE_KEEPERS.c.id, CREATE_KEEPERS.c.heard_at).where(chosen))
    return moment, {each.id: each.heard_at for each in found}


def _row(found: Any) -> Row:
    return Row(
        found.id,
        found.keeper,
        found.claimer or "",
        RowState(found.state),
        bool(found.awaited),
        bool(found.failed),
        bytes(found.made or b""),
    )
