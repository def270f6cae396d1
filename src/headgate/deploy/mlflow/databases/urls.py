"""URLs of databases, as MLflow's ``--backend-store-uri`` takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from headgate.deploy.mlflow.errors import DatabaseError
from headgate.deploy.mlflow.records import Kind

_POSTGRESQL: Final = frozenset({"postgresql", "postgres"})


class Parts(NamedTuple):
    """A URL in its parts: ``shown`` and ``address`` are without the password.

    ``address`` is libpq's, ``path`` SQLite's.
    """

    kind: Kind
    shown: str
    address: str = ""
    password: str = ""
    path: Path | None = None


def parts_of(url: str, folder: Path | None = None) -> Parts:
    """The parts of a URL.

    Args:
        url: SQLAlchemy's, such as ``postgresql+psycopg2://user:password@host/name``.
        folder: where MLflow runs, from which a relative path of SQLite is meant; None: it is not
            known.

    Raises:
        DatabaseError: it is no URL of a database that can be saved here.
    """
    try:
        split = urlsplit(url)
        password, _ = split.password, split.port
    except ValueError:
        raise DatabaseError("the URL of MLflow's database is none: see its port") from None
    dialect = split.scheme.partition("+")[0]
    if dialect == "sqlite":
        return _sqlite(url, folder)
    if dialect not in _POSTGRESQL:
        raise DatabaseError(
            f"the database of MLflow is '{dialect or 'a folder'}': only PostgreSQL and SQLite can "
            "be saved, migrated and restored by this command"
        )
    if not split.hostname and "host=" not in split.query:
        raise DatabaseError("the URL of MLflow's database names no host")
    host = split.netloc.rpartition("@")[2]
    who = quote(unquote(split.username), safe="") if split.username else ""
    where = f"{who}@{host}" if who else host
    address = urlunsplit(("postgresql", where, split.path, split.query, ""))
    return Parts(Kind.POSTGRESQL, _without_query(address), address, unquote(password or ""))


def _without_query(address: str) -> str:
    return address.partition("?")[0]  # ``?password=`` is libpq's as well


def _sqlite(url: str, folder: Path | None) -> Parts:
    _, _, rest = url.partition("://")
    text = unquote(rest.removeprefix("/").partition("?")[0])
    if not text or text == ":memory:":
        raise DatabaseError("MLflow keeps its data in memory: there is nothing to upgrade")
    path = Path(text)
    if not path.is_absolute():
        if folder is None:
            raise DatabaseError(
                f"the path of the SQLite database, {text}, is relative to the folder in which "
                "MLflow runs: give it in full (sqlite:////srv/mlflow/mlflow.db)"
            )
        path = folder / path
    return Parts(Kind.SQLITE, f"sqlite:///{path}", path=path)
