"""What the issuers of the tests sign is what another library verifies."""

from __future__ import annotations

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.support.forgeries import FORGERIES, Attack
from tests.support.issued_tokens import PLATFORMS, Platform
from tests.support.issuers import Issuer, claims_of
from tests.support.signing import new_key

NOW = 1_800_000_000.0


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "Ed25519"])
def test_a_token_is_verified_with_the_published_key(algorithm: str) -> None:
    issuer = Issuer("https://issuer.example", "http://127.0.0.1:1", new_key("k", algorithm))
    token = issuer.token({"iss": issuer.name, "sub": "me"})
    published = KeySet.import_key_set({"keys": [key.public_jwk() for key in issuer.keys]})
    decoded = jwt.decode(token, published, algorithms=[algorithm])
    assert decoded.claims == {"iss": issuer.name, "sub": "me"} == claims_of(token)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_each_forgery_differs_from_a_good_token(platform: Platform) -> None:
    issuer, other = (
        Issuer(name, "http://127.0.0.1:1", new_key(f"kid of {name}", platform.algorithm))
        for name in (platform.issuer, "https://other.example")
    )
    attack = Attack(platform, issuer, other, NOW)
    good = attack.good()
    assert len({each.title for each in FORGERIES}) == len(FORGERIES)
    assert all(each.make(attack) != good for each in FORGERIES)
