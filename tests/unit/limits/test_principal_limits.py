"""What one principal may take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headgate.errors import Refusal
from headgate.events import Event, RequestsLimited
from headgate.limits import (
    UNLIMITED,
    Limit,
    Rate,
    RequestLimits,
    RoleRules,
    Rules,
    WorkerLimits,
    own_buckets,
)
from headgate.limits.principal_limits import ALONE_SECONDS, MAX_HELD
from headgate.limits.tally import MAX_NAMES, REPORT_SECONDS
from headgate.model import NOBODY, AuthMethod, Grants, Operation, Principal
from headgate.model.request_class import AI_GATEWAY, ARTIFACTS, READS, WRITES
from headgate.reasons import Reason
from headgate.testing.clock import ManualClock
from headgate.testing.decider import SAFE

READ = replace(SAFE, request_class=READS)
WRITE = replace(SAFE, request_class=WRITES)
FILE = replace(SAFE, request_class=ARTIFACTS)
PAGE = replace(SAFE, gate_page=True)


def principal(name: str, *roles: str) -> Principal:
    return Principal(f"p_{name}", name, AuthMethod.KEY, grants=Grants(name, roles))


ADA, BOB = principal("ada", "writer"), principal("bob", "writer")


def rates(reads: Rate | None = None, writes: Rate | None = None) -> tuple[Rate | None, ...]:
    return (reads, writes, None, None, None)


class Gate:
    """The limits of one worker, and a clock."""

    def __init__(self, rules: Rules) -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        self.limits = WorkerLimits(own_buckets(), self.clock, self.events.append)
        self.limits.configure(rules, Rate(1, 1))

    def admit(self, who: Principal, operation: Operation = READ) -> Refusal | None:
        return self.limits.requests.admit(who, operation, self.clock())

    def admitted(self, who: Principal, operation: Operation = READ, times: int = 1) -> int:
        return sum(self.admit(who, operation) is None for _ in range(times))

    def ended(self, who: Principal, operation: Operation = READ, times: int = 1) -> None:
        for _ in range(times):
            self.limits.requests.release(who, operation)


def test_one_who_is_alone_may_have_all() -> None:
    gate = Gate(Rules(10, 0.5))
    assert gate.admitted(ADA, times=20) == 10


def test_beside_others_one_has_a_share() -> None:
    gate = Gate(Rules(10, 0.5))
    assert gate.admitted(BOB) == 1
    assert gate.admitted(ADA, times=20) == 5
    refusal = gate.admit(ADA)
    assert refusal is not None
    assert refusal.reason is Reason.RATE_LIMITED
    assert refusal.retry_after
    assert "'ada' has more requests under way than one principal's share" in refusal.message
    assert "which is 5. Nothing was sent to MLflow" in refusal.message
    assert gate.admitted(BOB, times=20) == 4
    gate.ended(ADA)
    assert gate.admitted(ADA, times=2) == 1


def test_one_who_has_all_leaves_room_for_another_that_was_refused() -> None:
    gate = Gate(Rules(10, 0.5))
    assert gate.admitted(ADA, times=10) == 10
    refusal = gate.admit(BOB)
    assert refusal is not None
    assert refusal.reason is Reason.OVERLOADED
    gate.ended(ADA)
    assert gate.admitted(ADA) == 0
    assert gate.admitted(BOB) == 1
    gate.clock.advance(ALONE_SECONDS + 1)
    gate.ended(ADA)
    gate.ended(BOB)
    assert gate.admitted(ADA, times=20) == 0  # it has come after another
    gate.clock.advance(ALONE_SECONDS + 1)
    assert gate.admitted(ADA, times=20) == 2


def test_clients_without_a_key_never_have_more_than_the_share() -> None:
    gate = Gate(Rules(10, 0.5))
    assert gate.admitted(NOBODY, times=20) == 5
    refusal = gate.admit(NOBODY)
    assert refusal is not None
    assert "clients without a key have more requests under way" in refusal.message
    assert gate.admitted(ADA, times=20) == 5


def test_a_share_is_one_at_least() -> None:
    gate = Gate(Rules(1, 0.5))
    assert gate.admitted(ADA) == 1


def test_the_gates_own_pages_are_exempt() -> None:
    gate = Gate(Rules(2, 0.5, rates(Rate(1, 1))))
    assert gate.admitted(BOB) == 1
    assert gate.admitted(ADA, PAGE, 10) == 10
    gate.ended(ADA, PAGE, 10)
    assert gate.admitted(ADA, times=5) == 1


def test_each_class_has_its_rate() -> None:
    gate = Gate(Rules(100, rates=rates(Rate(2, 3), Rate(0.1, 1))))
    assert gate.admitted(ADA, READ, 9) == 3
    assert gate.admitted(ADA, WRITE, 9) == 1
    assert gate.admitted(ADA, FILE, 9) == 9
    assert gate.admitted(ADA, SAFE, 9) == 9  # it is in no class
    assert gate.admitted(BOB, READ, 9) == 3
    gate.clock.advance(0.5)
    assert gate.admitted(ADA, READ, 9) == 1


def test_a_refusal_names_the_class_the_rate_and_the_time() -> None:
    gate = Gate(Rules(100, rates=rates(None, Rate(0.4, 1))))
    gate.admit(ADA, WRITE)
    refusal = gate.admit(ADA, WRITE)
    assert refusal == Refusal(
        Reason.RATE_LIMITED,
        "Headgate refused the request: 'ada' has reached the rate limit of the class writes (0.4 "
        "per second, burst 1). Nothing was sent to MLflow; send this request again in 3 s, and "
        "fewer in the same time.",
        retry_after=3,
        detail="writes: 0.4 per second, burst 1",
    )
    gate.clock.advance(2.4)
    again = gate.admit(ADA, WRITE)
    assert again is not None
    assert again.retry_after == 1


def test_who_is_refused_holds_nothing() -> None:
    gate = Gate(Rules(10, 0.5, rates(Rate(1, 2))))
    assert gate.admitted(BOB, WRITE) == 1
    assert gate.admitted(ADA, READ, 9) == 2
    gate.ended(ADA, times=2)
    assert gate.admitted(ADA, WRITE, 9) == 5
    assert gate.limits.requests.in_flight == 6


@pytest.mark.parametrize(
    ("roles", "count"),
    [((), 3), (("viewer",), 1), (("viewer", "writer"), 5), (("writer", "viewer", "x"), 5)],
)
def test_of_several_roles_the_highest_rate_counts(roles: tuple[str, ...], count: int) -> None:
    own = {
        "viewer": RoleRules(rates=rates(Rate(0.1, 1))),
        "writer": RoleRules(rates=rates(Rate(0.1, 5))),
    }
    gate = Gate(Rules(100, rates=rates(Rate(0.1, 3)), roles=own))
    assert gate.admitted(principal("ada", *roles), READ, 20) == count


def test_a_role_may_lift_a_rate() -> None:
    own = {"robot": RoleRules(rates=rates(UNLIMITED))}
    gate = Gate(Rules(100, rates=rates(Rate(0.1, 1)), roles=own))
    assert gate.admitted(principal("ada", "robot"), READ, 20) == 20
    assert gate.admitted(ADA, READ, 20) == 1


def test_a_role_may_have_another_share_and_weight() -> None:
    own = {"robot": RoleRules(3.0, 0.2), "big": RoleRules(2.0, 0.9)}
    gate = Gate(Rules(10, 0.5, roles=own))
    robot, both = principal("r", "robot"), principal("both", "robot", "big")
    assert gate.admitted(BOB) == 1
    assert gate.admitted(robot, times=10) == 2
    gate.ended(robot, times=2)
    assert gate.admitted(both, times=20) == 9
    weight = gate.limits.principals.weight
    assert [weight(each) for each in (ADA, NOBODY, robot, both)] == [1, 1, 3, 3]


def test_two_keys_of_a_principal_share_its_bucket() -> None:
    gate = Gate(Rules(100, rates=rates(Rate(0.1, 4))))
    other = replace(ADA, credential="k_2", grants=Grants("ada", ("viewer",)))
    assert [gate.admitted(each, READ) for each in (ADA, other, ADA, other, ADA, other)] == [
        1,
        1,
        1,
        1,
        0,
        0,
    ]


def test_a_reload_with_the_same_rates_gives_no_new_burst() -> None:
    rules = Rules(100, rates=rates(Rate(0.1, 3), Rate(0.1, 3)))
    gate = Gate(rules)
    assert gate.admitted(ADA, READ, 9) == gate.admitted(ADA, WRITE, 9) == 3
    gate.limits.configure(replace(rules, rates=rates(Rate(0.1, 3), Rate(0.1, 4))), Rate(1, 1))
    assert gate.admitted(ADA, READ, 9) == 0
    assert gate.admitted(ADA, WRITE, 9) == 4
    gate.ended(ADA, READ, 10)
    assert gate.limits.requests.in_flight == 0


def test_a_reload_changes_what_roles_have() -> None:
    gate = Gate(Rules(100))
    assert gate.limits.principals.weight(ADA) == 1
    gate.limits.configure(Rules(100, roles={"writer": RoleRules(weight=7)}), Rate(1, 1))
    assert gate.limits.principals.weight(ADA) == 7


def test_principals_without_a_request_are_forgotten_in_the_end() -> None:
    gate = Gate(Rules(MAX_HELD, 1.0))
    gate.admit(ADA)
    for number in range(MAX_HELD):
        gate.admit(principal(str(number)))
        gate.ended(principal(str(number)))
    assert len(gate.limits.principals._holders) < MAX_HELD
    gate.ended(ADA)
    assert gate.limits.requests.in_flight == 0


def test_what_is_refused_is_counted_and_reported() -> None:
    gate = Gate(Rules(10, 0.5, rates(Rate(0.01, 1))))
    gate.admitted(BOB, times=3)
    gate.admitted(ADA, times=4)
    gate.admitted(ADA, WRITE, 6)
    assert gate.limits.tally.counts() == {"reads": 5, "in_flight": 2}
    assert gate.limits.tally.counts() == {}
    gate.limits.report(gate.clock())
    assert gate.events == [
        RequestsLimited("reads", "ada", "p_ada", 3, 5, 2),
        RequestsLimited("in_flight", "ada", "p_ada", 2, 2, 1),
    ]
    gate.admitted(BOB)
    gate.limits.report(gate.clock())
    assert len(gate.events) == 2
    gate.clock.advance(REPORT_SECONDS)
    gate.limits.report(gate.clock())
    assert gate.events[2:] == [RequestsLimited("reads", "bob", "p_bob", 1, 1, 1)]


def test_the_class_of_the_ai_gateway_has_one_name_everywhere() -> None:
    assert AI_GATEWAY.name == "ai_gateway"


def test_so_many_principals_are_told_apart_and_no_more() -> None:
    gate = Gate(Rules(10_000, 1.0, rates(Rate(1e-9, 1))))
    for number in range(MAX_NAMES + 10):
        gate.admitted(principal(str(number)), times=2)
    gate.limits.report(gate.clock())
    (event,) = gate.events
    assert isinstance(event, RequestsLimited)
    assert event.principals <= MAX_NAMES
    assert sum(gate.limits.tally.counts().values()) > MAX_NAMES / 2


class Closed(Limit):
    """Lets nothing begin."""

    def admit(self, principal: Principal, operation: Operation, now: float) -> Refusal | None:
        return Refusal(Reason.OVERLOADED, "Closed.")

    def release(self, principal: Principal, operation: Operation) -> None:
        raise AssertionError("nothing has begun")


def test_what_another_limit_refuses_does_not_count() -> None:
    gate = Gate(Rules(10, 0.2))
    closed = RequestLimits(10, [Closed()], gate.limits.principals)
    assert gate.admitted(BOB) == 1
    for _ in range(5):
        refusal = closed.admit(ADA, READ, gate.clock())
        assert refusal is not None
        assert refusal.message == "Closed."
    assert gate.admitted(ADA, times=5) == 2
