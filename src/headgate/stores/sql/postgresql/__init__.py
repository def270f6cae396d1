"""A PostgreSQL database: the store that several gates share."""
