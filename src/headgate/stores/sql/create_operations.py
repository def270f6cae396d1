"""The operations on creates that gates share, as statements.

Each changes a row only where that is as the operation takes it for: another process may have been
faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

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

from headgate.creates.shared import Look, RowState
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
from headgate.stores.sql.clock import now
from headgate.stores.sql.create_rows import NOTHING, looks_at
from headgate.stores.sql.schema import CREATE_KEEPERS, CREATES
from headgate.stores.sql.upsert import insert_into

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


def apply(connection: Connection, me: str, operations: Sequence[Operation]) -> list[Answer]:
    """Do these as the process ``me``, and say that it lives."""
    beat(connection, me)
    enters = [each for each in operations if isinstance(each, Enter)]
    looks = _enter(connection, me, enters) if enters else {}
    return [
        looks[each.id] if isinstance(each, Enter) else _execute(connection, me, each)
        for each in operations
    ]


def beat(connection: Connection, me: str) -> None:
    """Say that a process lives."""
    moment = now(connection)
    lives = update(CREATE_KEEPERS).where(CREATE_KEEPERS.c.id == me).values(heard_at=moment)
    if connection.execute(lives).rowcount == 0:
        connection.execute(insert(CREATE_KEEPERS).values(id=me, heard_at=moment))


def _enter(connection: Connection, me: str, enters: Sequence[Enter]) -> Mapping[int, Look]:
    """Look what there is, and add what is to be added."""
    wanted = {each.digest for each in enters if not each.forced}
    looks = looks_at(connection, wanted) if wanted else {}
    found: dict[int, Look] = {}
    values = []
    for each in enters:
        look = looks.get(each.digest, NOTHING)
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
    for statement, values in _changes(operation):
        parameters = {"me": me, "row": operation.id, **values}
        if connection.execute(statement, parameters).rowcount > 0:
            break
    return None


def _changes(operation: Operation) -> Sequence[tuple[Executable, Mapping[str, object]]]:
    """What to try for it, until something changes a row."""
    if isinstance(operation, Doubt):
        return [_doubt(operation)]
    if isinstance(operation, Keep | TakeBack):
        response = operation.response
        values = {
            "made": operation.made or None,
            "status": response.status,
            "lines": response.lines,
            "body": response.body,
        }
        # Where it was claimed before it could be given, the response is for the claimer; where
        # somebody else has what it made, nothing comes any more, and nobody shall wait for it.
        rest = [(_KEEP, values), _doubt(Doubt(operation.id, awaited=False))]
        return rest if isinstance(operation, Keep) else [(_TAKE_BACK, values), *rest]
    if isinstance(operation, Written):
        return [(_WRITTEN, {})]
    return [(_FORGET if isinstance(operation, Forget) else _RELEASE, {})]


def _doubt(operation: Doubt) -> tuple[Executable, Mapping[str, object]]:
    values = {"is_awaited": int(operation.awaited), "has_failed": int(operation.failed)}
    return _DOUBT, values


def _add_given(connection: Connection, me: str, given: Give | Note, state: RowState) -> bool:
    """Add a row of what is given, unless there is one, or one with what it has made."""
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
    put = insert_into(connection, CREATES).values(values).on_conflict_do_nothing()
    # Drivers do not say how many rows an INSERT has added.
    return connection.execute(put.returning(CREATES.c.id)).first() is not None
