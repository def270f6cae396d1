"""Keys that are narrowed to one team, tried on a real MLflow against what another team owns."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.gate import Gate, bearer, running_gate
from tests.support.keys import make_keys
from tests.support.mlflow_server import MlflowServer
from tests.support.raw import RawResponse, request_head

JSON = "Content-Type: application/json"
SETTINGS = """
[roles.team-a]
grants = ["*:* on experiment team-a/*", "*:* on model team-a.*", "read:meta"]
[roles.team-a-open]
includes = ["team-a", "viewer"]
"""


@dataclass(frozen=True)
class Team:
    """What one team owns in MLflow."""

    experiment: str
    run: str
    model: str
    logged_model: str
    trace: str


@dataclass(frozen=True)
class World:
    """A gate, two teams behind it, and the keys of the first; with ``open`` it sees everything."""

    gate: Gate
    admin: str
    narrowed: str
    open: str
    own: Team
    other: Team

    def ask(
        self, method: str, path: str, message: object = None, *fields: str, key: str | None = None
    ) -> tuple[int, Any]:
        """Ask with the narrowed key, or another one; the status and the JSON that came."""
        body = b"" if message is None else json.dumps(message).encode()
        given = (JSON, *fields) if message is not None else fields
        response = self.gate.ask(method, path, *given, key=key or self.narrowed, body=body)
        try:
            return response.status, json.loads(response.body or b"{}")
        except ValueError:
            return response.status, {}


def made(world: World, prefix: str) -> Team:
    """Make one of everything, as the administrator."""

    def create(path: str, message: object) -> Any:
        status, response = world.ask("POST", path, message, key=world.admin)
        assert status == 200, response
        return response

    unique = secrets.token_hex(4)
    name = f"{prefix}/{unique}"
    experiment = create("/api/2.0/mlflow/experiments/create", {"name": name})["experiment_id"]
    run = create("/api/2.0/mlflow/runs/create", {"experiment_id": experiment})
    model = f"{prefix}.{unique}"
    create("/api/2.0/mlflow/registered-models/create", {"name": model})
    logged = create("/api/2.0/mlflow/logged-models", {"experiment_id": experiment, "name": "m"})
    trace = create(
        "/api/3.0/mlflow/traces",
        {
            "trace": {
                "trace_info": {
                    "trace_id": f"tr-{secrets.token_hex(16)}",
                    "trace_location": {
                        "type": "MLFLOW_EXPERIMENT",
                        "mlflow_experiment": {"experiment_id": experiment},
                    },
                    "request_time": "2026-01-01T00:00:00Z",
                    "state": "OK",
                }
            }
        },
    )
    return Team(
        experiment,
        run["run"]["info"]["run_id"],
        model,
        logged["model"]["info"]["model_id"],
        trace["trace"]["trace_info"]["trace_id"],
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, mlflow_server: MlflowServer) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("permissions")
    settings = folder / "headgate.toml"
    settings.write_text(SETTINGS)
    (folder / "data").mkdir()
    names = ("admin", "team-a", "team-a-open")
    secrets = make_keys(folder / "data", {name: (name,) for name in names})
    keys = secrets["admin"], secrets["team-a"], secrets["team-a-open"]
    environment = {"HEADGATE_CONFIG": str(settings)}
    with running_gate(folder, mlflow_server.url, environment) as gate:
        nobody = Team("", "", "", "", "")
        empty = World(gate, *keys, nobody, nobody)
        own, other = made(empty, "team-a"), made(empty, "team-b")
        yield World(gate, *keys, own, other)


def requests_about(team: Team, unique: str) -> Iterator[tuple[str, str, object, tuple[str, ...]]]:
    """Requests on everything that a team owns, in many spellings."""
    api, artifacts = "/api/2.0/mlflow", "/api/2.0/mlflow-artifacts/artifacts"
    metric = {"key": "m", "value": 1, "timestamp": 1}
    source = f"mlflow-artifacts:/{team.experiment}/{team.run}/artifacts/model"
    version = {"name": team.model, "source": source, "run_id": team.run}
    yield "GET", f"{api}/experiments/get?experiment_id={team.experiment}", None, ()
    tag = {"experiment_id": team.experiment, "key": "k", "value": "v"}
    yield "POST", f"{api}/experiments/set-experiment-tag", tag, ()
    yield "POST", f"{api}/runs/create", {"experiment_id": team.experiment}, ()
    yield "GET", f"{api}/runs/get?run_id={team.run}", None, ()
    yield "GET", f"/ajax-api/2.0/mlflow/runs/get?run_id={team.run}", None, ()
    yield "POST", f"{api}/runs/log-metric", {"run_id": team.run, **metric}, ()
    yield "POST", f"{api}/runs/log-batch", {"run_id": team.run, "metrics": [metric]}, ()
    yield "POST", f"{api}/runs/search", {"experiment_ids": [team.experiment]}, ()
    yield "GET", f"{api}/metrics/get-history?run_id={team.run}&metric_key=m", None, ()
    yield "GET", f"{api}/artifacts/list?run_id={team.run}", None, ()
    yield "PUT", f"{artifacts}/{team.experiment}/{team.run}/artifacts/{unique}.json", {}, ()
    yield "GET", f"{artifacts}?path={team.experiment}%2F{team.run}%2Fartifacts", None, ()
    yield "GET", f"{api}/logged-models/{team.logged_model}", None, ()
    yield "POST", f"{api}/logged-models/search", {"experiment_ids": [team.experiment]}, ()
    yield "GET", f"{api}/registered-models/get?name={team.model}", None, ()
    yield (
        "POST",
        f"{api}/registered-models/set-tag",
        {
            "name": team.model,
            "key": "k",
            "value": "v",
        },
        (),
    )
    yield "POST", f"{api}/model-versions/create", version, ()
    yield "GET", f"/api/3.0/mlflow/traces/{team.trace}", None, ()
    yield (
        "POST",
        "/api/3.0/mlflow/traces/search",
        {
            "locations": [
                {
                    "type": "MLFLOW_EXPERIMENT",
                    "mlflow_experiment": {"experiment_id": team.experiment},
                }
            ],
        },
        (),
    )


def test_what_is_the_own_teams_is_open(world: World) -> None:
    for method, path, message, fields in requests_about(world.own, "own"):
        status, response = world.ask(method, path, message, *fields)
        assert status == 200, (method, path, response)


def test_what_is_another_teams_is_closed(world: World) -> None:
    for method, path, message, fields in requests_about(world.other, "other"):
        status, response = world.ask(method, path, message, *fields)
        assert (status, response.get("error_code")) == (403, "PERMISSION_DENIED"), (method, path)
        status, response = world.ask(method, path, message, *fields, key=world.admin)
        assert status == 200, (method, path, response)  # it was the key, and not the request


def test_no_experiment_writes_among_the_files_of_another_team(world: World) -> None:
    """Although they may be read."""
    create, get = "/api/2.0/mlflow/experiments/create", "/api/2.0/mlflow/runs/get?run_id="
    for team, expected in ((world.own, 200), (world.other, 403)):
        assert world.ask("GET", f"{get}{team.run}", key=world.open)[0] == 200
        location = f"mlflow-artifacts:/{team.experiment}/{team.run}/artifacts"
        name = f"team-a/{secrets.token_hex(4)}"
        message = {"name": name, "artifact_location": location}
        status, response = world.ask("POST", create, message, key=world.open)
        assert status == expected, response


def test_a_prompt_can_be_registered_by_its_own_team(world: World) -> None:
    """Its ``source`` is a word that leads nowhere."""
    tags = [
        {"key": "mlflow.prompt.is_prompt", "value": "true"},
        {"key": "mlflow.prompt.text", "value": "Hello {{name}}"},
    ]
    api = "/api/2.0/mlflow"
    for model, expected in ((world.own.model, 200), (world.other.model, 403)):
        prompt = f"{model}.prompt"
        message = {"name": prompt, "tags": tags[:1]}
        assert world.ask("POST", f"{api}/registered-models/create", message)[0] == expected
        version = {"name": prompt, "source": "dummy-source", "tags": tags}
        assert world.ask("POST", f"{api}/model-versions/create", version)[0] == expected
    # Without the tags it is a model, and the word a folder of the server's.
    version = {"name": world.own.model, "source": "dummy-source"}
    assert world.ask("POST", f"{api}/model-versions/create", version)[0] == 400


def test_an_own_object_opens_no_other(world: World) -> None:
    """A second id, in the same field or in another spelling of it, is not overlooked."""
    own, other = world.own, world.other
    metric = {"key": "m", "value": 1, "timestamp": 1}
    log = "/api/2.0/mlflow/runs/log-metric"
    for path, message in (
        (log, {"run_id": own.run, "run_uuid": other.run, **metric}),
        (log, {"run_id": own.run, "runId": other.run, **metric}),
        ("/api/2.0/mlflow/runs/search", {"experiment_ids": [own.experiment, other.experiment]}),
        (
            "/api/2.0/mlflow/model-versions/create",
            {"name": own.model, "source": f"runs:/{other.run}/model"},
        ),
    ):
        assert world.ask("POST", path, message)[0] in (400, 403), message
    for query in (
        f"run_id={own.run}&run_id={other.run}",
        f"run_id={own.run}&runId={other.run}",
    ):
        assert world.ask("GET", f"/api/2.0/mlflow/runs/get?{query}")[0] in (400, 403), query


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("POST", "/api/2.0/mlflow/runs/search", {}),
        ("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1}),
        ("GET", "/api/2.0/mlflow/registered-models/search?max_results=1", None),
        ("POST", "/graphql", {"query": "{test}"}),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts?path=", None),
        ("POST", "/api/2.0/mlflow/experiments/create", {"name": "team-b/new"}),
        ("GET", f"/api/2.0/mlflow/runs/get?run_id={'0' * 32}", None),
    ],
)
def test_what_names_nothing_of_its_own_is_closed(
    world: World, method: str, path: str, message: object
) -> None:
    status, response = world.ask(method, path, message)
    assert (status, response["error_code"]) == (403, "PERMISSION_DENIED")


def test_an_upload_in_parts_is_judged_by_its_folder(world: World) -> None:
    """The file of the client, wherever it lies there, names nobody's object."""

    def upload(step: str, folder: str, path: str) -> int:
        message = {"path": path, "num_parts": 1, "upload_id": "u", "parts": [{"part_number": 1}]}
        return world.ask("POST", f"/api/2.0/mlflow-artifacts/mpu/{step}/{folder}", message)[0]

    own, other = world.own, world.other
    for step in ("create", "complete", "abort"):
        for path in ("/home/ada/model.bin", f"/{other.experiment}/x", f"{other.experiment}"):
            # MLflow itself: its local store takes no parts.
            assert upload(step, f"{own.experiment}/{own.run}/artifacts", path) == 501
            assert upload(step, f"{other.experiment}/{other.run}/artifacts", path) == 403
            assert upload(step, f"%25{ord(other.experiment[0]):x}/x", path) in (400, 403)
            assert upload(step, f"workspaces/w/{other.experiment}/x", path) == 403
        escape = f"../../../{other.experiment}/x/.."
        assert upload(step, f"{own.experiment}/{own.run}/artifacts", escape) == 400


