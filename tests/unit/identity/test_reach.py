"""Nobody grants beyond what they have, and nobody gets more by touching what others have."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from headgate.identity import (
    Actor,
    BreakGlass,
    IdentityError,
    KeyChange,
    NewKey,
    NewPrincipal,
    NotAllowed,
    PrincipalChange,
    Rotation,
)
from headgate.model import AuthMethod, Principal
from headgate.policy import Roles, covers, meet, parse_grant
from tests.support.administered import (
    DAY,
    NOW,
    OPERATOR,
    OWN_ROLES,
    Administered,
    actor,
    keeper,
)

Act = Callable[[Administered, Actor], object]


def sha256(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


TAKES_OVER: dict[str, Act] = {
    "rotates an administrator's key": lambda house, who: house.do.rotate_key(who, "root"),
    "makes a key for an administrator": lambda house, who: house.do.create_key(
        who, NewKey("mine", "root", ["viewer"])
    ),
    "imports a digest for an administrator": lambda house, who: house.do.import_key(
        who, NewKey("mine", "root", ["viewer"]), sha256(1)
    ),
    "takes off a narrowing": lambda house, who: house.do.change_key(
        who, "narrow", KeyChange(narrowing=[])
    ),
    "changes a narrowing": lambda house, who: house.do.change_key(
        who, "narrow", KeyChange(narrowing=["read:models"])
    ),
    "narrows an administrator's key": lambda house, who: house.do.change_key(
        who, "root", KeyChange(roles=["viewer"])
    ),
    "describes an administrator's key": lambda house, who: house.do.change_key(
        who, "root", KeyChange(description="mine")
    ),
    "lets an administrator's key live longer": lambda house, who: house.do.expire_key(
        who, "root", math.inf
    ),
    "gives a key more roles": lambda house, who: house.do.change_key(
        who, "low", KeyChange(roles=["admin"], widen_account=True)
    ),
    "makes a wide key": lambda house, who: house.do.create_key(who, NewKey("x", roles=["admin"])),
    "makes a key by default": lambda house, who: house.do.create_key(who, NewKey("x")),
    "imports a wide key": lambda house, who: house.do.import_key(
        who, NewKey("x", roles=["admin"]), sha256(2)
    ),
    "makes a key for an emergency": lambda house, who: house.do.create_break_glass(
        who, BreakGlass("I want to")
    ),
    "renames an administrator": lambda house, who: house.do.change_principal(
        who, "root", PrincipalChange(name="old root")
    ),
    "enables an administrator": lambda house, who: house.do.enable_principal(who, "root"),
    "makes an administrator": lambda house, who: house.do.create_principal(
        who, NewPrincipal("x", roles=["admin"])
    ),
    "gives a principal more roles": lambda house, who: house.do.change_principal(
        who, "low", PrincipalChange(roles=["admin"])
    ),
}


@pytest.fixture
def house() -> Administered:
    """In memory: what is compared are grants, whatever keeps them."""
    return Administered()


@pytest.fixture
def peopled(house: Administered) -> Administered:
    """An administrator, whose keys are wide and narrow, and a viewer."""
    house.principal("root", "admin")
    house.key("root", "admin", principal="root", expires_at=NOW + DAY)
    house.key("narrow", "admin", principal="root", narrowing=["read:runs"])
    house.key("low", "viewer")
    return house


@pytest.mark.parametrize("act", TAKES_OVER.values(), ids=TAKES_OVER)
def test_a_keeper_of_keys_does_not_take_over(peopled: Administered, act: Act) -> None:
    before = peopled.records(), peopled.do.principals(OPERATOR)
    with pytest.raises(NotAllowed, match="may do more than 'ada', who lacks") as caught:
        act(peopled, keeper("read:*"))
    assert caught.value.missing
    assert (peopled.records(), peopled.do.principals(OPERATOR)) == before


@pytest.mark.parametrize("act", TAKES_OVER.values(), ids=TAKES_OVER)
def test_nothing_is_done_without_administer_gate(peopled: Administered, act: Act) -> None:
    with pytest.raises(NotAllowed, match="needs administer:gate"):
        act(peopled, actor("read:*", "write:*", "delete:*"))


@pytest.mark.parametrize("act", TAKES_OVER.values(), ids=TAKES_OVER)
@pytest.mark.parametrize("who", [OPERATOR, actor("*:*")])
def test_an_administrator_may(peopled: Administered, act: Act, who: Actor) -> None:
    act(peopled, who)


def test_a_keeper_ends_what_it_may_not_change(peopled: Administered) -> None:
    """It takes no rights, and somebody who finds a leaked key must be able to end it."""
    assert peopled.do.expire_key(keeper(), "root", NOW + 1).expires_at == NOW + 1
    assert peopled.do.revoke_key(keeper(), "root").key.state == "revoked"
    assert peopled.do.disable_principal(keeper(), "root").disabled_at is not None


def test_a_narrow_key_of_a_wide_principal_is_out_of_reach(peopled: Administered) -> None:
    """Its log lines and limits would be the principal's."""
    with pytest.raises(NotAllowed, match="the principal 'root'"):
        peopled.do.create_key(keeper("read:*"), NewKey("x", "root", ["viewer"]))


def test_a_wide_key_of_a_principal_that_was_narrowed_is_out_of_reach(
    peopled: Administered,
) -> None:
    """Its secret would be worth more as soon as the principal got its roles back."""
    peopled.do.change_principal(OPERATOR, "root", PrincipalChange(roles=["viewer"]))
    with pytest.raises(NotAllowed, match="the key 'root'"):
        peopled.do.rotate_key(keeper("read:*"), "root")


