"""The tables as this Headgate reads and writes them; ``migrations`` makes them.

Each change of the schema has a number, which is also the name of its Alembic revision.  A store
says in ``serves_from`` which is the oldest number that a Headgate may know and still use it, so
that a change which only adds (expand) keeps the Headgates before it running, and one that takes
away (contract) locks them out in so many words.

One row, ``store_state``, is locked by every change.  Its ``sequence`` counts them, and each row
that a change touches bears its number in ``changed``.  ``token`` is drawn at random for each, and
``changes`` remembers the last of them: a reader whose number and token are there knows that the
store still is the one that it has read.  ``writing`` is 1 inside a transaction of this Headgate,
so that the triggers tell all other writes from it: a person's, or those of a Headgate of an older
schema.  These count as a change of the whole store.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Integer, LargeBinary, MetaData, Table, Text

KNOWN_SCHEMA: Final = 6
"""The schema that this Headgate makes."""
NEEDED_SCHEMA: Final = 4
"""The oldest schema that this Headgate can work on."""
MAINTENANCE_SCHEMA: Final = 5
"""The oldest one that keeps what is asked of upstreams, and the gates that follow it."""
CREATES_SCHEMA: Final = 6
"""The oldest one that keeps creates, for gates that share them."""
POSTGRESQL_SCHEMA: Final = "headgate"
"""The namespace of the tables in PostgreSQL: they may share a database with others', and no
search path decides which are meant."""
KEPT_CHANGES: Final = 10_000
"""A reader that has not looked for so many changes reads everything again."""

METADATA: Final = MetaData()

KEYS: Final = Table(
    "keys",
    METADATA,
    Column("serial", BigInteger, primary_key=True),
    Column("id", Text),
    Column("name", Text),
    Column("digest", LargeBinary),
    Column("created_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("roles", Text),  # what a Headgate of schema 3 grants: see ``older_gates``
    Column("roles_edition", Integer),
    Column("full_roles", Text),  # what the key has; NULL: what ``roles`` says
    Column("principal_id", Text),
    Column("description", Text),
    Column("narrowing", Text),  # a JSON array of grants
    Column("created_by", Text),
    Column("replaces", Text),
    Column("break_glass", Text),
    Column("changed", BigInteger),
)
PRINCIPALS: Final = Table(
    "principals",
    METADATA,
    Column("serial", BigInteger, primary_key=True),
    Column("id", Text),
    Column("name", Text),
    Column("kind", Text),
    Column("roles", Text),
    Column("created_at", BigInteger),
    Column("created_by", Text),
    Column("description", Text),
    Column("disabled_at", BigInteger),
    Column("changed", BigInteger),
)
STATE: Final = Table(
    "store_state",
    METADATA,
    Column("one", Integer, primary_key=True),
    Column("store_id", Text),
    Column("serves_from", Integer),
    Column("sequence", BigInteger),
    Column("token", Text),
    Column("writing", Integer),
    Column("first_key_at", BigInteger),  # of ``first_key``, should that be emptied
)
CHANGES: Final = Table(
    "changes",
    METADATA,
    Column("sequence", BigInteger, primary_key=True),
    Column("token", Text),
    Column("whole", Integer),  # 1: what was changed is not known, so everything may have been
)
FIRST_KEY: Final = Table(
    "first_key",
    METADATA,
    Column("one", Integer, primary_key=True),
    Column("key_id", Text),
    Column("taken_at", BigInteger),
)
KEY_USES: Final = Table(
    "key_uses",
    METADATA,
    Column("key_id", Text, primary_key=True),
    Column("used_at", BigInteger),
    Column("address", Text),
)
DIRECTIVES: Final = Table(
    "directives",
    METADATA,
    Column("upstream", Text, primary_key=True),
    Column("revision", BigInteger),
    Column("asked", BigInteger),
    Column("park", Text),  # this and the next: a JSON object
    Column("read_only", Text),
)
GATES: Final = Table(
    "gates",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("version", Text),
    Column("workers", Integer),
    Column("heard_at", Double),  # by the clock of the database's server
    Column("upstreams", Text),  # a JSON object
)
CREATES: Final = Table(
    "creates",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("digest", LargeBinary),
    Column("keeper", Text),
    Column("claimer", Text),
    Column("state", Integer),
    Column("awaited", Integer),
    Column("failed", Integer),
    Column("sent_at", Double),  # by the clock of the database's server
    Column("made", LargeBinary),  # no two rows have the same
    Column("status", Integer),  # this and the next two: MLflow's response
    Column("lines", LargeBinary),
    Column("body", LargeBinary),
)
CREATE_KEEPERS: Final = Table(
    "create_keepers",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("heard_at", Double),  # by the clock of the database's server
)
