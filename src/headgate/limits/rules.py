"""What each principal may take of the gate, as the configuration says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from headgate.limits.gcra import UNLIMITED, Rate
from headgate.model import REQUEST_CLASSES

Rates = tuple[Rate | None, ...]
"""A rate for each of ``REQUEST_CLASSES``, where there is one."""

NO_RATES: Final[Rates] = (None,) * len(REQUEST_CLASSES)


@dataclass(frozen=True, slots=True)
class RoleRules:
    """What is different for principals with a role; ``None``: nothing is."""

    weight: float | None = None
    share: float | None = None
    rates: Rates = NO_RATES


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one worker.

    Attributes:
        max_in_flight: how many requests may be under way in it.
        share: of these, the part that one principal may have beside others; 1.0: all.
        rates: of each principal.
        roles: what is different for some.
    """

    max_in_flight: int
    share: float = 1.0
    rates: Rates = NO_RATES
    roles: Mapping[str, RoleRules] = field(default_factory=dict)

    def terms(self, roles: Sequence[str]) -> Terms:
        """What holds for a principal with these roles: of those that say something, the most."""
        given = [self.roles[name] for name in roles if name in self.roles]
        weights = [each.weight for each in given if each.weight is not None]
        shares = [each.share for each in given if each.share is not None]
        rates = [
            _most([each.rates[at] for each in given]) or self.rates[at]
            for at in range(len(REQUEST_CLASSES))
        ]
        share = max(shares, default=self.share)
        most = max(1, int(self.max_in_flight * share))
        return Terms(max(weights, default=1.0), share, most, rates)

    def fingerprint(self, at: int) -> str:
        """A text that changes when any rate of a class does.

        It is a part of the names of buckets: where rates have changed, buckets begin full.
        """
        own = [f"{name}: {each.rates[at]}" for name, each in sorted(self.roles.items())]
        return "; ".join([str(self.rates[at]), *own])


class Terms:
    """What holds for some principals.

    Attributes:
        weight: of their requests in the queue of an upstream.
        share: of the requests under way in a worker.
        most: how many requests that is, at least 1.
        rates: one for each of ``REQUEST_CLASSES``, where there is one.
        has_rates: whether there is any.
    """

    __slots__ = ("has_rates", "most", "rates", "share", "weight")

    def __init__(
        self, weight: float, share: float, most: int, rates: Sequence[Rate | None]
    ) -> None:
        self.weight: Final = weight
        self.share: Final = share
        self.most: Final = most
        self.rates: Final = [None if rate is UNLIMITED else rate for rate in rates]
        self.has_rates: Final = any(rate is not None for rate in self.rates)


def _most(rates: Sequence[Rate | None]) -> Rate | None:
    found = [each for each in rates if each is not None]
    return max(found, key=_generosity) if found else None


def _generosity(rate: Rate) -> tuple[float, int]:
    return rate.per_second, rate.burst
