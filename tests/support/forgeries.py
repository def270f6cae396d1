"""Tokens that no gate may accept, and the reason code with which it must refuse each.

Each forgery starts from a token that would be accepted: one thing is wrong with it, and nothing
else.  ``FORGERIES`` is the list for every issuer; strangers, who hold good tokens of the same
issuer, are in ``issued_tokens.py``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.support.issued_tokens import Platform
from tests.support.issuers import Issuer
from tests.support.signing import (
    SigningKey,
    as_json,
    encode,
    new_key,
    signed,
    signed_with_secret,
    signing_input,
)

HOUR: Final = 3600.0


@dataclass(frozen=True)
class Attack:
    """What an attacker works with: an issuer of the configuration, another one, and the time."""

    platform: Platform
    issuer: Issuer
    other: Issuer
    now: float

    @property
    def header(self) -> dict[str, Any]:
        """The header of a good token."""
        return self.platform.signed_header(self.issuer)

    @property
    def key(self) -> SigningKey:
        """The issuer's signing key."""
        return self.issuer.keys[0]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token, some of them changed; ``None`` removes one."""
        return self.platform.claims_at(self.now, changes)

    def good(self) -> str:
        """A token that is accepted."""
        return signed(self.header, self.claims(), self.key)

    def with_claims(self, **changes: Any) -> str:
        """A token whose signature is right."""
        return signed(self.header, self.claims(**changes), self.key)

    def with_header(self, **changes: Any) -> str:
        """A token whose signature is right, with another header; ``None`` removes a parameter."""
        header = {name: each for name, each in (self.header | changes).items() if each is not None}
        return signed(header, self.claims(), self.key)

    def with_json(self, more: str) -> str:
        """A token whose signature is right, with ``more`` written at the end of its claims."""
        text = as_json(self.claims()).decode()
        return signed(self.header, f"{text[:-1]},{more}}}".encode(), self.key)


@dataclass(frozen=True)
class Forgery:
    """One token, and the codes with which it may be refused."""

    title: str
    make: Callable[[Attack], str]
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return self.title


def _unsigned(attack: Attack, algorithm: str) -> str:
    header = attack.header | {"alg": algorithm}
    return f"{signing_input(header, attack.claims())}."


def _hmac(attack: Attack, secret: bytes) -> str:
    return signed_with_secret(attack.header | {"alg": "HS256"}, attack.claims(), secret)


def _of_other_issuer(attack: Attack) -> str:
    """The other issuer signs what only this one may say."""
    key = attack.other.keys[0]
    return signed(attack.header | {"kid": key.kid, "alg": key.algorithm}, attack.claims(), key)


@functools.cache
def _strangers_key(algorithm: str) -> SigningKey:
    """Made once: it takes a tenth of a second."""
    return new_key("mallory", algorithm)


def _own_key(attack: Attack, **header: Any) -> str:
    """Signed with the attacker's own key of the right type, which the header brings."""
    own = replace(_strangers_key(attack.key.algorithm), kid=attack.key.kid)
    jwk = own.public_jwk()
    brought = {name: (jwk if each is ... else each) for name, each in header.items()}
    return signed(attack.header | brought, attack.claims(), own)


def _flipped(token: str) -> str:
    """The same with one bit of the signature changed, in the middle of it."""
    data, _, signature = token.rpartition(".")
    at = len(signature) // 2
    return f"{data}.{signature[:at]}{'A' if signature[at] != 'A' else 'B'}{signature[at + 1 :]}"


def _swapped(attack: Attack) -> str:
    """The signature of one good token under the claims of another."""
    data = signing_input(attack.header, attack.claims(jti="another"))
    return f"{data}.{attack.good().rpartition('.')[2]}"


def _crossed(attack: Attack) -> str:
    """Another algorithm in the header than the key's type has."""
    algorithm = "ES256" if attack.key.algorithm.startswith("RS") else "RS256"
    return attack.with_header(alg=algorithm)


def _other_digest(attack: Attack) -> str:
    """An algorithm of the right key type that the issuer does not use."""
    header = attack.header | {"alg": "PS256"}
    data = signing_input(header, attack.claims())
    if attack.key.algorithm == "ES384":
        return signed(header | {"alg": "ES256"}, attack.claims(), _strangers_key("ES256"))
    return f"{data}.{encode(attack.key.sign(data.encode(), 'PS256'))}"


def _twice(attack: Attack, name: str, value: object) -> str:
    """A claim that stands in the token twice, once as it should be."""
    return attack.with_json(f"{json.dumps(name)}:{json.dumps(value)}")


def _deep(attack: Attack) -> str:
    return attack.with_json('"deep":' + "[" * 5_000 + "]" * 5_000)


def _stray(attack: Attack) -> str:
    """The last character of a part says bits that are thrown away; RFC 4648 section 3.5."""
    token = attack.good()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    head, claims, signature = token.split(".")
    # 96 and 256 octets: the former has no stray bits, so that the header is changed there.
    if len(signature) % 4 == 0:
        return f"{head}{'A'}.{claims}.{signature}"
    last = alphabet[alphabet.index(signature[-1]) ^ 1]
    return f"{head}.{claims}.{signature[:-1]}{last}"


