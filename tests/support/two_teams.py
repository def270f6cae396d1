"""Two teams in one real MLflow, and whether the one can touch what is the other's.

The judge is what MLflow executes: after each request of team A, whatever mentions an object of team
B in the database must be as it was, and the files of B too; and no response may hold a canary, a
word that stands in every object of B.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from headgate.model import ObjectKind
from tests.support.raw import RawResponse

Ask = Callable[..., RawResponse]
"""Sends a request: method, target, JSON message or bytes."""


@dataclass
class Team:
    """What one team owns in MLflow: a value for each kind of object that is there.

    ``word`` is part of names, which a request may hold; ``canary`` stands in everything else.
    """

    prefix: str
    canary: str
    word: str
    values: dict[ObjectKind, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)

    @property
    def marks(self) -> frozenset[str]:
        """Texts by which what is this team's is known in the database."""
        ids = {
            value
            for kind, value in self.values.items()
            if kind not in (ObjectKind.EXPERIMENT, ObjectKind.ARTIFACT, ObjectKind.LOCATION)
        }
        return frozenset({self.canary, self.word, *ids, *self.others.values()})


def make_team(ask: Ask, letter: str, version: str) -> Team:
    """Make one of everything that this version of MLflow has, a canary in each.

    Raises:
        AssertionError: MLflow has made less than it can.
    """
    canary, word = (f"{each}{letter}{secrets.token_hex(6)}" for each in ("canary", "word"))
    team = Team(f"team-{letter}", canary, word)
    values, api = team.values, "/api/2.0/mlflow"
    tags = [{"key": f"{canary}k", "value": canary}]

    def create(method: str, path: str, message: Any) -> Any:
        response = ask(method, path, message)
        assert response.status == 200, (method, path, response)
        return json.loads(response.body or b"{}")

    name = f"team-{letter}/{word}"
    made = create("POST", f"{api}/experiments/create", {"name": name, "tags": tags})
    experiment = values[ObjectKind.EXPERIMENT] = made["experiment_id"]
    values[ObjectKind.EXPERIMENT_NAME] = name
    made = create(
        "POST",
        f"{api}/runs/create",
        {"experiment_id": experiment, "run_name": canary, "tags": tags},
    )
    run = values[ObjectKind.RUN] = made["run"]["info"]["run_id"]
    metric = {"key": canary, "value": 1.0, "timestamp": 1, "step": 0}
    batch = {"run_id": run, "metrics": [metric], "params": tags, "tags": tags}
    create("POST", f"{api}/runs/log-batch", batch)
    folder = f"{experiment}/{run}/artifacts"
    response = ask(
        "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{folder}/{word}.txt", canary.encode()
    )
    assert response.status == 200, response
    values[ObjectKind.ARTIFACT] = f"{folder}/{word}.txt"
    values[ObjectKind.LOCATION] = f"mlflow-artifacts:/{folder}"
    model = values[ObjectKind.MODEL] = f"team-{letter}.{word}"
    create(
        "POST",
        f"{api}/registered-models/create",
        {"name": model, "description": canary, "tags": tags},
    )
    version_of = {"name": model, "source": values[ObjectKind.LOCATION], "run_id": run, "tags": tags}
    create("POST", f"{api}/model-versions/create", version_of)
    if version.startswith("3."):
        _make_of_3(create, team, experiment, run)
    return team


