"""The changes of the schema, one step each, which Alembic applies.

The revisions in ``versions`` are numbered; each has ``upgrade(connection)`` with literal statements
for both databases, and is never changed once released: stores that it has made are out there.

A new one either only adds (expand), so that Headgates before it can go on, or takes away what they
need (contract), and then raises ``store_state.serves_from`` to the oldest schema that a Headgate
must know.
"""