def _raw(attack: Attack, name: str, text: str) -> str:
    """A claim with a value that Python's ``json`` would not write."""
    claims = as_json(attack.claims(**{name: "@"})).decode().replace('"@"', text)
    return signed(attack.header, claims.encode(), attack.key)


_MALFORMED: Final = ("token_malformed",)
_ALGORITHM: Final = ("token_algorithm",)
_SIGNATURE: Final = ("token_signature",)


FORGERIES: Final = (
    # --- whose it is, and when -----------------------------------------------------------------
    Forgery(
        "another audience",
        lambda a: a.with_claims(aud="https://other.example"),
        ("token_audience",),
    ),
    Forgery(
        "the audience with a slash more",
        lambda a: a.with_claims(aud=f"{a.platform.audience}/"),
        ("token_audience",),
    ),
    Forgery(
        "no audience", lambda a: a.with_claims(aud=None), ("token_audience", "token_malformed")
    ),
    Forgery(
        "an audience that is an empty list",
        lambda a: a.with_claims(aud=[]),
        ("token_audience", "token_malformed"),
    ),
    Forgery(
        "an audience that is an object",
        lambda a: a.with_claims(aud={a.platform.audience: 1}),
        ("token_audience", "token_malformed"),
    ),
    Forgery(
        "expired",
        lambda a: replace(a, now=a.now - a.platform.life - HOUR).good(),
        ("token_expired",),
    ),
    Forgery(
        "not yet valid",
        lambda a: a.with_claims(nbf=int(a.now + HOUR), exp=int(a.now + 1.5 * HOUR)),
        ("token_not_yet_valid",),
    ),
    Forgery(
        "issued in an hour", lambda a: replace(a, now=a.now + HOUR).good(), ("token_not_yet_valid",)
    ),
    Forgery(
        "valid for a month",
        lambda a: a.with_claims(exp=int(a.now + 30 * 24 * HOUR)),
        ("token_life",),
    ),
    Forgery(
        "valid for a month, it says no since when",
        lambda a: a.with_claims(exp=int(a.now + 30 * 24 * HOUR), iat=None, nbf=None),
        ("token_life", "token_malformed"),
    ),
    Forgery("no expiry", lambda a: a.with_claims(exp=None), _MALFORMED),
    Forgery(
        "another issuer", lambda a: a.with_claims(iss="https://issuer.example"), ("token_issuer",)
    ),
    Forgery(
        "the issuer with a slash more",
        lambda a: a.with_claims(iss=f"{a.platform.issuer}/"),
        ("token_issuer",),
    ),
    Forgery(
        "the issuer in capitals",
        lambda a: a.with_claims(iss=a.platform.issuer.upper()),
        ("token_issuer",),
    ),
    Forgery("no issuer", lambda a: a.with_claims(iss=None), ("token_issuer", "token_malformed")),
    Forgery(
        "an issuer that is a list",
        lambda a: a.with_claims(iss=[a.platform.issuer]),
        ("token_issuer", "token_malformed"),
    ),
    # --- algorithms and keys -------------------------------------------------------------------
    Forgery("alg none", lambda a: _unsigned(a, "none"), _ALGORITHM),
    Forgery("alg nOnE", lambda a: _unsigned(a, "nOnE"), _ALGORITHM),
    Forgery("alg none, with the signature", lambda a: a.with_header(alg="none"), _ALGORITHM),
    Forgery("no alg", lambda a: a.with_header(alg=None), ("token_algorithm", "token_malformed")),
    Forgery(
        "an alg that is a list",
        lambda a: a.with_header(alg=[a.key.algorithm]),
        ("token_algorithm", "token_malformed"),
    ),
    Forgery("HS256 with the public key as PEM", lambda a: _hmac(a, a.key.public_pem()), _ALGORITHM),
    Forgery(
        "HS256 with the public key as JWK",
        lambda a: _hmac(a, as_json(a.key.public_jwk())),
        _ALGORITHM,
    ),
    Forgery("HS256 with an empty secret", lambda a: _hmac(a, b""), _ALGORITHM),
    Forgery("an algorithm of another key type", _crossed, _ALGORITHM),
    Forgery("an algorithm that the issuer does not use", _other_digest, _ALGORITHM),
    Forgery(
        "signed by another issuer, with its kid",
        _of_other_issuer,
        ("token_key_unknown", "token_algorithm"),
    ),
    Forgery("an unknown kid", lambda a: a.with_header(kid="unknown"), ("token_key_unknown",)),
    Forgery(
        "no kid, signed by a stranger",
        lambda a: signed(
            {k: v for k, v in a.header.items() if k != "kid"},
            a.claims(),
            _strangers_key(a.key.algorithm),
        ),
        ("token_key_unknown", "token_malformed", "token_signature"),
    ),
    Forgery(
        "a kid that is a path",
        lambda a: a.with_header(kid="../../etc/passwd"),
        ("token_key_unknown",),
    ),
    Forgery(
        "a kid that is a number",
        lambda a: a.with_header(kid=1),
        ("token_malformed", "token_key_unknown"),
    ),
    Forgery("the kid, signed by a stranger", _own_key, _SIGNATURE),
    Forgery(
        "a JWK in the header",
        lambda a: _own_key(a, jwk=...),
        ("token_malformed", "token_signature"),
    ),
    Forgery(
        "a JWK in the header, no kid",
        lambda a: _own_key(a, jwk=..., kid=""),
        ("token_malformed", "token_key_unknown"),
    ),
    Forgery(
        "jku in the header",
        lambda a: _own_key(a, jku="https://mallory.example/jwks"),
        ("token_malformed", "token_signature"),
    ),
    Forgery(
        "x5u in the header",
        lambda a: _own_key(a, x5u="https://mallory.example/cert"),
        ("token_malformed", "token_signature"),
    ),
    Forgery(
        "x5c in the header",
        lambda a: _own_key(a, x5c=["MIIB"]),
        ("token_malformed", "token_signature"),
    ),
    Forgery("crit in the header", lambda a: a.with_header(crit=["exp"], exp=1), _MALFORMED),
    Forgery("crit with nothing in it", lambda a: a.with_header(crit=[]), _MALFORMED),
    Forgery("b64 false", lambda a: a.with_header(b64=False, crit=["b64"]), _MALFORMED),
    Forgery("b64 false, not crit", lambda a: a.with_header(b64=False), _MALFORMED),
    Forgery("compressed", lambda a: a.with_header(zip="DEF"), ("token_malformed",)),
    # --- signatures ----------------------------------------------------------------------------
    Forgery("a wrong signature", lambda a: _flipped(a.good()), _SIGNATURE),
    Forgery("the signature of another token", _swapped, _SIGNATURE),
    Forgery(
        "half a signature",
        lambda a: a.good()[: -(len(a.good().rpartition(".")[2]) // 2 // 4 * 4)],
        ("token_signature", "token_malformed"),
    ),
    Forgery(
        "no signature",
        lambda a: a.good().rpartition(".")[0] + ".",
        ("token_signature", "token_malformed"),
    ),
    Forgery(
        "a signature of zeros",
        lambda a: (
            a.good().rpartition(".")[0]
            + "."
            + encode(bytes(96 if a.key.algorithm == "ES384" else 256))
        ),
        _SIGNATURE,
    ),
    # --- form ----------------------------------------------------------------------------------
    Forgery("five parts, as encrypted tokens have", lambda a: a.good() + ".AAAA.AAAA", _MALFORMED),
    Forgery("padding after a part", lambda a: a.good() + "==", _MALFORMED),
    Forgery("stray bits after the signature", _stray, _MALFORMED),
    Forgery("claims that are a list", lambda a: signed(a.header, b"[1]", a.key), _MALFORMED),
    Forgery("claims that are no JSON", lambda a: signed(a.header, b"{", a.key), _MALFORMED),
    Forgery(
        "claims that are no UTF-8", lambda a: signed(a.header, b'{"iss":"\xff"}', a.key), _MALFORMED
    ),
    Forgery("claims 5,000 deep", _deep, _MALFORMED),
    Forgery("exp twice", lambda a: _twice(a, "exp", int(a.now + HOUR)), _MALFORMED),
    Forgery("aud twice", lambda a: _twice(a, "aud", a.platform.audience), _MALFORMED),
    Forgery("sub twice", lambda a: _twice(a, "sub", "somebody"), _MALFORMED),
    Forgery(
        "exp twice, once with an escape",
        lambda a: a.with_json(f'"\\u0065xp":{int(a.now + HOUR)}'),
        _MALFORMED,
    ),
    Forgery(
        "alg twice in the header",
        lambda a: signed(as_json(a.header)[:-1] + b',"alg":"none"}', a.claims(), a.key),
        _MALFORMED,
    ),
    Forgery("exp as text", lambda a: a.with_claims(exp=str(int(a.now + HOUR))), _MALFORMED),
    Forgery("exp true", lambda a: a.with_claims(exp=True), ("token_malformed", "token_expired")),
    Forgery("exp not a number", lambda a: a.with_claims(exp=float("nan")), _MALFORMED),
    Forgery("exp infinite", lambda a: a.with_claims(exp=float("inf")), _MALFORMED),
    Forgery(
        "exp too large for a float",
        lambda a: _raw(a, "exp", "1e999"),
        ("token_malformed", "token_life"),
    ),
    Forgery(
        "exp with 5,000 digits",
        lambda a: _raw(a, "exp", "9" * 5_000),
        ("token_malformed", "token_life"),
    ),
    Forgery(
        "exp below zero", lambda a: a.with_claims(exp=-1), ("token_expired", "token_malformed")
    ),
    Forgery("iat as text", lambda a: a.with_claims(iat="now"), _MALFORMED),
    Forgery("nbf as text", lambda a: a.with_claims(nbf="now"), _MALFORMED),
)


def strangers_of(attack: Attack) -> Mapping[str, str]:
    """By a title, the good tokens of others at the same issuer."""
    return {
        title: signed(attack.header, attack.platform.claims_at(attack.now, changes), attack.key)
        for title, changes in attack.platform.strangers.items()
    }
