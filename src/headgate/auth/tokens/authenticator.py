"""Identifies the holders of tokens: by what was verified before, in a few microseconds.

A token that was verified is remembered by its SHA-256 until it expires, its key is no longer one of
the issuer's, or the configuration changes.  Tokens that are refused are not remembered: each costs
a verification, which is capped per address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from headgate.auth.chain import Authenticator, Identified, Pending
from headgate.auth.credentials import Credentials
from headgate.auth.tokens.issuer_keys import IssuerKeys
from headgate.auth.tokens.refusals import TokenRefusedError, expired
from headgate.auth.tokens.verification import KeysWanted, Verification, Verified
from headgate.errors import Refusal

CAPACITY: Final = 10_000
"""How many tokens are remembered, in two halves."""


class _Remembered:
    """A token that was verified."""

    __slots__ = ("identified", "issuer", "key")

    def __init__(self, identified: Identified, issuer: str, key: str) -> None:
        self.identified: Final = identified
        self.issuer: Final = issuer
        self.key: Final = key


class TokenAuthenticator(Authenticator):
    """Looks tokens up among those that were verified, and has others verified.

    Args:
        verification: verifies tokens.
        clock: seconds since the epoch.
    """

    def __init__(self, verification: Verification, clock: Callable[[], float]) -> None:
        super().__init__()
        self._verification: Final = verification
        self._clock: Final = clock
        self._is_used = False
        # Those that were used since the halves changed places, and those that were used before.
        self._recent: dict[bytes, _Remembered] = {}
        self._earlier: dict[bytes, _Remembered] = {}

    @property
    def remembered(self) -> int:
        """How many tokens are remembered."""
        return len(self._recent) + len(self._earlier)

    def authenticate(
        self, credentials: Credentials, now: float
    ) -> Identified | Refusal | Pending | None:
        """See ``Authenticator``."""
        token = credentials.token
        # base64url of '{', the first character of each token; no key of the gate begins with it.
        if not self._is_used or token[:1] != "e" or token.count(".") < 2:
            return None
        digest = hashlib.sha256(token.encode("latin-1")).digest()
        found = self._recent.get(digest)
        if found is None:
            found = self._earlier.pop(digest, None)
            if found is None:
                return self._verify(token, digest, credentials.address)
            self._remember(digest, found)
        if found.identified.good_until <= now:
            return expired(now - found.identified.good_until).refusal
        return found.identified

    def reset(self, *, is_used: bool) -> None:
        """Forget everything, since tokens may mean something else; ``False``: take none."""
        self._is_used = is_used
        self._recent = {}
        self._earlier = {}
        self.generation += 1

    def keep_only(self, issuer: str, keys: frozenset[str]) -> None:
        """Forget the tokens of an issuer that are signed with other keys than these."""
        before = self.remembered
        self._recent = _without(self._recent, issuer, keys)
        self._earlier = _without(self._earlier, issuer, keys)
        if self.remembered < before:
            self.generation += 1

    def _verify(self, token: str, digest: bytes, address: str) -> Identified | Refusal | Pending:
        try:
            verified = self._verification.verify(token, address, self._clock(), may_wait=True)
        except TokenRefusedError as error:
            return error.refusal
        except KeysWanted as wanted:
            keys = wanted.keys
            return Pending(lambda: self._verify_later(keys, token, digest, address))
        return self._identified(digest, verified)

    async def _verify_later(
        self, keys: IssuerKeys, token: str, digest: bytes, address: str
    ) -> Identified | Refusal:
        """The same once the keys that it takes were fetched."""
        await keys.fetched()
        try:
            verified = self._verification.verify(token, address, self._clock(), may_wait=False)
        except TokenRefusedError as error:
            return error.refusal
        return self._identified(digest, verified)

    def _identified(self, digest: bytes, verified: Verified) -> Identified:
        identified = Identified(verified.principal, verified.good_until)
        self._remember(digest, _Remembered(identified, verified.issuer, verified.key))
        return identified

    def _remember(self, digest: bytes, found: _Remembered) -> None:
        if len(self._recent) >= CAPACITY // 2:
            self._earlier = self._recent
            self._recent = {}
        self._recent[digest] = found


def _without(
    remembered: dict[bytes, _Remembered], issuer: str, keys: frozenset[str]
) -> dict[bytes, _Remembered]:
    return {
        digest: each
        for digest, each in remembered.items()
        if each.issuer != issuer or each.key in keys
    }
