"""All that a gate needs to accept tokens: the authenticator, and the keys of the issuers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from headgate.auth.tokens.authenticator import TokenAuthenticator
from headgate.auth.tokens.follower import Follower, LeftKeys
from headgate.auth.tokens.issuer_keys import IssuerStatus
from headgate.auth.tokens.key_source import KeySource
from headgate.auth.tokens.trusted_issuer import TrustedIssuer
from headgate.auth.tokens.verification import Verification
from headgate.config import Issuer
from headgate.events import Emit
from headgate.policy import Roles


class Tokens:
    """Accepts the tokens of the issuers of a configuration.

    Args:
        emit: takes the events.
        clock: seconds since the epoch.
        keep: receives the keys of all issuers when some have changed.
        show: receives the age of the oldest keys in seconds, once a second.
        kept: what another worker has left, by the name of the issuer.
        source: makes what reads the keys of an issuer.
        monotonic: seconds since an arbitrary start.

    Attributes:
        authenticator: for the chain of authenticators.
    """

    def __init__(
        self,
        emit: Emit,
        clock: Callable[[], float],
        *,
        keep: Callable[[Mapping[str, LeftKeys]], None] = lambda _: None,
        show: Callable[[float], None] = lambda _: None,
        kept: Mapping[str, LeftKeys] | None = None,
        source: Callable[[Issuer], KeySource] = KeySource,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verification = Verification()
        self.authenticator = TokenAuthenticator(self._verification, clock)
        self._follower = Follower(
            emit,
            clock,
            self._on_change,
            keep=keep,
            show=show,
            kept=kept,
            source=source,
            monotonic=monotonic,
        )

    def configure(self, issuers: Mapping[str, Issuer], roles: Roles) -> None:
        """Accept the tokens of these issuers from now on; ``roles``: all roles."""
        keys = self._follower.configure(issuers)
        self._verification.configure(
            [
                (TrustedIssuer(name, settings, roles), keys[name])
                for name, settings in issuers.items()
            ]
        )
        self.authenticator.reset(is_used=bool(issuers))

    def statuses(self) -> tuple[IssuerStatus, ...]:
        """How the keys of each issuer stand, for the health page."""
        return self._follower.statuses()

    def oldest_keys(self) -> float:
        """Seconds since the oldest keys were fetched, or since they are wanted; 0 without any."""
        return self._follower.oldest()

    async def run(self) -> None:
        """Keep the keys up to date until cancelled."""
        await self._follower.run()

    def _on_change(self, name: str) -> None:
        for trusted, keys in self._verification.issuers.values():
            if trusted.name == name and keys.known is not None:
                fingerprints = frozenset(each.fingerprint for each in keys.known.keys)
                self.authenticator.keep_only(name, fingerprints)
                return
