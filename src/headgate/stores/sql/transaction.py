"""One transaction of an identity store in a database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from headgate.errors import HeadgateError
from headgate.stores.records import (
    FirstKey,
    KeyRecord,
    KeyUse,
    PrincipalRecord,
    UnreadableKey,
)
from headgate.stores.sql.older_gates import own_principal_id, roles_there
from headgate.stores.sql.rows import (
    key_values,
    principal_values,
    read_key,
    read_principal,
    select_keys,
    select_principals,
)
from headgate.stores.sql.schema import (
    CHANGES,
    FIRST_KEY,
    KEPT_CHANGES,
    KEY_USES,
    KEYS,
    PRINCIPALS,
    STATE,
)

ROWS_PER_FETCH: Final = 2_000


class SqlTransaction:
    """A ``Transaction``.

    Args:
        connection: in a transaction of the database.
        sequence: the number of the last change, whose row is locked; ``None``: only to read.
    """

    def __init__(self, connection: Connection, sequence: int | None) -> None:
        self._connection = connection
        self._sequence = sequence
        self._change: int | None = None

    def principals(self) -> Sequence[PrincipalRecord]:
        """See ``Transaction``."""
        rows = fetched(self._connection, select_principals())
        return [each for row in rows if isinstance(each := read_principal(row), PrincipalRecord)]

    def principal(self, name_or_id: str) -> PrincipalRecord | None:
        """See ``Transaction``."""
        if not name_or_id.isprintable():
            return None  # none has such a name, and databases take no lone surrogates
        chosen = (PRINCIPALS.c.id == name_or_id) | (PRINCIPALS.c.name == name_or_id)
        for row in fetched(self._connection, select_principals().where(chosen)):
            record = read_principal(row)
            if isinstance(record, PrincipalRecord):
                return record
        return None

    def keys(self, principal_id: str | None = None) -> Sequence[KeyRecord]:
        """See ``Transaction``."""
        chosen = select_keys()
        if principal_id is not None:
            chosen = chosen.where(
                KEYS.c.principal_id == principal_id
                if principal_id
                else KEYS.c.principal_id.is_(None)
            )
        rows = fetched(self._connection, chosen)
        return [each for row in rows if isinstance(each := read_key(row), KeyRecord)]

    def key(self, name_or_id: str) -> KeyRecord | UnreadableKey | None:
        """See ``Transaction``."""
        if not name_or_id.isprintable():
            return None
        chosen = (KEYS.c.id == name_or_id) | (KEYS.c.name == name_or_id)
        found = [read_key(row) for row in fetched(self._connection, select_keys().where(chosen))]
        readable = [each for each in found if isinstance(each, KeyRecord)]
        by_id = [each for each in readable if each.id == name_or_id]
        return (by_id or readable or found or [None])[-1]

    def key_with(self, digest: bytes) -> KeyRecord | None:
        """See ``Transaction``."""
        for row in fetched(self._connection, select_keys().where(KEYS.c.digest == digest)):
            record = read_key(row)
            if isinstance(record, KeyRecord):
                return record
        return None

    def unreadable(self) -> Sequence[UnreadableKey]:
        """See ``Transaction``."""
        read = [
            *(read_key(row) for row in fetched(self._connection, select_keys())),
            *(read_principal(row) for row in fetched(self._connection, select_principals())),
        ]
        return [each for each in read if isinstance(each, UnreadableKey)]

    def key_page(
        self,
        after: int,
        limit: int,
        *,
        principal_id: str | None = None,
        name: str | None = None,
    ) -> Sequence[tuple[int, KeyRecord | UnreadableKey]]:
        """See ``Transaction``."""
        chosen = select_keys().where(KEYS.c.serial > after).limit(limit)
        if name is not None:
            if not name.isprintable():
                return []
            chosen = chosen.where(KEYS.c.name == name)
        if principal_id is not None:
            own_key = "k_" + principal_id.removeprefix("p_")
            chosen = chosen.where(
                (KEYS.c.principal_id == principal_id)
                | (KEYS.c.principal_id.is_(None) & (KEYS.c.id == own_key))
                if principal_id
                else KEYS.c.principal_id.is_(None)
            )
        return [(row[0], read_key(row)) for row in fetched(self._connection, chosen)]

    def principal_page(
        self, after: int, limit: int
    ) -> Sequence[tuple[int, PrincipalRecord | UnreadableKey]]:
        """See ``Transaction``."""
        chosen = select_principals().where(PRINCIPALS.c.serial > after).limit(limit)
        return [(row[0], read_principal(row)) for row in fetched(self._connection, chosen)]

    def replacements(self, keys: Sequence[KeyRecord]) -> Mapping[str, str]:
        """See ``Transaction``."""
        # A key has the principal of the one that it replaces, and there is an index of those.
        chosen = (
            select(KEYS.c.replaces, KEYS.c.id)
            .where(KEYS.c.principal_id.in_({each.principal_id for each in keys}))
            .where(KEYS.c.replaces.in_([each.id for each in keys]))
            .order_by(KEYS.c.serial)
        )
        return {row[0]: row[1] for row in fetched(self._connection, chosen)}

    def uses(self, key_ids: Sequence[str] | None = None) -> Mapping[str, KeyUse]:
        """See ``Transaction``."""
        chosen = select(KEY_USES.c.key_id, KEY_USES.c.used_at, KEY_USES.c.address)
        if key_ids is not None:
            chosen = chosen.where(KEY_USES.c.key_id.in_(key_ids))
        return {row[0]: KeyUse(*row) for row in fetched(self._connection, chosen)}

    def put_principal(self, record: PrincipalRecord) -> None:
        """See ``Transaction``."""
        self._put(PRINCIPALS, principal_values(record), f"the principal '{record.name}'")
        self._tell_older_gates(record)

    def put_key(self, record: KeyRecord) -> None:
        """See ``Transaction``."""
        owner = self.principal(record.principal_id or own_principal_id(record.id))
        there = " ".join(roles_there(record, owner))
        self._put(KEYS, {**key_values(record), "roles": there}, f"the key '{record.name}'")

    def first_key(self) -> FirstKey | None:
        """See ``Transaction``."""
        row = self._connection.execute(select(FIRST_KEY.c.key_id, FIRST_KEY.c.taken_at)).first()
        if row is not None:
            return FirstKey(*row)
        # An emptied table brings no second first key.
        taken_at = self._connection.execute(select(STATE.c.first_key_at)).scalar()
        return None if taken_at is None else FirstKey("", taken_at)

    def put_first_key(self, taken: FirstKey) -> None:
        """See ``Transaction``."""
        self._begin_change()
        if self.first_key() is not None:
            raise HeadgateError("the key store has taken its first key already, once for all")
        self._connection.execute(
            insert(FIRST_KEY).values(one=1, key_id=taken.key_id, taken_at=taken.taken_at)
        )
        self._connection.execute(update(STATE).values(first_key_at=taken.taken_at))

    def end(self) -> None:
        """Finish what was put, before it is committed."""
        if self._change is not None:
            self._connection.execute(update(STATE).values(writing=0))

    def _put(self, table: Table, values: dict[str, object], what: str) -> None:
        if any(isinstance(each, str) and not _is_storable(each) for each in values.values()):
            raise HeadgateError(f"{what[:200]!a} has a text that no database keeps; change it")
        values["changed"] = self._begin_change()
        try:
            put = update(table).where(table.c.id == values["id"]).values(values)
            if self._connection.execute(put).rowcount == 0:
                self._connection.execute(insert(table).values(values))
        except IntegrityError as error:
            raise HeadgateError(f"{what} {_conflict(str(error.orig))}") from None

    def _begin_change(self) -> int:
        """The number of this change; taken with the first thing that is put."""
        if self._sequence is None:
            raise TypeError("nothing may be put while reading")
        if self._change is None:
            self._change = self._sequence + 1
            token = secrets.token_hex(8)
            self._connection.execute(
                update(STATE).values(sequence=self._change, token=token, writing=1)
            )
            self._connection.execute(
                delete(CHANGES).where(CHANGES.c.sequence <= self._change - KEPT_CHANGES)
            )
            self._connection.execute(
                insert(CHANGES).values(sequence=self._change, token=token, whole=0)
            )
        return self._change

    def _tell_older_gates(self, principal: PrincipalRecord) -> None:
        """Write what they are to grant the keys of a principal.  Nothing changes for this one."""
        own_key = "k_" + principal.id.removeprefix("p_")
        chosen = (KEYS.c.principal_id == principal.id) | (
            KEYS.c.principal_id.is_(None) & (KEYS.c.id == own_key)
        )
        for row in list(fetched(self._connection, select_keys().where(chosen))):
            key = read_key(row)
            if isinstance(key, KeyRecord):
                there = " ".join(roles_there(key, principal))
                self._connection.execute(
                    update(KEYS)
                    .where(KEYS.c.id == key.id)
                    .values(roles=there, full_roles=" ".join(key.roles))
                )


def fetched(connection: Connection, statement: Select[*tuple[Any, ...]]) -> Iterator[Sequence[Any]]:
    """The rows of a statement as they come, without all of them in memory."""
    result = connection.execute(statement, execution_options={"yield_per": ROWS_PER_FETCH})
    for rows in result.partitions():
        yield from rows


def _is_storable(text: str) -> bool:
    """Whether PostgreSQL takes it too: UTF-8, without NUL."""
    return "\0" not in text and (
        text.isprintable() or not any("\ud800" <= each <= "\udfff" for each in text)
    )


def _conflict(reported: str) -> str:
    if "digest" in reported and "CHECK" not in reported.upper():
        return "cannot be kept: another key has that SHA-256 already"
    if "name" in reported and "CHECK" not in reported.upper():
        return "cannot be kept: another has that name already"
    return "cannot be kept: it breaks a rule of the database (a CHECK constraint)"
