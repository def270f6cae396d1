"""Which client connections a worker takes, from the moment at which the kernel hands them over.

Nobody is asked for a key before a connection is open, its TLS handshake done and a head read.  So
connections count from their start, and those that have yet to show a good key must leave room:
one address may have half of the limit at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate.dataplane.cuts import Cuts
from headgate.events import ConnectionsTurnedAway, CutLimit, Emit, TurnedAway
from headgate.limits.addresses import neighbourhood
from headgate.wire.origin import Network, is_in

REPORT_SECONDS: Final = 1.0
"""The shortest time between two events for connections turned away."""


class Admission:
    """Counts the connections of one worker, those in their TLS handshake included.

    Args:
        emit: takes the events.
        cuts: counts what is turned away.
    """

    __slots__ = (
        "_cuts",
        "_due",
        "_emit",
        "_limit",
        "_strangers",
        "_trusted",
        "_turned_away",
        "total",
    )

    def __init__(self, emit: Emit, cuts: Cuts) -> None:
        self._emit = emit
        self._cuts = cuts
        self.total = 0
        self._limit = 1
        self._trusted: Sequence[Network] = ()
        self._strangers: dict[str, int] = {}  # connections without a good key, by neighbourhood
        self._turned_away: dict[TurnedAway, tuple[int, str]] = {}  # how many, and the last address
        self._due = 0.0

    def configure(self, limit: int, trusted: Sequence[Network]) -> None:
        """Take at most ``limit`` connections; those from ``trusted`` proxies bear many clients."""
        self._limit = limit
        self._trusted = trusted

    def enter(self, address: str) -> str | TurnedAway:
        """Take a connection from ``address``, or say why not.

        Returns the neighbourhood that it counts for until it has shown a good key; empty if none.
        """
        why: TurnedAway | None = None
        stranger = ""
        if self.total >= self._limit:
            why = TurnedAway.LIMIT
        elif not (self._trusted and is_in(address, self._trusted)):
            stranger = neighbourhood(address)
            known = self._strangers.get(stranger, 0)
            if known >= max(1, self._limit // 2):
                why = TurnedAway.STRANGERS
            else:
                self._strangers[stranger] = known + 1
        if why is not None:
            count, _ = self._turned_away.get(why, (0, ""))
            self._turned_away[why] = (count + 1, address)
            self._cuts.add(CutLimit.CONNECTIONS if why is TurnedAway.LIMIT else CutLimit.STRANGERS)
            return why
        self.total += 1
        return stranger

    def vouch(self, stranger: str) -> None:
        """A connection that counted for a neighbourhood has shown a good key."""
        left = self._strangers[stranger] - 1
        if left:
            self._strangers[stranger] = left
        else:
            del self._strangers[stranger]

    def leave(self, stranger: str) -> None:
        """A connection is over; ``stranger`` is what it still counted for."""
        self.total -= 1
        if stranger:
            self.vouch(stranger)

    def report(self, now: float) -> None:
        """Emit what was turned away since the last event; ``now`` is in seconds."""
        if not self._turned_away or now < self._due:
            return
        self._due = now + REPORT_SECONDS
        turned_away, self._turned_away = self._turned_away, {}
        for why, (count, address) in turned_away.items():
            self._emit(ConnectionsTurnedAway(address, why, count))
