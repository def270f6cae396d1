"""Keys of the configuration for emergencies: they are accepted whatever becomes of the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from headgate.auth.chain import Identified
from headgate.auth.uses import Use, UseLog
from headgate.events import BreakGlassUsed
from headgate.model import AuthMethod, Principal
from headgate.policy import ADMIN, Roles

NAME: Final = "break-glass"
AGAIN_SECONDS: Final = 3_600
"""While such a key is used, an event says so this often."""


@dataclass(frozen=True, slots=True)
class BreakGlassRule:
    """One such key.

    Attributes:
        digest: the SHA-256 of its secret.
        until: when it ends, in seconds since the epoch.
        reason: why there is one.
    """

    digest: bytes
    until: float
    reason: str

    @property
    def label(self) -> str:
        """What it is called: the beginning of its digest, which opens nothing."""
        return f"sha256:{self.digest.hex()[:12]}"


class BreakGlassKeys:
    """The keys of the configuration that are accepted in an emergency, as ``admin``.

    Args:
        uses: where their uses are noted.
    """

    def __init__(self, uses: UseLog) -> None:
        self._uses: Final = uses
        self._rules: dict[bytes, BreakGlassRule] = {}
        self._known: dict[bytes, Identified] = {}
        self._announced: dict[str, int] = {}  # when the last event of each was, by its label

    def configure(self, rules: Iterable[BreakGlassRule]) -> bool:
        """Accept these from now on; whether they are others than before."""
        wanted = {each.digest: each for each in rules}
        if wanted == self._rules:
            return False
        self._rules = wanted
        self._known = {}
        return True

    def are_accepted(self, now: float) -> bool:
        """Whether any is accepted at ``now``, in seconds since the epoch."""
        return any(each.until > now for each in self._rules.values())

    def find(self, digest: bytes, now: float) -> Identified | None:
        """The holder of the key with that SHA-256, if there is one and it has not ended."""
        rule = self._rules.get(digest)
        if rule is None or rule.until <= now:
            return None
        found = self._known.get(digest)
        if found is None:
            grants = Roles().grants_for(NAME, [ADMIN])
            label = rule.label
            principal = Principal(
                f"{NAME}:{label}", NAME, AuthMethod.KEY, grants=grants, credential=label
            )
            found = Identified(principal, rule.until, Use(label, self._uses))
            self._known[digest] = found
        return found

    def announce(self, use: Use) -> Iterator[BreakGlassUsed]:
        """The event that one of them is used: the first time, and each hour in which it is."""
        for rule in self._rules.values():
            if rule.label == use.credential:
                yield from self.announce_use(use, rule.reason)

    def announce_use(self, use: Use, reason: str) -> Iterator[BreakGlassUsed]:
        """The same for any credentials for emergencies, which there are for ``reason``."""
        last = self._announced.get(use.credential)
        if last is None or use.at - last >= AGAIN_SECONDS:
            self._announced[use.credential] = use.at
            yield BreakGlassUsed(use.credential, reason, use.address)
