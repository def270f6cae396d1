"""Where the keys of an issuer come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headgate.auth.tokens.key_source import KeySource
from headgate.errors import HeadgateError
from tests.support.signing import as_json, new_key
from tests.support.token_gate import settings

KEYS = as_json({"keys": [new_key("k", "ES256").public_jwk()]})
ISSUER = "https://idp.example/realm"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"


class Web:
    """Documents by their URL; remembers what was sent with each request."""

    def __init__(self, pages: Mapping[str, bytes]) -> None:
        self.pages = pages
        self.asked: list[tuple[str, dict[str, str]]] = []

    def fetch(self, url: str, _ca: Path | None, fields: Mapping[str, str]) -> bytes:
        self.asked.append((url, dict(fields)))
        return self.pages[url]


def described(issuer: str = ISSUER, jwks: Any = "https://keys.example/jwks") -> bytes:
    return as_json({"issuer": issuer, "jwks_uri": jwks})


def test_discovery_leads_to_the_keys_on_any_host() -> None:
    web = Web({DISCOVERY: described(), "https://keys.example/jwks": KEYS})
    found = KeySource(settings(ISSUER), web.fetch).read()
    assert [each.kid for each in found.keys] == ["k"]
    assert [url for url, _ in web.asked] == [DISCOVERY, "https://keys.example/jwks"]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (described("https://idp.example"), "describes another issuer"),
        (described(f"{ISSUER}/"), "describes another issuer"),
        (as_json({"jwks_uri": "https://keys.example/jwks"}), "describes another issuer"),
        (b"<html>", "is not JSON"),
        (described(jwks=None), "no 'jwks_uri'"),
        (described(jwks="http://keys.example/jwks"), "begins with https"),
        (described(jwks="http://127.0.0.1/jwks"), "begins with https"),
        (described(jwks="file:///etc/passwd"), "begins with https"),
        (described(jwks="https://"), "begins with https"),
        (described(jwks="https://[::1"), "begins with https"),
        (described(jwks="https://keys.example:99999/"), "begins with https"),
    ],
)
def test_a_document_that_leads_astray(document: bytes, why: str) -> None:
    with pytest.raises(HeadgateError, match=why):
        KeySource(settings(ISSUER), Web({DISCOVERY: document}).fetch).read()


def test_plain_http_stays_on_this_machine() -> None:
    issuer = "http://127.0.0.1:8000"
    page = f"{issuer}/.well-known/openid-configuration"
    web = Web({page: described(issuer, f"{issuer}/jwks"), f"{issuer}/jwks": KEYS})
    assert KeySource(settings(issuer), web.fetch).read().keys
    web = Web({page: described(issuer, "http://10.0.0.1/jwks")})
    with pytest.raises(HeadgateError, match="begins with https"):
        KeySource(settings(issuer), web.fetch).read()


def test_a_url_of_keys_needs_no_discovery() -> None:
    web = Web({"https://keys.example/jwks": KEYS})
    made = KeySource(settings("our-ci", jwks_url="https://keys.example/jwks"), web.fetch)
    assert made.read().keys
    assert made.place == "https://keys.example/jwks"


def test_the_token_goes_to_the_place_of_the_configuration_alone(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    web = Web({DISCOVERY: described(), "https://keys.example/jwks": KEYS})
    KeySource(settings(ISSUER, token_file=file), web.fetch).read()
    assert web.asked == [
        (DISCOVERY, {"Authorization": "Bearer secret"}),
        ("https://keys.example/jwks", {}),
    ]
    here = f"{ISSUER}/jwks"
    web = Web({DISCOVERY: described(jwks=here), here: KEYS})
    KeySource(settings(ISSUER, token_file=file), web.fetch).read()
    assert all(fields for _, fields in web.asked)


@pytest.mark.parametrize("content", ["", "\n", "a b\r\nX-Evil: 1", "é"])
def test_a_file_without_a_token(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(HeadgateError, match="no token"):
        KeySource(settings(ISSUER, token_file=file), Web({}).fetch).read()
    file.unlink()
    with pytest.raises(HeadgateError, match="cannot be read"):
        KeySource(settings(ISSUER, token_file=file), Web({}).fetch).read()


def test_keys_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    made = KeySource(settings("our-ci", jwks_file=file))
    with pytest.raises(HeadgateError, match="cannot be read"):
        made.read()
    file.write_bytes(b"{")
    with pytest.raises(HeadgateError, match=str(file)):
        made.read()
    file.write_bytes(KEYS)
    assert made.read().keys
    assert made.place == str(file)


def test_it_is_the_same_place_while_what_leads_there_is() -> None:
    made = KeySource(settings(ISSUER))
    assert made.is_for(settings(ISSUER, leeway=1, discovery_url=DISCOVERY))
    assert not made.is_for(settings(ISSUER, jwks_url=DISCOVERY))
    assert not made.is_for(settings(f"{ISSUER}/"))
    assert not made.is_for(settings(ISSUER, ca=Path("/ca.pem")))
