"""Tokens: what the gate accepts, joserfc's own parser accepts too, and reads the same in it.

An input that starts with ``raw`` and a line feed is a token as it is.  Any other one is a header
and, after a line feed, claims: they are signed with the issuer's key, so that mutations reach what
comes after the signature.
"""

from __future__ import annotations

import base64
import json
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jws
from joserfc.jwk import ECKey
from joserfc.jwt import JWTClaimsRegistry

from headgate.auth.tokens.form import looks_like_token, read_token
from headgate.auth.tokens.key_set import read_key_set
from headgate.auth.tokens.refusals import TokenRefusedError
from headgate.auth.tokens.trusted_issuer import TrustedIssuer
from headgate.config import Issuer
from headgate.policy import Roles

NOW: Final = 1_800_000_000
_PRIVATE: Final = ec.derive_private_key(0x5EED, ec.SECP256R1())  # of the issuer of this test
_KEY: Final = ECKey.import_key(_PRIVATE.public_key())
_KEYS: Final = read_key_set(
    json.dumps({"keys": [{**_KEY.as_dict(), "kid": "k", "alg": "ES256"}]}).encode()
)
_ISSUER: Final = TrustedIssuer(
    "ci",
    Issuer.model_validate(
        {
            "issuer": "https://idp.example",
            "audience": ["gate"],
            "rules": [{"when": {"sub": ["job-*"]}, "roles": ["viewer"]}],
            "jwks_url": "https://idp.example/jwks",
        }
    ),
    Roles(),
)


def token(data: bytes) -> str:
    """A token, from its form to the roles of its holder."""
    kind, _, rest = data.partition(b"\n")
    text = rest.decode("latin-1") if kind == b"raw" else _signed(kind, rest)
    if not looks_like_token(text):
        return "refused: no token"
    try:
        principal, algorithm = _accepted(text)
    except TokenRefusedError as error:
        refusal = error.refusal
        assert refusal.message.isascii()
        assert refusal.message.isprintable()
        assert len(refusal.message) < 400
        return f"refused: {refusal.reason} {refusal.message[:60]}"
    _check(text, principal)
    return f"accepted {algorithm}"


def _accepted(text: str) -> tuple[str, str]:
    """The id of the principal, and the algorithm."""
    read = read_token(text)
    if read.issuer != "https://idp.example":
        return "", "of another issuer"
    _ISSUER.check_algorithm(read)
    key = _ISSUER.key_of(read, _KEYS)
    if key is None:
        return "", "with an unknown key"
    _ISSUER.check_signature(read, key)
    _ISSUER.check_claims(read, NOW)
    return _ISSUER.principal_of(read, "c").id, read.algorithm


def _check(text: str, principal: str) -> None:
    """Hold what was accepted to joserfc."""
    if not principal:
        return
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    registry.max_header_length = 16 * 1024
    found = jws.deserialize_compact(text, _KEY, registry=registry)
    claims = json.loads(found.payload)
    JWTClaimsRegistry(
        now=NOW,
        leeway=60,
        iss={"essential": True, "value": "https://idp.example"},
        aud={"essential": True, "value": "gate"},
        exp={"essential": True},
        sub={"essential": True},
    ).validate(claims)
    assert claims["exp"] > NOW
    assert principal.startswith("ci:job-")
    assert principal.isascii()
    assert principal.isprintable()
    assert " " not in principal
    assert found.headers()["alg"] == "ES256"


def _signed(header: bytes, claims: bytes) -> str:
    data = b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in (header, claims))
    first, second = decode_dss_signature(_PRIVATE.sign(data, ec.ECDSA(hashes.SHA256())))
    signature = first.to_bytes(32, "big") + second.to_bytes(32, "big")
    return (data + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()
