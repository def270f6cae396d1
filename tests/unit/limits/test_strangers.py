"""Failed authentications."""

from __future__ import annotations

from array import array

import pytest

from headgate.errors import Refusal
from headgate.events import AuthenticationThrottled, Event
from headgate.limits import UNLIMITED, Rate, Strangers, own_buckets
from headgate.limits.buckets import Buckets
from headgate.limits.strangers import MAX_ADDRESSES, REPORT_SECONDS
from headgate.reasons import Reason
from headgate.testing.clock import ManualClock

HERE, NEAR, FAR = "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"
WRONG = Refusal(Reason.KEY_UNKNOWN, "No such key.", detail="k_1", challenge=True)
STALE = Refusal(Reason.KEYS_STALE, "The key store cannot be read.")


class Door:
    """Throttles strangers at 0.5 a second, of which 2 may come together."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        self.strangers = Strangers(
            Rate(0.5, 2), own_buckets().strangers, self.clock, self.events.append
        )

    def fails(self, address: str, times: int = 1) -> list[Reason]:
        return [self.strangers.judge(WRONG, address).reason for _ in range(times)]


def test_beyond_a_burst_they_have_to_wait() -> None:
    door = Door()
    assert door.fails(HERE, 3) == [Reason.KEY_UNKNOWN, Reason.KEY_UNKNOWN, Reason.AUTH_THROTTLED]
    refusal = door.strangers.judge(WRONG, HERE)
    assert refusal == Refusal(
        Reason.AUTH_THROTTLED,
        "Headgate refused the request: its credentials are not good, and too many requests from "
        "2001:db8::1 have failed to authenticate. Good credentials are accepted from there all the "
        "same. Check the key or token of this client; try again in 2 s.",
        retry_after=2,
        detail="key_unknown k_1",
    )
    door.clock.advance(2)
    assert door.fails(HERE, 2) == [Reason.KEY_UNKNOWN, Reason.AUTH_THROTTLED]


def test_a_subscriber_has_one_rate() -> None:
    door = Door()
    door.fails(HERE, 2)
    assert door.fails(NEAR) == [Reason.AUTH_THROTTLED]
    assert door.fails(FAR) == [Reason.KEY_UNKNOWN]


def test_what_is_no_fault_of_the_client_is_not_counted() -> None:
    door = Door()
    assert [door.strangers.judge(STALE, HERE) for _ in range(5)] == [STALE] * 5
    assert door.fails(HERE) == [Reason.KEY_UNKNOWN]


@pytest.mark.parametrize(
    "reason",
    [Reason.KEY_REVOKED, Reason.KEY_EXPIRED, Reason.PRINCIPAL_DISABLED, Reason.TOKEN_EXPIRED],
)
def test_who_had_good_credentials_is_no_stranger(reason: Reason) -> None:
    door = Door()
    known = Refusal(reason, "It was good once.")
    assert [door.strangers.judge(known, HERE) for _ in range(5)] == [known] * 5
    assert door.fails(HERE) == [Reason.KEY_UNKNOWN]


def test_another_rate_is_in_force_immediately() -> None:
    door = Door()
    door.fails(HERE, 3)
    door.strangers.configure(Rate(100, 5))
    assert door.fails(HERE, 6).count(Reason.AUTH_THROTTLED) == 1
    door.strangers.configure(UNLIMITED)
    assert set(door.fails(HERE, 100)) == {Reason.KEY_UNKNOWN}


def test_one_event_names_the_worst() -> None:
    door = Door()
    door.strangers.report(door.clock())
    door.fails(HERE, 5)
    door.fails(FAR, 3)
    door.strangers.report(door.clock())
    door.fails(FAR)
    door.strangers.report(door.clock())
    assert door.events == [AuthenticationThrottled(HERE, 3, 4, 2)]
    door.clock.advance(REPORT_SECONDS)
    door.strangers.report(door.clock())
    assert door.events[1:] == [AuthenticationThrottled(FAR, 1, 1, 1)]


def test_so_many_addresses_are_told_apart_and_no_more() -> None:
    door = Door()
    table = Buckets(memoryview(array("d", bytes(16 * 8192))), b"key")
    door.strangers = Strangers(Rate(1e-9, 1), table, door.clock, door.events.append)
    for number in range(2 * MAX_ADDRESSES):
        door.fails(f"192.0.{number // 256}.{number % 256}", 2)
    door.fails("192.0.0.1")
    door.strangers.report(door.clock())
    (event,) = door.events
    assert isinstance(event, AuthenticationThrottled)
    assert event.addresses == MAX_ADDRESSES
