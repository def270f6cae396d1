"""An authenticator whose credentials are written down beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping

from headgate.auth.chain import Authenticator, Identified, Pending
from headgate.auth.credentials import Credentials
from headgate.errors import Refusal
from headgate.model import Principal

Scripted = Principal | Identified | Refusal | Pending


class ScriptedAuthenticator(Authenticator):
    """Looks tokens up in ``known``; a principal alone is identified without an end.

    ``asked`` has the time of each question.
    """

    def __init__(self, known: Mapping[str, Scripted] | None = None) -> None:
        super().__init__()
        self.known: dict[str, Scripted] = dict(known or {})
        self.asked: list[float] = []

    def authenticate(
        self, credentials: Credentials, now: float
    ) -> Identified | Refusal | Pending | None:
        """See ``Authenticator``."""
        self.asked.append(now)
        found = self.known.get(credentials.token)
        return Identified(found, math.inf) if isinstance(found, Principal) else found
