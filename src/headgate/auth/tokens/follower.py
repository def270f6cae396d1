"""Keeps the keys of all issuers up to date."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from headgate.auth.tokens.issuer_keys import IssuerKeys, IssuerStatus
from headgate.auth.tokens.key_set import read_key_set
from headgate.auth.tokens.key_source import KeySource
from headgate.config import Issuer
from headgate.errors import HeadgateError
from headgate.events import Emit
from headgate.tasks import Tasks

_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class LeftKeys:
    """The keys of an issuer that one worker leaves to the next.

    ``place``: where they came from.  ``fetched_at``: seconds since the epoch.
    """

    place: str
    document: bytes
    fetched_at: float


class Follower:
    """The keys of all issuers of the configuration.

    Args:
        emit: takes the events.
        clock: seconds since the epoch.
        on_change: called with the name of an issuer whose keys have changed.
        keep: receives all keys when some have changed.
        show: receives the age of the oldest keys in seconds, once a second.
        kept: what another worker has left, by the name of the issuer.
        source: makes what reads the keys of an issuer.
        monotonic: seconds since an arbitrary start.
    """

    def __init__(
        self,
        emit: Emit,
        clock: Callable[[], float],
        on_change: Callable[[str], None],
        *,
        keep: Callable[[Mapping[str, LeftKeys]], None] = lambda _: None,
        show: Callable[[float], None] = lambda _: None,
        kept: Mapping[str, LeftKeys] | None = None,
        source: Callable[[Issuer], KeySource] = KeySource,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emit = emit
        self._clock = clock
        self._on_change = on_change
        self._keep = keep
        self._show = show
        self._kept = dict(kept or {})
        self._source = source
        self._monotonic = monotonic
        self._tasks = Tasks(emit)
        self._settings: Mapping[str, Issuer] = {}
        self._keys: dict[str, IssuerKeys] = {}

    def configure(self, issuers: Mapping[str, Issuer]) -> Mapping[str, IssuerKeys]:
        """Follow the keys of these issuers from now on, and return them by name.

        An issuer whose keys are at the same place as before keeps those that are known.
        """
        before = self._keys
        self._settings = issuers
        self._keys = {}
        for name, settings in issuers.items():
            keys = before.get(name)
            if keys is not None and keys.source.is_for(settings):
                keys.reschedule(settings.refresh_interval)
            else:
                keys = self._new(name, settings)
            self._keys[name] = keys
        return self._keys

    def statuses(self) -> tuple[IssuerStatus, ...]:
        """How the keys of each issuer stand."""
        return tuple(keys.status(self._settings[name].issuer) for name, keys in self._keys.items())

    def oldest(self) -> float:
        """Seconds since the oldest keys were fetched, or since they are wanted; 0 without any."""
        return max((keys.waited() for keys in self._keys.values()), default=0.0)

    async def run(self) -> None:
        """Fetch what is due until cancelled."""
        try:
            while True:
                for keys in self._keys.values():
                    keys.look()
                self._show(self.oldest())
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self._tasks.stop()

    def _new(self, name: str, settings: Issuer) -> IssuerKeys:
        keys = IssuerKeys(
            name,
            self._source(settings),
            settings.refresh_interval,
            self._tasks,
            self._emit,
            clock=self._clock,
            monotonic=self._monotonic,
            on_change=self._changed,
        )
        left = self._kept.pop(name, None)
        if left is not None and left.place == keys.source.place:
            with contextlib.suppress(HeadgateError):  # of another version: they are fetched anew
                keys.restore(read_key_set(left.document), left.fetched_at)
        return keys

    def _changed(self, name: str) -> None:
        self._on_change(name)
        self._keep(
            {
                each.name: LeftKeys(each.source.place, each.known.document, each.fetched_at)
                for each in self._keys.values()
                if each.known is not None and each.fetched_at is not None
            }
        )
