"""Whether a request is sent again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.cluster import RetryDecision, RetryPolicy, decide_retry
from headgate.model import Retry
from headgate.testing.policies import terms
from tests.unit.cluster.scene import Scene, endpoint

POLICY = RetryPolicy(attempts=3, total=110, reserve=10)
FIRST_FAILURE = {
    "sent": True,
    "answered": False,
    "repeatable": True,
    "attempts": 1,
    "elapsed": 1.0,
    "budget": True,
    "policy": POLICY,
}


def _decide(operation: Retry, **changes: Any) -> RetryDecision:
    return decide_retry(operation, **{**FIRST_FAILURE, **changes})


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({}, RetryDecision.AGAIN),
        ({"attempts": 2, "elapsed": 100}, RetryDecision.AGAIN),
        ({"answered": True}, RetryDecision.RESPONSE_BEGUN),
        ({"repeatable": False}, RetryDecision.BODY_GONE),
        ({"repeatable": False, "sent": False}, RetryDecision.AGAIN),
        ({"attempts": 3}, RetryDecision.ATTEMPTS_SPENT),
        ({"elapsed": 100.1}, RetryDecision.TIME_SPENT),
        ({"budget": False}, RetryDecision.BUDGET_SPENT),
    ],
)
def test_a_safe_operation_is_repeated_within_bounds(
    changes: dict[str, Any], decision: RetryDecision
) -> None:
    assert _decide(Retry.SAFE, **changes) is decision


def test_an_unsafe_one_is_repeated_only_if_nothing_was_sent() -> None:
    assert _decide(Retry.NEVER) is RetryDecision.MAY_BE_DONE
    assert _decide(Retry.NEVER, sent=False) is RetryDecision.AGAIN


@given(
    operation=st.sampled_from(Retry),
    sent=st.booleans(),
    answered=st.booleans(),
    repeatable=st.booleans(),
    attempts=st.integers(1, 10),
    elapsed=st.floats(0, 1000),
    budget=st.booleans(),
)
def test_no_request_is_ever_sent_again_that_must_not_be(
    operation: Retry,
    sent: bool,
    answered: bool,
    repeatable: bool,
    attempts: int,
    elapsed: float,
    budget: bool,
) -> None:
    decision = decide_retry(
        operation,
        sent=sent,
        answered=answered,
        repeatable=repeatable,
        attempts=attempts,
        elapsed=elapsed,
        budget=budget,
        policy=POLICY,
    )
    if decision.again:
        assert not answered
        assert budget
        assert attempts < 3
        assert elapsed <= 100
        assert not sent or (operation is Retry.SAFE and repeatable)


def test_by_default_the_last_attempt_has_a_tenth_of_105_seconds() -> None:
    assert _decide(Retry.SAFE, elapsed=94.5, policy=terms().retry_policy).again
    assert not _decide(Retry.SAFE, elapsed=94.6, policy=terms().retry_policy).again


def test_every_no_has_its_reason() -> None:
    assert len({decision.value for decision in RetryDecision}) == len(RetryDecision)
    assert [decision for decision in RetryDecision if decision.again] == [RetryDecision.AGAIN]


# --- the budget --------------------------------------------------------------------------------


def _retries_allowed(scene: Scene) -> int:
    count = 0
    while scene.cluster.may_retry():
        scene.cluster.retry_started()
        count += 1
    for _ in range(count):
        scene.cluster.retry_ended()
    return count


@pytest.mark.parametrize(("in_flight", "allowed"), [(0, 3), (15, 3), (20, 4), (100, 20)])
def test_retries_are_a_share_of_the_requests_under_way_and_a_few_always(
    in_flight: int, allowed: int
) -> None:
    scene = Scene("a")
    for _ in range(in_flight):
        scene.cluster.acquire(endpoint("a"))
    assert _retries_allowed(scene) == allowed


def test_retries_under_way_are_shown() -> None:
    scene = Scene("a")
    scene.cluster.retry_started()
    assert scene.cluster.snapshot(scene.clock()).retries == 1


def test_no_more_retries_end_than_were_started() -> None:
    with pytest.raises(ValueError, match="more retries ended"):
        Scene("a").cluster.retry_ended()
