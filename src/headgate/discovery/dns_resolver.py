"""Which DNS servers the adapters ask, and what their failures mean."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver

from headgate.config.addresses import name_server
from headgate.discovery.report import MAX_TTL, MIN_TTL, DiscoveryError
from headgate.events import Emit, NameServersChanged, NameServersUnusable, discard
from headgate.symptoms import DiscoveryFailure

RESOLV_CONF = Path("/etc/resolv.conf")
LOOKUP_SECONDS = 5.0
PATIENCE_SECONDS = 4.0
"""How long a resolver is waited for before it is asked again, where there is no other."""
_FAILURES: tuple[tuple[type[Exception], DiscoveryFailure, str], ...] = (
    (
        dns.resolver.NXDOMAIN,
        DiscoveryFailure.NAME_UNKNOWN,
        "the name does not exist (NXDOMAIN)",
    ),
    (dns.resolver.NoAnswer, DiscoveryFailure.NO_RECORD, "the name has no such record"),
    (
        dns.resolver.NoNameservers,
        DiscoveryFailure.RESOLVER_FAILED,
        "no resolver gave an answer (SERVFAIL or refused)",
    ),
    (
        dns.resolver.NoResolverConfiguration,
        DiscoveryFailure.RESOLVER_MISSING,
        f"no DNS server is configured on this system ({RESOLV_CONF})",
    ),
    (
        dns.exception.Timeout,
        DiscoveryFailure.RESOLVER_SILENT,
        f"no resolver responded within {LOOKUP_SECONDS:g} s",
    ),
)


class Resolver(Protocol):
    """Asks DNS servers."""

    async def resolve(self, name: str, kind: str, /) -> dns.resolver.Answer:
        """The records of that kind of a name.

        Raises:
            DNSException: there is no answer.
        """
        ...


def resolver_for(server: str | None, emit: Emit = discard) -> Resolver:
    """A resolver that asks ``server`` (see ``name_server``), or the system's."""
    return SystemResolver(emit=emit) if server is None else _asking(server)


class SystemResolver:
    """Asks as the system's configuration says, which is read again when its file changes.

    It searches the domains that the system searches, as names within a cluster need.  While the
    file is missing or names no server, what it said last counts.
    """

    def __init__(self, file: Path = RESOLV_CONF, emit: Emit = discard) -> None:
        self._emit = emit
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
            self._emit(NameServersUnusable(str(self._file), str(error)))
            return
        _adjust(resolver, search=True)
        before, self._resolver = self._resolver, resolver
        if before is not None:
            servers = tuple(map(str, resolver.nameservers))
            self._emit(NameServersChanged(str(self._file), servers))


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


def ttl_of(answer: dns.resolver.Answer) -> float:
    """For how long an answer holds: as long as the shortest link of its chain of names."""
    return max(MIN_TTL, min(float(answer.chaining_result.minimum_ttl), MAX_TTL))


def error_of(error: dns.exception.DNSException) -> DiscoveryError:
    """What an exception of dnspython's means."""
    for kind, failure, detail in _FAILURES:
        if isinstance(error, kind):
            return DiscoveryError(failure, detail)
    return DiscoveryError(DiscoveryFailure.OTHER, str(error) or type(error).__name__)
