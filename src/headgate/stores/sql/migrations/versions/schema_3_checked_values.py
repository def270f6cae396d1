"""Checks of each value's type, and the edition of the built-in roles.

Rows with a wrong value are kept, to be mended.
"""

from sqlalchemy import Connection

revision = "3"
down_revision = "2"

SQLITE = (
    """
    CREATE TABLE checked_keys (
        serial     INTEGER PRIMARY KEY,
        id         TEXT NOT NULL UNIQUE CHECK (typeof(id) = 'text'),
        name       TEXT NOT NULL CHECK (typeof(name) = 'text'),
        digest     BLOB NOT NULL UNIQUE
                   CHECK (typeof(digest) = 'blob' AND length(digest) = 32),
        -- these three: seconds since the epoch, UTC; NULL: never
        created_at INTEGER NOT NULL
                   CHECK (typeof(created_at) = 'integer' AND created_at BETWEEN 0 AND 253402300799),
        expires_at INTEGER CHECK (expires_at IS NULL OR
                   (typeof(expires_at) = 'integer' AND expires_at BETWEEN 0 AND 253402300799)),
        revoked_at INTEGER CHECK (revoked_at IS NULL OR
                   (typeof(revoked_at) = 'integer' AND revoked_at BETWEEN 0 AND 253402300799)),
        -- names, with spaces between them; none: nothing allowed
        roles      TEXT NOT NULL DEFAULT '' CHECK (typeof(roles) = 'text'),
        -- of the built-in roles, when these were given
        roles_edition INTEGER NOT NULL DEFAULT 2
    )
    """,
    "PRAGMA ignore_check_constraints = ON",
    """
    INSERT INTO checked_keys SELECT serial, id, name, digest, created_at, expires_at,
    revoked_at, roles, 1 FROM keys
    """,
    "PRAGMA ignore_check_constraints = OFF",
    "DROP TABLE keys",
    "ALTER TABLE checked_keys RENAME TO keys",
    "PRAGMA user_version = 3",
)


def upgrade(connection: Connection) -> None:
    """Rebuild the table."""
    if connection.dialect.name != "sqlite":
        return
    for statement in SQLITE:
        connection.exec_driver_sql(statement)
