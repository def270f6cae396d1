"""The endpoints about maintenance: who may ask what, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from headgate.errors import HeadgateError
from headgate.events import (
    AdministrationFailed,
    Asked,
    GateRemoved,
    LeaseRenewed,
    MaintenanceAsked,
)
from headgate.maintenance import Directive
from headgate.stores.maintenance import (
    GateReport,
    OlderSchemaError,
    RevisionChangedError,
    UpstreamReport,
)
from tests.unit.control.api.stand import GATEKEEPER, NOW, OWN_GATE, Reply, Stand, sender

PARK = "upstreams/default/park"
UNPARK = "upstreams/default/unpark"
READ_ONLY = "upstreams/default/read-only"


@pytest.fixture
def stand() -> Stand:
    """A gate that is registered, and another."""
    made = Stand()
    report(made, OWN_GATE, 0)
    report(made, "g_00000002", 0)
    return made


def report(
    stand: Stand, gate: str, revision: int, state: str = "serving", in_flight: int = 0, **more: Any
) -> None:
    upstreams = {"default": UpstreamReport(revision, state, in_flight, 0), **more}
    stand.maintenance.report(GateReport(gate, f"host {gate}", "1.2.3", 2, upstreams))


def done(reply: Reply) -> Mapping[str, Any]:
    assert reply.status == 200, reply.body
    return dict(reply.body)


def refused(reply: Reply, status: int, reason: str) -> str:
    assert (reply.status, reply.reason) == (status, reason), reply.body
    assert reply.body["message"].startswith("Headgate ")
    return str(reply.body["message"])


def test_nothing_is_asked_at_first(stand: Stand) -> None:
    default, batch = done(stand.ask("GET", "upstreams", who=GATEKEEPER))["upstreams"]
    assert default["state"] == "serving"
    assert default["revision"] == 0
    assert default["park"] is None
    assert default["read_only"] is None
    assert [each["id"] for each in default["gates"]] == [OWN_GATE, "g_00000002"]
    assert default["acknowledged"]
    assert not default["drained"]
    assert batch["name"] == "batch"
    assert batch["gates"] == []  # no gate has reported it
    assert not batch["acknowledged"]


def test_a_park_is_drained_once_every_gate_has_acknowledged_and_nothing_is_in_flight(
    stand: Stand,
) -> None:
    asked = done(
        stand.ask("POST", PARK, {"seconds": 60, "sentence": "tea", "admits": "k_7dQ2mhX4"})
    )
    park = asked["park"]
    assert (park["by"], park["sentence"], park["lease"]) == ("root", "tea", False)
    assert park["admits"] == "k_7dQ2mhX4"
    assert (park["started_at"], park["ends_at"]) == ("2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z")
    assert (asked["state"], asked["acknowledged"], asked["drained"]) == ("draining", False, False)
    (took,) = stand.took
    assert took.revision == 1

    def standing() -> tuple[str, bool, bool]:
        found = done(stand.ask("GET", "upstreams/default"))
        return found["state"], found["acknowledged"], found["drained"]

    report(stand, OWN_GATE, 1, "parked")
    assert standing() == ("draining", False, False)
    report(stand, "g_00000002", 1, "draining", in_flight=2)
    assert standing() == ("draining", True, False)
    report(stand, "g_00000002", 1, "parked")
    assert standing() == ("parked", True, True)
    assert done(stand.ask("POST", UNPARK))["park"] is None
    assert standing() == ("releasing", False, False)
    report(stand, OWN_GATE, 2, "releasing")
    report(stand, "g_00000002", 2)
    assert standing() == ("releasing", True, False)
    report(stand, OWN_GATE, 2)
    assert standing() == ("serving", True, False)
    asked_, ended = [each for each in stand.events if isinstance(each, MaintenanceAsked)]
    assert (asked_.asked, asked_.upstream, asked_.actor) == (Asked.PARK, "default", "root")
    assert asked_.credential == "k_root0001"
    assert (ended.asked, ended.park, ended.begun_by) == (Asked.UNPARK, park["id"], "root")


def test_a_gate_that_is_silent_is_missing_until_it_is_removed(stand: Stand) -> None:
    done(stand.ask("POST", PARK, {}))
    stand.maintenance.clock.advance(61)
    report(stand, OWN_GATE, 1, "parked")
    shown = done(stand.ask("GET", "upstreams/default"))
    assert [each["state"] for each in shown["gates"]] == ["parked", "missing"]
    assert not shown["acknowledged"]
    listed = done(stand.ask("GET", "gates"))["gates"]
    assert [(each["id"], each["state"]) for each in listed] == [
        (OWN_GATE, "present"),
        ("g_00000002", "missing"),
    ]
    assert listed[1]["seen_at"] == "2027-01-15T07:58:59Z"
    removed = done(stand.ask("POST", "gates/g_00000002/remove"))["gate"]
    assert removed == listed[1]
    assert done(stand.ask("GET", "upstreams/default"))["drained"]
    assert isinstance(stand.events[-1], GateRemoved)
    again = stand.ask("POST", "gates/g_00000002/remove")
    assert "no gate has that id" in refused(again, 404, "not_found")


def test_without_the_gate_that_is_asked_nobody_can_say_that_all_follow(stand: Stand) -> None:
    stand.maintenance.leave(OWN_GATE)
    assert not done(stand.ask("GET", "upstreams/default"))["acknowledged"]


def test_a_gate_of_which_nothing_is_known_counts(stand: Stand) -> None:
    stand.maintenance.report(GateReport("g_00000003", "host", "1.2.3", 2, {}))
    done(stand.ask("POST", PARK, {}))
    report(stand, OWN_GATE, 1, "parked")
    report(stand, "g_00000002", 1, "parked")
    assert not done(stand.ask("GET", "upstreams/default"))["acknowledged"]


def test_a_gate_with_other_upstreams_does_not(stand: Stand) -> None:
    batch = {"batch": UpstreamReport(0, "serving", 0, 0)}
    stand.maintenance.report(GateReport("g_00000003", "host", "1.2.3", 2, batch))
    done(stand.ask("POST", PARK, {}))
    report(stand, OWN_GATE, 1, "parked")
    report(stand, "g_00000002", 1, "parked")
    assert done(stand.ask("GET", "upstreams/default"))["drained"]


def test_a_second_operator_is_refused(stand: Stand) -> None:
    done(stand.ask("POST", PARK, {"sentence": "tea"}))
    message = refused(stand.ask("POST", PARK, {}, who=GATEKEEPER), 409, "conflict")
    assert "parked by 'root' until 2027-01-15T08:04:00Z ('tea')" in message
    assert done(stand.ask("POST", UNPARK, {}, who=GATEKEEPER))["park"] is None
    done(stand.ask("POST", PARK, {}, who=GATEKEEPER))


def test_a_lease_is_renewed_by_its_command_and_ended_by_it_or_by_force(stand: Stand) -> None:
    park = done(stand.ask("POST", PARK, {"seconds": 30, "lease": True}))["park"]["id"]
    report(stand, OWN_GATE, 1, "parked")
    report(stand, "g_00000002", 1, "parked")
    stand.now += 20
    renewed = done(stand.ask("POST", "upstreams/default/park/renew", {"park": park, "seconds": 60}))
    assert renewed["park"]["ends_at"] == "2027-01-15T08:01:20Z"
    assert renewed["drained"]  # nothing new is asked of the gates
    assert isinstance(stand.events[-1], LeaseRenewed)
    assert "force" in refused(stand.ask("POST", UNPARK), 409, "conflict")
    assert "force" in refused(
        stand.ask("POST", UNPARK, {"park": park}, who=GATEKEEPER), 409, "conflict"
    )
    stand.now += 60
    over = done(stand.ask("GET", "upstreams/default"))
    assert (over["state"], over["drained"], over["park"]["id"]) == ("refusing", False, park)
    assert done(stand.ask("POST", UNPARK, {"force": True}, who=GATEKEEPER))["park"] is None
    lost = stand.ask("POST", "upstreams/default/park/renew", {"park": park})
    assert "is over" in refused(lost, 409, "conflict")


def test_a_park_ends_by_itself(stand: Stand) -> None:
    done(stand.ask("POST", PARK, {"seconds": 1}))
    stand.now += 1
    assert done(stand.ask("GET", "upstreams/default"))["park"] is None
    assert done(stand.ask("POST", UNPARK))["revision"] == 1  # there was nothing to do


def test_an_upstream_is_read_only_for_a_while(stand: Stand) -> None:
    on = done(stand.ask("POST", READ_ONLY, {"on": True, "sentence": "backup"}))
    assert on["read_only"]["ends_at"] == "2027-01-15T09:00:00Z"
    assert on["read_only"]["sentence"] == "backup"
    other = stand.ask("POST", READ_ONLY, {"on": True}, who=GATEKEEPER)
    assert "read-only by 'root'" in refused(other, 409, "conflict")
    assert done(stand.ask("POST", READ_ONLY, {"on": False}))["read_only"] is None
    assert done(stand.ask("POST", READ_ONLY, {"on": False}))["revision"] == 2
    kinds = [each.asked for each in stand.events if isinstance(each, MaintenanceAsked)]
    assert kinds == [Asked.READ_ONLY_ON, Asked.READ_ONLY_OFF]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (PARK, {"seconds": 0}, 400),
        (PARK, {"seconds": 3601}, 400),
        (PARK, {"seconds": "60"}, 400),
        (PARK, {"seconds": 9, "lease": True}, 422),
        (PARK, {"seconds": 601, "lease": True}, 422),
        (PARK, {"sentence": "x" * 201}, 400),
        (PARK, {"sentence": "two\nlines"}, 422),
        (PARK, {"admits": ""}, 400),
        (PARK, {"colour": "red"}, 400),
        (READ_ONLY, {}, 400),
        (READ_ONLY, {"on": True, "seconds": 86_401}, 400),
        (READ_ONLY, {"on": True, "sentence": "\u202e"}, 422),
        ("upstreams/default/park/renew", {"park": "x"}, 400),
        ("upstreams/default/unpark", {"park": "x"}, 400),
    ],
)
def test_what_is_not_possible_is_refused(
    stand: Stand, path: str, body: Mapping[str, object], status: int
) -> None:
    refused(stand.ask("POST", path, body), status, "request_invalid")
    assert stand.maintenance.directives() == {}
    assert stand.events == []


def test_an_upstream_that_there_is_not(stand: Stand) -> None:
    message = refused(stand.ask("POST", "upstreams/nope/park", {}), 404, "not_found")
    assert "it has default, batch" in message
    # One that was configured when it was parked can still be unparked.
    done(stand.ask("POST", "upstreams/batch/park", {}))
    facts = stand.facts.maintenance
    stand.facts = replace(stand.facts, maintenance=replace(facts, upstreams=lambda: ["default"]))
    assert [each["name"] for each in done(stand.ask("GET", "upstreams"))["upstreams"]] == [
        "default",
        "batch",
    ]
    assert done(stand.ask("POST", "upstreams/batch/unpark"))["park"] is None


def test_of_several_who_ask_together_one_is_first(stand: Stand) -> None:
    replies = stand.ask_all([("POST", PARK, {}) for _ in range(5)])
    assert sorted(each.status for each in replies) == [200, 409, 409, 409, 409]


def test_a_change_that_comes_in_between_is_seen(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through another gate, between the look and the change."""
    real, others = stand.maintenance.put, iter([5, 6])

    def put(directive: Directive, before: int) -> None:
        revision = next(others, None)
        if revision is not None:
            real(Directive("default", revision, asked=revision), 0 if revision == 5 else 5)
        real(directive, before)

    monkeypatch.setattr(stand.maintenance, "put", put)
    assert done(stand.ask("POST", PARK, {}))["revision"] == 7

    def always(_directive: Directive, _before: int) -> None:
        raise RevisionChangedError

    monkeypatch.setattr(stand.maintenance, "put", always)
    assert "try again" in refused(stand.ask("POST", UNPARK), 409, "conflict")


