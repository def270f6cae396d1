"""Tables that came with a later schema than the oldest one that a gate can use."""

from __future__ import annotations

from headgate.stores.maintenance import OlderSchemaError
from headgate.stores.sql.database import Database


class LaterTables:
    """What is kept of one subject from some schema on.

    Args:
        database: which is asked for its schema once.
        schema: the first with these tables.
        subject: what they are about.
    """

    def __init__(self, database: Database, schema: int, subject: str) -> None:
        self._database = database
        self._schema = schema
        self._subject = subject
        self._are_there = False

    def require(self) -> None:
        """Refuse a store of an older schema, in words.

        Raises:
            OlderSchemaError: it does not have them.
        """
        if self._are_there:
            return
        schema = self._database.schema().schema
        if schema < self._schema:
            raise OlderSchemaError(
                f"the key store {self._database.location} has the older schema {schema}, which "
                f"keeps nothing of {self._subject}; upgrade it with 'headgate db upgrade'"
            )
        self._are_there = True
