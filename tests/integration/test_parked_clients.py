"""Real clients of every kind wait at two parked gates: none fails, nothing is lost or doubled.

``python -m tools.parked_clients`` does the same with 200 of each kind for three minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.mlflow_versions import CURRENT
from tests.support.parked_clients import Crowd, Park, Report, split, watch
from tests.support.parked_clients_load import MLFLOW_KINDS, POLL_TIMEOUT, POLLED
from tests.support.parked_clients_scene import ParkedScene, parked_scene
from tests.support.parked_clients_world import make_target
from tests.support.patience import patience

HOLD = 3.0
"""So that clients get to know refusals, too, in a short test."""
PARKED = 9.0
CLIENTS = 10


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ParkedScene]:
    hold = {"HEADGATE_UPSTREAMS__DEFAULT__PARKING__HOLD": f"{HOLD}"}
    with parked_scene(tmp_path_factory.mktemp("parked"), hold) as running:
        yield running


@pytest.fixture(scope="module")
def report(scene: ParkedScene) -> Report:
    """What ten clients of each kind of MLflow's saw, and those that ask again and again."""
    target = make_target(scene.mlflow, "parked")
    kinds = dict.fromkeys(MLFLOW_KINDS, CLIENTS) | {"big upload": 2} | dict.fromkeys(POLLED, 2)
    crowds = [
        Crowd(version, scene.key(f"crowd-{number}"), clients, number)
        for number, (version, clients) in enumerate(split(kinds, [CURRENT]))
    ]
    # What were held would be refused after ``HOLD``, and that is a failure, too.
    seconds = patience(POLL_TIMEOUT)
    park = Park(PARKED, 2.0, lambda: scene.park(60), scene.unpark, poll_timeout=seconds)
    return watch(crowds, scene.gates, scene.mlflow, target, park)


@pytest.mark.parametrize("kind", MLFLOW_KINDS)
def test_none_of_mlflows_clients_fails(report: Report, kind: str) -> None:
    row = report.row(kind)
    assert (row.failed, row.lost, row.doubled) == (0, 0, 0), row
    assert row.succeeded == row.clients
    # Who asked during the park had a response after it, though each hold is shorter.
    assert row.longest > HOLD, row


def test_clients_were_refused_after_their_hold_and_came_back(report: Report) -> None:
    assert sum(row.refused for row in report.rows) >= CLIENTS
    refused = [saw for saw in report.saws if saw.kind == "create run" and saw.refused]
    assert refused
    assert all(saw.broken == 0 for saw in report.saws), "no connection was cut"


@pytest.mark.parametrize("kind", POLLED)
def test_who_asks_without_patience_has_a_response_in_time(report: Report, kind: str) -> None:
    row = report.row(kind)
    assert row.failed == 0, row
    assert row.succeeded > 2


def test_mlflow_is_sent_nothing_while_it_is_parked(report: Report) -> None:
    assert report.sent_while_parked() == 0
    assert sum(report.released()) >= len(MLFLOW_KINDS) * CLIENTS / 2
