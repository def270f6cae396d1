"""Endpoints named by DNS: addresses (A, AAAA) of a host, or the targets of SRV records.

The records' own TTL says when to ask again; ``getaddrinfo`` hides it, so dnspython asks.  A name
that only the hosts file knows is looked up there.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.SRV import SRV

from headgate.cluster import AnswerMerger, Found
from headgate.config.addresses import name_server
from headgate.discovery.pause import Pause
from headgate.discovery.report import MAX_TTL, MIN_TTL, Report, is_forbidden
from headgate.model import Endpoint

log = logging.getLogger("headgate.discovery")

RESOLV_CONF = Path("/etc/resolv.conf")
RETRY_SECONDS = 2.0
LOOKUP_SECONDS = 5.0
PATIENCE_SECONDS = 4.0
"""How long a resolver is waited for before it is asked again, where there is no other."""
OTHER_KIND_SECONDS = 1.0
"""How long one kind of address is waited for when the other is there."""
HOSTS_SECONDS = 5.0
"""How long what the hosts file says holds: it knows no TTL."""
JITTER = 0.1
"""Share of a TTL by which workers ask at different times."""
_LATE: dns.exception.DNSException = dns.exception.Timeout()  # type: ignore[no-untyped-call]
_NO_SUCH = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer)


class Resolver(Protocol):
    """Asks DNS servers."""

    async def resolve(self, name: str, kind: str, /) -> dns.resolver.Answer:
        """The records of that kind of a name.

        Raises:
            DNSException: there is no answer.
        """
        ...


class Addresses:
    """The addresses of one name, asked for again when their TTL is over.

    Args:
        name: a host name.
        resolver: asks; ``resolver_for`` makes one.
        hosts_file: whether to look there, and wherever else the system looks, for what DNS lacks.
        allow_link_local: whether link-local addresses may be used.
        clock: seconds from an arbitrary start.
    """

    def __init__(
        self,
        name: str,
        resolver: Resolver,
        *,
        hosts_file: bool = True,
        allow_link_local: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._resolver = resolver
        self._has_hosts_file = hosts_file
        self._allow_link_local = allow_link_local
        self._clock = clock
        self._mergers = {kind: AnswerMerger() for kind in ("A", "AAAA")}
        self._refused: list[str] = []

    async def look_up(self) -> tuple[list[str], float]:
        """The addresses now, and for how many seconds they hold.

        Of a kind that cannot be asked for while the other can, what it named last counts: there
        are name servers that fail on every AAAA, or never answer it.

        Raises:
            LookupError: with a clause for a person when there are none.
        """
        answers = await self._answers()
        if all(isinstance(each, dns.exception.DNSException) for each in answers):
            failures = [each for each in answers if isinstance(each, dns.exception.DNSException)]
            return await self._without_answer(failures)
        addresses: list[str] = []
        ttl = MAX_TTL
        for merger, answer in zip(self._mergers.values(), answers, strict=True):
            if isinstance(answer, dns.resolver.Answer):
                valid = _ttl(answer)
                ttl = min(ttl, valid)
                texts = [record.to_text() for record in answer]
                addresses += merger.merge(texts, valid, self._clock())
            elif isinstance(answer, _NO_SUCH):
                merger.forget()
            else:
                addresses += merger.known
        return self._allowed(addresses), ttl

    async def _answers(self) -> list[dns.resolver.Answer | dns.exception.DNSException]:
        """What is said of each kind; when one has been answered, the other has a moment left."""
        loop = asyncio.get_running_loop()
        said: dict[str, dns.resolver.Answer | dns.exception.DNSException] = {}

        async def ask(kind: str) -> None:
            said[kind] = await self._ask(kind)
            if isinstance(said[kind], dns.resolver.Answer):
                limit.reschedule(loop.time() + OTHER_KIND_SECONDS)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as limit:
                await asyncio.gather(*map(ask, self._mergers))
        return [said.get(kind, _LATE) for kind in self._mergers]

    async def _ask(self, kind: str) -> dns.resolver.Answer | dns.exception.DNSException:
        try:
            return await self._resolver.resolve(self._name, kind)
        except dns.exception.DNSException as error:
            return error

    async def _without_answer(
        self, failures: Sequence[dns.exception.DNSException]
    ) -> tuple[list[str], float]:
        failed = [each for each in failures if not isinstance(each, _NO_SUCH)]
        if not failed and self._has_hosts_file:
            return self._allowed(await self._hosts_file(failures[0])), HOSTS_SECONDS
        raise LookupError(_clause((failed or failures)[0]))

    async def _hosts_file(self, failure: Exception) -> list[str]:
        """What the system's own way of looking up names knows beyond DNS."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                name = self._name.rstrip(".")  # the hosts file knows no final dot
                infos = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError):
            raise LookupError(_clause(failure)) from None
        return sorted({str(info[4][0]) for info in infos})

    def _allowed(self, addresses: Sequence[str]) -> list[str]:
        refused = [] if self._allow_link_local else [a for a in addresses if is_forbidden(a)]
        allowed = [each for each in addresses if each not in refused]
        if not allowed:
            names = ", ".join(addresses)
            raise LookupError(f"no address is one of MLflow's: {names} (link-local: refused)")
        if refused and refused != self._refused:
            names = ", ".join(refused)
            log.warning("%s names %s, link-local or such as MLflow never has", self._name, names)
        self._refused = refused
        return allowed


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
            except LookupError as error:
                report.failed(self._source, str(error))
                await self._pause.wait(RETRY_SECONDS)
                continue
            endpoints = [Found(Endpoint(each, self._port), name=self._name) for each in found]
            report.found(endpoints, self._source, ttl)
            await self._pause.wait(jittered(ttl, random.random()))  # noqa: S311 - only spreads load


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
    ) -> None:
        self._name = name
        self._resolver = resolver
        self._make = functools.partial(
            Addresses,
            resolver=resolver,
            hosts_file=hosts_file,
            allow_link_local=allow_link_local,
            clock=clock,
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
            except LookupError as error:
                report.failed(self._source, str(error))
                await self._pause.wait(RETRY_SECONDS)
                continue
            report.found(found, self._source, ttl)
            await self._pause.wait(jittered(ttl, random.random()))  # noqa: S311 - only spreads load

    async def _look_up(self) -> tuple[list[Found], float]:
        records, ttl = await self._records()
        targets: dict[str, list[SRV]] = {}
        for record in _usable(records):
            targets.setdefault(record.target.to_text(omit_final_dot=True), []).append(record)
        # Where each task is a target of its own, as on ECS, names come and go for ever.  They are
        # whole names: the final dot keeps them from being searched.
        known, self._targets = self._targets, {}
        for name in targets:
            self._targets[name] = known.get(name) or self._make(f"{name}.")
        self._known = {name: self._known[name] for name in targets if name in self._known}
        found: list[Found] = []
        failures: list[str] = []
        for name, result in zip(
            targets, await asyncio.gather(*map(self._resolve, targets)), strict=True
        ):
            if isinstance(result, LookupError):
                failures.append(f"{name}: {result}")
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
            raise LookupError("; ".join(failures))
        return found, ttl

    async def _records(self) -> tuple[list[SRV], float]:
        try:
            answer = await self._resolver.resolve(self._name, "SRV")
        except dns.exception.DNSException as error:
            raise LookupError(_clause(error)) from None
        ttl = _ttl(answer)
        # Names are the same in whichever case, and servers may change it from answer to answer.
        texts = self._merger.merge((each.to_text().lower() for each in answer), ttl, self._clock())
        parsed = (dns.rdata.from_text("IN", "SRV", text) for text in texts)
        return [record for record in parsed if isinstance(record, SRV)], ttl

    async def _resolve(self, target: str) -> tuple[list[str], float] | LookupError:
        """The addresses of one target; one that fails shall not hide the others."""
        try:
            return await self._targets[target].look_up()
        except LookupError as error:
            return error


def _usable(records: Sequence[SRV]) -> list[SRV]:
    """The records that name something to connect to, the best priority first.

    Raises:
        LookupError: with a clause for a person when there are none.
    """
    offered = [record for record in records if record.target != dns.name.root]
    usable = [record for record in offered if record.port]
    if not offered:
        raise LookupError("the service is not offered: its SRV record names the target '.'")
    if not usable:
        raise LookupError("every SRV record names port 0, which cannot be connected to")
    return sorted(usable, key=lambda record: record.priority)


def resolver_for(server: str | None) -> Resolver:
    """A resolver that asks ``server`` (see ``name_server``), or the system's."""
    return SystemResolver() if server is None else _asking(server)


class SystemResolver:
    """Asks as the system's configuration says, which is read again when its file changes.

    It searches the domains that the system searches, as names within a cluster need.  While the
    file is missing or names no server, what it said last counts.
    """

    def __init__(self, file: Path = RESOLV_CONF) -> None:
        self._file = file
        self._version: tuple[int, int, int] | None = None
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def resolve(self, name: str, kind: str) -> dns.resolver.Answer:
        """Ask for the records of a name; see dnspython.

        Raises:
            DNSException: there is no answer, or no server to ask.
        """
        self._read_if_changed()
        if self._resolver is None:
            raise dns.resolver.NoResolverConfiguration
        return await self._resolver.resolve(name, kind)

    def _read_if_changed(self) -> None:
        try:
            status = self._file.stat()
        except OSError:
            return
        version = status.st_mtime_ns, status.st_size, status.st_ino
        if version == self._version:
            return
        self._version = version
        resolver = dns.asyncresolver.Resolver(configure=False)
        try:
            resolver.read_resolv_conf(str(self._file))  # dnspython 2.7 takes no Path
        except (dns.exception.DNSException, ValueError) as error:
            log.warning("%s names no DNS server that can be asked: %s", self._file, error)
            return
        _adjust(resolver, search=True)
        before, self._resolver = self._resolver, resolver
        if before is not None:
            servers = ", ".join(map(str, resolver.nameservers))
            log.info("%s was read again: DNS servers %s", self._file, servers)


def _asking(server: str) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=False)
    host, resolver.port = name_server(server)
    resolver.nameservers = [host]
    _adjust(resolver, search=False)
    return resolver


