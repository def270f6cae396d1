"""Answers who sends a request, from memory alone, in a few microseconds."""

from __future__ import annotations

from typing import Final, Protocol

from headgate.auth import refusals
from headgate.auth.credentials import presented_key
from headgate.auth.key import Verdict, digest, verdict
from headgate.auth.keyring import Keyring
from headgate.errors import Refusal
from headgate.model import AuthMethod, Principal
from headgate.policy import ADMIN, Roles


class Authenticate(Protocol):
    """What the gate asks of any way to authenticate.

    An answer may be kept and used again for the same header values as long as ``generation``
    stays the same.
    """

    @property
    def generation(self) -> int:
        """Grows whenever an answer may have changed."""
        ...

    def authenticate(
        self, authorization: bytes | None, api_key: bytes | None, now: float
    ) -> Principal | Refusal:
        """Who presents these header values, or why nobody does.

        ``authorization`` and ``api_key`` are the values of ``Authorization`` and ``X-API-Key``,
        ``None`` for a header that is absent; a repeated header is for the caller to refuse.
        ``now`` is seconds since the epoch.
        """
        ...


class Authenticator:
    """Checks API keys against a keyring that others replace as keys come and go."""

    def __init__(self, keyring: Keyring | None = None) -> None:
        self._keyring = keyring if keyring is not None else Keyring.empty()

    @property
    def generation(self) -> int:
        """The keyring's: grows when a key is made, revoked or expires."""
        return self._keyring.generation

    def install(self, keyring: Keyring) -> None:
        """Answer from ``keyring`` from now on; one assignment, so no request sees half of it."""
        self._keyring = keyring

    def authenticate(
        self, authorization: bytes | None, api_key: bytes | None, now: float
    ) -> Principal | Refusal:
        """The holder of the key presented, or the refusal that fits (see ``Authenticate``)."""
        key = presented_key(authorization, api_key)
        if isinstance(key, Refusal):
            return key
        # The dictionary does not compare in constant time, and need not: what timing could tell
        # is about digests, and nobody can choose a key for the digest it will have.
        entry = self._keyring.entries.get(digest(key))
        if entry is None:
            return _not_found(key)
        if entry.revoked:
            return refusals.revoked(entry.principal)
        if entry.expires_at <= now:
            return refusals.expired(entry.principal)
        return entry.principal


class Anonymous:
    """Lets everybody in under one name, to do everything (``auth.mode = "none"``)."""

    generation = 0

    def __init__(self) -> None:
        name = "anonymous"
        grants = Roles().grants_for(name, [ADMIN])
        self._everybody = Principal(name, name, AuthMethod.NONE, grants=grants)

    def authenticate(
        self,
        authorization: bytes | None,  # noqa: ARG002  the interface is Authenticate's
        api_key: bytes | None,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> Principal | Refusal:
        """Everybody, whatever they present."""
        return self._everybody


def _not_found(key: str) -> Refusal:
    if key[:6].lower() == "bearer":
        return refusals.BEARER_TWICE
    return _NOT_FOUND[verdict(key)]


_NOT_FOUND: Final = {
    Verdict.FINE: refusals.UNKNOWN,
    Verdict.TYPO: refusals.TYPO,
    Verdict.FOREIGN: refusals.FOREIGN,
}
