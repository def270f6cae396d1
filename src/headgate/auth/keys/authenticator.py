"""Identifies the holders of API keys, from memory alone, in a few microseconds."""

from __future__ import annotations

from headgate.auth.chain import Authenticator, Identified
from headgate.auth.credentials import Credentials
from headgate.auth.keys.form import KeyForm, digest, form_of
from headgate.auth.keys.keyring import Keyring
from headgate.auth.refusals import MISTYPED, UNKNOWN, expired, revoked
from headgate.errors import Refusal


class KeyAuthenticator(Authenticator):
    """Looks keys up in a keyring, which is replaced as keys are created, changed and revoked."""

    def __init__(self, keyring: Keyring | None = None) -> None:
        super().__init__()
        self._keyring = keyring if keyring is not None else Keyring.empty()

    def install(self, keyring: Keyring) -> None:
        """Look keys up in ``keyring`` from now on; no request sees half of it."""
        self._keyring = keyring
        self.generation += 1

    def authenticate(self, credentials: Credentials, now: float) -> Identified | Refusal | None:
        """See ``Authenticator``."""
        key = credentials.token
        if not key:
            return None
        # The dictionary does not compare in constant time, and need not: what timing could tell
        # is about digests, and nobody can choose a key for the digest it will have.
        entry = self._keyring.entries.get(digest(key))
        if entry is None:
            form = form_of(key)
            if form is KeyForm.FOREIGN:
                return None
            return UNKNOWN if form is KeyForm.WELL_FORMED else MISTYPED
        if entry.revoked:
            return revoked(entry.principal)
        if entry.expires_at <= now:
            return expired(entry.principal)
        return Identified(entry.principal, entry.expires_at)