def _adjust(resolver: dns.asyncresolver.Resolver, *, search: bool) -> None:
    resolver.use_search_by_default = search
    resolver.lifetime = LOOKUP_SECONDS
    if len(resolver.nameservers) == 1:
        resolver.timeout = PATIENCE_SECONDS  # an answer to a question that was given up is lost
    resolver.cache = None  # the TTL that counts is the server's


def _ttl(answer: dns.resolver.Answer) -> float:
    """For how long an answer holds: as long as the shortest link of its chain of names."""
    return max(MIN_TTL, min(float(answer.chaining_result.minimum_ttl), MAX_TTL))


def jittered(ttl: float, drawn: float) -> float:
    """Seconds until the next question: the TTL or up to a tenth more, within the ceiling.

    ``drawn`` is a random number from 0 to 1.
    """
    return min(ttl, MAX_TTL / (1 + JITTER)) * (1 + JITTER * drawn)


def _clause(error: Exception) -> str:
    if isinstance(error, dns.resolver.NXDOMAIN):
        return "the name does not exist (NXDOMAIN)"
    if isinstance(error, dns.resolver.NoAnswer):
        return "the name has no such record"
    if isinstance(error, dns.resolver.NoNameservers):
        return "no resolver gave an answer (SERVFAIL or refused)"
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        return f"no DNS server is configured on this system ({RESOLV_CONF})"
    if isinstance(error, dns.exception.Timeout):
        return f"no resolver answered within {LOOKUP_SECONDS:g} s"
    return str(error) or type(error).__name__
