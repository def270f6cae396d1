"""Verifies tokens: the steps in their order, over all issuers.

A token is read; its ``iss`` chooses the issuer; its algorithm must be one of the issuer's; its key
must be one of the issuer's; then the signature is checked, which is what costs; then come the
claims and the rules.  So a key of one issuer never verifies a token of another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headgate.auth.tokens import refusals
from headgate.auth.tokens.form import SignedToken, read_token
from headgate.auth.tokens.issuer_keys import IssuerKeys
from headgate.auth.tokens.jose import PublicKey
from headgate.auth.tokens.trusted_issuer import TrustedIssuer
from headgate.limits.addresses import AddressRate
from headgate.model import Principal

CHECKS_PER_SECOND: Final = 20.0
CHECKS_TOGETHER: Final = 100
_ADDRESSES: Final = 10_000
DIGEST_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that is good.

    Attributes:
        principal: who shows it.
        good_until: seconds since the epoch.
        issuer: the name of its issuer.
        key: the fingerprint of the key that it is signed with.
    """

    principal: Principal
    good_until: float
    issuer: str
    key: str


class KeysWanted(Exception):  # noqa: N818 - no error: the keys may come
    """The keys at hand do not tell; those that ``keys`` fetches may."""

    def __init__(self, keys: IssuerKeys) -> None:
        super().__init__()
        self.keys = keys


class Verification:
    """Verifies tokens against the issuers of a configuration.

    Signature checks that come to nothing are capped per address: once there were too many, no token
    that is not remembered is verified for a moment.  Good tokens are not counted, so that many
    programs behind one address may all get theirs renewed.
    """

    def __init__(self) -> None:
        self._by_issuer: dict[str, tuple[TrustedIssuer, IssuerKeys]] = {}
        self._rate = AddressRate(CHECKS_PER_SECOND, CHECKS_TOGETHER, _ADDRESSES)

    def configure(self, issuers: Sequence[tuple[TrustedIssuer, IssuerKeys]]) -> None:
        """Accept the tokens of these issuers from now on."""
        self._by_issuer = {
            accepted: (trusted, keys)
            for trusted, keys in issuers
            for accepted in trusted.settings.accepted
        }

    @property
    def issuers(self) -> Mapping[str, tuple[TrustedIssuer, IssuerKeys]]:
        """By each ``iss`` that is accepted."""
        return self._by_issuer

    def verify(self, text: str, address: str, now: float, *, may_wait: bool) -> Verified:
        """Verify one token.

        Args:
            text: the token.
            address: of the client; empty if it is not known.
            now: seconds since the epoch.
            may_wait: whether keys may be fetched first.

        Raises:
            TokenRefusedError: it is not accepted.
            KeysWanted: the keys of its issuer have to be fetched first.
        """
        token = read_token(text)
        trusted, keys = self.issuer_of(token)
        trusted.check_algorithm(token)
        key = self._key(token, trusted, keys, may_wait=may_wait)
        seconds = self._rate.wait(address, now)
        if seconds > 0:
            raise refusals.throttled(seconds)
        try:
            trusted.check_signature(token, key)
            good_until = trusted.check_claims(token, now)
            principal = trusted.principal_of(token, digest_id(text))
        except refusals.TokenRefusedError:
            self._rate.take(address, now)
            raise
        return Verified(principal, good_until, trusted.name, key.fingerprint)

    def issuer_of(self, token: SignedToken) -> tuple[TrustedIssuer, IssuerKeys]:
        """The issuer that the token names.

        Raises:
            TokenRefusedError: there is none of that name.
        """
        found = self._by_issuer.get(token.issuer)
        if found is None:
            raise refusals.issuer_unknown(f"iss={token.issuer[:100]!r}")
        return found

    def _key(
        self, token: SignedToken, trusted: TrustedIssuer, keys: IssuerKeys, *, may_wait: bool
    ) -> PublicKey:
        known = keys.known
        key = None if known is None else trusted.key_of(token, known)
        if key is not None:
            return key
        if may_wait and keys.may_fetch():
            raise KeysWanted(keys)
        if known is None:
            why = keys.failing or "its keys are being fetched"
            raise refusals.issuer_unavailable(trusted.name, why, max(1, keys.retry_after()))
        raise refusals.key_unknown(trusted.name, f"kid={token.kid!r}")


def digest_id(text: str) -> str:
    """A name for a token, for logs: it tells tokens apart and opens nothing."""
    return hashlib.sha256(text.encode("latin-1")).hexdigest()[:DIGEST_SHOWN]
