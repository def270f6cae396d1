"""A PostgreSQL database as the database of an identity store.

PgBouncer may stand between, in transaction mode: no statement is prepared by name, nothing is set
for a session, no session lock is held and nobody listens.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from sqlalchemy import Connection, CursorResult, Engine, Row, Select, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from headgate.stores.sql.migrating import SchemaState, migrate, schema_state
from headgate.stores.sql.postgresql.troubles import busy, explained, hung
from headgate.stores.sql.postgresql.url import Target, UrlSource
from headgate.stores.sql.postgresql.watchdog import Watchdog
from headgate.stores.sql.schema import POSTGRESQL_SCHEMA

POLL_SECONDS: Final = 5.0
READ_SECONDS: Final = 60.0
WRITE_SECONDS: Final = 30.0
UPGRADE_SECONDS: Final = 600.0

_LIMITS: Final = text(
    "SELECT set_config('statement_timeout', :statement, true),"
    " set_config('lock_timeout', :lock, true),"
    " set_config('idle_in_transaction_session_timeout', :idle, true)"
)
"""For this transaction alone; the watchdog does the same for a server that no longer responds."""
_Result = TypeVar("_Result")
_Rows: TypeAlias = CursorResult[Any]
_UPGRADE_LOCK: Final = 0x48476B73  # of two upgrades that run concurrently, one waits


@dataclass(frozen=True, slots=True)
class Kind:
    """How a transaction is begun, and how many seconds it may take."""

    isolation: str
    read_only: bool
    seconds: float
    statement_seconds: float
    lock_seconds: float


_READING: Final = Kind("REPEATABLE READ", True, READ_SECONDS, READ_SECONDS, 5.0)
_WRITING: Final = Kind("READ COMMITTED", False, WRITE_SECONDS, 10.0, 8.0)
_UPGRADING: Final = Kind("READ COMMITTED", False, UPGRADE_SECONDS, UPGRADE_SECONDS, 60.0)


class PostgresDatabase:
    """The database whose URL is in ``source``: a ``Database``.

    When a file has another URL, such as one with a new password, the next use connects anew.
    """

    is_new = False
    kind = "PostgreSQL"

    def __init__(self, source: UrlSource) -> None:
        """Read the URL; nothing is connected yet.

        Raises:
            HeadgateError: the URL cannot be read or used, or psycopg is missing.
        """
        self._source = source
        self._lock = threading.Lock()
        self._starting = threading.local()  # what watches over a connection until it is ready
        self._closed = False
        self._read = source.version()  # first, so that a change in between is noticed
        self._target = source.read()
        self._engine = _engine(self._connect)

    @property
    def location(self) -> str:
        """See ``Database``."""
        return self._target.location

    @property
    def target(self) -> Target:
        """What the URL names."""
        return self._target

    def first(self, statement: Select[Any]) -> Row[Any] | None:
        """See ``Database``."""
        with self._in_words():
            return _repeated(lambda: self._single(statement, _first_row))

    def rows(self, statement: Select[*tuple[Any, ...]]) -> Sequence[Row[Any]]:
        """See ``Database``."""
        with self._in_words():
            return _repeated(lambda: self._single(statement, _all_rows))

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """See ``Database``."""
        with self._transaction(_READING) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """See ``Database``."""
        with self._transaction(_WRITING) as connection:
            yield connection
            connection.commit()

    def schema(self) -> SchemaState:
        """See ``Database``."""
        with self._transaction(_READING) as connection:
            return schema_state(connection, POSTGRESQL_SCHEMA)

    def upgrade(self) -> SchemaState:
        """Bring the database to the schema of this Headgate; returns which it had before.

        Raises:
            HeadgateError: it cannot be reached or changed, or serves no Headgate as old as this.
        """
        with self._transaction(_UPGRADING) as connection:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))
            before = schema_state(connection, POSTGRESQL_SCHEMA)
            if not before.is_current:
                # Asked first: to create it "if not exists" takes the permission to create it.
                there = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
                if connection.execute(there, {"name": POSTGRESQL_SCHEMA}).first() is None:
                    connection.execute(text(f"CREATE SCHEMA {POSTGRESQL_SCHEMA}"))
                migrate(connection, POSTGRESQL_SCHEMA)
            connection.commit()
        return before

    @property
    def connection_kind(self) -> str:
        """See ``Database``."""
        with self._transaction(_READING) as connection:
            encrypted = _raw(connection).pgconn.ssl_in_use
        return f"{'TLS' if encrypted else 'not encrypted'}, sslmode={self._target.sslmode}"

    def close(self) -> None:
        """See ``Database``."""
        self._closed = True
        self._engine.dispose()

    def _single(
        self, statement: Select[*tuple[Any, ...]], fetch: Callable[[_Rows], _Result]
    ) -> _Result:
        """One statement without a transaction around it: one message to the server."""
        with contextlib.closing(self._connected()) as connection:
            single = connection.execution_options(isolation_level="AUTOCOMMIT")
            with self._watched(single, POLL_SECONDS):
                return fetch(single.execute(statement))

    @contextlib.contextmanager
    def _transaction(self, kind: Kind) -> Iterator[Connection]:
        with self._in_words():
            connection = _repeated(lambda: self._begun(kind))
            with contextlib.closing(connection), self._watched(connection, kind.seconds):
                yield connection

    def _begun(self, kind: Kind) -> Connection:
        limits = {
            "statement": f"{kind.statement_seconds * 1000:.0f}",
            "lock": f"{kind.lock_seconds * 1000:.0f}",
            "idle": f"{kind.seconds * 1000:.0f}",
        }
        with contextlib.ExitStack() as on_failure:
            connection = on_failure.enter_context(contextlib.closing(self._connected()))
            begun = connection.execution_options(isolation_level=kind.isolation)
            # Not with SQLAlchemy's option, which knows no third way: as the database has it.
            _raw(begun).read_only = True if kind.read_only else None
            with self._watched(begun, POLL_SECONDS):
                begun.execute(_LIMITS, limits)
            on_failure.pop_all()
        return begun

    def _connected(self) -> Connection:
        if self._closed:
            raise ValueError("the store was closed")
        self._follow()
        try:
            return self._engine.connect()
        finally:
            watchdog = self._starting.__dict__.pop("watchdog", None)
            if watchdog is not None:
                watchdog.end()

    def _connect(self) -> psycopg.Connection[Any]:
        """Make a connection, watched until SQLAlchemy has asked it what it must know."""
        made: psycopg.Connection[Any] = psycopg.connect(
            **self._target.parameters,  # type: ignore[arg-type]
            prepare_threshold=None,
        )
        self._starting.watchdog = Watchdog(made.fileno(), POLL_SECONDS)
        return made

    @contextlib.contextmanager
    def _watched(self, connection: Connection, seconds: float) -> Iterator[None]:
        """Give up a connection that is used for longer."""
        watchdog = Watchdog(_raw(connection).fileno(), seconds)
        try:
            yield
        except DBAPIError:
            if watchdog.has_fired:
                raise hung(self._target, seconds) from None
            raise
        finally:
            watchdog.end()
            if watchdog.has_fired and not connection.invalidated:
                connection.invalidate()

    def _follow(self) -> None:
        """Connect anew if the file has another URL now."""
        with self._lock:
            version = self._source.version()
            if version and version == self._read:
                return
            target = self._source.read()
            if target != self._target:
                self._target = target
                self._engine.dispose()
            self._read = version

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise explained(error, self._target) from None
        except DBAPIError as error:
            if not isinstance(error.orig, psycopg.Error):
                raise
            raise explained(error.orig, self._target) from None
        except PoolTimeout:
            raise busy(self._target) from None


def _first_row(found: _Rows) -> Row[Any] | None:
    return found.first()


def _all_rows(found: _Rows) -> Sequence[Row[Any]]:
    return found.all()


def _repeated(attempt: Callable[[], _Result]) -> _Result:
    """Try once more where a connection was kept whose server has been restarted since."""
    try:
        return attempt()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    return attempt()


def _engine(connect: Callable[[], Any]) -> Engine:
    # One connection stays open; threads that meet get another for a moment.
    return create_engine(
        "postgresql+psycopg://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=9,
        pool_timeout=POLL_SECONDS,
        use_native_hstore=False,
        hide_parameters=True,
        execution_options={"schema_translate_map": {None: POSTGRESQL_SCHEMA}},
    )


def _raw(connection: Connection) -> Any:
    """The connection of psycopg itself."""
    return connection.connection.dbapi_connection
