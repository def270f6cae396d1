"""Endpoints that are named by their address and do not move."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headgate.discovery.report import Report
from headgate.model import Endpoint
from headgate.upstream import Found


class StaticDiscovery:
    """A fixed set of endpoints."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = tuple(endpoints)

    async def run(self, report: Report) -> None:
        """See ``Discovery``: it reports once."""
        report.found([Found(endpoint) for endpoint in self._endpoints], "configuration", None)
        await asyncio.Event().wait()
