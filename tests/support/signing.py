"""Signs JSON Web Tokens as issuers do, and as attackers do.

It shares no code with the gate, and assembles every part from bytes: a forgery must be able to say
what no library would.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_HASHES: Final = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES: Final = {
    "ES256": (ec.SECP256R1(), "P-256", 32),
    "ES384": (ec.SECP384R1(), "P-384", 48),
}


@dataclass(frozen=True)
class SigningKey:
    """A private key with its ``kid`` and the one algorithm that it signs with."""

    kid: str
    algorithm: str
    private: PrivateKey

    def public_jwk(self) -> dict[str, Any]:
        """The public half, as an issuer publishes it (RFC 7517)."""
        common = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            return common | {"kty": "RSA", "n": _integer(numbers.n), "e": _integer(numbers.e)}
        if isinstance(public, ec.EllipticCurvePublicKey):
            point = public.public_numbers()
            _, curve, size = _CURVES[self.algorithm]
            x, y = (encode(each.to_bytes(size, "big")) for each in (point.x, point.y))
            return common | {"kty": "EC", "crv": curve, "x": x, "y": y}
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return common | {"kty": "OKP", "crv": "Ed25519", "x": encode(raw)}

    def public_pem(self) -> bytes:
        """The public half as PEM, which everybody can make from what the issuer publishes."""
        return self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, data: bytes, algorithm: str | None = None) -> bytes:
        """Sign with the key's own algorithm, or another one of the same key type."""
        name = algorithm or self.algorithm
        private = self.private
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return private.sign(data)
        digest = _HASHES[name[2:]]
        if isinstance(private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(private.sign(data, ec.ECDSA(digest)))
            size = (private.curve.key_size + 7) // 8
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if name.startswith("PS"):
            salted = padding.PSS(padding.MGF1(digest), digest.digest_size)
            return private.sign(data, salted, digest)
        return private.sign(data, padding.PKCS1v15(), digest)


def new_key(kid: str, algorithm: str = "RS256") -> SigningKey:
    """Make a key for ``RS256``, ``PS256``, ``ES256``, ``ES384`` or ``Ed25519`` (RFC 9864)."""
    if algorithm in ("Ed25519", "EdDSA"):
        return SigningKey(kid, algorithm, ed25519.Ed25519PrivateKey.generate())
    if algorithm in _CURVES:
        return SigningKey(kid, algorithm, ec.generate_private_key(_CURVES[algorithm][0]))
    return SigningKey(kid, algorithm, rsa.generate_private_key(65_537, 2048))


def encode(data: bytes) -> str:
    """base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def as_json(value: object) -> bytes:
    """JSON without spaces, as issuers write it."""
    return json.dumps(value, separators=(",", ":")).encode()


def signing_input(header: Mapping[str, Any] | bytes, claims: Mapping[str, Any] | bytes) -> str:
    """The first two parts of a token; bytes stand in it as they are."""
    parts = (each if isinstance(each, bytes) else as_json(each) for each in (header, claims))
    return ".".join(encode(each) for each in parts)


def signed(
    header: Mapping[str, Any] | bytes, claims: Mapping[str, Any] | bytes, key: SigningKey
) -> str:
    """A token (JWS compact serialisation, RFC 7515 section 3.1) signed with ``key``.

    The header may claim another algorithm than the one that signs.
    """
    data = signing_input(header, claims)
    return f"{data}.{encode(key.sign(data.encode('ascii')))}"


def signed_with_secret(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    """A token signed with HMAC and SHA-256."""
    data = signing_input(header, claims)
    return f"{data}.{encode(hmac.new(secret, data.encode('ascii'), hashlib.sha256).digest())}"


def _integer(number: int) -> str:
    """An unsigned integer as JWKs have it (RFC 7518 section 2)."""
    return encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
