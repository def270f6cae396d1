"""Headgate's tests.  They run from the repository's root, which makes this package importable."""
