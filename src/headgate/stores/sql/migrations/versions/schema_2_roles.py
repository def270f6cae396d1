"""Roles of keys.  Each key opened everything before, and goes on to do so."""

from sqlalchemy import Connection

revision = "2"
down_revision = "1"

SQLITE = (
    "ALTER TABLE keys ADD COLUMN roles TEXT NOT NULL DEFAULT ''",
    "UPDATE keys SET roles = 'admin'",
    "PRAGMA user_version = 2",
)


def upgrade(connection: Connection) -> None:
    """Add the column."""
    if connection.dialect.name != "sqlite":
        return
    for statement in SQLITE:
        connection.exec_driver_sql(statement)
