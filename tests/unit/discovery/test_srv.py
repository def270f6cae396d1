"""Targets of SRV records are whole names: no search list may turn them into others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset

from headgate.cluster import Found
from headgate.discovery.dns_srv import SrvDiscovery
from headgate.symptoms import DiscoveryFailure


class Resolver:
    """Knows one SRV record, and notes what else it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(self, asked: str, kind: str) -> object:
        if kind == "SRV":
            name = dns.name.from_text("_mlflow._tcp.test.")
            response = dns.message.make_response(dns.message.make_query(name, kind))
            response.answer.append(dns.rrset.from_text(name, 5, "IN", kind, "0 1 5001 Task-1."))
            read = cast("dns.message.QueryMessage", dns.message.from_wire(response.to_wire()))
            return dns.resolver.Answer(name, dns.rdatatype.SRV, dns.rdataclass.IN, read)
        self.asked.append(asked)
        raise dns.exception.Timeout


class First:
    """Takes the first thing that is said."""

    def __init__(self) -> None:
        self.said: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        self.said.set_result("found")

    def failed(self, source: str, failure: DiscoveryFailure, detail: str) -> None:
        assert failure is DiscoveryFailure.RESOLVER_SILENT
        self.said.set_result(detail)


def test_a_target_is_asked_for_with_its_final_dot() -> None:
    resolver = Resolver()

    async def story() -> str:
        adapter = SrvDiscovery("_mlflow._tcp.test", cast("dns.asyncresolver.Resolver", resolver))
        report = First()
        running = asyncio.get_running_loop().create_task(adapter.run(report))
        try:
            async with asyncio.timeout(10):
                return await report.said
        finally:
            running.cancel()

    assert asyncio.run(story()) == "task-1: no resolver responded within 5 s"
    assert resolver.asked == ["task-1.", "task-1."]
