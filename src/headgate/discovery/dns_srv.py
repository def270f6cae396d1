"""Endpoints that SRV records name (RFC 2782): hosts, each with a port and a priority."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Callable, Sequence

import dns.exception
import dns.name
import dns.rdata
from dns.rdtypes.IN.SRV import SRV

from headgate.cluster import AnswerMerger, Found
from headgate.discovery.dns_addresses import Addresses
from headgate.discovery.dns_resolver import Resolver, error_of, ttl_of
from headgate.discovery.pause import RETRY_SECONDS, Pause, jittered
from headgate.discovery.report import DiscoveryError, Report
from headgate.events import Emit, discard
from headgate.model import Endpoint
from headgate.symptoms import DiscoveryFailure


class SrvDiscovery:
    """The endpoints that SRV records name, each with its priority (RFC 2782).

    Weights count for nothing: how much each endpoint has to do is known better.
    """

    def __init__(
        self,
        name: str,
        resolver: Resolver,
        *,
        hosts_file: bool = True,
        allow_link_local: bool = False,
        clock: Callable[[], float] = time.monotonic,
        emit: Emit = discard,
    ) -> None:
        self._name = name
        self._resolver = resolver
        self._make = functools.partial(
            Addresses,
            resolver=resolver,
            hosts_file=hosts_file,
            allow_link_local=allow_link_local,
            clock=clock,
            emit=emit,
        )
        self._clock = clock
        self._source = f"DNS SRV {name}"
        self._pause = Pause()
        self._merger = AnswerMerger()
        self._targets: dict[str, Addresses] = {}
        self._known: dict[str, list[str]] = {}

    def refresh_now(self) -> None:
        """See ``Discovery``."""
        self._pause.end()

    async def run(self, report: Report) -> None:
        """See ``Discovery``."""
        while True:
            try:
                found, ttl = await self._look_up()
            except DiscoveryError as error:
                report.failed(self._source, error.failure, error.detail)
                await self._pause.wait(RETRY_SECONDS)
                continue
            report.found(found, self._source, ttl)
            await self._pause.wait(jittered(ttl, random.random()))  # noqa: S311 - only spreads load

    async def _look_up(self) -> tuple[list[Found], float]:
        records, ttl = await self._records()
        targets: dict[str, list[SRV]] = {}
        for record in _usable(records):
            targets.setdefault(record.target.to_text(omit_final_dot=True), []).append(record)
        # Where each task is a target of its own, as on ECS, names come and go indefinitely.  They
        # are whole names: the final dot keeps them from being searched.
        known, self._targets = self._targets, {}
        for name in targets:
            self._targets[name] = known.get(name) or self._make(f"{name}.")
        self._known = {name: self._known[name] for name in targets if name in self._known}
        found: list[Found] = []
        failures: list[DiscoveryError] = []
        for name, result in zip(
            targets, await asyncio.gather(*map(self._resolve, targets)), strict=True
        ):
            if isinstance(result, DiscoveryError):
                failures.append(DiscoveryError(result.failure, f"{name}: {result.detail}"))
                ttl = min(ttl, RETRY_SECONDS)
            else:
                self._known[name] = result[0]
                ttl = min(ttl, result[1])
            for address in self._known.get(name, ()):
                found += [
                    Found(
                        Endpoint(address, each.port),
                        name=f"{name}:{each.port}",
                        priority=each.priority,
                    )
                    for each in targets[name]
                ]
        if failures and not found:
            detail = "; ".join(each.detail for each in failures)
            raise DiscoveryError(failures[0].failure, detail)
        return found, ttl

    async def _records(self) -> tuple[list[SRV], float]:
        try:
            answer = await self._resolver.resolve(self._name, "SRV")
        except dns.exception.DNSException as error:
            raise error_of(error) from None
        ttl = ttl_of(answer)
        # Names are the same in whichever case, and servers may change it from answer to answer.
        texts = self._merger.merge((each.to_text().lower() for each in answer), ttl, self._clock())
        parsed = (dns.rdata.from_text("IN", "SRV", text) for text in texts)
        return [record for record in parsed if isinstance(record, SRV)], ttl

    async def _resolve(self, target: str) -> tuple[list[str], float] | DiscoveryError:
        """The addresses of one target; one that fails shall not hide the others."""
        try:
            return await self._targets[target].look_up()
        except DiscoveryError as error:
            return error


def _usable(records: Sequence[SRV]) -> list[SRV]:
    """The records that name something to connect to, the best priority first.

    Raises:
        DiscoveryError: there are none.
    """
    offered = [record for record in records if record.target != dns.name.root]
    usable = [record for record in offered if record.port]
    if not offered:
        raise DiscoveryError(
            DiscoveryFailure.BAD_SRV_RECORD,
            "the service is not offered: its SRV record names the target '.'",
        )
    if not usable:
        raise DiscoveryError(
            DiscoveryFailure.BAD_SRV_RECORD,
            "every SRV record names port 0, which cannot be connected to",
        )
    return sorted(usable, key=lambda record: record.priority)
