"""The addresses of one name: A and AAAA records, and what the hosts file says.

The records' own TTL says when to ask again; ``getaddrinfo`` hides it, so dnspython asks.  A name
that only the hosts file knows is looked up there.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Sequence

import dns.exception
import dns.resolver

from headgate.cluster import AnswerMerger
from headgate.discovery.dns_resolver import LOOKUP_SECONDS, Resolver, error_of, ttl_of
from headgate.discovery.report import MAX_TTL, DiscoveryError, is_forbidden
from headgate.events import AddressesRefused, Emit, discard
from headgate.symptoms import DiscoveryFailure
from headgate.tasks import FairTimeout

OTHER_KIND_SECONDS = 1.0
"""How long one kind of address is waited for when the other is there."""
HOSTS_SECONDS = 5.0
"""How long what the hosts file says holds: it knows no TTL."""
_LATE: dns.exception.DNSException = dns.exception.Timeout()  # type: ignore[no-untyped-call]
_NO_SUCH = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer)


class Addresses:
    """The addresses of one name, asked for again when their TTL is over.

    Args:
        name: a host name.
        resolver: asks; ``resolver_for`` makes one.
        hosts_file: whether to look there, and wherever else the system looks, for what DNS lacks.
        allow_link_local: whether link-local addresses may be used.
        clock: seconds from an arbitrary start.
        emit: takes the events.
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
        self._emit = emit
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
            DiscoveryError: there are none.
        """
        answers = await self._answers()
        if all(isinstance(each, dns.exception.DNSException) for each in answers):
            failures = [each for each in answers if isinstance(each, dns.exception.DNSException)]
            return await self._without_answer(failures)
        addresses: list[str] = []
        ttl = MAX_TTL
        for merger, answer in zip(self._mergers.values(), answers, strict=True):
            if isinstance(answer, dns.resolver.Answer):
                valid = ttl_of(answer)
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
        raise error_of((failed or failures)[0])

    async def _hosts_file(self, failure: dns.exception.DNSException) -> list[str]:
        """What the system's own way of looking up names knows beyond DNS."""
        loop = asyncio.get_running_loop()
        try:
            async with FairTimeout(LOOKUP_SECONDS):
                name = self._name.rstrip(".")  # the hosts file knows no final dot
                infos = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError):
            raise error_of(failure) from None
        return sorted({str(info[4][0]) for info in infos})

    def _allowed(self, addresses: Sequence[str]) -> list[str]:
        refused = [] if self._allow_link_local else [a for a in addresses if is_forbidden(a)]
        allowed = [each for each in addresses if each not in refused]
        if not allowed:
            names = ", ".join(addresses)
            raise DiscoveryError(
                DiscoveryFailure.SPECIAL_ADDRESS,
                f"no address is one of MLflow's: {names} (link-local: refused)",
            )
        if refused and refused != self._refused:
            self._emit(AddressesRefused(self._name, tuple(refused)))
        self._refused = refused
        return allowed
