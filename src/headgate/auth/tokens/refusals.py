"""What clients are refused with whose tokens are not good.

Before the signature is verified, a sentence repeats nothing of the token: it may be anybody's.
After that it may name a claim.  What the log shall say besides is in ``detail``.
"""

from __future__ import annotations

import math
from typing import Final

from headgate.errors import Refusal
from headgate.reasons import Reason

LONGEST_TOKEN: Final = 16 * 1024
"""Longest token in bytes; those of real issuers have one to three KiB."""
_RENEW: Final = "ask its issuer for a new token"
_AS_ISSUED: Final = "send the token exactly as its issuer has issued it"
_TELL_OPERATOR: Final = "tell the operator of the gate"


class TokenRefusedError(Exception):
    """A token is not accepted; ``refusal`` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refused(reason: Reason, why: str, cure: str, detail: str = "") -> TokenRefusedError:
    """The error for a token that is not accepted.

    Args:
        reason: the code.
        why: follows "its token".
        cure: what to do.
        detail: for the log alone.
    """
    return TokenRefusedError(
        Refusal(
            reason=reason,
            message=f"Headgate refused the request: its token {why}; {cure}.",
            detail=detail,
            challenge=True,
        )
    )


def malformed(why: str, detail: str = "") -> TokenRefusedError:
    """The form, the headers or the claims are wrong."""
    return refused(Reason.TOKEN_MALFORMED, why, _AS_ISSUED, detail)


def not_signed() -> TokenRefusedError:
    """``alg`` is ``none``."""
    return refused(
        Reason.TOKEN_ALGORITHM, "is not signed ('alg' is 'none')", "send one that its issuer signed"
    )


def symmetric() -> TokenRefusedError:
    """An HMAC, whose secret would be the public key."""
    return refused(
        Reason.TOKEN_ALGORITHM,
        "is signed with a shared secret (HMAC), which proves nothing about its issuer",
        "send one that its issuer signed with its private key",
    )


def algorithm_unknown() -> TokenRefusedError:
    """An algorithm that no issuer can have."""
    return refused(
        Reason.TOKEN_ALGORITHM,
        "is signed with an algorithm that the gate does not know",
        "let its issuer sign with RS256 or ES256",
    )


def algorithm_not_allowed(algorithm: str, issuer: str) -> TokenRefusedError:
    """An algorithm that is not among those of the issuer."""
    return refused(
        Reason.TOKEN_ALGORITHM,
        f"is signed with {algorithm}, which is not among the algorithms of the issuer '{issuer}'",
        f"{_TELL_OPERATOR}, if the issuer does sign with it (algorithms)",
    )


def key_of_another_kind(algorithm: str, issuer: str) -> TokenRefusedError:
    """The key that the token names is for another algorithm."""
    return refused(
        Reason.TOKEN_ALGORITHM,
        f"says {algorithm}, but the key of the issuer '{issuer}' that it names is for another "
        "algorithm",
        _RENEW,
    )


def issuer_unknown(detail: str) -> TokenRefusedError:
    """``iss`` is that of no issuer in the configuration."""
    return refused(
        Reason.TOKEN_ISSUER,
        "comes from an issuer that the gate does not accept",
        f"send one of an issuer that it does, or {_TELL_OPERATOR} (auth.issuers)",
        detail,
    )


def issuer_unavailable(issuer: str, why: str, retry_after: int) -> TokenRefusedError:
    """There are no keys of the issuer yet."""
    return TokenRefusedError(
        Refusal(
            reason=Reason.ISSUER_UNAVAILABLE,
            message=f"Headgate cannot check the token: it has not been able to fetch the keys of "
            f"the issuer '{issuer}' yet; try again in {retry_after} s.",
            retry_after=retry_after,
            detail=why,
        )
    )


def throttled(seconds: float) -> TokenRefusedError:
    """Too many tokens from this address were refused."""
    wait = max(1, math.ceil(seconds))
    return TokenRefusedError(
        Refusal(
            reason=Reason.AUTH_THROTTLED,
            message="Headgate refused the request: its address has sent too many tokens that "
            f"were refused; try again in {wait} s.",
            retry_after=wait,
        )
    )


def key_unknown(issuer: str, detail: str) -> TokenRefusedError:
    """The issuer has no key of that name."""
    return refused(
        Reason.TOKEN_KEY_UNKNOWN,
        f"names a signing key that the issuer '{issuer}' does not have",
        _RENEW,
        detail,
    )


def key_not_named(issuer: str) -> TokenRefusedError:
    """There is no ``kid``, and not exactly one key that fits."""
    return refused(
        Reason.TOKEN_KEY_UNKNOWN,
        f"names no signing key (kid), and the issuer '{issuer}' has not exactly one that fits",
        "let the issuer name the key in each token",
    )


def signature_wrong(issuer: str) -> TokenRefusedError:
    """The signature is not that of the key."""
    return refused(
        Reason.TOKEN_SIGNATURE,
        f"has a wrong signature: the issuer '{issuer}' has not issued it as it is",
        _AS_ISSUED,
    )


def audience_wrong(why: str, expected: str, detail: str) -> TokenRefusedError:
    """The token is for somebody else."""
    return refused(
        Reason.TOKEN_AUDIENCE, why, f"ask its issuer for one with the audience '{expected}'", detail
    )


def expired(seconds: float) -> TokenRefusedError:
    """``exp`` has passed."""
    return refused(
        Reason.TOKEN_EXPIRED, f"has expired {_span(seconds)} ago", _RENEW, f"{seconds:.0f} s"
    )


def not_yet_valid(claim: str, seconds: float) -> TokenRefusedError:
    """``nbf`` or ``iat`` is in the future."""
    return refused(
        Reason.TOKEN_NOT_YET_VALID,
        f"is not valid yet, its '{claim}' is {_span(seconds)} in the future",
        "set the clocks of the issuer and of the gate",
        f"{claim} in {seconds:.0f} s",
    )


def lives_too_long(seconds: float, most: float) -> TokenRefusedError:
    """The life is longer than is accepted."""
    return refused(
        Reason.TOKEN_LIFE,
        f"is valid for {_span(seconds)}, and the gate accepts at most {_span(most)}",
        "ask its issuer for one with a shorter life",
    )


def no_principal(claim: str) -> TokenRefusedError:
    """The claim that names the principal is not there."""
    return refused(
        Reason.TOKEN_RULE,
        f"has no text in the claim '{claim}', which names its holder",
        _TELL_OPERATOR,
    )


def denied(principal: str) -> TokenRefusedError:
    """The configuration denies this principal."""
    return refused(
        Reason.PRINCIPAL_DISABLED,
        "belongs to a principal that the operator of the gate has denied",
        "ask the operator of the gate",
        principal,
    )


def no_rule(issuer: str, misfit: str, detail: str) -> TokenRefusedError:
    """No rule fits the claims; ``misfit``: the claim that the closest rule misses."""
    return refused(
        Reason.TOKEN_RULE,
        f"is good, but no rule of the issuer '{issuer}' fits its claims (the closest one differs "
        f"in '{misfit}')",
        "ask the operator of the gate for a rule",
        detail,
    )


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 172_800:
        return f"{seconds / 3_600:.0f} hours"
    return f"{seconds / 86_400:.0f} days"
