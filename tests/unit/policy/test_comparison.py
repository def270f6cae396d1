"""What ``meet`` and ``covers`` say of grants, held to what is decided on any operation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.model import Grant, Operation
from headgate.policy import (
    ADMIN,
    BUILT_IN,
    Allowed,
    NeedsObject,
    ResolvedObject,
    Role,
    Roles,
    covers,
    evaluate,
    judge,
    meet,
    parse_grant,
    write_grant,
)
from tests.support.grants import (
    grants,
    having,
    named_in,
    operations,
    upstreams,
    workspaces,
)

some_grants = st.lists(grants(), max_size=4)
places = st.tuples(upstreams, workspaces)


def allowed(
    given_: tuple[Grant, ...] | list[Grant],
    operation: Operation,
    place: tuple[str, str | None],
    named: list[ResolvedObject],
) -> bool:
    key = having(*map(write_grant, given_))
    decision = evaluate(key, operation, *place)
    if isinstance(decision, NeedsObject):
        decision = judge(decision, [each for each in named if each.field in decision.fields])
    return isinstance(decision, Allowed)


def parsed(*texts: str) -> list[Grant]:
    return list(map(parse_grant, texts))


@given(operations, some_grants, some_grants, places, st.data())
def test_what_two_share_is_allowed_by_both(
    operation: Operation,
    one: list[Grant],
    other: list[Grant],
    place: tuple[str, str | None],
    data: st.DataObject,
) -> None:
    named = data.draw(named_in(operation))
    if allowed(meet(one, other), operation, place, named):
        assert allowed(one, operation, place, named)
        assert allowed(other, operation, place, named)


@given(operations, some_grants, some_grants, places, st.data())
def test_who_covers_another_allows_all_that_it_does(
    operation: Operation,
    held: list[Grant],
    wanted: list[Grant],
    place: tuple[str, str | None],
    data: st.DataObject,
) -> None:
    named = data.draw(named_in(operation))
    if covers(held, wanted) and allowed(wanted, operation, place, named):
        assert allowed(held, operation, place, named)


@given(some_grants, some_grants)
def test_what_two_share_is_covered_by_both(one: list[Grant], other: list[Grant]) -> None:
    shared = meet(one, other)
    assert covers(one, shared)
    assert covers(other, shared)


@given(some_grants, some_grants)
def test_the_order_does_not_matter(one: list[Grant], other: list[Grant]) -> None:
    there, back = meet(one, other), meet(other, one)
    assert covers(there, back)
    assert covers(back, there)


@given(some_grants)
def test_grants_share_all_with_themselves_and_with_everything(some: list[Grant]) -> None:
    assert meet(some, some) == tuple(some)
    assert covers(some, some)
    for shared in (meet(some, parsed("*:*")), meet(parsed("*:*"), some)):
        assert covers(shared, some)
        assert covers(some, shared)


@given(some_grants, some_grants)
def test_who_has_more_covers_what_they_had(some: list[Grant], more: list[Grant]) -> None:
    assert covers([*some, *more], some)


@given(some_grants)
def test_what_is_shared_can_be_written_down(some: list[Grant]) -> None:
    for each in meet(
        some, parsed("write:*", "read:* on experiment team-a/*", "*:models in upstream lab")
    ):
        assert parse_grant(write_grant(each)) == each


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (["read:*"], ["*:runs"], ["read:runs"]),
        (["read:*"], ["write:*"], []),
        (["*:* on experiment team-a/*"], ["read:runs"], ["read:runs on experiment team-a/*"]),
        (["*:* on experiment team-a/*"], ["read:webhooks"], []),
        (["*:* in workspace w1"], ["read:jobs"], []),
        (["*:* in upstream lab"], ["read:gate"], []),
        (
            ["*:* in upstream lab"],
            ["*:runs in workspace w1"],
            ["*:runs in upstream lab in workspace w1"],
        ),
        (["*:* in upstream lab"], ["*:* in upstream main"], []),
        (["read:artifacts on experiment a"], ["read:artifacts on model a"], []),
        (
            ["write:runs on experiment team-*", "read:runs"],
            ["*:runs on experiment *-prod"],
            [
                "write:runs on experiment team-*-prod",
                "write:runs on experiment team-prod",
                "read:runs on experiment *-prod",
            ],
        ),
    ],
)
def test_what_a_few_share(one: list[str], other: list[str], shared: list[str]) -> None:
    assert set(meet(parsed(*one), parsed(*other))) == set(parsed(*shared))


@pytest.mark.parametrize(
    ("held", "wanted", "is_covered"),
    [
        (["*:*"], ["read:runs in upstream lab"], True),
        (["read:*", "write:*", "delete:*", "administer:*"], ["*:*"], True),
        (["read:*", "write:*", "delete:*"], ["*:*"], False),
        (["read:runs on experiment *"], ["read:runs"], False),
        (["read:runs"], ["read:runs on experiment x"], True),
        (
            ["read:runs on experiment a*", "read:runs on experiment b*"],
            ["read:runs on experiment ax"],
            True,
        ),
        (["read:runs in workspace w1"], ["read:runs"], False),
        (["read:runs in workspace w1"], ["read:runs in workspace w2"], False),
        ([], [], True),
        ([], ["read:runs"], False),
    ],
)
def test_whether_a_few_are_covered(held: list[str], wanted: list[str], *, is_covered: bool) -> None:
    assert covers(parsed(*held), parsed(*wanted)) is is_covered


def test_each_built_in_role_covers_what_it_includes_and_admin_covers_all() -> None:
    roles = Roles()
    given_ = {name: [grant for _, grant in roles.given(name)] for name in BUILT_IN}
    for name, role in BUILT_IN.items():
        assert covers(given_[ADMIN], given_[name])
        for included in role.includes:
            assert covers(given_[name], given_[included])
            assert not covers(given_[included], given_[name])


@given(operations, places, some_grants, some_grants, some_grants, st.data())
def test_a_key_is_held_to_its_owner_and_to_its_narrowing(
    operation: Operation,
    place: tuple[str, str | None],
    own: list[Grant],
    owners: list[Grant],
    narrowing: list[Grant],
    data: st.DataObject,
) -> None:
    named = data.draw(named_in(operation))
    texts = {"own": own, "owner": owners}
    roles = Roles({name: Role("", tuple(map(write_grant, each))) for name, each in texts.items()})
    key = roles.grants_for("ci", ["own"], ["owner"], tuple(map(write_grant, narrowing)))
    decision = evaluate(key, operation, *place)
    if isinstance(decision, NeedsObject):
        decision = judge(decision, [each for each in named if each.field in decision.fields])
    if isinstance(decision, Allowed):
        assert allowed(own, operation, place, named)
        assert allowed(owners, operation, place, named)
        assert not narrowing or allowed(narrowing, operation, place, named)