@pytest.mark.parametrize("path", ["upstreams", "upstreams/default", "gates"])
def test_a_store_that_cannot_be_read(stand: Stand, path: str) -> None:
    stand.maintenance.failure = HeadgateError("secret of the server")
    message = refused(stand.ask("GET", path), 503, "store_unavailable")
    assert "secret" not in message
    assert isinstance(stand.events[-1], AdministrationFailed)


def test_a_store_that_is_down_is_not_changed(stand: Stand) -> None:
    stand.maintenance.failure = HeadgateError("down")
    assert "nothing was done" in refused(stand.ask("POST", PARK, {}), 503, "store_unavailable")
    stand.maintenance.failure = None
    assert stand.maintenance.directives() == {}
    assert stand.took == []


def test_a_change_that_may_have_been_made(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def put(_directive: Directive, _before: int) -> None:
        raise HeadgateError("lost")

    monkeypatch.setattr(stand.maintenance, "put", put)
    message = refused(stand.ask("POST", PARK, {}), 503, "store_unavailable")
    assert "cannot say whether it was made" in message
    assert stand.took == []


def test_a_change_that_was_made_is_noted_though_nobody_can_show_it(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gates() -> None:
        raise HeadgateError("lost")

    monkeypatch.setattr(stand.maintenance, "gates", gates)
    message = refused(stand.ask("POST", PARK, {}), 503, "store_unavailable")
    assert "cannot say whether it was made" in message
    assert [each.revision for each in stand.took] == [1]
    assert isinstance(stand.events[0], MaintenanceAsked)


def test_a_store_of_an_older_schema_has_no_place_for_it(stand: Stand) -> None:
    stand.maintenance.failure = OlderSchemaError("the store has schema 4; upgrade it")
    assert "schema 4" in refused(stand.ask("POST", PARK, {}), 409, "conflict")


def test_a_token_is_named_in_the_event(stand: Stand) -> None:
    done(stand.ask("POST", PARK, {}, who=sender("admin", name="ci", key="jti-1")))
    event = stand.events[-1]
    assert isinstance(event, MaintenanceAsked)
    assert (event.actor, event.credential) == ("ci", "jti-1")


def test_times_are_those_of_the_gate(stand: Stand) -> None:
    stand.now = NOW + 0.9
    park = done(stand.ask("POST", PARK, {"seconds": 1}))["park"]
    assert (park["started_at"], park["ends_at"]) == ("2027-01-15T08:00:00Z", "2027-01-15T08:00:01Z")
