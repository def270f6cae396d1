"""Which database belongs to a URL."""

from __future__ import annotations

from pathlib import Path

from headgate.deploy.mlflow.databases.sqlite import SqliteDatabase
from headgate.deploy.mlflow.databases.urls import parts_of
from headgate.deploy.mlflow.errors import DatabaseError
from headgate.deploy.mlflow.seams import Database


def database_of(url: str, folder: Path | None = None, binaries: Path | None = None) -> Database:
    """The database of a URL; nothing is asked of it yet.

    Args:
        url: as MLflow's ``--backend-store-uri`` has it.
        folder: where MLflow runs, for a relative path of SQLite.
        binaries: the folder of PostgreSQL's programs; None: they are looked for.

    Raises:
        DatabaseError: it can be neither saved nor restored here.
    """
    parts = parts_of(url, folder)
    if parts.path is not None:
        return SqliteDatabase(parts.path)
    try:
        from headgate.deploy.mlflow.databases.postgresql import (  # noqa: PLC0415 - an extra
            PostgresqlDatabase,
        )
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "psycopg":
            raise
        raise DatabaseError(
            "a PostgreSQL database needs psycopg, which is not installed: pip install "
            "'headgate[postgresql]'"
        ) from None
    return PostgresqlDatabase(parts, binaries)
