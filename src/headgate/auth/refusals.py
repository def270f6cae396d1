"""The sentences with which a credential is refused.

Each says who refused, why, and what to set.  None repeats anything the client sent: a credential
in the wrong place, such as a key in the place of the scheme, is still a credential.
"""

from __future__ import annotations

from headgate.errors import Refusal
from headgate.model import Principal, Reason

_CURE = (
    "set MLFLOW_TRACKING_TOKEN=<key>, or MLFLOW_TRACKING_USERNAME=<any name> "
    "and MLFLOW_TRACKING_PASSWORD=<key>"
)


def _refusal(why: str, cure: str = _CURE, detail: str = "") -> Refusal:
    return Refusal(
        reason=Reason.UNAUTHENTICATED,
        message=f"Headgate refused the request: {why}; {cure}.",
        detail=detail,
        challenge=True,
    )


def _malformed(what: str) -> Refusal:
    return _refusal(f"its Authorization header is malformed, {what}")


NO_KEY = _refusal("it carries no API key")
SCHEME_MISSING = _malformed("it must be 'Bearer <key>' or 'Basic <credentials>'")
SCHEME_UNKNOWN = _malformed("its scheme is neither Bearer nor Basic")
BEARER_EMPTY = _malformed("no key follows 'Bearer'")
BASIC_NOT_BASE64 = _malformed("what follows 'Basic' is not base64")
BASIC_NOT_UTF8 = _malformed("the Basic credentials are not UTF-8 text")
BASIC_NO_COLON = _malformed("the Basic credentials have no colon between user name and password")
BASIC_NO_PASSWORD = _malformed("the Basic password, which is where the key belongs, is empty")
API_KEY_EMPTY = _refusal("its X-API-Key header is empty")
AMBIGUOUS = _refusal(
    "its Authorization and X-API-Key headers carry two different keys",
    cure=f"send one of them only: {_CURE}",
)
FOREIGN = _refusal("what it carries is not a Headgate key, which begins with 'hg_'")
TYPO = _refusal("its API key is mistyped or cut short, the checksum does not match")
UNKNOWN = _refusal("its API key is well formed but not known to this gate")


def revoked(principal: Principal) -> Refusal:
    """The key was good until someone revoked it."""
    return _former(principal, "was revoked")


def expired(principal: Principal) -> Refusal:
    """The key has reached its end."""
    return _former(principal, "has expired")


def _former(principal: Principal, what: str) -> Refusal:
    return _refusal(
        f"its API key, '{principal.name}' ({principal.key_id}), {what}",
        cure=f"ask for a new key and {_CURE}",
        detail=f"key {principal.key_id} {what}",
    )
