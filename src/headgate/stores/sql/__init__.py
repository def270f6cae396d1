"""Principals and keys in a database, SQLite or PostgreSQL, through SQLAlchemy.

``store.py`` is the one implementation of ``IdentityStore``; ``sqlite`` and ``postgresql`` have what
differs: how a connection is made, how long it may take, and what an error means.
"""
