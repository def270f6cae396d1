"""Principals and keys in a database, SQLite or PostgreSQL, through SQLAlchemy."""
