"""One SQLite file: the store of a single gate."""
