"""Who sends a request."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.auth import refusals
from headgate.auth.authenticator import Anonymous, Authenticate, Authenticator
from headgate.auth.key import digest, mint
from headgate.auth.keyring import Keyring
from headgate.errors import Refusal
from headgate.model import AuthMethod, Principal
from headgate.policy import Roles
from headgate.stores import KeyRecord

NOW = 1_000.0
KEY = mint(b"k" * 32)
HOLDER = Principal("k_00000001", "ci", AuthMethod.KEY)
ROW = KeyRecord(id=HOLDER.id, name=HOLDER.name, digest=digest(KEY), created_at=0)

header_values = st.none() | st.binary(max_size=300)


def knowing(*rows: KeyRecord) -> Authenticator:
    return Authenticator(Keyring.empty().with_rows(rows, NOW))


def bearer(key: str) -> bytes:
    return b"Bearer " + key.encode()


def basic(pair: bytes) -> bytes:
    return b"Basic " + base64.b64encode(pair)


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (bearer(KEY), None),
        (basic(b"anybody:" + KEY.encode()), None),
        (None, KEY.encode()),
        (bearer(KEY), KEY.encode()),
    ],
    ids=["bearer", "basic", "x-api-key", "both"],
)
def test_a_known_key_names_its_holder(authorization: bytes | None, api_key: bytes | None) -> None:
    assert knowing(ROW).authenticate(authorization, api_key, NOW) == HOLDER


def test_the_holder_has_what_the_roles_of_the_key_grant() -> None:
    answer = knowing(replace(ROW, roles=("viewer",))).authenticate(bearer(KEY), None, NOW)
    assert isinstance(answer, Principal)
    assert answer.grants == Roles().grants_for("ci", ["viewer"])


def test_before_the_first_load_nobody_passes() -> None:
    assert Authenticator().authenticate(bearer(KEY), None, NOW) == refusals.UNKNOWN


@pytest.mark.parametrize(
    ("presented", "refusal"),
    [
        (mint(b"x" * 32), refusals.UNKNOWN),
        (KEY[:-1], refusals.TYPO),
        (KEY.swapcase().replace("HG_", "hg_"), refusals.TYPO),
        ("password", refusals.FOREIGN),
        ("é", refusals.FOREIGN),
    ],
)
def test_a_key_that_is_not_known_is_told_apart(presented: str, refusal: Refusal) -> None:
    authenticator = knowing(ROW)
    assert authenticator.authenticate(bearer(presented), None, NOW) == refusal
    assert authenticator.authenticate(basic(b"u:" + presented.encode()), None, NOW) == refusal
    assert authenticator.authenticate(None, presented.encode(), NOW) == refusal


@pytest.mark.parametrize("password", [f" {KEY}", f"{KEY} ", f"{KEY}\n", f"{KEY}\x00", f"u:{KEY}"])
def test_a_basic_password_is_the_key_to_the_letter(password: str) -> None:
    answer = knowing(ROW).authenticate(basic(f"u:{password}".encode()), None, NOW)
    assert answer in (refusals.TYPO, refusals.FOREIGN)


def test_a_revoked_key_is_told_so_even_when_it_has_expired_too() -> None:
    revoked = replace(ROW, revoked_at=5, expires_at=6)
    answer = knowing(revoked).authenticate(bearer(KEY), None, NOW)
    assert answer == refusals.revoked(HOLDER)
    assert isinstance(answer, Refusal)
    assert "'ci' (k_00000001), was revoked" in answer.message


def test_a_key_ends_at_its_expiry_to_the_instant() -> None:
    authenticator = knowing(replace(ROW, expires_at=2_000))
    assert authenticator.authenticate(bearer(KEY), None, 1_999.9) == HOLDER
    assert authenticator.authenticate(bearer(KEY), None, 2_000) == refusals.expired(HOLDER)


def test_an_installed_keyring_changes_answer_and_generation() -> None:
    authenticator = knowing(ROW)
    before = authenticator.generation
    keyring = Keyring.empty().with_rows([ROW], NOW).with_rows([replace(ROW, revoked_at=5)], NOW)
    authenticator.install(keyring)
    assert authenticator.authenticate(bearer(KEY), None, NOW) == refusals.revoked(HOLDER)
    assert authenticator.generation == keyring.generation > before


@given(header_values, header_values)
def test_arbitrary_bytes_are_refused_and_never_raise(
    authorization: bytes | None, api_key: bytes | None
) -> None:
    assert isinstance(knowing(ROW).authenticate(authorization, api_key, NOW), Refusal)


@given(st.sampled_from([b"Bearer ", b"Basic ", b"basic\t", b"Bearer"]), st.binary(max_size=300))
def test_arbitrary_credentials_are_refused_and_never_raise(scheme: bytes, value: bytes) -> None:
    for credentials in (value, base64.b64encode(value), base64.b64encode(b"u:" + value)):
        assert isinstance(knowing(ROW).authenticate(scheme + credentials, None, NOW), Refusal)


@given(st.integers(0, len(KEY) - 1), st.binary(max_size=1))
def test_no_change_to_a_key_lets_it_pass(position: int, byte: bytes) -> None:
    """One byte replaced or removed."""
    changed = KEY.encode()[:position] + byte + KEY.encode()[position + 1 :]
    answer = knowing(ROW).authenticate(b"Bearer " + changed, None, NOW)
    assert (answer == HOLDER) == (changed == KEY.encode())


@given(st.text("ABCDEFGHJKQXZ0123456789", min_size=12))
def test_a_refusal_never_repeats_what_was_sent(canary: str) -> None:
    sent = [
        canary.encode(),
        b"Bearer " + canary.encode(),
        b"Bearer hg_" + canary.encode(),
        canary.encode() + b" x",
        basic(canary.encode()),
        basic(canary.encode() + b":" + canary.encode()),
        b"Basic " + canary.encode(),
    ]
    for value in sent:
        for answer in (
            knowing(ROW).authenticate(value, None, NOW),
            knowing(ROW).authenticate(None, value, NOW),
            knowing(ROW).authenticate(value, canary.encode(), NOW),
        ):
            assert isinstance(answer, Refusal)
            assert canary not in answer.message + answer.detail


@given(header_values, header_values)
def test_anonymous_lets_everybody_in_under_one_name(
    authorization: bytes | None, api_key: bytes | None
) -> None:
    answer = Anonymous().authenticate(authorization, api_key, NOW)
    assert isinstance(answer, Principal)
    assert answer == Principal("anonymous", "anonymous", AuthMethod.NONE)
    assert answer.grants == Roles().grants_for("anonymous", ["admin"])


def test_both_ways_to_authenticate_have_the_one_interface() -> None:
    ways: list[Authenticate] = [Anonymous(), Authenticator()]
    assert [way.generation for way in ways] == [0, 0]