def test_a_trace_export_is_judged_by_its_experiment(world: World) -> None:
    def export(experiment: str) -> int:
        fields = ("Content-Type: application/x-protobuf", f"x-mlflow-experiment-id: {experiment}")
        return world.gate.ask("POST", "/v1/traces", *fields, key=world.narrowed, body=b"").status

    assert export(world.other.experiment) == 403
    assert export(world.own.experiment) == 400  # MLflow's own word for an export without spans


def test_several_traces_are_judged_together(world: World) -> None:
    """They are looked up in one question, which must tell of each what a single one does."""
    path, more = "/api/2.0/mlflow/traces/link-to-run", made(world, "team-a")
    own = {"trace_ids": [world.own.trace, more.trace], "run_id": world.own.run}
    assert world.ask("POST", path, own) == (200, {})
    mixed = {"trace_ids": [world.own.trace, more.trace, world.other.trace], "run_id": more.run}
    assert world.ask("POST", path, mixed)[0] == 403
    missing = {"trace_ids": [world.own.trace, f"tr-{'0' * 32}"], "run_id": world.own.run}
    assert world.ask("POST", path, missing)[0] == 403


def test_a_renamed_experiment_is_judged_by_its_name(world: World) -> None:
    """What a key may do follows the name, within the half minute that names are remembered."""
    team = made(world, "team-a")
    path = f"/api/2.0/mlflow/experiments/get?experiment_id={team.experiment}"
    change = {"experiment_id": team.experiment, "new_name": f"team-b/{secrets.token_hex(4)}"}
    assert (
        world.ask("POST", "/api/2.0/mlflow/experiments/update", change, key=world.admin)[0] == 200
    )
    assert world.ask("GET", path)[0] == 403


