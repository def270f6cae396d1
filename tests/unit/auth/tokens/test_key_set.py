"""The signing keys of an issuer, and which of them are used."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from headgate.auth.tokens.key_set import MOST_KEYS, read_key_set
from headgate.errors import HeadgateError
from tests.support.signing import as_json, encode, new_key

RSA = new_key("r", "RS256").public_jwk()
EC = new_key("e", "ES256").public_jwk()
EC384 = new_key("e3", "ES384").public_jwk()
ED = new_key("d", "EdDSA").public_jwk()


def document(*keys: Any) -> bytes:
    return as_json({"keys": list(keys)})


def without(jwk: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: each for name, each in jwk.items() if name not in names}


def weak(bits: int) -> dict[str, Any]:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    return RSA | {"kid": f"weak-{bits}", "n": encode(numbers.n.to_bytes(bits // 8, "big"))}


@pytest.mark.parametrize(
    ("jwk", "algorithms"),
    [
        (RSA, {"RS256"}),
        (EC, {"ES256"}),
        (EC384, {"ES384"}),
        (ED, {"EdDSA"}),
        (ED | {"alg": "Ed25519"}, {"EdDSA"}),
        (without(RSA, "alg"), {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        (without(RSA, "use") | {"key_ops": ["verify"]}, {"RS256"}),
        (without(EC384, "alg", "use", "kid"), {"ES384"}),
    ],
)
def test_the_algorithms_follow_from_the_key(jwk: dict[str, Any], algorithms: set[str]) -> None:
    (key,) = read_key_set(document(jwk)).keys
    assert key.algorithms == algorithms


@pytest.mark.parametrize(
    ("jwk", "why"),
    [
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "s"}, "secret"),
        (RSA | {"d": "AQAB"}, "secret"),
        (EC | {"d": "AQAB"}, "secret"),
        (RSA | {"k": "AQAB"}, "secret"),
        (weak(1024), "1024 bits"),
        (RSA | {"n": encode((2**8193 + 1).to_bytes(1025, "big"))}, "8194 bits"),
        (RSA | {"n": encode((2**2047).to_bytes(256, "big"))}, "even"),
        (RSA | {"e": "Aw"}, "exponent"),
        (RSA | {"e": "AQAA"}, "exponent"),
        (RSA | {"e": encode((2**64 + 1).to_bytes(9, "big"))}, "exponent"),
        (RSA | {"n": 5}, "n or e"),
        (without(RSA, "e"), "n or e"),
        (RSA | {"kid": 5}, "kid"),
        (RSA | {"kid": "x" * 257}, "kid"),
        (EC | {"x": "AQAB"}, "no valid key"),
        (EC | {"x": "!"}, "no valid key"),
        (ED | {"x": "AQAB"}, "no valid key"),
        ("text", "no JSON object"),
        (None, "no JSON object"),
    ],
)
def test_a_broken_key_is_left_out_and_reported(jwk: Any, why: str) -> None:
    found = read_key_set(document(jwk, EC384))
    assert [each.kid for each in found.keys] == ["e3"]
    (reported,) = found.unusable
    assert why in reported


@pytest.mark.parametrize(
    "jwk",
    [
        RSA | {"use": "enc"},
        RSA | {"key_ops": ["encrypt"]},
        RSA | {"key_ops": "verify"},
        RSA | {"alg": "RSA-OAEP"},
        RSA | {"alg": "ES256"},
        RSA | {"alg": ["RS256"]},
        EC | {"alg": "RS256"},
        EC | {"alg": "HS256"},
        EC | {"crv": "secp256k1"},
        EC | {"crv": "P-521", "alg": "ES512"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": ["RSA"], "n": "AQAB", "e": "AQAB"},
        {},
    ],
)
def test_a_key_for_another_use_is_passed_over(jwk: dict[str, Any]) -> None:
    found = read_key_set(document(jwk, EC384))
    assert [each.kid for each in found.keys] == ["e3"]
    assert found.unusable == ()


def test_no_two_keys_can_be_mistaken() -> None:
    """One name may stand for keys of several types, as RFC 7517 section 4.5 has it."""
    other = new_key("e", "ES256").public_jwk()
    found = read_key_set(document(EC, other, RSA | {"kid": "e"}))
    assert [each.algorithms for each in found.keys] == [{"ES256"}, {"RS256"}]
    assert "same name" in found.unusable[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the key set "),
        (b"[]", "the key set "),
        (b"<html>", "the key set "),
        (b'{"keys":[],"keys":[]}', "twice"),
        (b"[" * 100_000, "the key set "),
        (b"\xff", "the key set "),
        (b"{}", "no list 'keys'"),
        (b'{"keys":{}}', "no list 'keys'"),
        (b'{"keys":[]}', "no key that can be used"),
        (document({"kty": "oct", "k": "a"}), "secret"),
        (document(*[EC] * (MOST_KEYS + 1)), "101 keys"),
    ],
)
def test_what_is_no_key_set(content: bytes, why: str) -> None:
    with pytest.raises(HeadgateError, match=why):
        read_key_set(content)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
members = st.dictionaries(
    st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y", "d", "k"]),
    st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "sig", RSA["n"], "AQAB", EC["x"]])
    | values,
)


@given(st.lists(members | values, max_size=4))
def test_anything_is_read_or_refused(keys: list[Any]) -> None:
    try:
        found = read_key_set(json.dumps({"keys": keys}).encode())
    except HeadgateError:
        return
    assert found.keys
    for each in found.keys:
        assert each.algorithms
        assert not each.verifies(next(iter(each.algorithms)), b"signed", b"signature")


def test_the_fingerprints_tell_names_and_keys_apart() -> None:
    one = read_key_set(document(EC)).fingerprints
    assert read_key_set(document(EC | {"x5t": "a"})).fingerprints == one
    assert read_key_set(document(EC | {"kid": "other"})).fingerprints != one
