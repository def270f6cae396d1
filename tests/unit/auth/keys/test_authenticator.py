"""Who sends a request."""

from __future__ import annotations

import base64
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.auth import refusals
from headgate.auth.anonymous import Anonymous
from headgate.auth.chain import Authenticator, AuthenticatorChain, Identified
from headgate.auth.credentials import Credentials, Scheme
from headgate.auth.keys.authenticator import KeyAuthenticator
from headgate.auth.keys.break_glass import BreakGlassKeys, BreakGlassRule
from headgate.auth.keys.form import digest, mint
from headgate.auth.keys.keyring import Keyring
from headgate.errors import Refusal
from headgate.model import AuthMethod, Principal
from headgate.policy import Roles
from headgate.reasons import Reason
from headgate.stores import KeyRecord
from headgate.wire.request_fields import CredentialFields
from tests.support.keyrings import keyring_of, principal, put

NOW = 1_000.0
KEY = mint(b"k" * 32)
OWNER = principal(1, "team a")
HOLDER = Principal(OWNER.id, OWNER.name, AuthMethod.KEY, credential="k_00000001")
ROW = KeyRecord(id="k_00000001", name="ci", digest=digest(KEY), created_at=0, principal_id=OWNER.id)

header_values = st.none() | st.binary(max_size=300)


class Gate:
    """A chain of one authenticator, at a time that can be chosen."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._chain = AuthenticatorChain([authenticator], lambda: self._now)
        self._now = NOW

    def authenticate(
        self, authorization: bytes | None, api_key: bytes | None, now: float
    ) -> Principal | Refusal:
        self._now = now
        found = self._chain.authenticate(CredentialFields(authorization, api_key))
        assert isinstance(found, Identified | Refusal)
        return found.principal if isinstance(found, Identified) else found


def knowing(*rows: KeyRecord) -> Gate:
    return Gate(KeyAuthenticator(keyring_of(rows, [OWNER])))


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
    gate = Gate(KeyAuthenticator(Keyring()))
    assert gate.authenticate(bearer(KEY), None, NOW) == refusals.KEYS_NOT_READ


@pytest.mark.parametrize(
    ("presented", "refusal"),
    [
        (mint(b"x" * 32), refusals.UNKNOWN),
        (KEY[:-1], refusals.MISTYPED),
        (KEY.swapcase().replace("HG_", "hg_"), refusals.MISTYPED),
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
    assert answer in (refusals.MISTYPED, refusals.FOREIGN)


def test_a_revoked_key_is_reported_as_revoked_even_if_it_has_expired() -> None:
    revoked = replace(ROW, revoked_at=5, expires_at=6)
    answer = knowing(revoked).authenticate(bearer(KEY), None, NOW)
    assert answer == refusals.revoked("ci", "k_00000001")
    assert isinstance(answer, Refusal)
    assert "'ci' (k_00000001), was revoked" in answer.message


def test_a_key_ends_at_its_expiry_to_the_instant() -> None:
    authenticator = knowing(replace(ROW, expires_at=2_000))
    assert authenticator.authenticate(bearer(KEY), None, 1_999.9) == HOLDER
    assert authenticator.authenticate(bearer(KEY), None, 2_000) == refusals.expired(
        "ci", "k_00000001"
    )


@pytest.mark.parametrize(("expires_at", "end"), [(None, math.inf), (2_000, 2_000.0)])
def test_an_identity_is_good_until_the_key_ends(expires_at: int | None, end: float) -> None:
    keyring = keyring_of([replace(ROW, expires_at=expires_at)], [OWNER])
    found = KeyAuthenticator(keyring).authenticate(Credentials(KEY, Scheme.BEARER), NOW)
    assert isinstance(found, Identified)
    assert found.good_until == end


def test_responses_say_when_a_key_expires_from_the_notice_on() -> None:
    keyring = keyring_of([replace(ROW, expires_at=5_000)], [OWNER], notice=1_000)
    authenticator = KeyAuthenticator(keyring)
    credentials = Credentials(KEY, Scheme.BEARER)
    before = authenticator.authenticate(credentials, 3_999.0)
    assert isinstance(before, Identified)
    assert (before.good_until, before.principal.response_lines) == (4_000.0, b"")
    after = authenticator.authenticate(credentials, before.good_until)
    assert isinstance(after, Identified)
    assert after.good_until == 5_000.0
    lines = b"X-Headgate-Key-Expires: 1970-01-01T01:23:20Z\r\n"
    assert after.principal.response_lines == lines


def test_a_key_of_a_disabled_principal_is_refused_until_that_is_enabled() -> None:
    keyring = keyring_of([ROW], [OWNER])
    gate = Gate(KeyAuthenticator(keyring))
    put(keyring, [], [replace(OWNER, disabled_at=5)])
    refusal = gate.authenticate(bearer(KEY), None, NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.PRINCIPAL_DISABLED
    assert "'team a' (p_00000001), which is disabled" in refusal.message
    put(keyring, [], [OWNER])
    assert gate.authenticate(bearer(KEY), None, NOW) == HOLDER


def test_a_key_whose_principal_is_not_there_is_refused() -> None:
    refusal = Gate(KeyAuthenticator(keyring_of([ROW]))).authenticate(bearer(KEY), None, NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.PRINCIPAL_DISABLED


def test_keys_that_were_not_compared_for_too_long_are_refused() -> None:
    keyring = Keyring(max_stale=100)
    put(keyring, [ROW, replace(ROW, id="k_2", digest=b"2" * 32)], [OWNER])
    keyring.compared(NOW)
    gate = Gate(KeyAuthenticator(keyring))
    assert gate.authenticate(bearer(KEY), None, NOW + 99) == HOLDER
    assert gate.authenticate(bearer(KEY), None, NOW + 100) == refusals.KEYS_STALE
    unknown = bearer(mint(b"x" * 32))
    assert gate.authenticate(unknown, None, NOW + 100) == refusals.KEYS_STALE
    assert gate.authenticate(b"Bearer hg_x", None, NOW + 100) == refusals.MISTYPED
    keyring.compared(NOW + 100)
    assert gate.authenticate(bearer(KEY), None, NOW + 100) == HOLDER
    assert gate.authenticate(unknown, None, NOW + 100) == refusals.UNKNOWN


def test_a_key_for_emergencies_is_accepted_without_any_store_until_it_ends() -> None:
    keyring = Keyring()
    keys = BreakGlassKeys(keyring.uses)
    gate = Gate(KeyAuthenticator(keyring, keys))
    assert keys.configure([BreakGlassRule(digest(KEY), 2_000.0, "the database is gone")])
    found = gate.authenticate(bearer(KEY), None, 1_999.0)
    assert isinstance(found, Principal)
    assert found.grants.roles == ("admin",)
    assert found.id.isascii()
    assert gate.authenticate(bearer(KEY), None, 2_000.0) == refusals.KEYS_NOT_READ
    assert keys.configure([])
    assert not keys.configure([])
    assert gate.authenticate(bearer(KEY), None, 1_999.0) == refusals.KEYS_NOT_READ


def test_what_is_not_a_key_is_left_to_others() -> None:
    for token in ("", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"):
        assert KeyAuthenticator(Keyring()).authenticate(Credentials(token), NOW) is None


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
    answer = Gate(Anonymous()).authenticate(authorization, api_key, NOW)
    assert isinstance(answer, Principal)
    assert answer == Principal("anonymous", "anonymous", AuthMethod.NONE)
    assert answer.grants == Roles().grants_for("anonymous", ["admin"])
