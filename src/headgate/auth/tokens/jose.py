"""The adapter of joserfc: public keys, and signatures.

joserfc is asked for two things alone: to make a key of a JWK, and whether a signature over given
bytes is that of a key.  What a token is made of is read by ``form.py``, and which algorithm goes
with which key is decided here, from the key (RFC 8725 section 3.1): its type, its curve, and what
the JWK itself says of ``alg``, ``use`` and ``key_ops``.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from headgate.config import Algorithm

SMALLEST_RSA: Final = 2_048
LARGEST_RSA: Final = 8_192
"""In bits.  Verification with a larger key would hold up the requests of others."""
SMALLEST_EXPONENT: Final = 2**16
LARGEST_EXPONENT: Final = 2**32
"""FIPS 186-5 section 5.4 has the lower bound; the upper one bounds the cost of a verification."""
_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_BY_CURVE: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("EC", "P-256"): frozenset({Algorithm.ES256.value}),
    ("EC", "P-384"): frozenset({Algorithm.ES384.value}),
    ("OKP", "Ed25519"): frozenset({Algorithm.EDDSA.value}),
}
_ALGORITHMS: Final = frozenset(each.value for each in Algorithm)
_SECRETS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_LONGEST_KID: Final = 256


class KeyUnusableError(Exception):
    """A JWK that the gate does not use; the message says why."""


class OtherUseError(KeyUnusableError):
    """A JWK that is in order, but for another use."""


class _Verifies(Protocol):
    def verify(self, msg: bytes, sig: bytes, key: Any) -> bool: ...


def known_algorithm(name: str) -> str | None:
    """The algorithm of that name; ``None`` for one that the gate does not verify.

    RFC 9864 names EdDSA after its curve, ``Ed25519``; many issuers have the older name.
    """
    name = Algorithm.EDDSA.value if name == "Ed25519" else name
    return name if name in _ALGORITHMS else None


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of an issuer.

    Attributes:
        kid: its name; ``None`` if it has none.
        algorithms: what it may verify.
        fingerprint: tells it from every other key, whatever their names.
        issuer: the issuer that the key itself is bound to, if it says so, as Entra's do.
    """

    kid: str | None
    algorithms: frozenset[str]
    fingerprint: str
    issuer: str | None
    _key: Any = field(repr=False, compare=False)

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is one of this key over ``signed``.

        Args:
            algorithm: one of ``algorithms``.
            signed: the bytes.
            signature: as it stands in the token.
        """
        if algorithm not in self.algorithms:
            return False
        return _models()[algorithm].verify(signed, signature, self._key)


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """The key of a JWK (RFC 7517).

    Raises:
        KeyUnusableError: it is not one that the gate would use.
    """
    kind = jwk.get("kty")
    if kind == "oct" or _SECRETS & jwk.keys():
        raise KeyUnusableError("it is secret: a private or symmetric key must not be published")
    _check_use(jwk)
    kid = jwk.get("kid")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_KID):
        raise KeyUnusableError("its 'kid' is no text, or too long")
    members = {name: jwk.get(name) for name in _MEMBERS.get(str(kind), ())}
    if not members:
        raise OtherUseError("its type ('kty') is not RSA, EC or OKP")
    if not all(isinstance(each, str) for each in members.values()):
        raise KeyUnusableError(f"{' or '.join(members)} is missing, or no text")
    algorithms = _algorithms(jwk, cast("dict[str, str]", members))
    key = _imported(str(kind), cast("dict[str, str]", members))
    text = json.dumps({"kty": kind, **members}, sort_keys=True)
    issuer = jwk.get("issuer")
    return PublicKey(
        kid,
        algorithms,
        hashlib.sha256(text.encode()).hexdigest(),
        issuer if isinstance(issuer, str) else None,
        key,
    )


def _check_use(jwk: Mapping[str, Any]) -> None:
    use, operations = jwk.get("use"), jwk.get("key_ops")
    if use is not None and use != "sig":
        raise OtherUseError("it is not for signatures ('use')")
    if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
        raise OtherUseError("it is not for the verification of signatures ('key_ops')")


def _algorithms(jwk: Mapping[str, Any], members: Mapping[str, str]) -> frozenset[str]:
    if jwk["kty"] == "RSA":
        possible = _RSA
        _check_rsa(members)
    else:
        possible = _BY_CURVE.get((jwk["kty"], members["crv"]), frozenset())
        if not possible:
            raise OtherUseError("its curve ('crv') is not P-256, P-384 or Ed25519")
    named = jwk.get("alg")
    if named is None:
        return possible
    algorithm = known_algorithm(named) if isinstance(named, str) else None
    if algorithm not in possible:
        raise OtherUseError("its algorithm ('alg') is not one that the gate knows for its type")
    return frozenset({algorithm})


def _check_rsa(members: Mapping[str, str]) -> None:
    modulus, exponent = _number(members["n"]), _number(members["e"])
    size = modulus.bit_length()
    if modulus % 2 == 0:
        raise KeyUnusableError("its modulus is even")
    if not SMALLEST_RSA <= size <= LARGEST_RSA:
        raise KeyUnusableError(
            f"it has {size} bits; RSA keys must have {SMALLEST_RSA} to {LARGEST_RSA}"
        )
    if not SMALLEST_EXPONENT < exponent < LARGEST_EXPONENT or exponent % 2 == 0:
        raise KeyUnusableError("its exponent is not an odd number between 2^16 and 2^32")


def _number(text: str) -> int:
    try:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise KeyUnusableError("a number of it is not base64url") from None


def _imported(kind: str, members: dict[str, str]) -> Any:
    from joserfc import jwk  # noqa: PLC0415 - an extra, and slow to import
    from joserfc.errors import JoseError  # noqa: PLC0415

    _models()  # imported here, in the thread that reads keys: the first token shall not wait for it
    classes: dict[str, Any] = {"RSA": jwk.RSAKey, "EC": jwk.ECKey, "OKP": jwk.OKPKey}
    try:
        # Only what makes up the key: what else the JWK says was judged above.
        return classes[kind].import_key({"kty": kind, **members})
    except (JoseError, ValueError) as error:  # a point that is not on its curve, among others
        raise KeyUnusableError(f"it is no valid key: {str(error)[:100]}") from None


def _models() -> Mapping[str, _Verifies]:
    from joserfc.jws import JWSRegistry  # noqa: PLC0415

    return JWSRegistry.algorithms
