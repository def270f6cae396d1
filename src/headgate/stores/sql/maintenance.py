"""What is asked of upstreams, and the gates that follow it, in the database of the keys."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Select,
    delete,
    insert,
    select,
    type_coerce,
)
from sqlalchemy import update as update_of
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import NullType

from headgate.errors import HeadgateError
from headgate.maintenance import Directive
from headgate.maintenance.documents import (
    UnreadableDirectiveError,
    park_document,
    read_only_document,
    read_park,
    read_read_only,
)
from headgate.stores.maintenance import (
    GateReport,
    RegisteredGate,
    RevisionChangedError,
    UpstreamReport,
)
from headgate.stores.sql.clock import now
from headgate.stores.sql.database import Database
from headgate.stores.sql.later_tables import LaterTables
from headgate.stores.sql.schema import DIRECTIVES, GATES, MAINTENANCE_SCHEMA
from headgate.stores.sql.undoing import undone
from headgate.stores.sql.upsert import insert_into

# Without SQLAlchemy's types: these would convert values, and fail on a wrong one.
_DIRECTIVES: Final[Select[*tuple[Any, ...]]] = select(
    *[type_coerce(each, NullType()) for each in DIRECTIVES.c]
)


class SqlMaintenanceStore:
    """A ``MaintenanceStore``.

    Args:
        database: open; the store closes it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._tables = LaterTables(database, MAINTENANCE_SCHEMA, "maintenance")

    def close(self) -> None:
        """See ``MaintenanceStore``."""
        self.database.close()

    def directives(self) -> Mapping[str, Directive]:
        """See ``MaintenanceStore``: one statement."""
        self._tables.require()
        found = map(self._directive, self.database.rows(_DIRECTIVES))
        return {each.upstream: each for each in found}

    def put(self, directive: Directive, before: int) -> None:
        """See ``MaintenanceStore``."""
        self._tables.require()
        with self.database.writing() as connection:
            self._put(connection, directive, before)

    def _put(self, connection: Connection, directive: Directive, before: int) -> None:
        values = {
            "upstream": directive.upstream,
            "revision": directive.revision,
            "asked": directive.asked,
            "park": _written(park_document(directive.park)),
            "read_only": _written(read_only_document(directive.read_only)),
        }
        there = update_of(DIRECTIVES).where(
            DIRECTIVES.c.upstream == directive.upstream, DIRECTIVES.c.revision == before
        )
        if connection.execute(there.values(values)).rowcount == 1:
            return
        if before != 0:
            raise RevisionChangedError
        try:
            connection.execute(insert(DIRECTIVES).values(values))
        except IntegrityError:
            raise RevisionChangedError from None

    def report(self, gate: GateReport) -> None:
        """See ``MaintenanceStore``."""
        self._tables.require()
        with self.database.writing() as connection:
            self._report(connection, gate)

    def _report(self, connection: Connection, gate: GateReport) -> None:
        values: dict[str, Any] = {
            "name": gate.name,
            "version": gate.version,
            "workers": gate.workers,
            "upstreams": _written(
                {
                    name: [
                        *(each.revision, each.state, each.in_flight, each.waiting, each.writing),
                        gate.fence,
                    ]
                    for name, each in gate.upstreams.items()
                }
            ),
        }
        values["heard_at"] = now(connection)
        put = insert_into(connection, GATES).values(id=gate.id, **values)
        connection.execute(put.on_conflict_do_update(index_elements=["id"], set_=values))

    def gates(self) -> Sequence[RegisteredGate]:
        """See ``MaintenanceStore``."""
        self._tables.require()
        columns = (GATES.c.id, GATES.c.name, GATES.c.version, GATES.c.workers, GATES.c.upstreams)
        with self.database.reading() as connection:
            silent = now(connection) - GATES.c.heard_at
            rows = connection.execute(select(*columns, silent).order_by(GATES.c.name, GATES.c.id))
            return [_gate(*row) for row in rows]

    def leave(self, gate_id: str) -> bool:
        """See ``MaintenanceStore``."""
        self._tables.require()
        with self.database.writing() as connection:
            return self._leave(connection, gate_id)

    def _leave(self, connection: Connection, gate_id: str) -> bool:
        return connection.execute(delete(GATES).where(GATES.c.id == gate_id)).rowcount > 0

    def require_writable(self) -> None:
        """Do all that is ever written here, and undo it: nobody sees any of it.

        Raises:
            HeadgateError: something of it fails.
        """
        self._tables.require()
        name = f"headgate db check {secrets.token_hex(8)}"
        with undone(self.database.writing()) as connection:
            self._put(connection, Directive(name, 1), 0)
            self._put(connection, Directive(name, 2), 1)
            self._report(connection, GateReport(name, name, "", 0))
            self._leave(connection, name)

    def _directive(self, row: Sequence[Any]) -> Directive:
        """The directive of a row.

        Raises:
            HeadgateError: somebody has changed it by hand.
        """
        upstream, revision, asked, park, read_only = row
        try:
            if not (isinstance(upstream, str) and type(revision) is int and type(asked) is int):
                raise UnreadableDirectiveError("its upstream or its numbers are not readable")
            return Directive(
                upstream, revision, read_park(_read(park)), read_read_only(_read(read_only)), asked
            )
        except UnreadableDirectiveError as error:
            raise HeadgateError(
                f"the key store {self.database.location} has a row in directives, for upstream "
                f"{upstream!a}, that cannot be read: {error}; delete the row, which asks nothing "
                "of the upstream from then on"
            ) from None


def _written(value: object) -> str | None:
    return None if value is None else json.dumps(value)


def _read(text: object) -> object:
    if text is None:
        return None
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        raise UnreadableDirectiveError("it is no JSON") from None


def _gate(
    gate_id: str, name: str, version: str, workers: int, upstreams: str, silent: float
) -> RegisteredGate:
    """A gate of the table; of one that cannot be read, that it is there."""
    found: dict[str, UpstreamReport] = {}
    fences: set[float] = set()
    try:
        for each, values in json.loads(upstreams).items():
            revision, state, in_flight, waiting, writing = values[:5]
            found[each] = UpstreamReport(
                int(revision), str(state), int(in_flight), int(waiting), int(writing)
            )
            fences.add(float(values[5]) if len(values) > 5 else 0.0)  # an older gate has none
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
        found, fences = {}, set()
    # All are equal; of what is not, the gate has no fence.
    fence = fences.pop() if len(fences) == 1 else 0.0
    report = GateReport(gate_id, name, version, workers, found, fence)
    return RegisteredGate(report, max(0.0, silent))
