"""Finding the key in a request's headers."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.auth import refusals
from headgate.auth.credentials import Scheme, read_credentials
from headgate.auth.keys.form import PREFIX
from headgate.errors import Refusal
from headgate.wire.request_fields import CredentialFields


def shown(authorization: bytes | None, api_key: bytes | None) -> str | Refusal:
    """The token that a request shows, or why its fields have no single meaning."""
    read = read_credentials(CredentialFields(authorization, api_key))
    assert (read.scheme is None) == (not read.token)
    return read.malformed or read.token


visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
user_names = st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"])).filter(
    lambda name: not name.startswith(PREFIX)  # that would be a key in the wrong place
)


def basic(pair: bytes, scheme: bytes = b"Basic ") -> bytes:
    return scheme + base64.b64encode(pair)


@given(visible, st.sampled_from([b"Bearer ", b"bearer ", b"BEARER   ", b" Bearer "]))
def test_bearer_in_any_case(key: str, scheme: bytes) -> None:
    assert shown(scheme + key.encode() + b" ", None) == key


@given(visible, user_names, st.sampled_from([b"Basic ", b"basic ", b"bASIC   "]))
def test_basic_password_with_any_user_name(key: str, user: str, scheme: bytes) -> None:
    """Colons after the first belong to the password (RFC 7617 section 2)."""
    assert shown(basic(f"{user}:{key}".encode(), scheme), None) == key


@pytest.mark.parametrize(
    "user",
    ["jürgen".encode("latin-1"), "ana€".encode("cp1252"), "名".encode(), b"\xff\x00", b"hg_x"],
)
def test_basic_with_a_user_name_in_any_coding(user: bytes) -> None:
    """Requests sends Latin-1 (RFC 7617 section 2 leaves the coding to the two sides)."""
    assert shown(basic(user + b":hg_key"), None) == "hg_key"


@given(visible)
def test_x_api_key(key: str) -> None:
    assert shown(None, b"\t" + key.encode() + b" ") == key


@given(visible)
def test_the_same_key_in_both_headers_is_one_key(key: str) -> None:
    assert shown(b"Bearer " + key.encode(), key.encode()) == key
    assert shown(basic(b"u:" + key.encode()), key.encode()) == key


@pytest.mark.parametrize(
    ("authorization", "refusal"),
    [
        (b"", refusals.SCHEME_MISSING),
        (b"  \t", refusals.SCHEME_MISSING),
        (b"hg_key_without_scheme", refusals.SCHEME_MISSING),
        (b"Digest username=x", refusals.SCHEME_UNKNOWN),
        (b"Bearer\tx y", refusals.SCHEME_UNKNOWN),
        (b"Bearer", refusals.BEARER_EMPTY),
        (b"Bearer  ", refusals.BEARER_EMPTY),
        (b"Basic !", refusals.BASIC_NOT_BASE64),
        (b"Basic dTpr=", refusals.BASIC_NOT_BASE64),
        (b"Basic dTp", refusals.BASIC_NOT_BASE64),
        (b"Basic dTprYR==", refusals.BASIC_NOT_BASE64),
        (b"Basic dTpr dTpr", refusals.BASIC_NOT_BASE64),
        (b"Basic dTpw\xe9", refusals.BASIC_NOT_BASE64),
        (b"Basic dTpr_-8=", refusals.BASIC_NOT_BASE64),
        (b"Basic", refusals.BASIC_NO_COLON),
        (basic(b"only-a-name"), refusals.BASIC_NO_COLON),
        (basic(b"user:"), refusals.BASIC_NO_PASSWORD),
        (basic(b"hg_a-key-as-user:"), refusals.BASIC_KEY_AS_USER),
        (basic(b"hg_a-key-as-user:x"), refusals.BASIC_KEY_AS_USER),
    ],
)
def test_malformed_authorization_is_named(authorization: bytes, refusal: Refusal) -> None:
    """A good ``X-API-Key`` does not make up for it."""
    assert shown(authorization, None) == refusal
    assert shown(authorization, b"key") == refusal


def test_no_header_is_no_token() -> None:
    assert shown(None, None) == ""


@pytest.mark.parametrize("authorization", [None, b"Bearer key"])
def test_an_empty_x_api_key_is_refused(authorization: bytes | None) -> None:
    assert shown(authorization, b" ") == refusals.API_KEY_EMPTY


@pytest.mark.parametrize("authorization", [b"Bearer one", basic(b"u:one")])
def test_two_different_keys_are_ambiguous(authorization: bytes) -> None:
    assert shown(authorization, b"other") == refusals.AMBIGUOUS


def test_how_the_token_is_shown_and_the_cookies_are_kept() -> None:
    def scheme(authorization: bytes | None, api_key: bytes | None) -> Scheme | None:
        return read_credentials(CredentialFields(authorization, api_key)).scheme

    assert scheme(b"Bearer x", None) is Scheme.BEARER
    assert scheme(basic(b"u:x"), b"x") is Scheme.BASIC
    assert scheme(None, b"x") is Scheme.API_KEY
    assert read_credentials(CredentialFields(None, None, b"a=1; b=2")).cookie == b"a=1; b=2"
    assert read_credentials(CredentialFields(b"", None, b"a=1")).cookie == b"a=1"
