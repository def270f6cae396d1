"""Rates per client address, for what clients do before anybody knows who they are."""

from __future__ import annotations

import ipaddress
from typing import Final

from headgate.limits import gcra
from headgate.limits.gcra import Rate

_EXAMINED: Final = 2
"""How many idle buckets are looked for when one is made, so that the table shrinks in the end."""


class AddressRate:
    """A bucket for each address, or for the /64 network of an IPv6 address.

    Of more addresses than ``capacity``, those that were counted longest ago are forgotten: they
    begin with a full burst again.

    Args:
        rate: how many a second, in the long run.
        burst: how many together.
        capacity: how many addresses are remembered.
    """

    def __init__(self, rate: float, burst: int, capacity: int) -> None:
        self._rate = Rate(rate, burst)
        self._capacity: Final = max(1, capacity)
        self._tats: Final[dict[str, float]] = {}  # by neighbourhood; the last one counted is last

    def __len__(self) -> int:
        return len(self._tats)

    def configure(self, rate: float, burst: int, now: float) -> None:
        """Hold everybody to another rate from ``now`` on."""
        self._rate = Rate(rate, burst)
        for key, tat in self._tats.items():
            self._tats[key] = gcra.brought_back(tat, now, self._rate)

    def take(self, address: str, now: float) -> float:
        """Count one, if that is within the rate; else nothing is counted.

        Args:
            address: an IP address; anything else stands for itself.
            now: in seconds from an arbitrary start.

        Returns:
            0.0 if it was counted, else the seconds after which one will be.
        """
        key = neighbourhood(address)
        tat = self._tats.get(key, now)
        seconds = gcra.wait(tat, now, self._rate)
        if seconds > 0:
            return seconds
        if self._tats.pop(key, None) is None:
            self._make_room(now)
        self._tats[key] = gcra.moved_on(tat, now, self._rate)
        return 0.0

    def wait(self, address: str, now: float) -> float:
        """What ``take`` would return; nothing is counted."""
        tat = self._tats.get(neighbourhood(address), now)
        return gcra.wait(tat, now, self._rate)

    def _make_room(self, now: float) -> None:
        """Forget those at the front that are full again, and one more if there is no place."""
        for _ in range(_EXAMINED):
            oldest = next(iter(self._tats), None)
            if oldest is None or (self._tats[oldest] > now and len(self._tats) < self._capacity):
                return
            del self._tats[oldest]


def neighbourhood(address: str) -> str:
    """What an address stands for: itself, or the /64 network that one IPv6 subscriber has."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.packed[:8].hex()
