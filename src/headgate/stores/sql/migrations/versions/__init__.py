"""The revisions, in their order: ``schema_1_keys.py`` is the first."""
