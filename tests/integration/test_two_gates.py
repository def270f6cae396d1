"""Two gates on one PostgreSQL: a change made at one of them holds at both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.gate import bearer
from tests.support.patience import patience
from tests.support.raw import RawClient, request_head
from tests.support.two_gates import READ, TwoGates, called, running_two_gates
from tests.support.waiting import seconds_until

KNOWN_SECONDS = 1.0
"""After which a key that was made at one gate is accepted by the other."""
PROMISE = 2.0
"""Seconds after which a key that was revoked, or may do less, is so everywhere."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoGates]:
    with running_two_gates(tmp_path_factory.mktemp("two-gates")) as running:
        yield running


def test_a_key_made_by_a_command_is_known_at_both_within_a_second(two: TwoGates) -> None:
    times = []
    for number in range(2):  # the better one: what the machine does besides is not the gates' doing
        key = two.store.told("keys", "create", f"by-command-{number}")
        times.append(two.wait(key, 200))
    assert min(times) <= patience(KNOWN_SECONDS), times


def test_a_change_at_one_gate_holds_at_both(two: TwoGates) -> None:
    """Made at the first, used at the second; revoked at the second, dead on both, kept or not."""
    first, second = two.gates
    message = {"name": "by-api", "roles": ["viewer"]}
    times = []
    for number in range(2):
        made = called(first, two.admin, "POST", "/keys", message | {"name": f"by-api-{number}"})
        key = made["secret"]
        times.append(two.wait(key, 200))
    assert min(times) <= patience(KNOWN_SECONDS), times
    head = request_head("GET", READ, bearer(key))
    with first.connect() as one, second.connect() as other:
        kept = (one, other)
        seconds_until(lambda: [_status(each, head) for each in kept] == [200, 200], PROMISE)
        called(second, two.admin, "POST", f"/keys/{made['key']['id']}/revoke")
        seconds_until(lambda: [_status(each, head) for each in kept] == [401, 401], PROMISE)
    assert two.statuses(key) == [(401, "key_revoked")] * 2


def _status(client: RawClient, head: bytes) -> int:
    client.send(head)
    return client.response().status


def test_a_principal_that_is_narrowed_or_disabled_takes_its_keys_along(two: TwoGates) -> None:
    first, second = two.gates
    made = called(first, two.admin, "POST", "/principals", {"name": "team", "roles": ["writer"]})
    team = f"/principals/{made['principal']['id']}"
    new = {"name": "team-key", "principal": "team", "roles": ["writer"]}
    key = called(first, two.admin, "POST", "/keys", new)["secret"]
    write = ("POST", "/api/2.0/mlflow/experiments/create", "Content-Type: application/json")

    def writes() -> list[int]:
        return [each.ask(*write, key=key, body=b'{"name": "x"}').status for each in two.gates]

    seconds_until(lambda: writes() == [200, 200], PROMISE)
    called(second, two.admin, "PATCH", team, {"roles": ["viewer"]})
    seconds_until(lambda: writes() == [403, 403], PROMISE)
    assert two.statuses(key) == [(200, None)] * 2
    called(first, two.admin, "POST", f"{team}/disable")
    two.wait(key, 401, "principal_disabled")
    called(second, two.admin, "POST", f"{team}/enable")
    two.wait(key, 200)
