"""Keys in one SQLite file: the store of a single gate."""
