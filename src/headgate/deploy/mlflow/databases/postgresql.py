"""An MLflow's PostgreSQL database: saved by ``pg_dump``, restored in one transaction.

MLflow's tables are those of the namespace where it finds ``alembic_version``.  That one is saved
and restored as a whole; other namespaces, such as that of Headgate's own store, are not touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow

from headgate.deploy.mlflow.databases import changes, files
from headgate.deploy.mlflow.databases.postgresql_tools import Tools, find_tools, restore
from headgate.deploy.mlflow.databases.urls import Parts
from headgate.deploy.mlflow.errors import DatabaseError
from headgate.deploy.mlflow.programs import run
from headgate.deploy.mlflow.records import Kind, Loss, Snapshot, Writer

CONNECT_SECONDS: Final = 10
DUMP_SECONDS: Final = 24 * 3600.0
"""A dump is ended by the time that the operator gives, not by this."""
APPLICATION: Final = "headgate-mlflow-upgrade"
GATE_APPLICATION: Final = "headgate"
"""How gates call their connections to their own store, which may be in the same database."""

_WRITERS: Final = """
    select pid, usename, coalesce(host(client_addr), ''), coalesce(client_port, 0),
           coalesce(application_name, '')
    from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
      and backend_type = 'client backend' and application_name not in (%s, %s)
    order by pid
"""
_NAMESPACE: Final = """
    select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = to_regclass('alembic_version')
"""
_RELATIONS: Final = """
    select c.relname, pg_has_role(c.relowner, 'USAGE') from pg_class c
    where c.relnamespace = (select oid from pg_namespace where nspname = %s)
      and c.relkind in ('r', 'p', 'v', 'm', 'S')
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    order by c.relname
"""
_SIZE: Final = """
    select coalesce(sum(pg_total_relation_size(c.oid)), 0) from pg_class c
    where c.relnamespace = (select oid from pg_namespace where nspname = %s)
      and c.relkind in ('r', 'm')
"""
_COLUMNS: Final = """
    select table_name, column_name from information_schema.columns where table_schema = %s
