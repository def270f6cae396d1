"""Identifies all clients as one principal, whatever they show (``auth.mode`` is ``none``)."""

from __future__ import annotations

import math
from typing import Final

from headgate.auth.chain import Authenticator, Identified
from headgate.auth.credentials import Credentials
from headgate.model import AuthMethod, Principal
from headgate.policy import ADMIN, Roles

_NAME: Final = "anonymous"


class Anonymous(Authenticator):
    """Lets all clients in under one name, to do everything."""

    def __init__(self) -> None:
        super().__init__()
        self.reads_credentials = False
        grants = Roles().grants_for(_NAME, [ADMIN])
        principal = Principal(_NAME, _NAME, AuthMethod.NONE, grants=grants)
        self._everybody: Final = Identified(principal, math.inf)

    def authenticate(self, credentials: Credentials, now: float) -> Identified:  # noqa: ARG002 - the signature is Authenticator's
        """See ``Authenticator``."""
        return self._everybody