def message_gets(team: Team) -> Iterator[str]:
    """GETs of MLflow's messages that name something of a team."""
    api = "/api/2.0/mlflow"
    yield f"{api}/experiments/get?experiment_id={team.experiment}"
    yield f"{api}/runs/get?run_id={team.run}"
    yield f"{api}/metrics/get-history?run_id={team.run}&metric_key=m"
    yield f"{api}/artifacts/list?run_id={team.run}"
    yield f"{api}/logged-models/{team.logged_model}"
    yield f"{api}/registered-models/get?name={team.model}"
    yield f"/api/3.0/mlflow/traces/{team.trace}"


def test_a_head_tells_of_the_own_teams_objects_what_a_get_does(world: World) -> None:
    """MLflow itself would read no message from the query of a HEAD."""
    for path in message_gets(world.own):
        get = world.gate.ask("GET", path, key=world.narrowed)
        head = world.gate.ask("HEAD", path, key=world.narrowed)
        assert (get.status, head.status) == (200, 200), path
        assert stable(head) == stable(get), path
        assert head.get("content-length") == str(len(get.body)), path


def test_a_head_tells_nothing_of_another_teams_objects(world: World) -> None:
    """Not by its length either: it is that of the same words about an object that is not there."""
    none = "9" * 12  # ids are given in turn: one as short as the other's may be somebody's
    absent = Team(none, "0" * 32, "x" * len(world.other.model), "", "")
    absent = replace(absent, logged_model=f"m-{'0' * 32}", trace=f"tr-{'0' * 32}")
    for path, nothing in zip(message_gets(world.other), message_gets(absent), strict=True):
        head = world.gate.ask("HEAD", path, key=world.narrowed)
        assert (head.status, head.get("x-headgate-reason")) == (403, "forbidden"), path
        unknown = world.gate.ask("GET", nothing, key=world.narrowed)
        same_words = unknown.body.replace(none.encode(), world.other.experiment.encode())
        status, fields = stable(unknown)
        assert stable(head) == (status, fields | {"content-length": str(len(same_words))}), path


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/experiments/search?max_results=10",
        "/ajax-api/2.0/mlflow/experiments/search?max_results=10",
        "/api/2.0/mlflow/registered-models/search?max_results=10",
        "/api/2.0/mlflow/model-versions/search?max_results=10",
        "/api/3.0/mlflow/datasets/search",
    ],
)
def test_a_head_that_names_nothing_is_closed(world: World, path: str) -> None:
    get = world.gate.ask("GET", path, key=world.narrowed)
    head = world.gate.ask("HEAD", path, key=world.narrowed)
    assert (get.status, head.status) == (403, 403)
    assert stable(head) == stable(get)


def test_after_a_head_the_connection_holds_no_rest_of_a_body(world: World) -> None:
    with world.gate.connect() as client:
        for path in (*message_gets(world.own), *message_gets(world.other)):
            for method in ("HEAD", "GET"):
                fields = (bearer(world.narrowed),)
                host = f"{world.gate.host}:{world.gate.port}"
                client.send(request_head(method, path, *fields, host=host))
                assert client.response(method).status in (200, 403), path


def stable(response: RawResponse) -> tuple[int, dict[str, str]]:
    """A response's head without what differs from one request to the next."""
    fields = {name.lower(): value for name, value in response.headers}
    for name in ("date", "x-request-id"):
        fields.pop(name, None)
    return response.status, fields
