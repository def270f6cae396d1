"""Keys: what a new one may do, and how they are replaced, changed and ended."""

from __future__ import annotations

import math
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headgate.auth.keys.form import KeyForm, digest, form_of
from headgate.config import Config
from headgate.errors import HeadgateError
from headgate.identity import (
    BreakGlass,
    Conflict,
    Invalid,
    KeyChange,
    KeyFilter,
    KeyView,
    NewKey,
    NewPrincipal,
    NotFound,
    PrincipalChange,
    Rotation,
)
from headgate.stores import open_identity_store
from headgate.stores.records import KeyUse, PrincipalKind, UnreadableKey
from headgate.testing.key_store import MemoryIdentityStore
from tests.support.administered import DAY, NOW, OPERATOR, Administered

LATER = NOW + DAY


def test_a_key_belongs_to_a_service_account_of_its_name(house: Administered) -> None:
    issued = house.key("ci")
    assert form_of(issued.secret) is KeyForm.WELL_FORMED
    assert issued.secret not in repr(issued)
    key, record = issued.key, house.record("ci")
    assert record.digest == digest(issued.secret)
    assert re.fullmatch(r"k_[0-9A-Za-z]{8}", key.id)
    assert (key.name, key.principal, key.roles) == ("ci", "ci", ("writer", "publisher"))
    assert (key.created_at, key.created_by, key.expires_at) == (NOW, "cli", None)
    account = house.do.principal(OPERATOR, "ci")
    assert (account.id, account.kind, account.roles) == (
        key.principal_id,
        "service",
        ("writer", "publisher"),
    )
    assert issued.notes == (f"made the service account 'ci' ({account.id})",)


def test_a_key_belongs_to_whom_it_is_made_for(house: Administered) -> None:
    ada = house.principal("ada", "viewer")
    issued = house.key("ada's laptop", principal="ada")
    assert (issued.key.principal_id, issued.key.roles, issued.notes) == (ada.id, ("viewer",), ())
    assert house.key("desk", principal=ada.id).key.principal == "ada"
    with pytest.raises(NotFound, match=r"no principal has the name 'adda'; did you mean 'ada'\?"):
        house.key("x", principal="adda")


def test_by_default_a_key_has_the_default_roles_within_those_of_its_principal(
    house: Administered,
) -> None:
    house.principal("root", "admin")
    assert house.key("one", principal="root").key.roles == ("writer", "publisher")
    house.principal("caller", "llm-user")
    assert house.key("two", principal="caller").key.roles == ("llm-user",)


def test_a_key_is_never_wider_than_its_principal(house: Administered) -> None:
    house.principal("ada", "viewer")
    with pytest.raises(Invalid, match=r"'ada' \(p_.{8}\) may not do write:.*choose fewer roles"):
        house.key("laptop", "writer", principal="ada")
    house.principal("team", "team-a", "viewer")
    assert house.key("ok", "team-a", principal="team").key.roles == ("team-a",)
    house.key("laptop", principal="ada")
    with pytest.raises(Invalid, match="may not do"):
        house.do.change_key(OPERATOR, "laptop", KeyChange(roles=["admin"]))


def test_the_account_of_one_key_is_widened_with_it_if_so_asked(house: Administered) -> None:
    house.key("ci", "viewer")
    with pytest.raises(Invalid, match="may not do"):
        house.do.change_key(OPERATOR, "ci", KeyChange(roles=["writer"]))
    changed = house.do.change_key(OPERATOR, "ci", KeyChange(roles=["writer"], widen_account=True))
    assert changed.key.roles == ("writer",)
    assert len(changed.notes) == 1
    assert house.do.principal(OPERATOR, "ci").roles == ("writer", "viewer")
    house.do.revoke_key(OPERATOR, "ci")
    again = house.key("ci", "admin", widen_account=True)
    assert again.key.roles == ("admin",)
    assert "now has admin, writer, viewer too" in again.notes[0]


