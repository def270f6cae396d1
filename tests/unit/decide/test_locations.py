"""A location is judged by what MLflow's own code makes of it, whatever shields are switched off."""

from __future__ import annotations

import asyncio
import json
import posixpath
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlparse

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.utils.uri import _decode

from headgate.decide.resolver import UNRESOLVED, Names, Resolver
from headgate.model import NOBODY, ObjectKind, Principal

OWN, OTHER = "1", "2"
RUNS: Final = {f"{1:032x}": OWN, f"{2:032x}": OTHER}
MODELS: Final = {f"m-{1:032x}": OWN, f"m-{2:032x}": OTHER}
EXPERIMENTS: Final = {OWN: "team-a/x", OTHER: "team-b/x"}
VERSIONS: Final = {
    ("mine", "1"): f"mlflow-artifacts:/{OWN}/a",
    ("mine", "2"): f"models:/m-{1:032x}",
    ("theirs", "1"): f"runs:/{2:032x}/model",
    ("theirs", "2"): "models:/theirs/1",
    ("loop", "1"): "models:/loop/1",
    ("outside", "1"): "s3://bucket/1/a",
    # Registered models may be called like logged ones.
    (f"m-{1:032x}", "1"): f"mlflow-artifacts:/{OTHER}/a",
}


@dataclass
class Reply:
    """What MLflow answers."""

    status: int
    body: bytes


@dataclass
class Store:
    """Answers look-ups from the tables above, as MLflow does."""

    asked: list[str] = field(default_factory=list)

    async def __call__(
        self,
        target: str,
        body: bytes = b"",
        workspace: str | None = None,
        principal: Principal = NOBODY,
    ) -> Reply:
        self.asked.append(target)
        path, _, query = target.partition("?")
        value = path.rpartition("/")[2] if not query else query.partition("=")[2]
        found: Any = None
        if path.endswith("experiments/get"):
            found = value in EXPERIMENTS and {"experiment": {"name": EXPERIMENTS[value]}}
        elif path.endswith("runs/get"):
            found = value in RUNS and {"run": {"info": {"experiment_id": RUNS[value]}}}
        elif "logged-models" in path:
            found = value in MODELS and {"model": {"info": {"experiment_id": MODELS[value]}}}
        elif path.endswith("get-download-uri"):
            name, _, version = value.partition("&version=")
            found = (name, version) in VERSIONS and {"artifact_uri": VERSIONS[name, version]}
        if not found:
            return Reply(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}')
        return Reply(200, json.dumps(found).encode())


def named(location: str) -> Names:
    """What the gate takes a location for."""
    lookups = Resolver(Store(), lambda: 0.0).lookups()
    return asyncio.run(lookups.names(ObjectKind.LOCATION, location))


def resolved(location: str) -> str | None:
    """The experiment in whose files MLflow would look; ``None`` for none of these."""
    try:
        for _ in range(10):
            scheme = urlparse(location).scheme
            if scheme == "runs":
                run, path = RunsArtifactRepository.parse_runs_uri(location)  # type: ignore[no-untyped-call]
                location = f"mlflow-artifacts:/{RUNS[run]}/{run}/artifacts/{path or ''}"
            elif scheme == "models":
                parsed = _parse_model_uri(location)
                if parsed.model_id is not None:
                    return MODELS[parsed.model_id]
                location = VERSIONS[parsed.name or "", parsed.version or ""]
            elif scheme == "mlflow-artifacts":
                # handlers._get_proxied_run_artifact_destination_path, then what a store decodes
                path = str(_decode(urlparse(location).path.lstrip("/")))  # type: ignore[no-untyped-call]
                whole: str = posixpath.normpath("/" + path.replace("\\", "/"))
                return whole.split("/")[1]
            else:
                return None
    except (MlflowException, KeyError):
        return None
    return None


@pytest.mark.parametrize(
    ("location", "experiment"),
    [
        (f"runs:/{1:032x}", OWN),
        (f"runs:/{1:032x}/model/deep", OWN),
        (f"runs:///{1:032x}/my model", OWN),
        (f"models:/m-{1:032x}", OWN),
        ("models:/mine/1", OWN),
        ("models:/mine/2", OWN),
        ("models:/theirs/2", OTHER),
        (f"models:/m-{1:032x}/1", OTHER),
        (f"mlflow-artifacts:/{OWN}/{1:032x}/artifacts", OWN),
        (f"mlflow-artifacts:///{OWN}/{1:032x}//artifacts", OWN),
    ],
)
def test_what_clients_write_is_found(location: str, experiment: str) -> None:
    assert resolved(location) == experiment
    assert named(location) == Names((EXPERIMENTS[experiment],))


ROOTS = [
    "runs:",
    "models:",
    "mlflow-artifacts:",
    "RUNS:",
    "Mlflow-Artifacts:",
    "file:",
    "s3:",
    "dbfs:",
    "",
]
PARTS = [
    *(
        "/",
        "//",
        "///",
        "..",
        ".",
        "%2e%2e",
        "%2F",
        "%252e%252e",
        "\\",
        "?",
        "#",
        ";",
        "@",
        ":",
        " ",
    ),
    *("\t", "\n", "\0", "host", "host:5000", "model", "artifacts", "x", *RUNS, *MODELS, OWN, OTHER),
    *("mine", "theirs", "loop", "outside", "Production", "latest", "champion", "1", "2", "%32"),
    "api/2.0/mlflow-artifacts/artifacts",
]


@example("mlflow-artifacts://1/2/x")
@example(f"mlflow-artifacts:/1/{1:032x}/../../2/x")
@example(f"models:/m-{1:032x}/1")
@example(f"runs:/{1:032x}/../../../2/x")
@example("mlflow-artifacts:/1?/../2")
@example("mlflow-artifacts:/\t1/..\t/2")
@given(
    st.tuples(st.sampled_from(ROOTS), st.lists(st.sampled_from(PARTS), max_size=8)).map(
        lambda each: each[0] + "".join(each[1])
    )
)
@settings(max_examples=3000, deadline=None)
def test_what_has_a_name_is_what_mlflow_opens(location: str) -> None:
    names = named(location)
    if names != UNRESOLVED and not names.absent:
        experiment = resolved(location)
        assert experiment is not None, location
        assert names.names == (EXPERIMENTS[experiment],), location
