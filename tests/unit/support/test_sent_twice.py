"""What counts as a request that was sent to MLflow twice though that is not safe."""

from __future__ import annotations

import pytest

from headgate.testing.request_log import Arrival
from tests.support.fleet import sent_twice

CREATE = "/api/2.0/mlflow/runs/create"


def arrival(path: str = CREATE, digest: str = "a", request_id: str = "one") -> Arrival:
    return Arrival("POST", path, digest, request_id)


def test_the_same_request_counts_from_any_sender() -> None:
    arrivals = [arrival(), arrival(request_id="two")]
    assert sent_twice(arrivals) == [CREATE]
    assert sent_twice(arrivals, by_one=True) == []
    assert sent_twice([arrival(), arrival()], by_one=True) == [CREATE]


@pytest.mark.parametrize(
    "other",
    [
        arrival(digest="b"),
        arrival("/api/2.0/mlflow/experiments/create"),
        Arrival("GET", CREATE, "a", "one"),
    ],
)
def test_another_request_does_not(other: Arrival) -> None:
    assert sent_twice([arrival(), other]) == []


def test_what_changes_nothing_more_may_come_twice() -> None:
    assert sent_twice([arrival("/api/2.0/mlflow/runs/set-tag")] * 2) == []


def test_a_path_that_nobody_knows_may_not() -> None:
    assert sent_twice([arrival("/unknown")] * 2) == ["/unknown"]
