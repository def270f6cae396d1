"""What is true of all grants and operations."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.model import Action, Grant, Grants, ObjectKind, Operation
from headgate.policy import (
    ALLOWED,
    Allowed,
    Denied,
    NeedsObject,
    ResolvedObject,
    Roles,
    evaluate,
    judge,
    write_grant,
)
from headgate.policy.scopes import LIES_IN, NARROWED_BY
from tests.support.grants import (
    OPERATIONS,
    grants,
    having,
    named_in,
    operations,
    patterns,
    upstreams,
    workspaces,
)


def final(
    key: Grants, operation: Operation, place: tuple[str, str | None], named: list[ResolvedObject]
) -> bool:
    decision = evaluate(key, operation, *place)
    if isinstance(decision, NeedsObject):
        decision = judge(decision, [each for each in named if each.field in decision.fields])
    return isinstance(decision, Allowed)


@given(
    operations,
    st.lists(grants(), max_size=4),
    st.lists(grants(), max_size=3),
    upstreams,
    workspaces,
    st.data(),
)
def test_more_grants_never_allow_less(
    operation: Operation,
    some: list[Grant],
    more: list[Grant],
    upstream: str,
    workspace: str | None,
    data: st.DataObject,
) -> None:
    named = data.draw(named_in(operation))
    place = (upstream, workspace)
    few, many = having(*map(write_grant, some)), having(*map(write_grant, [*some, *more]))
    if final(few, operation, place, named):
        assert final(many, operation, place, named)


@given(operations, grants(), upstreams, workspaces, st.data())
def test_a_condition_never_allows_more(
    operation: Operation,
    grant: Grant,
    upstream: str,
    workspace: str | None,
    data: st.DataObject,
) -> None:
    named = data.draw(named_in(operation))
    free = replace(grant, on=None, upstream=None, workspace=None)
    place = (upstream, workspace)
    if final(having(write_grant(grant), roles=("viewer",)), operation, place, named):
        assert final(having(write_grant(free), roles=("viewer",)), operation, place, named)


@given(operations, patterns, st.data())
def test_a_narrowed_key_reaches_only_what_fits(
    operation: Operation, pattern: str, data: st.DataObject
) -> None:
    """Whatever it asks for and names: each object is called as it should be, and there is one."""
    key = having(f'*:* on experiment "{pattern}"', "*:* on model mine-*")
    named = data.draw(named_in(operation))
    if operation.any_key or not final(key, operation, ("default", None), named):
        return  # pages of the gate about the key itself are for every key
    relevant = [each for each in named if each.field.kind in LIES_IN]
    assert relevant
    for each in relevant:
        if each.field.kind is ObjectKind.MODEL:
            assert called(each.value, "mine-*")
        elif each.field.kind is ObjectKind.EXPERIMENT_NAME:
            assert called(each.value, pattern)
        elif not (each.absent and each.field.may_be_new):
            assert each.names
            assert all(called(name, pattern) for name in each.names)


def called(name: str, pattern: str) -> bool:
    meaning = {"*": ".*", "?": "."}
    return (
        re.fullmatch("".join(meaning.get(each, re.escape(each)) for each in pattern), name)
        is not None
    )


@given(operations, upstreams, workspaces)
def test_the_viewer_can_only_read(
    operation: Operation, upstream: str, workspace: str | None
) -> None:
    decision = evaluate(Roles().grants_for("ci", ["viewer"]), operation, upstream, workspace)
    assert isinstance(decision, Allowed | Denied)
    assert isinstance(decision, Denied) or operation.action is Action.READ


def test_each_family_that_can_be_narrowed_has_operations_that_name_such_objects() -> None:
    """And no other family is thought to."""
    for kind, families in NARROWED_BY.items():
        named = {
            operation.family
            for operation in OPERATIONS
            for field in operation.objects
            if field.kind in LIES_IN and LIES_IN[field.kind][0] is kind
        }
        assert families <= named


def test_each_kind_of_object_is_looked_up_or_known_not_to_be() -> None:
    assert set(ObjectKind) - set(LIES_IN) == {
        ObjectKind.WORKSPACE,
        ObjectKind.PATH,
        ObjectKind.LOCAL_FILE,
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_a_key_with_all_grants_may_do_everything(operation: Operation) -> None:
    assert evaluate(having("*:*"), operation, "default", None) is ALLOWED