def test_a_key_with_a_role_of_another_gate_is_out_of_reach(peopled: Administered) -> None:
    peopled.principal("team", "admin")
    peopled.key("team", "team-a", principal="team")
    do = peopled.under(peopled.rules, Roles({"keeper": OWN_ROLES["keeper"]}))
    with pytest.raises(NotAllowed, match="the role 'team-a', which this gate does not know"):
        do.rotate_key(actor("*:*"), "team")
    assert do.rotate_key(OPERATOR, "team").key.roles == ("team-a",)


def test_a_narrowing_of_another_version_hides_nothing(house: Administered) -> None:
    house.principal("ada", "viewer")
    key = house.key("k", "viewer", principal="ada", narrowing=["read:runs"])
    record = house.record(key.key.id)
    object.__setattr__(record, "narrowing", ("read:runs", "read:thoughts"))
    house.put(record)
    house.do.change_principal(OPERATOR, "ada", PrincipalChange(roles=["llm-user"]))
    with pytest.raises(NotAllowed, match="the key 'k'"):
        house.do.rotate_key(
            keeper("read:ai-gateway", "write:ai-gateway", "read:meta", "read:runs"), "k"
        )


def test_within_its_own_reach_a_keeper_does_everything(peopled: Administered) -> None:
    who = keeper("read:*")
    assert peopled.do.rotate_key(who, "low").key.created_by == who.id
    assert peopled.do.change_key(who, "low", KeyChange(narrowing=["read:runs"]))
    assert peopled.do.change_key(who, "low", KeyChange(narrowing=[]))
    assert peopled.do.expire_key(who, "low", NOW + DAY)
    assert peopled.do.expire_key(who, "low", math.inf)
    assert peopled.do.create_key(who, NewKey("mine", roles=["viewer"])).key.created_by == who.id


def test_the_actor_of_a_request_has_its_grants() -> None:
    roles = Roles(OWN_ROLES)
    grants = roles.grants_for("ada", ["team-a", "keeper"])
    who = Actor.of(Principal("p_1", "ada", AuthMethod.KEY, grants=grants))
    assert (who.id, who.name, who.is_operator) == ("p_1", "ada", False)
    assert set(who.grants) == {
        each.grant for name in ("team-a", "keeper") for each in roles.given(name)
    }


# The rule as a property: whatever a keeper does in whatever order, no secret that it was given, now
# or later, is worth more than it has; and what it may not touch stays as it is but for its end.

ROLE = st.sampled_from(["viewer", "writer", "llm-user", "admin", "team-a", "keeper"])
NAME = st.sampled_from(["root", "low", "narrow", "x", "y"])
NARROWING = st.sampled_from([(), ("read:runs",), ("read:*",), ("write:models", "read:runs")])
HELD = (
    "administer:gate",
    "read:*",
    "read:runs on experiment team-a/*",
    "write:runs on experiment team-a/*",
)

ACTS = st.one_of(
    st.builds(
        lambda name, owner, roles, narrowing, widen: (
            lambda house, who: house.do.create_key(
                who, NewKey(name, owner, roles, narrowing, widen_account=widen)
            )
        ),
        NAME,
        st.none() | NAME,
        st.none() | st.lists(ROLE, min_size=1, max_size=2),
        NARROWING,
        st.booleans(),
    ),
    st.builds(lambda name: lambda house, who: house.do.rotate_key(who, name, Rotation()), NAME),
    st.builds(
        lambda name, roles, narrowing, widen: (
            lambda house, who: house.do.change_key(
                who, name, KeyChange(roles, narrowing, widen_account=widen)
            )
        ),
        NAME,
        st.none() | st.lists(ROLE, min_size=1, max_size=2),
        st.none() | NARROWING,
        st.booleans(),
    ),
    st.builds(
        lambda name, roles: (
            lambda house, who: house.do.create_principal(who, NewPrincipal(name, roles=roles))
        ),
        NAME,
        st.lists(ROLE, min_size=1, max_size=2),
    ),
    st.builds(
        lambda name, roles: (
            lambda house, who: house.do.change_principal(who, name, PrincipalChange(roles=roles))
        ),
        NAME,
        st.lists(ROLE, min_size=1, max_size=2),
    ),
    st.builds(lambda name: lambda house, who: house.do.revoke_key(who, name), NAME),
    st.builds(lambda name: lambda house, who: house.do.disable_principal(who, name), NAME),
    st.builds(lambda name: lambda house, who: house.do.enable_principal(who, name), NAME),
    st.builds(lambda name: lambda house, who: house.do.expire_key(who, name, NOW + 5), NAME),
)


@settings(max_examples=150, deadline=None)
@hypothesis.given(st.lists(ACTS, max_size=8))
def test_no_order_of_changes_gives_a_keeper_more_than_it_has(acts: list[Act]) -> None:
    house = Administered()
    house.principal("root", "admin")
    house.key("root", "admin", principal="root")
    house.key("narrow", "admin", principal="root", narrowing=["read:runs"])
    house.key("low", "viewer")
    others = {each.id: each for each in house.records()}
    who = actor(*HELD)
    for act in acts:
        try:
            act(house, who)
        except IdentityError:
            continue
    for record in house.records():
        given = house.roles.given
        grants = [each.grant for role in record.roles for each in given(role)]
        if record.narrowing:
            grants = list(meet(grants, [parse_grant(text) for text in record.narrowing]))
        owner = house.do.principal(OPERATOR, record.principal_id)
        owned = [each.grant for role in owner.roles for each in given(role)]
        if record.created_by == who.id:
            assert covers(who.grants, grants)
            assert covers(who.grants, owned)
        else:
            before = others[record.id]
            assert record.digest == before.digest
            if not covers(who.grants, grants):
                assert (record.roles, record.narrowing) == (before.roles, before.narrowing)
    assert house.do.principal(OPERATOR, "root").roles == ("admin",)
