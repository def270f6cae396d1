"""The databases that can be saved and restored here: SQLite and PostgreSQL."""
