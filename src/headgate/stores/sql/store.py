"""The identity store in a database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Self

from sqlalchemy import BigInteger, Connection, Executable, Table, Text, bindparam, exists, select

from headgate.errors import HeadgateError
from headgate.stores.identity import Changes, Position, Transaction
from headgate.stores.records import KeyRecord, KeyUse, PrincipalRecord, UnreadableKey
from headgate.stores.sql.database import Database
from headgate.stores.sql.migrating import require_served
from headgate.stores.sql.rows import (
    changed_keys,
    changed_principals,
    read_key,
    read_principal,
    select_keys,
    select_principals,
)
from headgate.stores.sql.schema import CHANGES, KEY_USES, KEYS, PRINCIPALS, STATE
from headgate.stores.sql.transaction import SqlTransaction, fetched
from headgate.stores.sql.upsert import insert_into

USES_PER_CHANGE: Final = 1_000
_STATE: Final = select(STATE.c.sequence, STATE.c.token, STATE.c.serves_from)


class SqlIdentityStore:
    """An ``IdentityStore``.

    Args:
        database: open; the store closes it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        # The rows that were found when everything was read, by table and serial.  More of them can
        # only come from others, after whose changes everything is read again.
        self._unreadable: dict[tuple[str, int], UnreadableKey] = {}
        self._has_read = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def location(self) -> str:
        """See ``IdentityStore``."""
        return self.database.location

    @property
    def is_new(self) -> bool:
        """See ``IdentityStore``."""
        return self.database.is_new

    def close(self) -> None:
        """See ``IdentitySource``."""
        self.database.close()

    def changes(self, since: Position | None) -> Changes | None:
        """See ``IdentitySource``."""
        if since is not None and self._position(self.database.first(_STATE)) == since:
            return None
        with self.database.reading() as connection:
            position = self._position(connection.execute(_STATE).first())
            if since is None or not self._has_read or not _is_known(connection, since):
                return self._everything(connection, position)
            return self._changed(connection, position, since.sequence)

    def record_uses(self, uses: Sequence[KeyUse]) -> None:
        """See ``IdentitySource``."""
        latest: dict[str, KeyUse] = {}
        for use in uses:
            if use.key_id not in latest or latest[use.key_id].used_at <= use.used_at:
                latest[use.key_id] = use
        # In one order everywhere, so that two gates never wait for each other.
        rows = [
            {"a_key": use.key_id, "a_time": use.used_at, "an_address": use.address}
            for _, use in sorted(latest.items())
        ]
        for start in range(0, len(rows), USES_PER_CHANGE):
            with self.database.writing() as connection:
                connection.execute(_upsert_use(connection), rows[start : start + USES_PER_CHANGE])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See ``IdentityStore``."""
        with self.database.writing() as connection:
            locked = connection.execute(_STATE.with_for_update()).first()
            transaction = SqlTransaction(connection, self._position(locked).sequence)
            yield transaction
            transaction.end()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """See ``IdentityStore``."""
        with self.database.reading() as connection:
            self._position(connection.execute(_STATE).first())
            yield SqlTransaction(connection, None)

    def _position(self, state: Sequence[Any] | None) -> Position:
        if state is None:
            raise HeadgateError(
                f"the key store {self.location} has lost its state (the table store_state is "
                "empty): it is being restored, or a restore was broken off; restore it whole"
            )
        sequence, token, serves_from = state
        require_served(serves_from, None, self.location)
        return Position(sequence, token)

    def _everything(self, connection: Connection, position: Position) -> Changes:
        principals: list[PrincipalRecord] = []
        keys: list[KeyRecord] = []
        unreadable: dict[tuple[str, int], UnreadableKey] = {}
        for row in fetched(connection, select_principals()):
            principal = read_principal(row)
            if isinstance(principal, PrincipalRecord):
                principals.append(principal)
            else:
                unreadable[_place(PRINCIPALS, row)] = principal
        for row in fetched(connection, select_keys()):
            key = read_key(row)
            if isinstance(key, KeyRecord):
                keys.append(key)
            else:
                unreadable[_place(KEYS, row)] = key
        self._unreadable, self._has_read = unreadable, True
        return Changes(position, True, principals, keys, tuple(unreadable.values()))

    def _changed(self, connection: Connection, position: Position, after: int) -> Changes:
        """What transactions of this Headgate have written, which can be read."""
        principal_rows = _oldest_first(fetched(connection, changed_principals(after)))
        key_rows = _oldest_first(fetched(connection, changed_keys(after)))
        mended = {*(_place(PRINCIPALS, row) for row in principal_rows)} | {
            *(_place(KEYS, row) for row in key_rows)
        }
        for place in mended & self._unreadable.keys():
            del self._unreadable[place]
        principals = [read_principal(row) for row in principal_rows]
        keys = [read_key(row) for row in key_rows]
        return Changes(
            position,
            False,
            [each for each in principals if isinstance(each, PrincipalRecord)],
            [each for each in keys if isinstance(each, KeyRecord)],
            tuple(self._unreadable.values()),
        )


def _oldest_first(rows: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    return sorted(rows, key=lambda row: row[0])


def _place(table: Table, row: Sequence[Any]) -> tuple[str, int]:
    return table.name, row[0]


def _is_known(connection: Connection, since: Position) -> bool:
    """Whether the store has been at ``since``, and knows all that has changed after it."""
    token = connection.execute(select(CHANGES.c.token).where(CHANGES.c.sequence == since.sequence))
    if token.scalar() != since.token:
        return False
    later = select(CHANGES.c.sequence).where(
        CHANGES.c.sequence > since.sequence, CHANGES.c.whole == 1
    )
    return connection.execute(later.limit(1)).first() is None


def _upsert_use(connection: Connection) -> Executable:
    """Keep a use of a key that there is, unless a later one is kept."""
    key = bindparam("a_key", type_=Text)
    use = select(key, bindparam("a_time", type_=BigInteger), bindparam("an_address", type_=Text))
    put = insert_into(connection, KEY_USES).from_select(
        ["key_id", "used_at", "address"], use.where(exists().where(KEYS.c.id == key))
    )
    return put.on_conflict_do_update(
        index_elements=["key_id"],
        set_={"used_at": put.excluded.used_at, "address": put.excluded.address},
        where=KEY_USES.c.used_at <= put.excluded.used_at,
    )
