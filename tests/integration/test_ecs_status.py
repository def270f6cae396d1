"""``headgate ecs status``, ``plan`` and ``env-diff`` against the stand-in for ECS."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from headgate.cli import main
from headgate.deploy.ecs.aws.plane import connect
from headgate.deploy.ecs.journal import Good, InProgress, Journal
from headgate.deploy.ecs.lock import Lock
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.records import Target
from headgate.testing.ecs import FakePlane, Image, ServiceSpec

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_arguments):
        pass
http.server.ThreadingHTTPServer((os.environ["ADDRESS"], 8080), Handler).serve_forever()
"""
REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gate"
CANARY = "Canary-hunter2"
PROGRAM = Image((sys.executable, "-c", SERVER), listen={"ADDRESS": "{address}"})
OPTIONS = ("--cluster", "production", "--service", "gate")


class Scene:
    """A service of two tasks, and what the commands print of it."""

    def __init__(self, fake: FakePlane, plane: ControlPlane, capsys: Any = None) -> None:
        self.fake = fake
        self.plane = plane
        self.capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code and both outputs of ``headgate ecs``."""
        self.capsys.readouterr()
        code = main(["ecs", arguments[0], *OPTIONS, *arguments[1:]])
        output = self.capsys.readouterr()
        assert CANARY not in f"{output.out}{output.err}"
        return code, output.out, output.err

    def json(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the document of ``--json``."""
        code, output, _error = self.run(*arguments, "--json")
        document = json.loads(output)
        assert document["ok"] == (code == 0)
        return code, document


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with FakePlane(tmp_path_factory.mktemp("ecs"), {"gate:1": PROGRAM, "gate:2": PROGRAM}) as fake:
        secret = fake.client("secretsmanager").create_secret(Name="db", SecretString=CANARY)
        fake.client("ssm").put_parameter(Name="/gate/level", Value=CANARY, Type="SecureString")
        definition = {
            "family": "gate",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [
                {
                    "name": "headgate",
                    "image": f"{REPOSITORY}:1",
                    "portMappings": [{"containerPort": 8080}],
                    "environment": [
                        {"name": "LEVEL", "value": "info"},
                        {"name": "DB_PASSWORD", "value": CANARY},
                    ],
                    "secrets": [
                        {"name": "DATABASE", "valueFrom": secret["ARN"]},
                        {"name": "PARAMETER", "valueFrom": "/gate/level"},
                    ],
                }
            ],
        }
        registry = fake.discovered("ml.internal", "gate")
        service = fake.service(ServiceSpec("production", "gate", definition, registry=registry))
        fake.wait_until_steady(service)
        with fake.patched_environment():
            yield Scene(fake, connect(Target("production", "gate"), None, fake.clock))


@pytest.fixture
def scene(made: Scene, capsys: pytest.CaptureFixture[str]) -> Scene:
    made.capsys = capsys
    return made


def test_a_service_on_which_all_agrees(scene: Scene) -> None:
    code, output, _error = scene.run("status")
    assert code == 0, output
    assert "All agrees." in output
    assert "2 running, 2 desired" in output
    code, document = scene.json("status")
    assert code == 0
    assert document["problems"] == []
    assert len(document["tasks"]) == len(document["instances"]) == 2
    assert {each["address"] for each in document["tasks"]} == {
        each["address"] for each in document["instances"]
    }


def test_an_instance_without_a_task_and_a_task_without_an_instance(scene: Scene) -> None:
    discovery = scene.fake.client("servicediscovery")
    service = scene.plane.service().document["serviceRegistries"][0]["registryArn"].split("/")[-1]
    task = scene.plane.tasks()[0]
    name = task.arn.rpartition("/")[2]
    before = next(each for each in scene.plane.instances() if each.id == name)
    discovery.deregister_instance(ServiceId=service, InstanceId=name)
    discovery.register_instance(
        ServiceId=service, InstanceId="gone", Attributes={"AWS_INSTANCE_IPV4": "10.9.9.9"}
    )
    try:
        code, document = scene.json("status")
        assert code == 1
        assert [each[:20] for each in document["problems"]] == [
            "Cloud Map has 10.9.9",
            f"task {name}"[:20],
        ]
    finally:
        discovery.deregister_instance(ServiceId=service, InstanceId="gone")
        attributes = {"AWS_INSTANCE_IPV4": before.address, "AWS_INSTANCE_PORT": "8080"}
        discovery.register_instance(ServiceId=service, InstanceId=name, Attributes=attributes)


