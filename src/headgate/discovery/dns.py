"""Endpoints named by DNS: addresses (A, AAAA) of a host, or the targets of SRV records.

The records' own TTL says when to ask again; ``getaddrinfo`` hides it, so dnspython asks.  A name
that only the hosts file knows is looked up there.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.SRV import SRV

from headgate.discovery.report import MAX_TTL, MIN_TTL, Report, is_forbidden
from headgate.errors import HeadgateError
from headgate.model import Endpoint
from headgate.upstream import AnswerMerger, Found

RETRY_SECONDS = 2.0
LOOKUP_SECONDS = 5.0
JITTER = 0.1
"""Share of a TTL by which workers ask at different times."""


class Addresses:
    """The addresses of one name, asked for again when their TTL is over.

    Args:
        name: a host name.
        resolver: asks; ``resolver_for`` makes one.
        allow_link_local: whether link-local addresses may be used.
        clock: seconds from an arbitrary start.
    """

    def __init__(
        self,
        name: str,
        resolver: dns.asyncresolver.Resolver,
        *,
        allow_link_local: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._resolver = resolver
        self._allow_link_local = allow_link_local
        self._clock = clock
        self._mergers = {kind: AnswerMerger() for kind in ("A", "AAAA")}

    async def look_up(self) -> tuple[list[str], float]:
        """The addresses now, and for how many seconds they hold.

        Raises:
            LookupError: with a clause for a person when there are none.
        """
        addresses: list[str] = []
        ttl = MAX_TTL
        errors = []
        for kind, merger in self._mergers.items():
            try:
                answer = await self._resolver.resolve(self._name, kind)
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer) as error:
                errors.append(error)
            except dns.exception.DNSException as error:
                raise LookupError(_clause(error)) from None
            else:
                kind_ttl = answer.rrset.ttl if answer.rrset is not None else MIN_TTL
                ttl = min(ttl, kind_ttl)
                texts = [record.to_text() for record in answer]
                addresses += merger.merge(texts, max(MIN_TTL, kind_ttl), self._clock())
        if not addresses:
            addresses = await self._hosts_file(errors)
        allowed = [each for each in addresses if self._allow_link_local or not is_forbidden(each)]
        if not allowed:
            raise LookupError(f"every address is link-local ({', '.join(addresses)}): refused")
        return allowed, max(MIN_TTL, min(ttl, MAX_TTL))

    async def _hosts_file(self, errors: Sequence[Exception]) -> list[str]:
        """What the system's own way of looking up names knows beyond DNS."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                infos = await loop.getaddrinfo(self._name, None, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError):
            raise LookupError(_clause(errors[0]) if errors else "no address") from None
        return sorted({str(info[4][0]) for info in infos})


class DnsDiscovery:
    """The endpoints behind one host name, all at one port."""

    def __init__(self, addresses: Addresses, name: str, port: int) -> None:
        self._addresses = addresses
        self._port = port
        self._source = f"DNS {name}"

    async def run(self, report: Report) -> None:
        """See ``Discovery``."""
        while True:
            try:
                found, ttl = await self._addresses.look_up()
            except LookupError as error:
                report.failed(self._source, str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            endpoints = [Found(Endpoint(address, self._port)) for address in found]
            report.found(endpoints, self._source, ttl)
            await asyncio.sleep(_jittered(ttl))


class SrvDiscovery:
    """The endpoints that SRV records name, of the best priority only (RFC 2782)."""

    def __init__(
        self,
        name: str,
        resolver: dns.asyncresolver.Resolver,
        *,
        allow_link_local: bool = False,
    ) -> None:
        self._name = name
        self._resolver = resolver
        self._allow_link_local = allow_link_local
        self._source = f"DNS SRV {name}"
        self._targets: dict[str, Addresses] = {}

    async def run(self, report: Report) -> None:
        """See ``Discovery``."""
        while True:
            try:
                found, ttl = await self._look_up()
            except LookupError as error:
                report.failed(self._source, str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            report.found(found, self._source, ttl)
            await asyncio.sleep(_jittered(ttl))

    async def _look_up(self) -> tuple[list[Found], float]:
        try:
            answer = await self._resolver.resolve(self._name, "SRV")
        except dns.exception.DNSException as error:
            raise LookupError(_clause(error)) from None
        records = [record for record in answer if isinstance(record, SRV)]
        best = min(record.priority for record in records)
        ttl = float(answer.rrset.ttl if answer.rrset is not None else MIN_TTL)
        found: list[Found] = []
        for record in records:
            target = record.target.to_text(omit_final_dot=True)
            if record.priority != best or target in ("", "."):
                continue
            addresses, its_ttl = await self._target(target).look_up()
            ttl = min(ttl, its_ttl)
            found += [Found(Endpoint(address, record.port)) for address in addresses]
        return found, max(MIN_TTL, min(ttl, MAX_TTL))

    def _target(self, name: str) -> Addresses:
        if name not in self._targets:
            self._targets[name] = Addresses(
                name, self._resolver, allow_link_local=self._allow_link_local
            )
        return self._targets[name]


def resolver_for(server: str | None) -> dns.asyncresolver.Resolver:
    """A resolver that asks ``server`` (``address`` or ``address:port``), or the system's.

    Raises:
        HeadgateError: the system names no resolver.
    """
    try:
        resolver = dns.asyncresolver.Resolver(configure=server is None)
    except dns.exception.DNSException as error:
        raise HeadgateError(f"no DNS resolver is configured on this system: {error}") from error
    if server is not None:
        parts = urlsplit(f"//{server}")
        resolver.nameservers = [parts.hostname or server]
        resolver.port = parts.port or 53
    resolver.lifetime = LOOKUP_SECONDS
    resolver.cache = None  # the TTL that counts is the server's
    return resolver


def _jittered(ttl: float) -> float:
    return ttl * (1 + JITTER * random.random())  # noqa: S311 - only spreads load


def _clause(error: Exception) -> str:
    if isinstance(error, dns.resolver.NXDOMAIN):
        return "the name does not exist (NXDOMAIN)"
    if isinstance(error, dns.resolver.NoAnswer):
        return "the name has no such record"
    if isinstance(error, dns.resolver.NoNameservers):
        return "no resolver gave an answer (SERVFAIL or refused)"
    if isinstance(error, dns.exception.Timeout):
        return f"no resolver answered within {LOOKUP_SECONDS:g} s"
    return str(error) or type(error).__name__
