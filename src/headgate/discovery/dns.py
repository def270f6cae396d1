"""Endpoints named by DNS: the addresses (A, AAAA) of a host, all at one port."""

from __future__ import annotations

import random

from headgate.cluster import Found
from headgate.discovery.dns_addresses import Addresses
from headgate.discovery.pause import RETRY_SECONDS, Pause, jittered
from headgate.discovery.report import DiscoveryError, Report
from headgate.model import Endpoint


class DnsDiscovery:
    """The endpoints behind one host name, all at one port; ``name`` is as in the URL."""

    def __init__(self, addresses: Addresses, name: str, port: int) -> None:
        self._addresses = addresses
        host, colon, number = name.partition(":")
        # A certificate and a Host field bear no final dot (RFC 6066 section 3).
        self._name = f"{host.rstrip('.').lower()}{colon}{number}"
        self._port = port
        self._source = f"DNS {name}"  # each port of a name is a source of its own
        self._pause = Pause()

    def refresh_now(self) -> None:
        """See ``Discovery``."""
        self._pause.end()

    async def run(self, report: Report) -> None:
        """See ``Discovery``."""
        while True:
            try:
                found, ttl = await self._addresses.look_up()
            except DiscoveryError as error:
                report.failed(self._source, error.failure, error.detail)
                await self._pause.wait(RETRY_SECONDS)
                continue
            endpoints = [Found(Endpoint(each, self._port), name=self._name) for each in found]
            report.found(endpoints, self._source, ttl)
            await self._pause.wait(jittered(ttl, random.random()))  # noqa: S311 - only spreads load
