"""Endpoints that are named by their address and do not move."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headgate.cluster import Found
from headgate.discovery.report import Report


class StaticDiscovery:
    """A fixed set of endpoints."""

    def __init__(self, found: Sequence[Found]) -> None:
        self._found = tuple(found)

    async def run(self, report: Report) -> None:
        """See ``Discovery``: it reports once."""
        report.found(self._found, "configuration", None)
        await asyncio.Event().wait()

    def refresh_now(self) -> None:
        """See ``Discovery``: there is nothing to look for."""
