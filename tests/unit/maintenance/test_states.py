"""The states of an upstream under maintenance: what leads where, and what passes meanwhile."""

from __future__ import annotations

from dataclasses import replace

from headgate.maintenance import (
    STATES,
    TRANSITIONS,
    Directive,
    Park,
    ParkState,
    ReadOnly,
    Standing,
    UpstreamMaintenance,
    merged,
)
from headgate.model import AuthMethod, Principal

PARK = Park("a" * 16, "ada", "an upgrade", started_at=1000, ends_at=1240)
LEASE = replace(PARK, id="b" * 16, lease=True, admits="k1")
READ_ONLY = ReadOnly("c" * 16, "ada", "a backup", started_at=1000, ends_at=4600)


def principal(credential: str = "") -> Principal:
    return Principal("p1", "ada", AuthMethod.KEY, credential=credential)


def parked(park: Park = PARK, now: float = 1000, in_flight: int = 0) -> UpstreamMaintenance:
    maintenance = UpstreamMaintenance("default")
    maintenance.on_change = lambda: maintenance.follow(now, in_flight, 0)
    maintenance.take(Directive("default", 1, park))
    return maintenance


def test_every_state_but_the_first_is_reached_and_left() -> None:
    states = [each.state for each in STATES]
    assert states == list(ParkState)
    assert {each.after for each in TRANSITIONS} == set(states)
    assert {each.before for each in TRANSITIONS} == set(states)


def test_requests_from_before_the_park_are_waited_for() -> None:
    maintenance = parked(in_flight=2)
    assert maintenance.report() == Standing(1, ParkState.DRAINING, 2, 0)
    maintenance.follow(1001, in_flight=1, waiting=3)
    assert maintenance.report() == Standing(1, ParkState.DRAINING, 1, 3)
    maintenance.follow(1002, in_flight=0, waiting=3)
    assert maintenance.report() == Standing(1, ParkState.PARKED, 0, 3)


def test_requests_of_the_admitted_credential_do_not_count_as_under_way() -> None:
    maintenance = parked(LEASE)
    maintenance.follow(1001, in_flight=3, waiting=0)
    assert maintenance.report() == Standing(1, ParkState.PARKED, 0, 0)


def test_a_park_by_a_person_ends_by_itself() -> None:
    maintenance = parked()
    maintenance.follow(1239.9, 0, 2)
    assert maintenance.report().state is ParkState.PARKED
    maintenance.follow(1240, 0, 2)
    assert maintenance.report().state is ParkState.RELEASING
    maintenance.follow(1241, 2, 0)
    assert maintenance.report().state is ParkState.SERVING
    assert not maintenance.asked


def test_a_clock_that_is_set_back_brings_no_park_back() -> None:
    maintenance = parked()
    maintenance.follow(1240, 0, 0)
    maintenance.follow(1100, 0, 0)
    assert maintenance.report().state is ParkState.SERVING


def test_a_lease_that_runs_out_refuses_until_it_is_renewed() -> None:
    maintenance = parked(LEASE)
    maintenance.follow(1240, 0, 1)
    assert maintenance.report().state is ParkState.REFUSING
    maintenance.on_change = lambda: maintenance.follow(1250, 0, 1)
    maintenance.take(Directive("default", 2, replace(LEASE, ends_at=1300)))
    assert maintenance.report().state is ParkState.PARKED


def test_a_lease_that_has_run_out_can_be_ended() -> None:
    maintenance = parked(LEASE)
    maintenance.follow(1240, 0, 1)
    maintenance.on_change = lambda: maintenance.follow(1250, 0, 1)
    maintenance.take(Directive("default", 2))
    assert maintenance.report().state is ParkState.RELEASING


def test_a_worker_that_starts_after_the_lease_has_run_out_refuses() -> None:
    assert parked(LEASE, now=5000).state is ParkState.REFUSING


def test_another_park_waits_for_what_the_one_before_admitted() -> None:
    maintenance = parked(LEASE)
    maintenance.on_change = lambda: maintenance.follow(1010, 1, 0)
    maintenance.take(Directive("default", 2, replace(PARK, id="d" * 16)))
    assert maintenance.report().state is ParkState.DRAINING
    maintenance.follow(1011, 0, 0)
    assert maintenance.report().state is ParkState.PARKED


def test_only_the_credential_that_the_park_names_passes_and_the_gate_itself() -> None:
    maintenance = parked(LEASE)
    assert maintenance.passes(None)
    assert maintenance.passes(principal("k1"))
    assert not maintenance.passes(principal("k2"))
    assert not maintenance.passes(principal())
    assert not parked().passes(principal())


def test_writes_are_refused_until_the_time_that_was_said() -> None:
    maintenance = UpstreamMaintenance("default")
    maintenance.on_change = lambda: maintenance.follow(1000, 3, 0, writing=2)
    maintenance.take(Directive("default", 1, None, READ_ONLY))
    assert maintenance.writes_refused(1000) == READ_ONLY
    assert maintenance.report() == Standing(1, ParkState.SERVING, 3, 0, 2)
    maintenance.follow(4600, 3, 0, writing=2)
    assert maintenance.writes_refused(4600) is None
    assert maintenance.writes_refused(4000) is None, "the clock was set back"
    assert not maintenance.asked
    assert maintenance.report().writing == 0


def test_an_upstream_of_which_nothing_is_asked_costs_nothing() -> None:
    maintenance = UpstreamMaintenance("default")
    maintenance.take(Directive("default"))
    assert not maintenance.asked


def test_the_part_that_is_behind_speaks_for_the_whole() -> None:
    old = Standing(1, ParkState.DRAINING, 2, 1)
    new = Standing(2, ParkState.PARKED, 0, 5)
    assert merged([new, old]) == Standing(1, ParkState.DRAINING, 2, 6)
