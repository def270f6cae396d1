"""Assessments that are logged while their trace is open: they come with the trace itself.

MLflow's client gives them no ids; MLflow makes these.  An id in such a message is one that MLflow
has stored already, and MLflow would move or change that assessment, whichever trace it is of
(``SqlAlchemyStore._start_trace_once`` merges by primary key, ``delete_assessment`` restores what
was overridden by its id alone).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.client import run_client
from tests.support.gate import Gate, running_gate
from tests.support.keys import make_key
from tests.support.mlflow_server import MlflowServer

SETTINGS = """
[roles.team-a]
grants = ["*:* on experiment assessed-a", "read:meta"]
"""
PROGRAM = """
import json
import mlflow
from mlflow.entities import Feedback

mlflow.set_experiment("assessed-a")

@mlflow.trace
def work(x):
    trace = mlflow.get_active_trace_id()
    mlflow.log_feedback(trace_id=trace, name="good", value=True, rationale="why")
    mlflow.log_expectation(trace_id=trace, name="expected", value=2)
    mlflow.log_assessment(trace, Feedback(name="third", value=0.5))
    return x

work(1)
trace = mlflow.get_last_active_trace_id()
first = mlflow.get_trace(trace).info.assessments
old = next(each for each in first if each.name == "good")
mlflow.override_feedback(trace_id=trace, assessment_id=old.assessment_id, value=False)
stored = mlflow.get_trace(trace).info.assessments
print(json.dumps([sorted([each.name, each.valid] for each in stored)]))
"""


@dataclass(frozen=True)
class World:
    """A gate, a key for one of two experiments, and MLflow itself."""

    gate: Gate
    mlflow: MlflowServer
    key: str
    own: str
    other: str

    def start(self, trace: str, experiment: str, *assessments: object) -> tuple[int, Any]:
        """Begin a trace, through the gate or, in the other experiment, straight in MLflow."""
        place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        info = {
            "trace_id": trace,
            "trace_location": place,
            "request_time": "2026-01-01T00:00:00Z",
            "state": "OK",
            "assessments": assessments,
        }
        message = {"trace": {"trace_info": info}}
        path = "3.0/mlflow/traces"
        if experiment == self.other:
            return 200, self.mlflow.call("POST", path, message)
        body = json.dumps(message).encode()
        head = "Content-Type: application/json"
        response = self.gate.ask("POST", f"/api/{path}", head, key=self.key, body=body)
        return response.status, json.loads(response.body)

    def assessments(self, trace: str) -> list[dict[str, Any]]:
        response = self.mlflow.ask("GET", f"/api/3.0/mlflow/traces/{trace}")
        found: dict[str, Any] = json.loads(response.body)["trace"]["trace_info"]
        return list(found.get("assessments", ()))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, mlflow_server: MlflowServer) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("assessments")
    settings = folder / "headgate.toml"
    settings.write_text(SETTINGS)
    (folder / "data").mkdir()
    key = make_key(folder / "data", "narrowed", ["team-a"])

    def made(name: str) -> str:
        created = mlflow_server.call("POST", "2.0/mlflow/experiments/create", {"name": name})
        return str(created["experiment_id"])

    own, other = made("assessed-a"), made("assessed-b")
    with running_gate(folder, mlflow_server.url, {"HEADGATE_CONFIG": str(settings)}) as gate:
        yield World(gate, mlflow_server, key, own, other)


def new_trace() -> str:
    return f"tr-{secrets.token_hex(16)}"


def feedback(**more: str) -> dict[str, object]:
    source = {"source_type": "HUMAN", "source_id": "ada"}
    return {"assessment_name": "good", "source": source, "feedback": {"value": True}, **more}


def test_the_client_logs_assessments_while_the_trace_is_open(world: World) -> None:
    settings = {"MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false"}
    bare = run_client(PROGRAM, world.mlflow.url, settings)
    gated = run_client(PROGRAM, world.gate.url, settings | {"MLFLOW_TRACKING_TOKEN": world.key})
    assert gated.stdout == bare.stdout != "", gated.stderr[-3000:]
    assert "was NOT saved" not in gated.stderr
    assert json.loads(gated.stdout)[0] == [
        ["expected", None],
        ["good", False],
        ["good", True],
        ["third", True],
    ]


def test_a_trace_may_be_sent_again_with_its_assessments(world: World) -> None:
    """As a client repeats it after a lost response: without ids."""
    trace = new_trace()
    for _ in range(2):
        status, response = world.start(trace, world.own, feedback(trace_id=trace))
        assert status == 200, response
    assert {each["assessment_name"] for each in world.assessments(trace)} == {"good"}


@pytest.mark.parametrize("field", ["assessment_id", "overrides"])
def test_an_assessment_of_another_team_is_not_touched(field: str, world: World) -> None:
    victim, own = new_trace(), new_trace()
    world.start(victim, world.other, feedback())
    (before,) = world.assessments(victim)
    assert world.start(own, world.own)[0] == 200
    status, response = world.start(own, world.own, feedback(**{field: before["assessment_id"]}))
    assert (status, response["error_code"]) == (403, "PERMISSION_DENIED")
    assert "assessment" in response["message"]
    assert world.assessments(victim) == [before]


def test_mlflow_would_move_an_assessment_that_is_named_by_its_id(world: World) -> None:
    """Why it is refused."""
    victim, thief = new_trace(), new_trace()
    world.start(victim, world.other, feedback())
    (stored,) = world.assessments(victim)
    world.start(thief, world.other)
    world.start(thief, world.other, feedback(assessment_id=stored["assessment_id"]))
    assert world.assessments(victim) == []


def test_mlflow_would_restore_an_assessment_that_is_named_as_overridden(world: World) -> None:
    """Why it is refused."""
    victim, thief = new_trace(), new_trace()
    world.start(victim, world.other, feedback())
    (stored,) = world.assessments(victim)
    successor = {"assessment": feedback(trace_id=victim, overrides=stored["assessment_id"])}
    world.mlflow.call("POST", f"3.0/mlflow/traces/{victim}/assessments", successor)
    world.start(thief, world.other, feedback(overrides=stored["assessment_id"]))
    (planted,) = world.assessments(thief)

    def is_valid() -> bool:
        found = world.assessments(victim)
        (old,) = (each for each in found if each["assessment_id"] == stored["assessment_id"])
        return bool(old.get("valid", False))

    assert not is_valid()
    path = f"/api/3.0/mlflow/traces/{thief}/assessments/{planted['assessment_id']}"
    assert world.mlflow.ask("DELETE", path).status == 200
    assert is_valid()
