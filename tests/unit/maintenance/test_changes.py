"""What may be asked of an upstream that something is asked of already."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headgate.maintenance import Directive, Park, ReadOnly, changes
from headgate.maintenance.changes import Asking, OpposedError, UnfitError

NOW = 1_800_000_000.5
ADA = Asking("ada", NOW)
BEN = Asking("ben", NOW)
NOTHING = Directive("default", 7, asked=6)
PARK = Park("0123456789abcdef", "ada", "MLflow is upgraded", NOW, NOW + 240)
LEASE = replace(PARK, lease=True, ends_at=NOW + 60)
READ_ONLY = ReadOnly("fedcba9876543210", "ada", "backup", NOW, NOW + 3600)


def later(who: Asking, seconds: float) -> Asking:
    return replace(who, now=who.now + seconds)


@pytest.mark.parametrize("park", [PARK, LEASE], ids=["person", "command"])
def test_a_park_is_the_next_revision(park: Park) -> None:
    assert changes.parked(NOTHING, park, ADA) == Directive("default", 8, park, asked=8)


def test_a_second_operator_hears_who_parked_it_why_and_until_when() -> None:
    with pytest.raises(OpposedError) as refused:
        changes.parked(replace(NOTHING, park=PARK), replace(PARK, id="f" * 16, by="ben"), BEN)
    assert str(refused.value) == (
        "upstream default is parked by 'ada' until 2027-01-15T08:04:00Z ('MLflow is upgraded')"
    )


def test_a_park_that_ended_by_itself_is_not_in_the_way() -> None:
    after = later(BEN, 240)
    park = replace(PARK, id="f" * 16, started_at=after.now, ends_at=after.now + 1)
    assert changes.parked(replace(NOTHING, park=PARK), park, after).park == park


def test_a_lease_that_ran_out_is_in_the_way_still() -> None:
    with pytest.raises(
        OpposedError, match=r"by a command, for 'ada' .*ran out at 2027-01-15T08:01"
    ):
        changes.parked(replace(NOTHING, park=LEASE), PARK, later(BEN, 60))


@pytest.mark.parametrize(
    ("seconds", "lease", "is_fit"),
    [
        (0, False, False),
        (1, False, True),
        (3600, False, True),
        (3601, False, False),
        (9, True, False),
        (10, True, True),
        (600, True, True),
        (601, True, False),
    ],
)
def test_the_time_of_a_park_is_bounded(seconds: int, lease: bool, is_fit: bool) -> None:
    park = replace(PARK, ends_at=NOW + seconds, lease=lease)
    if is_fit:
        assert changes.parked(NOTHING, park, ADA).park == park
    else:
        with pytest.raises(UnfitError, match="seconds"):
            changes.parked(NOTHING, park, ADA)


@pytest.mark.parametrize("sentence", ["x" * 201, "two\nlines", "\x1b[31m", "a\u202eb"])
def test_a_sentence_is_one_short_line(sentence: str) -> None:
    with pytest.raises(UnfitError, match="sentence"):
        changes.parked(NOTHING, replace(PARK, sentence=sentence), ADA)
    with pytest.raises(UnfitError, match="sentence"):
        changes.made_read_only(NOTHING, replace(READ_ONLY, sentence=sentence), ADA)


@pytest.mark.parametrize("after", [5, 60, 6000], ids=["in time", "at its end", "long after"])
def test_a_renewal_asks_for_nothing_new(after: float) -> None:
    """Gates that follow the park need not acknowledge it."""
    there = changes.parked(NOTHING, LEASE, ADA)
    renewed = changes.renewed(there, LEASE.id, 60, later(BEN, after))
    assert renewed.revision == there.revision + 1
    assert renewed.asked == there.asked
    assert renewed.park == replace(LEASE, ends_at=NOW + after + 60)


@pytest.mark.parametrize(
    ("park", "park_id", "seconds", "problem"),
    [
        (None, LEASE.id, 60, "the park 0123456789abcdef is over: upstream default is not parked"),
        (LEASE, "f" * 16, 60, "the park ffffffffffffffff is over: upstream default is parked"),
        (PARK, PARK.id, 60, "cannot be renewed"),
        (LEASE, LEASE.id, 9, "10 to 600 seconds"),
        (LEASE, LEASE.id, 601, "10 to 600 seconds"),
    ],
)
def test_what_cannot_be_renewed(
    park: Park | None, park_id: str, seconds: float, problem: str
) -> None:
    with pytest.raises((OpposedError, UnfitError), match=problem):
        changes.renewed(replace(NOTHING, park=park), park_id, seconds, ADA)


@pytest.mark.parametrize(
    ("park", "park_id", "who", "force"),
    [
        (PARK, None, ADA, False),
        (PARK, None, BEN, False),
        (PARK, PARK.id, BEN, False),
        (LEASE, LEASE.id, ADA, False),
        (LEASE, LEASE.id, BEN, True),
        (LEASE, None, BEN, True),
    ],
)
def test_who_may_end_a_park(park: Park, park_id: str | None, who: Asking, force: bool) -> None:
    there = replace(NOTHING, park=park)
    assert changes.unparked(there, park_id, who, force=force) == Directive("default", 8, asked=8)


@pytest.mark.parametrize(
    ("park", "park_id", "who", "force", "problem"),
    [
        (PARK, "f" * 16, ADA, True, "the park ffffffffffffffff is over; another one is in force"),
        (LEASE, None, ADA, False, "end the park with force"),  # it may be a person with that key
        (LEASE, LEASE.id, BEN, False, "end the park with force"),
    ],
)
def test_who_may_not(
    park: Park, park_id: str | None, who: Asking, force: bool, problem: str
) -> None:
    with pytest.raises(OpposedError, match=problem):
        changes.unparked(replace(NOTHING, park=park), park_id, who, force=force)


def test_nothing_is_to_be_ended_twice() -> None:
    assert changes.unparked(NOTHING, None, ADA, force=False) is None
    assert changes.unparked(NOTHING, PARK.id, ADA, force=False) is None
    ended = replace(NOTHING, park=PARK)
    assert changes.unparked(ended, None, later(ADA, 240), force=False) is None
    assert changes.writable(NOTHING, ADA) is None
    assert changes.writable(replace(NOTHING, read_only=READ_ONLY), later(ADA, 3600)) is None


def test_an_upstream_is_read_only_beside_a_park() -> None:
    there = replace(NOTHING, park=PARK)
    made = changes.made_read_only(there, READ_ONLY, ADA)
    assert made == Directive("default", 8, PARK, READ_ONLY, 8)
    assert changes.writable(made, BEN) == Directive("default", 9, PARK, None, 9)


def test_nobody_ends_what_another_has_asked_for_meanwhile() -> None:
    there = replace(NOTHING, read_only=READ_ONLY)
    assert changes.writable(there, BEN, READ_ONLY.id) == Directive("default", 8, None, None, 8)
    with pytest.raises(OpposedError, match="it is so again, by 'ada' until 2027"):
        changes.writable(there, BEN, "f" * 16)


def test_who_made_it_read_only_may_give_it_another_end() -> None:
    there = replace(NOTHING, read_only=READ_ONLY)
    longer = replace(READ_ONLY, id="f" * 16, ends_at=NOW + 7200)
    assert changes.made_read_only(there, longer, ADA).read_only == longer
    with pytest.raises(
        OpposedError, match=r"read-only by 'ada' until 2027-01-15T09:00:00Z \('back"
    ):
        changes.made_read_only(there, replace(longer, by="ben"), BEN)


@pytest.mark.parametrize("seconds", [0, 86_401])
def test_the_time_of_the_switch_is_bounded(seconds: int) -> None:
    with pytest.raises(UnfitError, match="1 to 86400 seconds"):
        changes.made_read_only(NOTHING, replace(READ_ONLY, ends_at=NOW + seconds), ADA)
