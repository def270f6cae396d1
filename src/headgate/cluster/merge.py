"""Addresses put together from DNS answers that show only some of them.

Route 53, and with it Cloud Map, answers with at most eight of a name's addresses, chosen anew
each time.  So an answer of fewer is the whole set, and one of eight or more is a sample.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

SAMPLE: Final = 8


@dataclass(slots=True)
class _Sighting:
    """When an address was last named, and how many answers have not named it since."""

    at: float
    missed: int = 0


class AnswerMerger:
    """The addresses of one name and record type, over several answers.

    An address is kept until ``misses`` samples in a row were without it, or none has named it
    for ``lifetimes`` times the TTL, whichever comes first.  With 20 addresses, one that is alive
    is missed ten times in a row with probability 0.6 %.  The TTL is the longest that an answer
    came with: a caching resolver counts it down, to 0 in the end.
    """

    def __init__(self, misses: int = 10, lifetimes: float = 10) -> None:
        self._misses = misses
        self._lifetimes = lifetimes
        self._ttl = 0.0
        self._seen: dict[str, _Sighting] = {}

    @property
    def known(self) -> tuple[str, ...]:
        """Every address that counted after the last answer."""
        return tuple(self._seen)

    def forget(self) -> None:
        """There are none any more, by a good answer."""
        self._seen.clear()

    def merge(self, answer: Iterable[str], ttl: float, now: float) -> tuple[str, ...]:
        """Every address that counts after this answer, those known longest first.

        Args:
            answer: the addresses that it names.
            ttl: seconds for which it is valid.
            now: when it came.

        Raises:
            ValueError: it names none, which is a failure and no set.
        """
        named = frozenset(answer)
        if not named:
            raise ValueError("an answer without addresses is a failure")
        self._ttl = max(self._ttl, ttl)
        is_whole = len(named) < SAMPLE
        for address, sighting in list(self._seen.items()):
            if address in named:
                continue
            sighting.missed += 1
            is_old = now - sighting.at >= self._ttl * self._lifetimes
            if is_whole or is_old or sighting.missed >= self._misses:
                del self._seen[address]
        for address in sorted(named):
            self._seen[address] = _Sighting(now)
        return tuple(self._seen)
