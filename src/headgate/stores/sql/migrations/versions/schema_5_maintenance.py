"""What is asked of upstreams, and the gates that follow it.

Expands: a Headgate of schema 4 does not look at these tables.  They have no triggers, since a
change here is none of keys.
"""

from sqlalchemy import Connection

revision = "5"
down_revision = "4"

SQLITE = (
    """
    CREATE TABLE directives (
        upstream  TEXT PRIMARY KEY NOT NULL CHECK (typeof(upstream) = 'text'),
        revision  INTEGER NOT NULL CHECK (typeof(revision) = 'integer'),
        asked     INTEGER NOT NULL CHECK (typeof(asked) = 'integer'),
        park      TEXT,
        read_only TEXT
    )
    """,
    """
    CREATE TABLE gates (
        id        TEXT PRIMARY KEY NOT NULL CHECK (typeof(id) = 'text'),
        name      TEXT NOT NULL,
        version   TEXT NOT NULL,
        workers   INTEGER NOT NULL,
        heard_at  REAL NOT NULL,
        upstreams TEXT NOT NULL
    )
    """,
)
POSTGRESQL = (
    """
    CREATE TABLE headgate.directives (
        upstream  text PRIMARY KEY,
        revision  bigint NOT NULL,
        asked     bigint NOT NULL,
        -- these two: JSON objects; NULL: nothing is asked
        park      text,
        read_only text
    )
    """,
    """
    CREATE TABLE headgate.gates (
        id        text PRIMARY KEY,
        name      text NOT NULL,
        version   text NOT NULL,
        workers   integer NOT NULL,
        -- seconds since the epoch, by the clock of the database's server
        heard_at  double precision NOT NULL,
        upstreams text NOT NULL
    )
    """,
)


def upgrade(connection: Connection) -> None:
    """Add the tables."""
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement)
