"""Decisions from the operation alone, without a look-up."""

from __future__ import annotations

from headgate.model import NO_GRANTS
from headgate.policy import (
    ALLOWED,
    BUILT_IN,
    Allowed,
    Denied,
    evaluate,
    rules,
    write_grant,
)
from tests.support.grants import (
    BY_NAME,
    OPERATIONS,
    decided,
    having,
    message,
)


def test_without_grants_nothing_is_allowed() -> None:
    for operation in OPERATIONS:
        decision = evaluate(NO_GRANTS, operation, "default", None)
        assert isinstance(decision, Allowed if operation.any_key else Denied)


def test_what_every_good_key_may_do_tells_only_its_holder() -> None:
    assert {each.name for each in OPERATIONS if each.any_key} == {
        "gate/api/me",
        "gate/api/description",
    }


def test_an_operation_needs_its_own_action_on_its_own_family() -> None:
    key = having("write:runs", roles=("viewer",))
    assert decided(key, "runs/create") is ALLOWED
    assert isinstance(decided(key, "runs/delete"), Denied)
    assert isinstance(decided(key, "experiments/create"), Denied)


def test_an_operation_of_several_families_needs_all_of_them() -> None:
    families = ("runs", "experiments", "metrics", "models", "artifacts", "datasets")
    texts = [f"read:{family}" for family in families]
    assert decided(having(*texts), "graphql") is ALLOWED
    for text in texts:
        decision = decided(having(*(other for other in texts if other != text)), "graphql")
        assert isinstance(decision, Denied)
        assert decision.needed == text


def test_reading_all_but_one_family_is_not_enough_either() -> None:
    """GraphQL reads metrics, which is no object of its own to look up."""
    all_but_metrics = [text for text in BUILT_IN["viewer"].grants if text != "read:metrics"]
    decision = decided(having(*all_but_metrics), "graphql")
    assert isinstance(decision, Denied)
    assert decision.needed == "read:metrics"


def test_a_condition_counts_for_keys_that_read_everything_too() -> None:
    for condition in ("in workspace w1", "in upstream lab", "on experiment x"):
        key = having(f"write:runs {condition}", roles=("viewer",))
        assert decided(key, "runs/create") is not ALLOWED
        assert decided(key, "runs/get") is ALLOWED


def test_a_grant_for_an_upstream_allows_nothing_on_another() -> None:
    key = having("read:runs in upstream lab")
    assert evaluate(key, BY_NAME["runs/get"], "lab", None) is ALLOWED
    assert message(decided(key, "runs/get")) == (
        "Headgate refused: your key 'ci' may read runs only on upstream 'lab'; "
        "ask the gate's operator for role viewer."
    )


def test_a_grant_for_a_workspace_needs_that_workspace_named() -> None:
    """A request that names none is in a default that the gate does not know."""
    key = having("read:runs in workspace w1")
    assert decided(key, "runs/get", "w1") is ALLOWED
    assert "only in workspace 'w1'; ask" in message(decided(key, "runs/get", "w2"))
    assert "names no workspace, which MLFLOW_WORKSPACE does" in message(decided(key, "runs/get"))


def test_no_workspace_gives_power_over_workspaces() -> None:
    key = having("*:* in workspace w1")
    for operation in OPERATIONS:
        if operation.family in ("workspaces", "auth-admin", "jobs", "assistant", "gate"):
            if operation.any_key:
                continue
            assert isinstance(evaluate(key, operation, "default", "w1"), Denied)


def test_the_rules_are_the_grants_that_count() -> None:
    key = having("read:runs on experiment a", "*:* on experiment b", "write:runs")
    assert [write_grant(each.grant) for each in rules(key, BY_NAME["runs/get"], "", None)] == [
        "read:runs on experiment a",
        "*:* on experiment b",
    ]
    assert [write_grant(each.grant) for each in rules(key, BY_NAME["runs/create"], "", None)] == [
        "write:runs"
    ]
    assert rules(key, BY_NAME["webhooks/list"], "", None) == ()
