"""Events of limits: principals that reach theirs, and addresses that fail to authenticate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


@dataclass(frozen=True, slots=True)
class RequestsLimited(Event):
    """Principals have reached a limit of theirs; one event for each limit in 10 seconds.

    Attributes:
        limit: the class of requests whose rate was reached; `in_flight`: the share of requests
            under way; `queue`: the place in the queue of an upstream.
        principal: the name of the one with the most refused requests.
        principal_id: its id.
        count: its requests that were refused since the last such event.
        total: those of all principals.
        principals: how many principals these are.
    """

    name: ClassVar[str] = "requests_limited"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.limits"

    limit: str
    principal: str
    principal_id: str
    count: int
    total: int
    principals: int

    def message(self) -> str:
        who = f"'{self.principal}' ({self.principal_id})" if self.principal_id else "no key"
        return (
            f"{self.total} requests of {self.principals} principals were over the limit "
            f"{self.limit}, {self.count} of them of {who}"
        )


@dataclass(frozen=True, slots=True)
class AuthenticationThrottled(Event):
    """Addresses have failed to authenticate too often; one event in 10 seconds.

    Attributes:
        client: the address with the most throttled requests.
        count: its throttled requests since the last such event.
        total: those of all addresses.
        addresses: how many addresses these are.
    """

    name: ClassVar[str] = "authentication_throttled"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.limits"

    client: str
    count: int
    total: int
    addresses: int

    def message(self) -> str:
        return (
            f"{self.total} failed authentications from {self.addresses} addresses were throttled, "
            f"{self.count} of them from {self.client}"
        )
