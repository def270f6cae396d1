"""The stand-in for ECS runs what Terraform renders: whose variables start a gate."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headgate.testing.ecs import FakePlane
from headgate.testing.ecs.images import gate_images
from headgate.testing.ecs.model import FakeTask
from tests.support.ecs import CLUSTER
from tests.support.postgres import postgres_server
from tests.support.shipped_tasks import BESIDE, DATABASE, GATE, MLFLOW, OTHERWISE, changed, shipped
from tests.support.two_gates import shared_store
from tests.support.waiting import seconds_until

START = 60
"""Seconds of the model after which the containers of a task run, or have ended."""


@pytest.mark.parametrize("family", [GATE, MLFLOW])
def test_a_definition_is_as_rendered_but_for_what_a_process_lacks(family: str) -> None:
    made = shipped(family, "image", {name: name for name in DATABASE.values()}, BESIDE)
    expected = {*OTHERWISE[family], *(("environment", name) for name in BESIDE)}
    assert set(changed(family, made)) == expected


@dataclass(frozen=True)
class Scene:
    """A plane without services, and the rendered definition of the gate."""

    plane: FakePlane
    definition: Mapping[str, Any]

    def run(self, change: Callable[[dict[str, Any]], None]) -> FakeTask:
        """A task of the definition with a change to its container, as it is after a minute."""
        container = {**self.definition["containerDefinitions"][0]}
        container["environment"] = [dict(each) for each in container["environment"]]
        change(container)
        with self.plane.ecs.lock:
            self.plane.ecs.clusters.add(CLUSTER)
            made = self.plane.ecs.register_task_definition(
                {**self.definition, "containerDefinitions": [container]}
            )["taskDefinition"]
            asked = {"cluster": CLUSTER, "taskDefinition": made["taskDefinitionArn"]}
            self.plane.ecs.run_task(asked)
        task = self.plane.tasks.all[-1]
        self.plane.clock.sleep(START)
        return task


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("shipped")
    with (
        postgres_server(folder) as server,
        FakePlane(folder / "tasks", gate_images()) as plane,
    ):
        store = shared_store(server, folder / "store", "keys", server.url("keys"))
        made = plane.client("secretsmanager").create_secret(
            Name=DATABASE[GATE], SecretString=store.url_file.read_text(encoding="utf-8").strip()
        )
        secrets = {DATABASE[GATE]: made["ARN"]}
        yield Scene(plane, shipped(GATE, plane.pushed("headgate:1.0"), secrets, {}))


def test_the_variables_of_terraform_start_a_gate(scene: Scene) -> None:
    """Which passes the rendered health check, with the rendered port."""
    task = scene.run(lambda _container: None)
    assert task.status == "RUNNING", task.reason
    assert task.containers[0].check() is True
    with scene.plane.ecs.lock:
        scene.plane.tasks.leave(task, scene.plane.clock.now(), "the test is over")


def _variable(name: str, value: str, instead_of: str = "") -> Callable[[dict[str, Any]], None]:
    def change(container: dict[str, Any]) -> None:
        there = [each for each in container["environment"] if each["name"] != (instead_of or name)]
        assert len(there) < len(container["environment"])
        container["environment"] = [*there, {"name": name, "value": value}]

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_variable("HEADGATE_LISTEN__PROT", "8080", "HEADGATE_LISTEN__PORT"), "PROT"),
        (_variable("HEADGATE_LISTEN__DRAIN_TIMEOUT", "sixty"), "DRAIN_TIMEOUT"),
        (_variable("HEADGATE_UPSTREAMS__DEFAULT__URL", "mlflow.ml.internal:5000"), "URL"),
        (_variable("HEADGATE_LOG__HEALTH_CHECKS", "some"), "HEALTH_CHECKS"),
        (lambda container: container.update(command=["server"]), "server"),
    ],
    ids=["misspelt", "no number", "no address", "no choice", "no command"],
)
def test_others_do_not(scene: Scene, change: Callable[[dict[str, Any]], None], said: str) -> None:
    task = scene.run(change)
    assert task.status == "STOPPED"
    (container,) = task.containers
    assert container.exit_code not in (None, 0)
    assert said.lower() in container.log.read_text(encoding="utf-8").lower()


@pytest.mark.long  # the stand-in waits five minutes for a container that never listens
@pytest.mark.timeout(900)
def test_a_container_ends_with_all_that_it_has_started(scene: Scene) -> None:
    """Also with what is in a session of its own, as MLflow is below its wrapper."""
    program = (
        "import subprocess, sys; "
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True); "
        "print(child.pid, flush=True); child.wait()"
    )

    def change(container: dict[str, Any]) -> None:
        container.update(entryPoint=["python3", "-c", program], command=[], portMappings=[])
        container["environment"] = []

    task = scene.run(change)
    (container,) = task.containers
    child = int(container.log.read_text(encoding="utf-8"))
    os.kill(child, 0)
    container.kill()
    seconds_until(lambda: not _lives(child), 10)


def _lives(pid: int) -> bool:
    """Whether a process is there, and no zombie that its parent has not asked for."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def test_a_health_check_that_terraform_misspells_fails(scene: Scene) -> None:
    def change(container: dict[str, Any]) -> None:
        container["healthCheck"] = {
            **container["healthCheck"],
            "command": ["CMD", "headgate", "ok"],
        }

    task = scene.run(change)
    assert task.status == "RUNNING"
    assert task.containers[0].check() is False
    with scene.plane.ecs.lock:
        scene.plane.tasks.leave(task, scene.plane.clock.now(), "the test is over")