@pytest.mark.parametrize("other", ["a person", "another key", "another name"])
def test_no_other_principal_is_widened(house: Administered, other: str) -> None:
    house.key("ci", "viewer")
    name = "ci"
    if other == "another key":
        house.key("deploy", principal="ci")
    elif other == "another name":
        house.do.change_principal(OPERATOR, "ci", PrincipalChange(name="build"))
    else:
        person = NewPrincipal("ada", PrincipalKind.PERSON, ("viewer",))
        house.do.create_principal(OPERATOR, person)
        house.key("ada", principal="ada")
        name = "ada"
    with pytest.raises(Invalid, match="may not do"):
        house.do.change_key(OPERATOR, name, KeyChange(roles=["admin"], widen_account=True))
    assert house.record(name).roles == ("viewer",)


def test_a_key_may_do_what_roles_principal_and_narrowing_all_allow(house: Administered) -> None:
    house.principal("ci", "writer")
    house.key("ci", "writer", principal="ci", narrowing=["read:runs", "write:models"])
    assert house.do.key(OPERATOR, "ci").grants == ("read:runs",)
    house.do.change_principal(OPERATOR, "ci", PrincipalChange(roles=["llm-user"]))
    assert house.do.key(OPERATOR, "ci").grants == ()
    (listed,) = house.do.keys(OPERATOR).keys
    assert listed.grants is None


