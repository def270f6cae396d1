"""Who sends a request: a chain of authenticators (``chain.py``), which never leave memory."""
