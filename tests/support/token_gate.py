"""Tokens as a gate accepts them, without a network: issuers publish their keys by a call."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgate.auth.chain import AuthenticatorChain, Identified, Waiting
from headgate.auth.tokens.key_source import KeySource
from headgate.auth.tokens.tokens import Tokens
from headgate.config import Issuer as Settings
from headgate.config import Rule
from headgate.errors import HeadgateError, Refusal
from headgate.events import Event
from headgate.model import Principal
from headgate.policy import Roles
from headgate.testing.clock import ManualClock
from headgate.wire.request_fields import CredentialFields
from tests.support.issuers import DISCOVERY, JWKS, Fault, Issuer

AUDIENCE = "https://gate.example"


def settings(issuer: str, **changes: Any) -> Settings:
    """The settings of an issuer whose tokens make everybody a viewer."""
    given = {
        "issuer": issuer,
        "audience": (AUDIENCE,),
        "rules": (Rule(when={"sub": ("*",)}, roles=("viewer",)),),
    }
    return Settings.model_validate(given | changes)


class TokenGate:
    """The chain of a gate that accepts tokens alone.

    Attributes:
        now: the clock, in seconds since the epoch.
        events: what was emitted.
        fetched: the URLs that were fetched.
        kept: what would be left to another worker.
    """

    def __init__(self, published: Mapping[str, Issuer], now: float, **kept: Any) -> None:
        self.clock = ManualClock(now)
        self.events: list[Event] = []
        self.fetched: list[str] = []
        self.kept: Mapping[str, Any] = {}
        self.published = published
        self.tokens = Tokens(
            self.events.append,
            self.clock,
            keep=self._keep,
            source=lambda each: KeySource(each, self._fetch),
            monotonic=self.clock,
            **kept,
        )
        self.chain = AuthenticatorChain([self.tokens.authenticator], self.clock)

    def configure(self, issuers: Mapping[str, Settings]) -> None:
        """Accept the tokens of these issuers."""
        self.tokens.configure(issuers, Roles())

    def show(self, token: str, address: str = "192.0.2.1", *, basic: bool = False) -> Principal:
        """Who shows a token.

        Raises:
            AssertionError: it is refused.
        """
        found = self.ask(token, address, basic=basic)
        assert isinstance(found, Principal), found.message
        return found

    def refused(self, token: str, address: str = "192.0.2.1") -> Refusal:
        """What a token is refused with.

        Raises:
            AssertionError: it is accepted.
        """
        found = self.ask(token, address)
        assert isinstance(found, Refusal), found
        return found

    def ask(
        self, token: str, address: str = "192.0.2.1", *, basic: bool = False
    ) -> Principal | Refusal:
        """What a request with a token comes to."""
        text = token.encode("latin-1")
        shown = b"Bearer " + text
        if basic:
            shown = b"Basic " + base64.b64encode(b"anybody:" + text)
        return asyncio.run(self._ask(CredentialFields(shown, None), address))

    async def _ask(self, fields: CredentialFields, address: str) -> Principal | Refusal:
        found = self.chain.authenticate(fields, address)
        if isinstance(found, Waiting):
            found = await self.chain.finish(found)
        return found.principal if isinstance(found, Identified) else found

    def _keep(self, kept: Mapping[str, Any]) -> None:
        self.kept = kept

    def _fetch(self, url: str, _ca: Path | None, _fields: Mapping[str, str]) -> bytes:
        self.fetched.append(url)
        for issuer in self.published.values():
            if url in (issuer.url + DISCOVERY, issuer.url + JWKS):
                if issuer.fault is Fault.ERROR:
                    raise HeadgateError(f"{url} responded 503")
                return issuer.document() if url.endswith(DISCOVERY) else issuer.jwks()
        raise HeadgateError(f"{url} cannot be fetched: no such host")
