"""Creates that are under way at gates, or in doubt, and the processes that have them.

Expands: a Headgate of schema 5 does not look at these tables.  They have no triggers, since a
change here is none of keys.  In PostgreSQL they are not logged: what they have is of use for a
quarter of an hour, a commit need not wait for the disk, and after a crash both are empty, which
takes no create for another.
"""

from sqlalchemy import Connection

revision = "6"
down_revision = "5"

SQLITE = (
    """
    CREATE TABLE creates (
        id       INTEGER PRIMARY KEY,
        digest   BLOB NOT NULL CHECK (typeof(digest) = 'blob' AND length(digest) = 32),
        keeper   TEXT NOT NULL,
        claimer  TEXT,
        state    INTEGER NOT NULL,
        awaited  INTEGER NOT NULL,
        failed   INTEGER NOT NULL,
        sent_at  REAL NOT NULL,
        made     BLOB UNIQUE,
        status   INTEGER,
        lines    BLOB,
        body     BLOB
    )
    """,
    "CREATE INDEX creates_digest ON creates (digest)",
    """
    CREATE TABLE create_keepers (
        id       TEXT PRIMARY KEY NOT NULL,
        heard_at REAL NOT NULL
    )
    """,
)
POSTGRESQL = (
    """
    CREATE UNLOGGED TABLE headgate.creates (
        id       bigint PRIMARY KEY,
        -- the SHA-256 of principal, upstream, path, workspace and body
        digest   bytea NOT NULL CHECK (length(digest) = 32),
        -- the process that sends it, and the one that was sent it again; both of create_keepers
        keeper   text NOT NULL,
        claimer  text,
        -- 1: sent, 2: in doubt, 3: so it is, with MLflow's response, 4: being given, 5: given
        state    smallint NOT NULL,
        awaited  smallint NOT NULL,
        failed   smallint NOT NULL,
        -- seconds since the epoch, by the clock of the database's server
        sent_at  double precision NOT NULL,
        -- of the SHA-256 of the id of what was created
        made     bytea UNIQUE,
        -- MLflow's response, while the create is in doubt
        status   integer,
        lines    bytea,
        body     bytea
    )
    """,
    "CREATE INDEX creates_digest ON headgate.creates (digest)",
    """
    CREATE UNLOGGED TABLE headgate.create_keepers (
        id       text PRIMARY KEY,
        heard_at double precision NOT NULL
    )
    """,
)


def upgrade(connection: Connection) -> None:
    """Add the tables."""
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement)