def _make_of_3(
    create: Callable[[str, str, Any], Any], team: Team, experiment: str, run: str
) -> None:
    canary, values = team.canary, team.values
    pairs = [{"key": f"{canary}k", "value": canary}]
    made = create(
        "POST",
        "/api/2.0/mlflow/logged-models",
        {"experiment_id": experiment, "name": canary, "tags": pairs, "params": pairs},
    )
    values[ObjectKind.LOGGED_MODEL] = made["model"]["info"]["model_id"]
    trace = values[ObjectKind.TRACE] = f"tr-{secrets.token_hex(16)}"
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {
        "trace_id": trace,
        "trace_location": location,
        "request_time": "2026-01-01T00:00:00Z",
        "state": "OK",
        "request_preview": canary,
        "response_preview": canary,
        "tags": {f"{canary}k": canary},
        "trace_metadata": {f"{canary}m": canary},
    }
    create("POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": info}})
    assessment = {
        "assessment_name": canary,
        "source": {"source_type": "HUMAN", "source_id": canary},
        "feedback": {"value": canary},
        "create_time": "2026-01-01T00:00:00Z",
        "last_update_time": "2026-01-01T00:00:00Z",
        "rationale": canary,
    }
    made = create("POST", f"/api/3.0/mlflow/traces/{trace}/assessments", {"assessment": assessment})
    team.others["assessment_id"] = made["assessment"]["assessment_id"]
    made = create(
        "POST",
        "/api/3.0/mlflow/datasets/create",
        {"name": canary, "experiment_ids": [experiment], "tags": json.dumps({"t": canary})},
    )
    data_set = values[ObjectKind.DATASET] = made["dataset"]["dataset_id"]
    records = json.dumps([{"inputs": {"q": canary}}])
    create("POST", f"/api/3.0/mlflow/datasets/{data_set}/records", {"records": records})
    scorer = {
        "experiment_id": experiment,
        "name": canary,
        "serialized_scorer": json.dumps({"c": canary}),
    }
    create("POST", "/api/3.0/mlflow/scorers/register", scorer)


_NAMING: Final = re.compile(
    r"(?:.*_)?(?:experiment_id|run_uuid|run_id|request_id|trace_id|model_id|dataset_id)"
    r"|source_id|destination_id"
)
"""Columns that say to which object a row belongs."""

_REGISTRY: Final = re.compile("registered_model|model_version|experiments")
"""Tables in which that is a column ``name``."""


@dataclass(frozen=True)
class Handover:
    """Where MLflow keeps everything."""

    database: Path
    artifacts: Path

    def of(self, team: Team) -> frozenset[str]:
        """All that is a team's: rows that mention it, and the files of its experiment."""
        folder = self.artifacts / team.values[ObjectKind.EXPERIMENT]
        files = {
            f"file {each} {each.read_bytes()!r}" if each.is_file() else f"folder {each}"
            for each in folder.rglob("*")
        }
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)
        try:
            return frozenset({*files, *_rows(connection, team)})
        finally:
            connection.close()


def damage(first: frozenset[str], before: frozenset[str], after: frozenset[str]) -> str:
    """What of a team's has changed, if anything has.

    Rows that only mention something of the team's may come, and go again: those of ``first``, when
    it had all of its own, may not.
    """
    gone = {each for each in before - after if each in first or not each.startswith("mention ")}
    come = {each for each in after - before if not each.startswith("mention ")}
    return "; ".join(sorted(each[:300] for each in (*gone, *come))[:3])


def _rows(connection: sqlite3.Connection, team: Team) -> Iterator[str]:
    """Each row that is a team's, and each that only mentions something of it."""
    marks, experiment = team.marks, team.values[ObjectKind.EXPERIMENT]
    ids = {*team.values.values(), *team.others.values()} - {experiment}
    called = {team.values[ObjectKind.MODEL], team.values[ObjectKind.EXPERIMENT_NAME]}
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    for (table,) in tables.fetchall():
        cursor = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - its own names
        names = [each[0] for each in cursor.description]
        for row in cursor:
            text = "|".join(map(str, row))
            belongs = any(
                (str(value) == experiment and name.endswith("experiment_id"))
                or (str(value) in ids and _NAMING.fullmatch(name))
                or (name == "name" and value in called and _REGISTRY.match(table))
                for name, value in zip(names, row, strict=True)
            )
            if belongs:
                yield f"row {table} {text}"
            elif any(mark in text for mark in marks):
                yield f"mention {table} {text}"
