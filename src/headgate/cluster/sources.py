"""What each source of discovery named last; a source that fails keeps its last endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.cluster.reports import Found
from headgate.model import Endpoint
from headgate.symptoms import DiscoveryFailure


class Source:
    """One source of endpoints, such as a name in DNS."""

    __slots__ = (
        "answered_at",
        "failing_since",
        "found",
        "last_error",
        "last_error_at",
        "last_failure",
        "name",
        "ttl",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: dict[Endpoint, Found] = {}
        self.answered_at: float | None = None
        self.ttl: float | None = None
        self.failing_since: float | None = None
        self.last_error = ""
        self.last_failure: DiscoveryFailure | None = None
        self.last_error_at: float | None = None

    def take(self, found: Sequence[Found], ttl: float | None, now: float) -> float | None:
        """Replace what it named; returns since when it had been failing, if it had."""
        self.found = {}
        for item in found:
            self.found.setdefault(item.endpoint, item)
        self.ttl = ttl
        self.answered_at = now
        failing_since, self.failing_since = self.failing_since, None
        return failing_since

    def fail(self, failure: DiscoveryFailure, error: str, now: float) -> bool:
        """Keep what it named and note the error; returns whether it was not failing before."""
        self.last_error = error
        self.last_failure = failure
        self.last_error_at = now
        if self.failing_since is not None:
            return False
        self.failing_since = now
        return True


class Sources:
    """All sources of one cluster: an endpoint is there if any of them names it."""

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}

    def named(self, name: str) -> Source:
        """The source of that name; it is made when it first reports."""
        return self._sources.setdefault(name, Source(name))

    def all(self) -> list[Source]:
        """Every source that has ever reported."""
        return list(self._sources.values())

    def naming(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The sources that name the endpoint."""
        return tuple(name for name, each in self._sources.items() if endpoint in each.found)

    def found(self) -> dict[Endpoint, tuple[Found, str]]:
        """Every endpoint that is named, with the first source that names it."""
        named: dict[Endpoint, tuple[Found, str]] = {}
        for source in self._sources.values():
            for endpoint, item in source.found.items():
                named.setdefault(endpoint, (item, source.name))
        return named
