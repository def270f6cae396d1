"""Stores of principals and keys of any number, and changes of them."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import insert, update

from headgate.auth.keys.form import digest, mint
from headgate.config import Config
from headgate.stores import open_identity_store
from headgate.stores.records import KeyRecord, PrincipalKind, PrincipalRecord
from headgate.stores.sql.rows import key_values
from headgate.stores.sql.schema import KEYS, STATE
from headgate.stores.sql.store import SqlIdentityStore

PRINCIPALS = 1_000
CHANGES_PER_SECOND = 10
_BATCH = 5_000  # a transaction has 30 seconds
_MADE_AT = 1_767_225_600
_ROLES = ("viewer", "writer")


def configuration(data: Path, url_file: Path | None = None) -> Config:
    """The configuration of a gate with its store in the folder ``data``, or shared by a URL."""
    auth: Mapping[str, object] = {} if url_file is None else {"database_url_file": url_file}
    return Config.model_validate({"data": data, "auth": auth})


def secret(number: int) -> str:
    """The key of that number."""
    return mint(hashlib.sha256(f"benchmark {number}".encode()).digest())


def record(number: int) -> KeyRecord:
    """What a store has of that key, which never expires."""
    return KeyRecord(
        f"k_{number:08d}",
        f"key-{number}",
        digest(secret(number)),
        _MADE_AT,
        roles=(_ROLES[number % len(_ROLES)],),
        principal_id=f"p_{number % PRINCIPALS:08d}",
    )


def principal(number: int) -> PrincipalRecord:
    """The principal of that number."""
    return PrincipalRecord(
        f"p_{number:08d}", f"account-{number}", PrincipalKind.SERVICE, _ROLES, _MADE_AT
    )


def populate(config: Config, keys: int) -> None:
    """Fill an empty store with the keys from 0 to ``keys``, of a thousand principals."""
    with open_identity_store(config) as store:
        assert isinstance(store, SqlIdentityStore)  # noqa: S101 - there is no other
        with store.transaction() as transaction:
            for number in range(min(PRINCIPALS, keys)):
                transaction.put_principal(principal(number))
        # Past the protocol, which has every key looked for before it is put.
        for first in range(0, keys, _BATCH):
            rows = [_row(record(number)) for number in range(first, min(first + _BATCH, keys))]
            with store.database.writing() as connection:
                connection.execute(update(STATE).values(writing=1))
                connection.execute(insert(KEYS), rows)
                connection.execute(update(STATE).values(writing=0))
        with store.transaction() as transaction:
            transaction.put_key(record(0))


def _row(made: KeyRecord) -> dict[str, object]:
    return {**key_values(made), "roles": " ".join(made.roles)}


def change(config: Config, first: int) -> None:
    """Make and end keys, ten changes a second, until killed; numbers begin at ``first``."""
    with open_identity_store(config) as store:
        due = time.monotonic()
        for turn in range(sys.maxsize):
            made = record(first + turn // 2)
            if turn % 2:
                made = replace(made, revoked_at=int(time.time()))
            with store.transaction() as transaction:
                transaction.put_key(made)
            due += 1 / CHANGES_PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))  # noqa: TID251 - a pace is kept


def main(arguments: Sequence[str]) -> None:
    """Change a store: ``python -m bench.population DATA [URL_FILE]``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("url_file", type=Path, nargs="?")
    options = parser.parse_args(arguments)
    change(configuration(options.data, options.url_file), first=10_000_000)


if __name__ == "__main__":
    main(sys.argv[1:])
