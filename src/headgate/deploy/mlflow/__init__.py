"""Upgrades of the MLflow behind a gate: its database is migrated while its clients wait.

``plan``, ``upgrade`` and ``rollback`` are engines that know four neighbours, each a protocol of
``seams``: the host that runs MLflow, its database, the parking of the gates, and the journal.
"""
