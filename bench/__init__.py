"""Headgate's benchmarks.  ``python -m bench`` runs them; they start real servers themselves."""
