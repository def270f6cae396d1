"""What a token says, read strictly, before anything of it is believed.

Only the compact form of a JWS (RFC 7515 section 7.1) with JSON claims (RFC 7519) is read.  What
could bring a key of its own, another meaning of the signed bytes, or an extension that has to be
understood is refused and not ignored: RFC 8725 sections 3.1 (algorithms), 3.10 (``jku``, ``x5u``,
``kid``) and 3.11 (types); ``b64`` let a signature cover other bytes than those that were read in
joserfc (GHSA-wphv-vfrh-23q5).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headgate.auth.tokens.jose import known_algorithm
from headgate.auth.tokens.refusals import (
    LONGEST_TOKEN,
    algorithm_unknown,
    malformed,
    not_signed,
    symmetric,
)
from headgate.wire.strict_json import JsonError, read_object

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_TYPES: Final = frozenset({"jwt", "at+jwt"})
"""Plain JWTs, and access tokens (RFC 9068 section 2.1); others are meant for another use."""
REFUSED_HEADERS: Final = {
    "crit": "has an extension in its header that has to be understood ('crit')",
    "b64": "has 'b64' in its header, which changes what is signed",
    "jwk": "brings a key in its header ('jwk'); only keys of its issuer count",
    "jku": "names the place of a key in its header ('jku'); only keys of its issuer count",
    "x5u": "names the place of a key in its header ('x5u'); only keys of its issuer count",
    "x5c": "brings a certificate in its header ('x5c'); only keys of its issuer count",
    "zip": "is compressed ('zip')",
    "enc": "is encrypted ('enc'); the gate reads signed tokens alone",
    "cty": "holds another token ('cty')",
}
_LONGEST_KID: Final = 256


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token that has the right form; nothing of it is verified.

    Attributes:
        algorithm: ``alg``, one that is supported.
        kid: the name of the signing key, if it has one.
        issuer: ``iss``.
        claims: all claims.
        signed: the bytes that the signature is for.
        signature: the signature.
    """

    algorithm: str
    kid: str | None
    issuer: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def looks_like_token(text: str) -> bool:
    """Whether a credential is meant as a token: base64url of ``{``, and two dots or more."""
    return text[:1] == "e" and text.count(".") >= 2


def read_token(text: str) -> SignedToken:
    """Read a token.

    Raises:
        TokenRefusedError: it has not the form of a token that the gate could accept.
    """
    if len(text) > LONGEST_TOKEN:
        raise malformed(f"is longer than {LONGEST_TOKEN // 1024} KiB", f"{len(text)} bytes")
    parts = text.split(".")
    if len(parts) == 5:
        raise malformed("is encrypted (JWE); the gate reads signed tokens (JWS) alone")
    if len(parts) != 3:
        raise malformed("has not three parts with dots between them")
    header = _object(parts[0], "a header that is")
    algorithm = _algorithm(header)
    _check_header(header)
    claims = _object(parts[1], "claims that are")
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise malformed("does not say who has issued it (claim 'iss')")
    return SignedToken(
        algorithm,
        header.get("kid"),
        issuer,
        claims,
        f"{parts[0]}.{parts[1]}".encode("ascii"),
        _octets(parts[2], "a signature that is"),
    )


def _object(part: str, what: str) -> dict[str, Any]:
    octets = _octets(part, what)
    try:
        return read_object(octets)
    except JsonError as error:
        raise malformed(f"has {what} not one JSON object", f"it {error}") from None


def _octets(part: str, what: str) -> bytes:
    """Decode base64url without padding (RFC 7515 section 2); one text has one encoding."""
    if _ALPHABET.fullmatch(part) is None:
        raise malformed(f"has {what} not base64url without padding")
    try:
        octets = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise malformed(f"has {what} cut off") from None
    # Python's decoder lets stray bits pass after the last octet.
    if base64.urlsafe_b64encode(octets).rstrip(b"=") != part.encode("ascii"):
        raise malformed(f"has {what} followed by stray bits")
    return octets


def _algorithm(header: Mapping[str, Any]) -> str:
    name = header.get("alg")
    if not isinstance(name, str):
        raise malformed("does not say how it is signed ('alg')")
    if (algorithm := known_algorithm(name)) is not None:
        return algorithm
    if name.lower() == "none":
        raise not_signed()
    if name.upper().startswith("HS"):
        raise symmetric()
    raise algorithm_unknown()


def _check_header(header: Mapping[str, Any]) -> None:
    for name, why in REFUSED_HEADERS.items():
        if name in header:
            raise malformed(why)
    if "typ" in header:
        kind = header["typ"]
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
            raise malformed("is of a type that is no JWT ('typ'), so it is meant for another use")
    if "kid" in header:
        kid = header["kid"]
        if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_KID:
            raise malformed("names its key ('kid') with what is no text, or too long")
