"""Parking through the admin API of a gate: what is asked, and what its refusals become."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from headgate.cli.gate_api import Response
from headgate.cli.mlflow import gate_parking
from headgate.cli.mlflow.gate_parking import GateParking
from headgate.deploy.mlflow.errors import ParkedByOthersError, ParkingError, ParkLostError
from headgate.errors import HeadgateError

UPSTREAM = {
    "name": "default",
    "state": "parked",
    "revision": 4,
    "park": {"id": "p1", "by": "ops", "sentence": "why", "ends_at": "2026-11-29T10:00:00Z"},
    "gates": [
        {"name": "a", "revision": 4, "state": "parked", "in_flight": 0, "waiting": 2},
        {"name": "b", "revision": 1, "state": "missing", "in_flight": 1, "waiting": 0},
    ],
    "acknowledged": False,
    "drained": False,
}


class Gate:
    """Answers by path, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.responses: dict[str, tuple[int, str, Any]] = {}
        self.away = False

    def exchange(
        self, method: str, target: str, _fields: Mapping[str, str], body: bytes | None
    ) -> Response:
        """See ``Exchange``."""
        if self.away:
            raise HeadgateError("cannot ask the gate: connection refused")
        path = target.removeprefix("/-/api/v1/")
        self.asked.append((method, path, None if body is None else json.loads(body)))
        status, reason, document = self.responses[path]
        return Response(status, reason, json.dumps(document).encode())


class Clock:
    """Time that passes by sleeping."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def now(self) -> float:
        """See ``Clock``."""
        return self.at

    monotonic = now

    def sleep(self, seconds: float) -> None:
        """See ``Clock``."""
        self.at += seconds


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A gate that every ``HttpExchange`` asks."""
    made = Gate()
    monkeypatch.setattr(gate_parking, "HttpExchange", lambda *_: made.exchange)
    return made


def parking_at(_gate: Gate, own_key: str = "") -> GateParking:
    """With an operator's key."""
    return GateParking("http://gate", "default", "hg_key", own_key, {}, Clock())


def refused(message: str) -> tuple[int, str, Any]:
    """A conflict, as the gate says it."""
    return 409, "conflict", {"message": f"Headgate refused the request: {message}."}


def test_a_park_is_a_lease_that_admits_a_credential(gate: Gate) -> None:
    """The command keeps its id, and ends it by that."""
    gate.responses = {
        "upstreams/default/park": (200, "ok", UPSTREAM),
        "upstreams/default/unpark": (200, "ok", UPSTREAM | {"park": None}),
    }
    parking = parking_at(gate)
    assert parking.park("why", "k_1") == "p1"
    parking.unpark("p1")
    assert [each[2] for each in gate.asked] == [
        {"seconds": 60, "sentence": "why", "lease": True, "admits": "k_1"},
        {"park": "p1", "force": True},
    ]


def test_a_park_of_somebody_else_is_said_so(gate: Gate) -> None:
    """With the gate's own words."""
    gate.responses = {"upstreams/default/park": refused("it is parked by 'bob'")}
    with pytest.raises(ParkedByOthersError, match="it is parked by 'bob'"):
        parking_at(gate).park("why", "k_1")


def test_a_park_that_is_over_is_lost(gate: Gate) -> None:
    """Both when it is renewed, and when somebody looks."""
    gate.responses = {
        "upstreams/default/park/renew": refused("the park p1 is over"),
        "upstreams/default/park": (200, "ok", UPSTREAM),
        "upstreams/default": (200, "ok", UPSTREAM | {"park": None}),
    }
    parking = parking_at(gate)
    with pytest.raises(ParkLostError, match="the park p1 is over"):
        parking.resume("p1", "k_2")
    parking.park("why", "k_1")
    with pytest.raises(ParkLostError, match="was ended by somebody"):
        parking.look()
    parking.leave()


def test_a_look_names_the_gates(gate: Gate) -> None:
    """One that is missing has not acknowledged."""
    gate.responses = {"upstreams/default": (200, "ok", UPSTREAM)}
    found = parking_at(gate).look()
    assert (found.park, found.by, found.drained) == ("p1", "ops", False)
    assert [(each.name, each.acknowledged) for each in found.gates] == [("a", True), ("b", False)]
    assert parking_at(gate).held("why") == "p1"
    assert parking_at(gate).held("another") == ""


def test_a_short_lived_key_verifies(gate: Gate) -> None:
    """Of the same principal, with the roles that it needs, and revoked in the end."""
    gate.responses = {
        "me": (200, "ok", {"method": "key", "principal_id": "p_1", "credential": "k_0"}),
        "keys": (201, "ok", {"secret": "hg_new", "key": {"id": "k_1"}}),
        "keys/k_1/revoke": (200, "ok", {}),
    }
    parking = parking_at(gate)
    assert (parking.admit(), parking.secret) == ("k_1", "hg_new")
    made = gate.asked[1][2]
    assert (made["principal"], made["roles"]) == ("p_1", ["writer", "publisher"])
    assert made["expires_at"] == "2027-01-15T10:00:00Z"
    parking.dismiss("k_1")
    assert gate.asked[-1][:2] == ("POST", "keys/k_1/revoke")


@pytest.mark.parametrize("revokes", [True, False])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_a_key_does_not_stay_where_the_operator_stops_the_command(
    revokes: bool, stop: type[BaseException], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is waited for that all gates know of it, which takes a while."""
    gate.responses = {
        "me": (200, "ok", {"method": "key", "principal_id": "p_1", "credential": "k_0"}),
        "keys": (201, "ok", {"secret": "hg_new", "key": {"id": "k_1"}}),
        "keys/k_1/revoke": (200, "ok", {}) if revokes else (503, "store_unavailable", {}),
    }

    def stopped(*_: object) -> None:
        raise stop

    monkeypatch.setattr(GateParking, "_wait_until_accepted", stopped)
    with pytest.raises(stop):
        parking_at(gate).admit()
    assert gate.asked[-1][:2] == ("POST", "keys/k_1/revoke")


def test_a_key_of_the_operators_is_not_revoked(gate: Gate) -> None:
    """Its id is what the gate says."""
    gate.responses = {"me": (200, "ok", {"method": "key", "credential": "k_7"})}
    parking = parking_at(gate, "hg_own")
    assert (parking.admit(), parking.secret) == ("k_7", "hg_own")
    parking.dismiss("k_7")
    assert [each[1] for each in gate.asked] == ["me"]


def test_a_gate_without_keys_cannot_admit_one(gate: Gate) -> None:
    """The verification could not be told from clients."""
    gate.responses = {"me": (200, "ok", {"method": "none"})}
    with pytest.raises(ParkingError, match=r"auth\.mode = none"):
        parking_at(gate).admit()


def test_a_gate_that_is_away_may_be_asked_again(gate: Gate) -> None:
    """A refusal may not."""
    gate.responses = {"upstreams/default": (403, "forbidden", {"message": "no"})}
    gate.away = True
    with pytest.raises(ParkingError) as raised:
        parking_at(gate).look()
    assert raised.value.retryable