"""


class PostgresqlDatabase:
    """``Database`` for a server.

    Args:
        parts: of its URL.
        binaries: the folder of ``pg_dump``, ``pg_restore`` and ``psql``; None: they are looked for.
    """

    kind = Kind.POSTGRESQL

    def __init__(self, parts: Parts, binaries: Path | None = None) -> None:
        self._parts = parts
        self._binaries = binaries

    def name(self) -> str:
        """See ``Database``."""
        return self._parts.shown

    def head(self) -> str:
        """See ``Database``."""
        with self._connected() as connection:
            self._namespace(connection)
            rows = connection.execute("select version_num from alembic_version").fetchall()
        if len(rows) != 1:
            raise DatabaseError(
                f"{self.name()} is not a database of MLflow: it has {len(rows)} rows in "
                "alembic_version"
            )
        return str(rows[0][0])

    def size(self) -> int:
        """See ``Database``."""
        with self._connected() as connection:
            return int(_one(connection, _SIZE, self._namespace(connection)))

    def obstacles(self) -> Sequence[str]:
        """See ``Database``."""
        with self._connected() as connection:
            return [*self._obstacles(connection)]

    def _obstacles(self, connection: psycopg.Connection[TupleRow]) -> Iterator[str]:
        if _one(connection, "select pg_is_in_recovery()"):
            yield f"{self.name()} is a standby, which cannot be written: use the primary"
        tools = self._tools(connection)
        if isinstance(tools, str):
            yield tools
        relations = connection.execute(_RELATIONS, (self._namespace(connection),)).fetchall()
        others = [name for name, owned in relations if not owned]
        if others:
            yield (
                f"the role '{connection.info.user}' does not own {', '.join(others[:3])}"
                f"{' and others' if len(others) > 3 else ''}, so that it could not restore them: "
                "use the role that owns MLflow's tables"
            )

    def writers(self) -> Sequence[Writer]:
        """See ``Database``."""
        with self._connected() as connection:
            rows = connection.execute(_WRITERS, (APPLICATION, GATE_APPLICATION)).fetchall()
        return [
            Writer(
                f"role '{user}' from {address or 'a local socket'} "
                f"({application or 'no application name'}, process {pid} of the server)",
                address,
                port,
            )
            for pid, user, address, port, application in rows
        ]

    def snapshot(self, to: Path, at: float) -> Snapshot:
        """See ``Database``."""
        with self._connected() as connection:
            namespace, tools = self._namespace(connection), self._tools(connection)
            relations = connection.execute(_RELATIONS, (namespace,)).fetchall()
            head = str(_one(connection, "select version_num from alembic_version"))
        if isinstance(tools, str):
            raise DatabaseError(tools)
        file = to.with_name(f"{to.name}.dump")
        partial = file.with_name(f"{file.name}.partial")
        try:
            with files.in_place_of(partial):
                self._dump(tools, namespace, partial)
                files.put(partial, file)
            size, digest = file.stat().st_size, files.digest_of(file)
        except OSError as error:
            raise DatabaseError(f"{file} cannot be written: {error.strerror}") from None
        tables = tuple(name for name, _ in relations)
        return Snapshot(self.kind, str(file), head, at, size, digest, tables=tables)

    def _dump(self, tools: Tools, namespace: str, to: Path) -> None:
        options = ["--format=custom", "--no-password", "--lock-wait-timeout=30000"]
        where = [f"--dbname={self._parts.address}", f"--schema={_pattern(namespace)}"]
        done = run(
            [str(tools.dump), *options, *where, f"--file={to}"],
            self._variables(),
            DUMP_SECONDS,
            secret=self._parts.password,
        )
        if done.code != 0:
            raise DatabaseError(f"pg_dump failed: {done.said}")
        listed = run([str(tools.restore), "--list", str(to)], self._variables(), DUMP_SECONDS)
        if listed.code != 0 or " TABLE DATA " not in listed.output:
            raise DatabaseError(f"what pg_dump has written cannot be read: {listed.said}")

    def check(self, snapshot: Snapshot) -> None:
        """See ``Database``."""
        files.check(snapshot)

    def restore(self, snapshot: Snapshot) -> None:
        """See ``Database``."""
        self.check(snapshot)
        with self._connected() as connection:
            namespace, tools = self._namespace(connection), self._tools(connection)
        if isinstance(tools, str):
            raise DatabaseError(tools)
        restore(
            tools,
            Path(snapshot.place),
            namespace,
            self._parts.address,
            self._variables(),
            self._parts.password,
        )

    def losses(self, since: float) -> Sequence[Loss]:
        """See ``Database``."""
        with self._connected() as connection:
            columns: dict[str, set[str]] = {}
            for table, column in connection.execute(_COLUMNS, (self._namespace(connection),)):
                columns.setdefault(table, set()).add(column)
            return changes.losses(
                since,
                columns,
                lambda statement: connection.execute(statement.encode()).fetchone() or (0, 0),
            )

    def _namespace(self, connection: psycopg.Connection[TupleRow]) -> str:
        row = connection.execute(_NAMESPACE).fetchone()
        if row is None:
            raise DatabaseError(
                f"{self.name()} is not a database of MLflow: it has no table alembic_version that "
                f"the role '{connection.info.user}' sees"
            )
        return str(row[0])

    def _tools(self, connection: psycopg.Connection[TupleRow]) -> Tools | str:
        return find_tools(connection.info.server_version // 10000, self._binaries)

    def _variables(self) -> Mapping[str, str]:
        """For the programs of PostgreSQL: the password is in no command line."""
        kept = {name: value for name, value in os.environ.items() if name != "PGOPTIONS"}
        password = {"PGPASSWORD": self._parts.password} if self._parts.password else {}
        return kept | password | {"PGAPPNAME": APPLICATION, "PGCONNECT_TIMEOUT": "10"}

    @contextlib.contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[TupleRow]]:
        options: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "autocommit": True}
        if self._parts.password:
            options["password"] = self._parts.password
        try:
            with psycopg.connect(
                self._parts.address, application_name=APPLICATION, **options
            ) as connection:
                yield connection
        except psycopg.OperationalError as error:
            raise DatabaseError(
                f"{self.name()} cannot be asked: {self._said(error)}", retryable=True
            ) from None
        except psycopg.Error as error:
            raise DatabaseError(f"{self.name()} refuses: {self._said(error)}") from None

    def _said(self, error: psycopg.Error) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        password = self._parts.password
        return text.replace(password, "[secret]") if password else text


def _one(connection: psycopg.Connection[TupleRow], statement: str, *values: object) -> Any:
    row = connection.execute(statement.encode(), values or None).fetchone()
    return None if row is None else row[0]


def _pattern(namespace: str) -> str:
    """A pattern of ``pg_dump`` that matches this name alone."""
    return '"' + namespace.replace('"', '""') + '"'
