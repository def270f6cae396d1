"""What the tokens of one issuer must fulfil, step by step.

RFC 8725 (best current practices of JWTs), by section: algorithm and key belong together (3.1, 3.2),
issuer and subject are validated together with the key (3.8), the audience is required and compared
exactly (3.9), ``kid`` chooses among keys of this issuer alone (3.10).  RFC 9700 (of OAuth) asks for
tokens that are restricted to one audience (2.3), and that no identifier which others choose is
mistaken for a principal (4.15): a principal's id begins with the name of the issuer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from headgate.auth.tokens import refusals
from headgate.auth.tokens.claims import ClaimRule, claim
from headgate.auth.tokens.form import SignedToken
from headgate.auth.tokens.jose import PublicKey
from headgate.auth.tokens.key_set import KeySet
from headgate.config import Issuer
from headgate.config.claims import steps
from headgate.config.shared_issuers import is_multi_tenant, tenant_of
from headgate.model import AuthMethod, Principal
from headgate.policy import Roles

_ID_CHARACTERS: Final = "._~@:/+-"
_LONGEST_NAME: Final = 256
"""In bytes."""
_LONGEST_DETAIL: Final = 200
_LATEST: Final = 2.0**53
"""In seconds since the epoch; larger floats do not tell one second from the next."""


class TrustedIssuer:
    """An issuer of the configuration, with the roles that its rules give.

    Args:
        name: as the configuration names it.
        settings: those of the configuration.
        roles: all roles.
    """

    def __init__(self, name: str, settings: Issuer, roles: Roles) -> None:
        self.name = name
        self.settings = settings
        self._roles = roles
        self._algorithms = frozenset(each.value for each in settings.algorithms)
        self._principal = steps(settings.principal)
        self._display = steps(settings.display_name or settings.principal)
        self._rules = [ClaimRule.of(rule, settings.issuer) for rule in settings.rules]

    def check_algorithm(self, token: SignedToken) -> None:
        """Hold the token to the algorithms of the issuer.

        Raises:
            TokenRefusedError: it is signed with another one.
        """
        if token.algorithm not in self._algorithms:
            raise refusals.algorithm_not_allowed(token.algorithm, self.name)

    def key_of(self, token: SignedToken, keys: KeySet) -> PublicKey | None:
        """The key that the token says it is signed with; ``None`` if the issuer has none so named.

        Raises:
            TokenRefusedError: no key, or more than one, fits what the token says.
        """
        bound = (None, token.issuer, self.settings.described_as)
        if token.kid is None:
            fitting = [
                each
                for each in keys.keys
                if token.algorithm in each.algorithms and each.issuer in bound
            ]
            if len(fitting) != 1:
                raise refusals.key_not_named(self.name)
            return fitting[0]
        named = [each for each in keys.named(token.kid) if each.issuer in bound]
        if not named:
            return None
        for each in named:
            if token.algorithm in each.algorithms:
                return each
        raise refusals.key_of_another_kind(token.algorithm, self.name)

    def check_signature(self, token: SignedToken, key: PublicKey) -> None:
        """Hold the signature to the key.

        Raises:
            TokenRefusedError: the signature is not this key's.
        """
        if not key.verifies(token.algorithm, token.signed, token.signature):
            raise refusals.signature_wrong(self.name)

    def check_claims(self, token: SignedToken, now: float) -> float:
        """Hold audience and times to the settings.

        Returns:
            Until when the token is good, in seconds since the epoch: ``exp``, without any leeway,
            so that nothing outlives it.  The leeway is for issuers whose clocks are ahead.

        Raises:
            TokenRefusedError: the token is for others, or for another time.
        """
        self._check_audience(token.claims)
        settings = self.settings
        expires = _time(token.claims, "exp")
        issued = _time(token.claims, "iat")
        starts = _time(token.claims, "nbf")
        if expires is None:
            raise refusals.malformed("does not say when it expires (claim 'exp')")
        if "cnf" in token.claims:  # RFC 7800: a bearer of it may be anybody
            raise refusals.malformed(
                "is bound to a key of its holder ('cnf'); the gate takes bearer tokens alone"
            )
        if expires <= now:
            raise refusals.expired(now - expires)
        for name, time in (("nbf", starts), ("iat", issued)):
            if time is not None and time > now + settings.leeway:
                raise refusals.not_yet_valid(name, time - now)
        life = expires - (now if issued is None else issued)
        if life > settings.max_life:
            raise refusals.lives_too_long(life, settings.max_life)
        return expires

    def principal_of(self, token: SignedToken, credential: str) -> Principal:
        """Who shows the token, and what the rules give it.

        Args:
            token: a token that is verified.
            credential: the id of the token, for logs.

        Raises:
            TokenRefusedError: nobody may enter with these claims.
        """
        value = _text(claim(token.claims, self._principal))
        if value is None:
            raise refusals.no_principal(self.settings.principal)
        identity = f"{self.name}:{self._tenant(token)}{quote(value, safe=_ID_CHARACTERS)}"
        if value in self.settings.denied:
            raise refusals.denied(identity)
        shown = _text(claim(token.claims, self._display)) or value
        name = shown if shown.isprintable() else quote(shown)
        return Principal(
            identity,
            name,
            AuthMethod.TOKEN,
            issuer=self.name,
            grants=replace(self._roles.grants_for(name, self.roles_of(token)), noun="token"),
            credential=credential,
        )

    def _tenant(self, token: SignedToken) -> str:
        """What tells holders of several tenants apart, where one issuer stands for all of them."""
        if not is_multi_tenant(self.settings.issuer):
            return ""
        return f"{quote(tenant_of(token.issuer), safe='')}/"

    def roles_of(self, token: SignedToken) -> list[str]:
        """The roles of all rules that fit, each once, in the order of the rules.

        Raises:
            TokenRefusedError: no rule fits.
        """
        found: dict[str, None] = {}
        closest = None
        for at, rule in enumerate(self._rules):
            misfits = rule.misfits(token.claims)
            if not misfits:
                found.update(dict.fromkeys(rule.roles))
            elif closest is None or len(misfits) < len(closest[1]):
                closest = at, misfits
        if not found and closest is not None:
            at, misfits = closest
            differ = ", ".join(
                f"{each.name}={_shown(claim(token.claims, each.path))}" for each in misfits
            )
            detail = f"rule {at} does not fit: {differ}"[:_LONGEST_DETAIL]
            raise refusals.no_rule(self.name, misfits[0].name, detail)
        return list(found)

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        audience = claims.get("aud")
        expected = self.settings.audience
        if audience is None:
            raise refusals.audience_wrong("is for no audience (claim 'aud')", expected[0], "")
        named = [audience] if isinstance(audience, str) else audience
        if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
            raise refusals.malformed("has an audience ('aud') that is no text and no list of texts")
        if not any(each in expected for each in named):
            detail = f"aud={_shown(audience)}"
            raise refusals.audience_wrong("is for another audience", expected[0], detail)


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 section 2), in seconds since the epoch.

    Raises:
        TokenRefusedError: it is something else.
    """
    if name not in claims:
        return None
    found = claims[name]
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise refusals.malformed(f"has a time ('{name}') that is no number")
    if not (abs(found) < _LATEST and math.isfinite(found)):
        raise refusals.malformed(f"has a time ('{name}') that is out of range")
    return float(found)


def _text(found: Any) -> str | None:
    """A claim that names somebody: text, or a whole number."""
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or not 0 < len(found.encode("utf-8")) <= _LONGEST_NAME:
        return None
    return found


def _shown(found: Any) -> str:
    return repr(found)[:60] if isinstance(found, str | int | float | list) else "absent"
