"""Processes: supervisor, workers, listeners, TLS, reload, and the gate that is in force."""
