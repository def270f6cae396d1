"""Keys in a SQLite file."""

from sqlalchemy import Connection

revision = "1"
down_revision = None

SQLITE = (
    """
    CREATE TABLE keys (
        serial     INTEGER PRIMARY KEY,
        id         TEXT NOT NULL UNIQUE,
        name       TEXT NOT NULL,
        digest     BLOB NOT NULL UNIQUE CHECK (typeof(digest) = 'blob' AND length(digest) = 32),
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER
    )
    """,
    "PRAGMA application_id = 0x48476B73",  # "HGks" in ASCII
    "PRAGMA user_version = 1",
)


def upgrade(connection: Connection) -> None:
    """Make the first schema."""
    if connection.dialect.name != "sqlite":
        return  # the first schema in another database is 4
    for statement in SQLITE:
        connection.exec_driver_sql(statement)
