"""Lets other processes know that this one has seen what the clients of its creates did.

A client whose connection dies comes again at another worker, perhaps sooner than the one that had
it has looked: that one may be late by as long as a process is kept from running.
"""

from __future__ import annotations

import asyncio
from typing import Final

from headgate.creates import CreateTable

REPORT_SECONDS: Final = 0.02
"""Between two reports. A create that finds others alike waits for two of them at least."""


class CreateReports:
    """Reports while this process has clients of creates."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running = False

    def start(self, table: CreateTable) -> None:
        """A create has come: report until all have their response."""
        if not self._running:
            self._report(table)

    def _report(self, table: CreateTable) -> None:
        self._running = table.report()
        if self._running:
            asyncio.get_running_loop().call_later(REPORT_SECONDS, self._report, table)
