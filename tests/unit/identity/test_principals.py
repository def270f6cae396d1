"""Principals: made, changed, disabled; never deleted."""

from __future__ import annotations

import re

import pytest

from headgate.identity import (
    BreakGlass,
    Conflict,
    IdentityError,
    Invalid,
    KeyFilter,
    NewPrincipal,
    NotAllowed,
    NotFound,
    PrincipalChange,
)
from headgate.stores.records import KeyRecord, PrincipalKind
from tests.support.administered import NOW, OPERATOR, Administered, actor, keeper


def test_a_principal_is_kept_as_it_was_made(house: Administered) -> None:
    made = house.do.create_principal(
        OPERATOR,
        NewPrincipal("ada@example.org", PrincipalKind.PERSON, ("viewer", "viewer"), " her "),
    )
    assert re.fullmatch(r"p_[0-9A-Za-z]{8}", made.id)
    assert (made.name, made.kind, made.roles) == ("ada@example.org", "person", ("viewer",))
    assert (made.created_at, made.created_by, made.description) == (NOW, "cli", "her")
    assert house.do.principals(OPERATOR) == [made]
    assert house.do.principal(OPERATOR, made.id) == house.do.principal(OPERATOR, made.name) == made


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "1 to 100"),
        ("x" * 101, "1 to 100"),
        (" ci", "space at its end"),
        ("c\N{RIGHT-TO-LEFT OVERRIDE}i", "invisible"),
        ("a\nb", "invisible"),
        ("p_12345678", "looks like the id of a principal"),
        ("k_12345678", "looks like the id of a key"),
        ("break-glass", "in an emergency"),
        ("hg_abc", "that is a key itself"),
    ],
)
def test_names_that_do_not_fit(house: Administered, name: str, why: str) -> None:
    made = house.principal("old", "viewer")
    with pytest.raises(Invalid, match=why):
        house.do.create_principal(OPERATOR, NewPrincipal(name))
    with pytest.raises(Invalid, match=why):
        house.do.change_principal(OPERATOR, "old", PrincipalChange(name=name))
    assert [each.name for each in house.do.principals(OPERATOR)] == [made.name]


def test_names_that_look_alike_are_one(house: Administered) -> None:
    house.principal("Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}", "viewer")
    with pytest.raises(Conflict, match="has the name"):
        house.principal("Zoe\N{COMBINING DIAERESIS}", "viewer")
    assert house.do.principal(OPERATOR, "Zoe\N{COMBINING DIAERESIS}").roles == ("viewer",)


def test_a_disabled_principal_keeps_its_name(house: Administered) -> None:
    house.principal("ci", "viewer")
    house.do.disable_principal(OPERATOR, "ci")
    with pytest.raises(Conflict, match="has the name 'ci' already"):
        house.principal("ci", "viewer")


def test_a_renamed_principal_keeps_its_id_and_keys(house: Administered) -> None:
    made = house.principal("ci", "viewer")
    key = house.key("deploy", principal="ci").key
    renamed = house.do.change_principal(OPERATOR, "ci", PrincipalChange(name="build"))
    assert (renamed.id, renamed.name, renamed.active_keys) == (made.id, "build", 1)
    assert house.do.key(OPERATOR, key.id).principal == "build"
    same = house.do.change_principal(OPERATOR, "build", PrincipalChange(name="build"))
    assert same == renamed
    house.principal("ci", "viewer")  # the name is free again
    with pytest.raises(Conflict, match="has the name 'ci' already"):
        house.do.change_principal(OPERATOR, "build", PrincipalChange(name="ci"))


def test_only_what_is_given_is_changed(house: Administered) -> None:
    house.principal("ci", "viewer")
    described = house.do.change_principal(OPERATOR, "ci", PrincipalChange(description="nightly"))
    assert (described.description, described.roles) == ("nightly", ("viewer",))
    changed = house.do.change_principal(OPERATOR, "ci", PrincipalChange(roles=["writer"]))
    assert (changed.description, changed.roles) == ("nightly", ("writer",))
    assert (
        house.do.change_principal(OPERATOR, "ci", PrincipalChange(description="")).description == ""
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x" * 501, "at most 500"),
        ("two\nlines", "one line"),
        ("use hg_" + "a" * 49, "has a key in it"),
    ],
)
def test_descriptions_that_do_not_fit(house: Administered, text: str, why: str) -> None:
    with pytest.raises(Invalid, match=why) as caught:
        house.do.create_principal(OPERATOR, NewPrincipal("ci", description=text))
    assert "hg_" not in str(caught.value)


def test_roles_have_to_exist(house: Administered) -> None:
    with pytest.raises(Invalid, match=r"no role 'wrtier'; did you mean 'writer'\? the roles are"):
        house.principal("ci", "wrtier")
    with pytest.raises(Invalid, match="at least one role"):
        house.do.create_principal(OPERATOR, NewPrincipal("ci", roles=()))
    assert house.do.principals(OPERATOR) == []


def test_a_disabled_principal_has_disabled_keys_until_it_is_enabled(house: Administered) -> None:
    house.key("ci")
    disabled = house.do.disable_principal(OPERATOR, "ci")
    assert disabled.disabled_at == NOW
    house.clock.advance(5)
    assert house.do.disable_principal(OPERATOR, "ci") == disabled
    assert house.do.key(OPERATOR, "ci").state == "disabled"
    with pytest.raises(Conflict, match="is disabled; enable it first: headgate principals enable"):
        house.key("deploy", principal="ci")
    with pytest.raises(Conflict, match="is disabled"):
        house.do.rotate_key(OPERATOR, "ci")
    assert house.do.enable_principal(OPERATOR, "ci").disabled_at is None
    assert house.do.key(OPERATOR, "ci").state == "active"