@pytest.mark.parametrize(
    ("narrowing", "why"),
    [
        (["raed:runs"], r"the grant 'raed:runs' of the narrowing: column 1: .* mean 'read'"),
        (["write:models"], "leaves the key nothing"),
        (["read:runs"] * 33, "at most 32 grants"),
        (["hg_" + "a" * 49], "has a key in it"),
    ],
)
def test_narrowings_that_make_no_sense(house: Administered, narrowing: list[str], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        house.key("ci", "viewer", narrowing=narrowing)
    house.key("ci", "viewer")
    with pytest.raises(Invalid, match=why):
        house.do.change_key(OPERATOR, "ci", KeyChange(narrowing=narrowing))
    assert house.record("ci").narrowing == ()


def test_a_narrowing_is_kept_in_one_spelling_and_can_be_taken_off(house: Administered) -> None:
    given = ["read:runs  on experiment team-a/*", "read:runs on experiment team-a/*"]
    house.key("ci", narrowing=given)
    assert house.record("ci").narrowing == ("read:runs on experiment team-a/*",)
    house.do.change_key(OPERATOR, "ci", KeyChange(narrowing=[]))
    assert house.record("ci").narrowing == ()


def test_a_narrowing_of_a_newer_gate_that_cannot_be_read_allows_nothing(
    house: Administered,
) -> None:
    house.key("ci")
    record = house.record("ci")
    object.__setattr__(record, "narrowing", ("read:thoughts", "read:runs"))
    house.put(record)
    assert house.do.key(OPERATOR, "ci").grants == ("read:runs",)


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_two_active_keys_never_share_a_name(house: Administered, end: str) -> None:
    first = house.key("ci", expires_at=LATER).key
    with pytest.raises(Conflict, match=rf"the key {first.id} has the name 'ci' already; choose"):
        house.key("ci")
    if end == "revoked":
        house.do.revoke_key(OPERATOR, "ci")
    else:
        house.clock.now = LATER
    second = house.key("ci").key
    assert house.do.key(OPERATOR, "ci").id == second.id
    assert house.do.principals(OPERATOR)[0].active_keys == 1


def test_names_are_told_apart_as_stored(house: Administered) -> None:
    house.key("Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}")
    with pytest.raises(Conflict):
        house.key("Zoe\N{COMBINING DIAERESIS}", principal=house.records()[0].principal_id)


def test_a_key_that_cannot_be_handed_over_is_not_kept(house: Administered) -> None:
    def refuse(_key: KeyView, _secret: str) -> None:
        raise HeadgateError("it is closed")

    with pytest.raises(HeadgateError, match="it is closed"):
        house.do.create_key(OPERATOR, NewKey("ci"), refuse)
    assert (house.records(), house.do.principals(OPERATOR)) == ([], [])
    old = house.key("ci").key
    with pytest.raises(HeadgateError, match="it is closed"):
        house.do.rotate_key(OPERATOR, "ci", Rotation(), refuse)
    with pytest.raises(HeadgateError, match="it is closed"):
        house.do.create_break_glass(OPERATOR, BreakGlass("why"), refuse)
    assert [(each.id, each.expires_at) for each in house.records()] == [(old.id, None)]


def test_a_secret_is_handed_over_before_the_key_is_kept() -> None:
    house = Administered()
    seen = []

    def look(key: KeyView, secret: str) -> None:
        seen.append((key.name, secret, house.records()))

    issued = house.do.create_key(OPERATOR, NewKey("ci"), look)
    assert seen == [("ci", issued.secret, [])]


def test_a_key_without_its_principal_may_do_nothing() -> None:
    house = Administered()
    house.key("ci")
    record = house.record("ci")
    object.__setattr__(record, "principal_id", "p_lost0000")
    house.put(record)
    shown = house.do.key(OPERATOR, "ci")
    assert (shown.principal_id, shown.grants) == ("p_lost0000", ())


# Rotation.


def test_a_rotated_key_is_replaced_by_one_like_it(house: Administered) -> None:
    house.principal("ada", "writer")
    old = house.key(
        "ci", "writer", principal="ada", narrowing=["read:runs"], description="nightly"
    ).key
    house.clock.advance(10)
    issued = house.do.rotate_key(OPERATOR, "ci", Rotation(overlap=60))
    new = issued.key
    same = ("name", "principal_id", "roles", "narrowing", "description")
    assert [getattr(new, each) for each in same] == [getattr(old, each) for each in same]
    assert (new.replaces, new.created_at, new.expires_at) == (old.id, NOW + 10, None)
    assert issued.replaced is not None
    assert (issued.replaced.expires_at, issued.replaced.replaced_by) == (NOW + 70, new.id)
    assert house.record(new.id).digest == digest(issued.secret) != house.record(old.id).digest
    assert house.do.key(OPERATOR, "ci").id == new.id
    assert [each.state for each in house.do.keys(OPERATOR).keys] == ["active", "active"]
    house.clock.advance(60)
    assert [each.state for each in house.do.keys(OPERATOR).keys] == ["expired", "active"]


def test_the_overlap_never_makes_a_key_live_longer(house: Administered) -> None:
    old = house.key("ci", expires_at=NOW + 60).key
    issued = house.do.rotate_key(OPERATOR, "ci")
    assert house.record(old.id).expires_at == NOW + 60
    assert issued.key.expires_at == NOW + 60  # as long as the old one was to live
    assert house.under(house.rules).rotate_key(OPERATOR, "ci", Rotation(overlap=0)).replaced


def test_by_default_the_overlap_is_that_of_the_rules(house: Administered) -> None:
    old = house.key("ci").key
    house.do.rotate_key(OPERATOR, "ci")
    assert house.record(old.id).expires_at == NOW + house.rules.rotation_overlap


@pytest.mark.parametrize("overlap", [-1.0, math.inf, math.nan])
def test_overlaps_that_make_no_sense(house: Administered, overlap: float) -> None:
    house.key("ci")
    with pytest.raises(Invalid, match="the overlap is a number of seconds"):
        house.do.rotate_key(OPERATOR, "ci", Rotation(overlap=overlap))


def test_a_key_is_rotated_once(house: Administered) -> None:
    old = house.key("ci").key
    new = house.do.rotate_key(OPERATOR, "ci").key
    with pytest.raises(Conflict, match=rf"was replaced by {new.id} already; rotate that one"):
        house.do.rotate_key(OPERATOR, old.id)
    house.do.revoke_key(OPERATOR, new.id)
    assert house.do.rotate_key(OPERATOR, old.id).key.replaces == old.id


def test_names_stay_taken_while_a_replaced_key_is_accepted(house: Administered) -> None:
    old = house.key("ci").key
    house.do.rotate_key(OPERATOR, "ci")
    revoked = house.do.revoke_key(OPERATOR, "ci")
    assert [each.id for each in revoked.still_active] == [old.id]
    with pytest.raises(Conflict, match=f"the key {old.id} has the name"):
        house.key("ci")
    house.do.revoke_key(OPERATOR, old.id)
    assert house.key("ci").key.replaces == ""


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_key_that_has_ended_is_not_brought_back(house: Administered, end: str) -> None:
    house.key("ci", expires_at=LATER)
    if end == "revoked":
        house.do.revoke_key(OPERATOR, "ci")
    else:
        house.clock.now = LATER
    with pytest.raises(Conflict, match=f"is {end}; create a new one instead"):
        house.do.rotate_key(OPERATOR, "ci")
    with pytest.raises(Conflict, match=f"is {end} already, which is for good"):
        house.do.expire_key(OPERATOR, "ci", LATER + DAY)


# Revoking and expiring.


def test_a_revoked_key_stays_revoked(house: Administered) -> None:
    house.key("ci")
    first = house.do.revoke_key(OPERATOR, "ci")
    assert (first.was_revoked, first.key.state, first.key.revoked_at) == (False, "revoked", NOW)
    house.clock.advance(9)
    again = house.do.revoke_key(OPERATOR, "ci")
    assert (again.was_revoked, again.key) == (True, first.key)
    with pytest.raises(Conflict, match="is revoked already"):
        house.do.change_key(OPERATOR, "ci", KeyChange(roles=["viewer"]))


def test_an_end_can_be_brought_forward_and_within_the_rules_put_off(house: Administered) -> None:
    house.key("ci")
    assert house.do.expire_key(OPERATOR, "ci", LATER).expires_at == LATER
    assert house.do.expire_key(OPERATOR, "ci", LATER - 1).expires_at == LATER - 1
    assert house.do.expire_key(OPERATOR, "ci", LATER + DAY).expires_at == LATER + DAY
    assert house.do.expire_key(OPERATOR, "ci", math.inf).expires_at is None
    strict = house.under(house.rules.model_copy(update={"maximum_life": 10.0 * DAY}))
    strict.expire_key(OPERATOR, "ci", NOW + 20 * DAY)  # earlier than never
    with pytest.raises(Invalid, match=r"at most 10 days here \(auth.keys.maximum_life\)"):
        strict.expire_key(OPERATOR, "ci", NOW + 21 * DAY)
    house.clock.advance(DAY)
    strict.expire_key(OPERATOR, "ci", NOW + 9 * DAY)
    with pytest.raises(Invalid, match="at most 10 days"):  # counted from when it was made
        strict.expire_key(OPERATOR, "ci", NOW + 11 * DAY)
    for never in (NOW, NOW + DAY, math.nan, -math.inf):
        with pytest.raises(Invalid, match="in the past"):
            strict.expire_key(OPERATOR, "ci", never)
    with pytest.raises(Invalid, match="100 years"):
        house.do.expire_key(OPERATOR, "ci", NOW + 101 * 365 * DAY)


def test_a_replaced_key_does_not_live_longer(house: Administered) -> None:
    old = house.key("ci").key
    house.do.rotate_key(OPERATOR, "ci")
    with pytest.raises(Conflict, match="was replaced by k_"):
        house.do.expire_key(OPERATOR, old.id, math.inf)
    assert house.do.expire_key(OPERATOR, old.id, NOW + 1).expires_at == NOW + 1


# The rules for lives.


def test_without_rules_keys_are_endless_unless_asked(house: Administered) -> None:
    assert house.key("one").key.expires_at is None
    assert house.key("two", expires_at=LATER + 0.9).key.expires_at == LATER
    assert house.key("three", expires_at=math.inf).key.expires_at is None


def test_rules_give_an_end_and_bound_it(house: Administered) -> None:
    rules = house.rules.model_copy(update={"default_life": 5.0 * DAY})
    by_default = house.under(rules)
    assert by_default.create_key(OPERATOR, NewKey("a")).key.expires_at == NOW + 5 * DAY
    endless = by_default.create_key(OPERATOR, NewKey("b", expires_at=math.inf)).key
    assert endless.expires_at is None
    bounded = house.under(rules.model_copy(update={"maximum_life": 2.0 * DAY}))
    assert bounded.create_key(OPERATOR, NewKey("c")).key.expires_at == NOW + 2 * DAY
    for end in (NOW + 2 * DAY + 1, math.inf):
        with pytest.raises(Invalid, match=r"a key lives at most 2 days here"):
            bounded.create_key(OPERATOR, NewKey("d", expires_at=end))
        with pytest.raises(Invalid, match=r"a key lives at most 2 days here"):
            bounded.rotate_key(OPERATOR, "c", Rotation(expires_at=end))
    assert bounded.rotate_key(OPERATOR, "b").key.expires_at == NOW + 2 * DAY
    a = house.do.rotate_key(OPERATOR, "a", Rotation(expires_at=math.inf))
    assert a.key.expires_at is None


def test_a_rotated_key_lives_as_long_but_within_the_rules(house: Administered) -> None:
    house.key("ci", expires_at=NOW + 30 * DAY)
    house.clock.advance(20 * DAY)
    bounded = house.under(house.rules.model_copy(update={"maximum_life": 3.0 * DAY}))
    new = house.do.rotate_key(OPERATOR, "ci").key
    assert new.expires_at == NOW + 50 * DAY
    assert bounded.rotate_key(OPERATOR, "ci").key.expires_at == NOW + 23 * DAY


# Emergencies.


def test_a_key_for_an_emergency(house: Administered) -> None:
    issued = house.do.create_break_glass(OPERATOR, BreakGlass(" the issuer is down "))
    key = issued.key
    assert (key.principal, key.roles, key.break_glass) == (
        "break-glass",
        ("admin",),
        "the issuer is down",
    )
    assert key.name == f"break-glass-{key.id[2:]}"
    assert key.expires_at == NOW + 3_600
    assert house.do.key(OPERATOR, key.id).grants == ("*:*",)
    other = house.do.create_break_glass(OPERATOR, BreakGlass("again", DAY, "night shift")).key
    assert (other.name, other.principal_id) == ("night shift", key.principal_id)
    with pytest.raises(Conflict, match="has the name"):
        house.do.create_break_glass(OPERATOR, BreakGlass("again", DAY, "night shift"))


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (BreakGlass(""), "needs a reason"),
        (BreakGlass("  "), "needs a reason"),
        (BreakGlass("a\nb"), "one line"),
        (BreakGlass("why", DAY + 1), "at most 1 day"),
        (BreakGlass("why", 0), "at most 1 day"),
        (BreakGlass("why", math.nan), "at most 1 day"),
    ],
)
def test_emergencies_are_held_to_rules(house: Administered, wanted: BreakGlass, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        house.do.create_break_glass(OPERATOR, wanted)
    assert house.records() == []


def test_a_key_for_an_emergency_ends(house: Administered) -> None:
    key = house.do.create_break_glass(OPERATOR, BreakGlass("why")).key
    with pytest.raises(Conflict, match="is not rotated"):
        house.do.rotate_key(OPERATOR, key.id)
    with pytest.raises(Conflict, match="cannot live longer"):
        house.do.expire_key(OPERATOR, key.id, LATER)
    with pytest.raises(Invalid, match="keys create --break-glass"):
        house.key("mine", principal="break-glass")
    with pytest.raises(Invalid, match="--break-glass"):
        house.key("break-glass")
    house.do.disable_principal(OPERATOR, "break-glass")
    with pytest.raises(Conflict, match="is disabled; enable it first"):
        house.do.create_break_glass(OPERATOR, BreakGlass("why"))


# What is shown.


def test_lists_can_be_narrowed(house: Administered) -> None:
    house.key("a", expires_at=NOW + 10)
    house.key("b", expires_at=NOW + 20)
    house.key("c")
    house.key("d", expires_at=NOW + 10)
    house.do.revoke_key(OPERATOR, "d")
    house.do.disable_principal(OPERATOR, "b")

    def names(**wanted: object) -> list[str]:
        found = house.do.keys(OPERATOR, KeyFilter(**wanted))  # type: ignore[arg-type]
        return [each.name for each in found.keys]

    assert names() == ["a", "b", "c", "d"]
    assert names(principal="b") == ["b"]
    assert names(state="active") == ["a", "c"]
    assert names(state="disabled") == ["b"]
    assert names(state="revoked") == ["d"]
    assert names(expiring_within=10.0) == ["a"]
    assert names(expiring_within=20.0) == ["a", "b"]
    house.clock.advance(10)
    assert names(state="expired") == ["a"]
    assert names(expiring_within=20.0) == ["b"]
    with pytest.raises(NotFound, match="no principal has the name 'x'"):
        names(principal="x")
    with pytest.raises(Invalid, match="a key is active, disabled, expired, revoked, not 'dead'"):
        names(state="dead")


def test_the_last_use_is_shown(house: Administered) -> None:
    key = house.key("ci").key
    house.store.record_uses([KeyUse(key.id, 7, "192.0.2.1")])
    shown = house.do.key(OPERATOR, "ci").last_use
    assert shown is not None
    assert (shown.at, shown.address) == (7, "192.0.2.1")


def test_keys_that_cannot_be_read_are_named() -> None:
    store = MemoryIdentityStore()
    house = Administered(store)
    store.damage(UnreadableKey(2, "'k_1', 'bad'", "expires_at is text"))
    assert house.do.keys(OPERATOR).unreadable == ("row 2 ('k_1', 'bad'): expires_at is text",)
    for act in (
        lambda: house.do.key(OPERATOR, "bad"),
        lambda: house.do.revoke_key(OPERATOR, "bad"),
    ):
        with pytest.raises(Conflict, match="has a damaged row 2"):
            act()
    house.key("bad")


@pytest.mark.parametrize("name", ["nobody", "k_12345678", "\ud800"])
def test_unknown_keys(house: Administered, name: str) -> None:
    house.key("ci")
    with pytest.raises(NotFound, match=r"no key has the (name|id)"):
        house.do.revoke_key(OPERATOR, name)


def test_a_key_in_the_place_of_a_name_is_not_repeated(house: Administered) -> None:
    secret = house.key("ci").secret
    for given in (secret, secret[:-1]):
        with pytest.raises(Invalid, match="that is a key itself") as caught:
            house.do.key(OPERATOR, given)
        assert given not in str(caught.value)
        with pytest.raises(Invalid) as caught:
            house.key("x", given)
        assert given not in str(caught.value)


def test_of_two_that_take_a_name_at_the_same_time_one_gets_it(tmp_path: Path) -> None:
    """Whatever is checked is checked in the transaction that keeps the result."""
    config = Config(data=tmp_path / "data")
    open_identity_store(config).close()
    barrier = threading.Barrier(4)

    def create() -> str:
        with open_identity_store(config) as store:
            do = Administered(store).do
            barrier.wait()
            try:
                return do.create_key(OPERATOR, NewKey("ci")).key.id
            except Conflict as error:
                return str(error)

    with ThreadPoolExecutor(4) as pool:
        results = [each.result() for each in [pool.submit(create) for _ in range(4)]]
    assert sum(each.startswith("k_") for each in results) == 1
    assert sum("has the name 'ci' already" in each for each in results) == 3
    with open_identity_store(config) as store:
        house = Administered(store)
        assert len(house.records()) == len(house.do.principals(OPERATOR)) == 1
