"""Opens the stores that a configuration names: the one place that chooses an implementation."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.config import Config
from headgate.stores.creates import CreateStore
from headgate.stores.identity import IdentitySource, IdentityStore
from headgate.stores.late import LateIdentitySource
from headgate.stores.maintenance import MaintenanceStore
from headgate.stores.sql.sqlite import location

if TYPE_CHECKING:
    from headgate.stores.sql.database import Database
    from headgate.stores.sql.inspection import StoreReport
    from headgate.stores.sql.postgresql.database import PostgresDatabase
    from headgate.stores.sql.postgresql.url import UrlSource


def open_identity_store(config: Config, *, create: bool = True) -> IdentityStore:
    """Open the store of principals and keys.

    ``create``: make an empty SQLite file if there is none.  In PostgreSQL the tables are made by
    ``headgate db upgrade`` alone.  Not to be carried across a fork.

    Raises:
        HeadgateError: the store is missing, cannot be reached, read or written, is no key store,
            has a schema that this Headgate cannot use, or others could have changed it.
    """
    # SQLAlchemy takes a while to import, and psycopg may be missing.
    from headgate.stores.sql.store import SqlIdentityStore  # noqa: PLC0415

    return SqlIdentityStore(_open_database(config, create=create))


def _open_database(config: Config, *, create: bool) -> Database:
    if not config.auth.has_shared_store:
        from headgate.stores.sql.sqlite.database import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(config.key_database, create=create)
    database = open_postgresql(config)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(database.close)
        database.schema().require_fit(database.location)
        on_failure.pop_all()
    return database


def open_maintenance_store(config: Config) -> MaintenanceStore:
    """Open what the store of principals and keys keeps of maintenance; it is never made.

    Not to be carried across a fork.

    Raises:
        HeadgateError: as for ``open_identity_store``.
    """
    from headgate.stores.sql.maintenance import SqlMaintenanceStore  # noqa: PLC0415

    return SqlMaintenanceStore(_open_database(config, create=False))


def open_create_store(config: Config) -> CreateStore:
    """Open what the store of principals and keys keeps of creates; it is never made.

    Not to be carried across a fork.

    Raises:
        HeadgateError: as for ``open_identity_store``.
    """
    from headgate.stores.sql.creates import SqlCreateStore  # noqa: PLC0415

    return SqlCreateStore(_open_database(config, create=False))


def import_identity_store(config: Config) -> None:
    """Import what opening the store needs, so that processes forked after this share its memory."""
    if not config.auth.has_shared_store:
        import headgate.stores.sql.sqlite.database  # noqa: PLC0415
    else:
        with contextlib.suppress(ImportError):  # opening says what is missing
            import headgate.stores.sql.postgresql.database  # noqa: PLC0415
    import headgate.stores.sql.creates  # noqa: PLC0415
    import headgate.stores.sql.maintenance  # noqa: PLC0415
    import headgate.stores.sql.store  # noqa: F401, PLC0415


def open_postgresql(config: Config) -> PostgresDatabase:
    """The database that a configuration names; nothing is connected yet.

    Raises:
        HeadgateError: the URL cannot be read or used, or psycopg is not installed.
    """
    source = _url(config)
    source.read()  # says what is missing if psycopg is
    from headgate.stores.sql.postgresql.database import PostgresDatabase  # noqa: PLC0415

    return PostgresDatabase(source)


def _url(config: Config) -> UrlSource:
    from headgate.stores.sql.postgresql.url import UrlFile, UrlText  # noqa: PLC0415

    auth = config.auth
    if auth.database_url is not None:
        return UrlText(auth.database_url.get_secret_value())
    assert auth.database_url_file is not None  # noqa: S101 - asked for a shared store alone
    return UrlFile(auth.database_url_file)


def upgrade_identity_store(config: Config) -> tuple[StoreReport, int]:
    """Bring the store to the schema of this Headgate, and make its tables if there are none.

    Returns the store, and which schema it had before; 0: none.

    Raises:
        HeadgateError: it cannot be reached or written, or serves no Headgate as old as this one.
    """
    from headgate.stores.sql.inspection import report  # noqa: PLC0415

    if config.auth.has_shared_store:
        with contextlib.closing(open_postgresql(config)) as shared:
            before = shared.upgrade()
            return report(shared), before.schema
    found = inspect_identity_store(config)
    from headgate.stores.sql.sqlite.database import SqliteDatabase  # noqa: PLC0415

    with contextlib.closing(SqliteDatabase(config.key_database)) as embedded:
        return report(embedded), 0 if found is None else found.schema.schema


def inspect_identity_store(config: Config, *, writable: bool = False) -> StoreReport | None:
    """Look at the store, and change nothing; ``None``: there is none, and it is a file.

    Args:
        config: names the store.
        writable: try all that is ever written, and undo it, in a store of the present schema.

    Raises:
        HeadgateError: the store cannot be reached, read or written, or its schema is newer and
            serves no Headgate as old as this one.
    """
    from headgate.stores.sql.inspection import report, require_writable  # noqa: PLC0415

    database: Database
    if config.auth.has_shared_store:
        database = open_postgresql(config)
    elif location.find(config.key_database).exists():
        from headgate.stores.sql.sqlite.database import SqliteDatabase  # noqa: PLC0415

        database = SqliteDatabase(config.key_database, create=False, upgrade=False)
    else:
        return None
    with contextlib.closing(database):
        found = report(database)
        if writable and found.schema.is_current:
            shared = any(each.creates.across_gates for each in config.upstreams.values())
            require_writable(database, creates=shared)
        return found


def open_identity_source(config: Config) -> IdentitySource:
    """The principals and keys of a store that may be missing now.

    It is opened when it can be, and never made.
    """
    return LateIdentitySource(lambda: open_identity_store(config, create=False))


def own_folder(config: Config) -> Path:
    """The folder in which only this user may put files: the data folder, or one within it.

    Raises:
        HeadgateError: it may be another user's.
    """
    return location.find(config.key_database).parent


def make_own_folder(config: Config) -> Path:
    """The same; it is made if there is none.

    Raises:
        HeadgateError: it may be another user's.
        OSError: it cannot be made.
    """
    return location.prepare(config.key_database).parent


def gate_folder(config: Config) -> Path:
    """Where a gate keeps what is its own; the folder is made only if ``data`` is set.

    Raises:
        HeadgateError: it may be another user's.
        OSError: it cannot be made.
    """
    return make_own_folder(config) if "data" in config.model_fields_set else own_folder(config)


def identity_store_location(config: Config) -> str:
    """Where the store is, or is to be made, for a person; without any secret.

    Raises:
        HeadgateError: others could put another one there, or the URL cannot be read or used.
    """
    if not config.auth.has_shared_store:
        return str(location.find(config.key_database))
    return _url(config).read().location


def identity_store_warnings(config: Config) -> list[str]:
    """What is not as safe as it could be about the store.

    Raises:
        HeadgateError: it is so unsafe that no gate would start with it.
    """
    if not config.auth.has_shared_store:
        return location.warnings(config.key_database)
    return _url(config).read().warnings
