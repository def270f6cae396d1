"""Looks at the ends of all keys now and then: which are close, and how many are accepted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from headgate.auth.keys.entry import Entry
from headgate.auth.keys.intake import NAMED, SLICE, moment
from headgate.auth.keys.keyring import Keyring
from headgate.events import Emit, KeyExpiresSoon, KeysExpireSoon

DAY: Final = 86_400.0


class ExpiryWatch:
    """Announces keys that are close to their end: when the notice begins, and a day before.

    Args:
        keyring: the keys.
        emit: takes the events; ``None``: another worker announces them.

    ``expiring``: how many keys are close to their end.  ``first_end``: when the first of all
    accepted keys ends, in seconds since the epoch; infinite if none does.
    """

    def __init__(self, keyring: Keyring, emit: Emit | None) -> None:
        self._keyring: Final = keyring
        self._emit: Final = emit
        self.expiring = 0
        self.first_end = math.inf

    def sweep(self, now: float) -> Iterator[None]:
        """Look at every key, a slice with each step; ``now``: seconds since the epoch."""
        content = self._keyring.content
        expiring, first_end, announced = 0, math.inf, list[Entry]()
        content.settle(now)
        content.ending = []
        for at, entry in enumerate(list(content.entries.values())):
            if at % SLICE == SLICE - 1:
                yield
            if not entry.is_counted:  # or it was replaced since this sweep began
                continue
            content.look_again(entry, now)
            if not entry.is_active(now):
                continue
            first_end = min(first_end, entry.expires_at)
            if self._keyring.notice_from(entry) <= now:
                expiring += 1
                stage = 2 if entry.expires_at - DAY <= now else 1
                if entry.notices < stage:
                    entry.notices = stage
                    announced.append(entry)
        content.settle(now)
        self.expiring, self.first_end = expiring, first_end
        if self._emit is not None:
            _announce(announced, self._emit)


def _announce(entries: list[Entry], emit: Emit) -> None:
    for each in entries[:NAMED]:
        emit(KeyExpiresSoon(each.name, each.id, each.owner.name, moment(each.expires_at)))
    if len(entries) > NAMED:
        emit(KeysExpireSoon(len(entries) - NAMED))