def test_what_a_deployment_would_do(scene: Scene) -> None:
    code, document = scene.json("plan", "--image", f"{REPOSITORY}:2")
    assert code == 0, document
    assert document["image"].startswith(f"{REPOSITORY}@sha256:")
    changes = {each["path"]: each for each in document["changes"]}
    gate = "containerDefinitions.headgate"
    assert changes.keys() == {f"{gate}.image", f"{gate}.secrets.DATABASE"}
    assert [each["pinned"] for each in document["secrets"]] == [True, False]
    assert any("PARAMETER comes from SSM" in each for each in document["notes"])
    assert document["rollback"]["possible"]
    assert any("no digest" in each for each in document["rollback"]["losses"])
    code, output, _error = scene.run("plan", "--image", f"{REPOSITORY}:2")
    assert code == 0
    assert "Never rolled back:" in output


def test_a_lock_is_in_the_way_and_shown(scene: Scene) -> None:
    now = scene.fake.clock.now() * 2  # far beyond the time of this machine
    lock = Lock("arn:anna", "laptop:7", 0.0, now, "nonce", "deploy")
    scene.plane.acquire(lock.to_text())
    try:
        code, document = scene.json("plan", "--image", f"{REPOSITORY}:2")
        assert code == 5
        assert document["in_the_way"] == ["arn:anna on laptop:7 has the lock (deploy)"]
        _code, document = scene.json("status")
        assert document["lock"]["holder"] == "arn:anna"
    finally:
        scene.plane.release(lock.to_text())


def test_a_deployment_that_was_not_ended_and_a_service_moved_by_hand(scene: Scene) -> None:
    template = scene.plane.template().arn
    good = Good(template, f"{REPOSITORY}@sha256:{'1' * 64}", template, 1.0)
    begun = InProgress("deploy", f"{template}9", "", "watching", "arn:anna", 2.0)
    scene.plane.write_journal(Journal(good).begin(begun).to_text())
    try:
        code, document = scene.json("status")
        assert code == 1
        assert "was not ended (phase: watching)" in document["problems"][0]
        assert document["journal"]["good"]["revision"] == template
        code, document = scene.json("plan", "--image", f"{REPOSITORY}:2")
        assert code == 5
        scene.plane.write_journal("not a journal")
        code, _output, error = scene.run("plan")
        assert code == 2
        assert "get-parameter-history" in error
        assert scene.json("status")[1]["problems"][0].startswith("the journal in the SSM parameter")
    finally:
        scene.plane.write_journal(Journal().to_text())


def test_how_two_revisions_differ(scene: Scene) -> None:
    code, _output, error = scene.run("env-diff")
    assert code == 2
    assert "names no good revision yet" in error
    template = scene.plane.template()
    document = {name: template.document[name] for name in ("family", "cpu", "memory")}
    gate = dict(template.document["containerDefinitions"][0])
    gate["environment"] = [
        {"name": "LEVEL", "value": "debug"}, {"name": "DB_PASSWORD", "value": f"{CANARY}2"}
    ]  # fmt: skip
    other = scene.plane.register({**document, "containerDefinitions": [gate]}, {"a": "b"})
    name = other.arn.rpartition("/")[2]
    code, output, _error = scene.run("env-diff", "template", name)
    assert code == 0
    assert "containerDefinitions.headgate.environment.LEVEL: info → debug" in output
    assert "containerDefinitions.headgate.environment.DB_PASSWORD: *** → ***" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--cluster", "c", "--service", "gate"),
            "there is no cluster 'c' in region eu-central-1, which has the clusters 'production'",
        ),
        (
            ("--cluster", "production", "--service", "g"),
            (
                "there is no service 'g' in cluster 'production' in region "
                "eu-central-1, which has the services 'gate'"
            ),
        ),
        (("--cluster", "arn:aws:ecs:c", "--service", "g"), "--cluster takes a name, not an ARN"),
    ],
)
def test_names_that_are_wrong(scene: Scene, arguments: tuple[str, ...], said: str) -> None:
    scene.capsys.readouterr()
    assert main(["ecs", "status", *arguments]) == 2
    assert said in scene.capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "--image", f"{REPOSITORY}:9"), "there is no image"),
        (("plan", "--image", "docker.io/x/y:1"), "is not in ECR"),
        (("plan", "--image", "a b"), "is not the name of an image"),
        (("env-diff", "nothing"), "'nothing' is no revision"),
        (("env-diff", "gate:99"), "there is no task definition 'gate:99'"),
    ],
)
def test_arguments_that_are_wrong(scene: Scene, arguments: tuple[str, ...], said: str) -> None:
    code, _output, error = scene.run(*arguments)
    assert code == 2
    assert said in error
    assert error.count("\n") == 1