def test_an_unknown_principal_gets_a_suggestion(house: Administered) -> None:
    house.principal("nightly", "viewer")
    with pytest.raises(
        NotFound, match=r"no principal has the name 'nigthly'; did you mean 'nightl"
    ):
        house.do.principal(OPERATOR, "nigthly")
    with pytest.raises(NotFound, match="no principal has the id 'p_12345678'"):
        house.do.disable_principal(OPERATOR, "p_12345678")
    with pytest.raises(NotFound):
        house.do.principal(OPERATOR, "\ud800")


def test_the_account_of_emergencies_keeps_its_name(house: Administered) -> None:
    house.do.create_break_glass(OPERATOR, BreakGlass("no identity provider"))
    with pytest.raises(Invalid, match="keeps its name"):
        house.do.change_principal(OPERATOR, "break-glass", PrincipalChange(name="other"))


def old_key(number: int, name: str = "ci", **fields: object) -> KeyRecord:
    """A key as a gate of an older schema makes one."""
    record = KeyRecord(f"k_{number:08}", name, bytes([number]) * 32, 5, roles=("viewer",))
    for field, value in fields.items():
        object.__setattr__(record, field, value)
    return record


def test_a_key_of_an_older_gate_is_its_own_account(house: Administered) -> None:
    house.put(old_key(1))
    (account,) = house.do.principals(OPERATOR)
    assert (account.id, account.name, account.roles) == ("p_00000001", "ci", ("viewer",))
    assert account.active_keys == 1
    assert house.do.principal(OPERATOR, "ci").id == account.id
    (key,) = house.do.keys(OPERATOR, KeyFilter(principal="ci")).keys
    assert (key.principal_id, key.principal) == (account.id, "ci")
    house.do.disable_principal(OPERATOR, "p_00000001")
    assert house.record("ci").principal_id == "p_00000001"
    assert house.do.key(OPERATOR, "ci").state == "disabled"


def test_the_account_of_an_older_key_gets_another_name_if_that_is_taken(
    house: Administered,
) -> None:
    house.principal("ci", "viewer")
    house.put(old_key(1))
    rotated = house.do.rotate_key(OPERATOR, "k_00000001")
    assert (rotated.key.principal_id, rotated.key.principal) == ("p_00000001", "ci (p_00000001)")


# Who may do it.


def test_nobody_makes_a_principal_that_can_do_more(house: Administered) -> None:
    made = house.do.create_principal(keeper("read:*"), NewPrincipal("ci", roles=("viewer",)))
    assert made.created_by == "p_0000000a"
    with pytest.raises(NotAllowed, match=r"may do more than 'ada', who lacks write:") as caught:
        house.do.create_principal(keeper("read:*"), NewPrincipal("ci2", roles=("writer",)))
    assert "write:runs" in caught.value.missing
    with pytest.raises(NotAllowed):
        house.do.change_principal(keeper("read:*"), "ci", PrincipalChange(roles=("admin",)))


@pytest.mark.parametrize(
    "change",
    [
        PrincipalChange(name="mine"),
        PrincipalChange(roles=("viewer",)),
        PrincipalChange(description="x"),
    ],
)
def test_nobody_changes_a_principal_that_can_do_more(
    house: Administered, change: PrincipalChange
) -> None:
    house.principal("root", "admin")
    with pytest.raises(NotAllowed, match=r"may do more than 'ada', who lacks \*:\*"):
        house.do.change_principal(keeper("read:*"), "root", change)
    assert house.do.principal(OPERATOR, "root").roles == ("admin",)


def test_disabling_takes_no_rights_but_enabling_gives_some(house: Administered) -> None:
    house.principal("root", "admin")
    assert house.do.disable_principal(keeper(), "root").disabled_at is not None
    with pytest.raises(NotAllowed):
        house.do.enable_principal(keeper(), "root")
    assert house.do.enable_principal(actor("*:*"), "root").disabled_at is None


def test_a_role_that_this_gate_does_not_know_may_allow_anything_elsewhere(
    house: Administered,
) -> None:
    made = house.principal("ci", "team-a")
    stranger = Administered(house.store)
    stranger.roles = type(stranger.roles)({})
    do = stranger.under(stranger.rules)
    with pytest.raises(NotAllowed, match="has the role 'team-a', which this gate does not know"):
        do.change_principal(actor("*:*"), made.id, PrincipalChange(description="x"))
    assert do.change_principal(OPERATOR, made.id, PrincipalChange(description="x"))


def test_changes_need_administer_gate_and_reading_needs_read_gate(house: Administered) -> None:
    house.principal("ci", "viewer")
    reader, nobody = actor("read:*"), actor("write:runs")
    with pytest.raises(NotAllowed, match="needs administer:gate, which 'ada' has not"):
        house.do.create_principal(reader, NewPrincipal("x", roles=("viewer",)))
    with pytest.raises(NotAllowed, match="needs administer:gate"):
        house.do.disable_principal(reader, "ci")
    for who in (reader, keeper(), actor("read:gate")):
        assert house.do.principal(who, "ci").name == "ci"
    with pytest.raises(IdentityError, match="needs administer:gate"):
        house.do.principals(nobody)
