"""Says step by step why a token is accepted or refused, for the operator of the gate.

It takes the same steps as ``verification``, and shows what that keeps from clients: which condition
of which rule does not hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headgate.auth.tokens import refusals
from headgate.auth.tokens.claims import ABSENT, ClaimRule, Condition, claim
from headgate.auth.tokens.form import SignedToken, looks_like_token, read_token
from headgate.auth.tokens.jose import PublicKey
from headgate.auth.tokens.key_set import KeySet
from headgate.auth.tokens.key_source import KeySource
from headgate.auth.tokens.refusals import TokenRefusedError
from headgate.auth.tokens.trusted_issuer import TrustedIssuer
from headgate.auth.tokens.verification import digest_id
from headgate.config import Issuer
from headgate.errors import HeadgateError
from headgate.model import Principal
from headgate.policy import Roles
from headgate.reasons import Reason

_SHOWN = 100  # characters of a value


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was done, whether it went well, and what was seen."""

    step: str
    ok: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a token comes to.

    Attributes:
        steps: in their order; those that a failed one leaves nothing for are missing.
        principal: who shows the token; ``None``: it is refused.
        reason: the reason code of the refusal; empty: it is accepted.
    """

    steps: tuple[Step, ...]
    principal: Principal | None
    reason: str


def examine(
    text: str,
    issuers: Mapping[str, Issuer],
    roles: Roles,
    now: float,
    read: Callable[[Issuer], KeySet] = lambda settings: KeySource(settings).read(),
) -> Verdict:
    """Examine a token; the keys of its issuer are fetched.

    Args:
        text: the token.
        issuers: those of the configuration, by name.
        roles: all roles.
        now: seconds since the epoch.
        read: reads the keys of an issuer.
    """
    steps: list[Step] = []
    try:
        token = _read(text, steps)
        trusted = _trusted(token, issuers, roles, steps)
        key = _key(token, trusted, read, steps)
        trusted.check_signature(token, key)
        steps.append(Step("check the signature", True, "it is right"))
    except TokenRefusedError as error:
        steps.append(Step(_step_of(error), False, _why(error)))
        return Verdict(tuple(steps), None, error.refusal.reason.value)
    principal, reason = _holder(token, trusted, now, digest_id(text), steps)
    return Verdict(tuple(steps), principal, reason)


def _read(text: str, steps: list[Step]) -> SignedToken:
    if not looks_like_token(text):
        raise refusals.malformed("is no JWT: it does not begin with 'ey', or has no dots")
    token = read_token(text)
    named = "no kid" if token.kid is None else f"kid {_text(token.kid)}"
    steps.append(Step("read the token", True, f"{token.algorithm}, {named}"))
    return token


def _trusted(
    token: SignedToken, issuers: Mapping[str, Issuer], roles: Roles, steps: list[Step]
) -> TrustedIssuer:
    for name, settings in issuers.items():
        if token.issuer in settings.accepted:
            trusted = TrustedIssuer(name, settings, roles)
            steps.append(Step("find its issuer", True, f"{name} ({_text(token.issuer)})"))
            trusted.check_algorithm(token)
            return trusted
    known = ", ".join(sorted(each for one in issuers.values() for each in one.accepted)) or "none"
    raise refusals.issuer_unknown(f"iss is {_text(token.issuer)}; configured: {known}")


def _key(
    token: SignedToken,
    trusted: TrustedIssuer,
    read: Callable[[Issuer], KeySet],
    steps: list[Step],
) -> PublicKey:
    place = KeySource(trusted.settings).place
    try:
        keys = read(trusted.settings)
    except HeadgateError as error:
        raise refusals.issuer_unavailable(trusted.name, str(error), 5) from error
    names = ", ".join(str(each.kid) for each in keys.keys[:10])
    steps.append(Step("fetch the issuer's keys", True, f"{len(keys.keys)} from {place}: {names}"))
    key = trusted.key_of(token, keys)
    if key is None:
        raise refusals.key_unknown(trusted.name, "")
    return key


def _holder(
    token: SignedToken, trusted: TrustedIssuer, now: float, credential: str, steps: list[Step]
) -> tuple[Principal | None, str]:
    """Who shows the token, and the first reason not to accept it; all that follows is shown too."""
    reason = ""
    try:
        ends = trusted.check_claims(token, now)
        steps.append(Step("check audience and times", True, f"it ends {_moment(ends, now)}"))
    except TokenRefusedError as error:
        reason = error.refusal.reason.value
        steps.append(Step("check audience and times", False, _why(error)))
    steps += _rules(token.claims, trusted)
    try:
        principal = trusted.principal_of(token, credential)
    except TokenRefusedError as error:
        steps.append(Step("give it roles", False, _why(error)))
        return None, reason or error.refusal.reason.value
    given = ", ".join(principal.grants.roles)
    steps.append(Step("give it roles", True, f"{principal.id} ({principal.name}): {given}"))
    return (None if reason else principal), reason


def _rules(claims: Mapping[str, Any], trusted: TrustedIssuer) -> Iterator[Step]:
    """Each rule, and what of it does not hold; a rule that does not fit is no failure."""
    for at, rule in enumerate(trusted.settings.rules):
        misfits = ClaimRule.of(rule, trusted.settings.issuer).misfits(claims)
        if misfits:
            seen = "does not fit: " + "; ".join(_misfit(each, claims) for each in misfits)
        else:
            seen = f"fits: {', '.join(rule.roles)}"
        yield Step(f"rule {at}", True, seen)


def _misfit(condition: Condition, claims: Mapping[str, Any]) -> str:
    found = claim(claims, condition.path)
    wanted = " or ".join(_text(each) for each in condition.values)
    return f"{condition.name} is {'absent' if found is ABSENT else _text(found)}, not {wanted}"


def _moment(ends: float, now: float) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(ends))
    return f"at {at}, in {ends - now:.0f} s"


def _why(error: TokenRefusedError) -> str:
    detail = error.refusal.detail
    return f"{error.refusal.message} ({detail})" if detail else error.refusal.message


_STEPS = {
    Reason.TOKEN_MALFORMED: "read the token",
    Reason.TOKEN_ALGORITHM: "check the algorithm",
    Reason.TOKEN_ISSUER: "find its issuer",
    Reason.ISSUER_UNAVAILABLE: "fetch the issuer's keys",
    Reason.TOKEN_KEY_UNKNOWN: "find the signing key",
    Reason.TOKEN_SIGNATURE: "check the signature",
}


def _step_of(error: TokenRefusedError) -> str:
    return _STEPS.get(error.refusal.reason, "verify the token")


def _text(found: Any) -> str:
    return repr(found)[:_SHOWN]
