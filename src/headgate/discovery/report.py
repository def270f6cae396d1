"""What every adapter does, and to whom it speaks."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Protocol

from headgate.upstream import Found

MIN_TTL = 1.0
MAX_TTL = 30.0
"""Seconds; a record's own TTL counts between these two."""


class Report(Protocol):
    """Who learns what was found."""

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        """These are all the endpoints that ``source`` names now, for ``ttl`` seconds."""

    def failed(self, source: str, error: str) -> None:
        """``source`` could not be asked, or names nothing; ``error`` is a clause for a person."""


class Discovery(Protocol):
    """Finds the endpoints of one upstream."""

    async def run(self, report: Report) -> None:
        """Report at once, and again whenever something may have changed, until cancelled."""


def is_forbidden(address: str) -> bool:
    """Whether an address is link-local, as cloud metadata services are, and so never MLflow."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return True
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_link_local or parsed == _EC2_METADATA or parsed.is_multicast


_EC2_METADATA = ipaddress.ip_address("fd00:ec2::254")
