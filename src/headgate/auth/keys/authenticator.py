"""Identifies the holders of API keys, from memory alone, in a few microseconds."""

from __future__ import annotations

from typing import Final

from headgate.auth.chain import Authenticator, Identified, Pending
from headgate.auth.credentials import Credentials
from headgate.auth.keys.break_glass import BreakGlassKeys
from headgate.auth.keys.entry import Entry
from headgate.auth.keys.form import KeyForm, digest, form_of
from headgate.auth.keys.keyring import Keyring
from headgate.auth.keys.looks import Looks
from headgate.auth.refusals import (
    KEYS_LATE,
    KEYS_NOT_READ,
    KEYS_STALE,
    MISTYPED,
    UNKNOWN,
    disabled,
    expired,
    revoked,
)
from headgate.errors import Refusal
from headgate.reasons import Reason

_NOT_FOR_GOOD: Final = frozenset(
    {Reason.KEY_UNKNOWN, Reason.KEY_EXPIRED, Reason.PRINCIPAL_DISABLED}
)
"""What a look at the store may disprove; a key that was revoked stays so."""
_MOMENT: Final = 0.01
"""Seconds for which an identity is good at least: until its request is decided on."""


class KeyAuthenticator(Authenticator):
    """Looks keys up in a keyring.

    Args:
        keyring: the keys of the store; who changes it raises ``generation`` where a key that was
            accepted may mean something else now.
        break_glass: the keys of the configuration for emergencies.
        looks: the looks at the store that requests may wait for; ``None``: there are none.
    """

    def __init__(
        self,
        keyring: Keyring,
        break_glass: BreakGlassKeys | None = None,
        looks: Looks | None = None,
    ) -> None:
        super().__init__()
        self._keyring: Final = keyring
        self._break_glass: Final = break_glass
        self._looks: Final = looks

    def authenticate(
        self, credentials: Credentials, now: float
    ) -> Identified | Refusal | Pending | None:
        """See ``Authenticator``."""
        key = credentials.token
        if not key:
            return None
        found = self._find(key, now)
        looks = self._looks
        if looks is None or found is None or not looks.helps:
            return found
        if isinstance(found, Refusal):
            if found.reason in _NOT_FOR_GOOD:
                return Pending(lambda: self._find_later(looks, key))
            if found is KEYS_STALE:  # the gate may have stood still, and the store be well
                return Pending(lambda: self._find_later(looks, key, KEYS_STALE))
        elif found.good_until <= now:
            return Pending(lambda: self._find_fresh(looks, key))
        return found

    async def _find_later(
        self, looks: Looks, key: str, late: Refusal = KEYS_LATE
    ) -> Identified | Refusal | None:
        """Who shows a key that memory would refuse, once the store has been asked.

        ``late``: the response if the store responds too slowly.
        """
        if not await looks.look_again():
            return late
        return self._find(key, looks.clock())

    async def _find_fresh(self, looks: Looks, key: str) -> Identified | Refusal | None:
        """Who shows a key of a store that was looked at too long ago."""
        await looks.freshened()
        now = looks.clock()
        found = self._find(key, now)
        if isinstance(found, Identified) and found.good_until <= now:
            return Identified(found.principal, now + _MOMENT, found.use)
        return found

    def _find(self, key: str, now: float) -> Identified | Refusal | None:
        """Who shows a key, from memory; good until the keys are no longer fresh."""
        # The dictionary does not compare in constant time, and need not: what timing could tell
        # is about digests, and nobody can choose a key for the digest it will have.
        shown = digest(key)
        entry = self._keyring.content.entries.get(shown)
        if entry is not None:
            return self._check(entry, now)
        if self._break_glass is not None:
            found = self._break_glass.find(shown, now)
            if found is not None:
                return found
        form = form_of(key)
        if form is KeyForm.FOREIGN:
            return None
        if form is KeyForm.MISTYPED:
            return MISTYPED
        return self._why_stale(now) or UNKNOWN

    def _check(self, entry: Entry, now: float) -> Identified | Refusal:
        keyring = self._keyring
        if entry.revoked:
            return revoked(entry.name, entry.id)
        stale = self._why_stale(now)
        if stale is not None:
            return stale
        if entry.owner.disabled:
            return disabled(entry.name, entry.id, entry.owner.name, entry.owner.id)
        if entry.expires_at <= now:
            return expired(entry.name, entry.id)
        noticed_from = keyring.notice_from(entry)
        good_until = noticed_from if now < noticed_from else entry.expires_at
        if self._looks is not None and self._looks.fresh_until < good_until:
            good_until = self._looks.fresh_until
        return Identified(keyring.holder(entry, now), good_until, keyring.use_of(entry))

    def _why_stale(self, now: float) -> Refusal | None:
        keyring = self._keyring
        if now < keyring.stale_from:
            return None
        return KEYS_STALE if keyring.was_read else KEYS_NOT_READ
