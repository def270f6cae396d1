"""MLflow as a service of ECS: what is asked of AWS, and what is made of its responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.records import (
    Deployment,
    DeploymentState,
    DnsName,
    Revision,
    Service,
    Target,
    Task,
)
from headgate.deploy.mlflow.ecs import DESIRED_TAG, EcsHost
from headgate.deploy.mlflow.ecs_definitions import ENTRY, migration, number_in
from headgate.deploy.mlflow.errors import HostError, MigrationError, NoSuchVersionError
from headgate.deploy.mlflow.records import Version, Writer

PREFIX = "arn:aws:ecs:eu-west-1:123456789012:task-definition/"
OLD_IMAGE = "registry/mlflow:v3.14.0"
NEW_IMAGE = "registry/mlflow@sha256:new"
URL = {"name": "MLFLOW_BACKEND_STORE_URI", "value": "postgresql://db/mlflow"}


def document(image: str = OLD_IMAGE, **more: Any) -> dict[str, Any]:
    container = {"name": "mlflow", "image": image, "environment": [URL], **more}
    return {"family": "mlflow", "status": "ACTIVE", "containerDefinitions": [container]}


@dataclass
class Plane:
    """A service of two tasks; ``once`` is what becomes of a task that migrates."""

    desired: int = 2
    tags: dict[str, str] = field(default_factory=dict)
    revisions: list[Revision] = field(
        default_factory=lambda: [Revision(f"{PREFIX}mlflow:1", document())]
    )
    running: list[Task] = field(default_factory=list)
    stopped: list[Task] = field(default_factory=list)
    listed: list[Deployment] = field(default_factory=list)
    migrations: list[Task] = field(default_factory=list)
    once: Callable[[Task], Task] = lambda task: replace(task, status="STOPPED", exit_code=0)
    calls: list[str] = field(default_factory=list)
    time: float = 1000.0
    current: str = f"{PREFIX}mlflow:1"
    names: list[DnsName] = field(default_factory=list)

    # --- the plane -----------------------------------------------------------------------------

    def service(self) -> Service:
        return Service("arn:service", self.current, self.desired, 0, 0, tags=dict(self.tags))

    def deployments(self, limit: int = 10) -> Sequence[Deployment]:
        return self.listed[:limit]

    def tasks(self, *, stopped: bool = False) -> Sequence[Task]:
        return self.stopped if stopped else self.running

    def task(self, arn: str) -> Task:
        (found,) = (each for each in self.migrations if each.arn == arn)
        after = self.once(found)
        self.migrations[self.migrations.index(found)] = after
        return after

    def revision(self, arn: str) -> Revision:
        for each in self.revisions:
            if arn in (each.arn, each.arn.removeprefix(PREFIX)):
                return each
        raise PlaneError(PlaneFailure.NOT_FOUND, f"there is no task definition {arn}")

    def register(self, document: Mapping[str, Any], tags: Mapping[str, str]) -> Revision:
        number = len(self.revisions) + 1
        made = Revision(
            f"{PREFIX}{document['family']}:{number}", {**document, "status": "ACTIVE"}, dict(tags)
        )
        self.revisions.append(made)
        self.calls.append(f"register {document['family']}:{number}")
        return made

    def deregister(self, revision: str) -> None:
        self.calls.append(f"deregister {revision.removeprefix(PREFIX)}")

    def image_digest(self, image: str) -> str:
        if image != "registry/mlflow:v3.17.2":
            raise PlaneError(PlaneFailure.NOT_FOUND, f"there is no image '{image}' in ECR")
        return NEW_IMAGE

    def tag_service(self, tags: Mapping[str, str | None]) -> None:
        for name, value in tags.items():
            self.calls.append(f"tag {value}")
            self.tags.pop(name, None)
            if value is not None:
                self.tags[name] = value

    def scale(self, desired: int, revision: str = "") -> None:
        self.calls.append(f"scale {desired} {revision.removeprefix(PREFIX)}".strip())
        self.desired = desired
        self.current = revision or self.current

    def run_once(self, revision: str) -> Task:
        task = Task(f"arn:task/{len(self.migrations)}", revision, "PENDING")
        self.migrations.append(task)
        self.calls.append(f"run {revision.removeprefix(PREFIX)}")
        return task

    def running_of(self, family: str) -> Sequence[Task]:
        assert family == "mlflow-migration"
        return [each for each in self.migrations if each.status != "STOPPED"]

    def dns_names(self) -> Sequence[DnsName]:
        return self.names

    def stop_task(self, arn: str, why: str) -> None:
        self.calls.append(f"stop {arn}")
        self.once = lambda task: replace(task, status="STOPPED", exit_code=137)

    # --- the clock -----------------------------------------------------------------------------

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def host(plane: Plane, running: str = "") -> EcsHost:
    def revisions_of(number: str) -> Sequence[str]:
        return ("first", f"head-{number}")

    return EcsHost(Target("ml", "mlflow", "mlflow"), plane, plane, revisions_of, running)


def task(number: int, revision: str = "mlflow:1", **more: Any) -> Task:
    given = {"status": "RUNNING", "health": "UNKNOWN", **more}
    return Task(f"arn:task/s{number}", f"{PREFIX}{revision}", **given)


@pytest.mark.parametrize(
    ("absent", "words"), [(None, "up to 300 s"), (16, "up to 16 s"), (15, ""), (0, "")]
)
def test_a_name_that_resolvers_forget_late_is_in_the_way(absent: int | None, words: str) -> None:
    """A service of no task has a name without an address."""
    found = host(Plane(names=[DnsName("mlflow.ml.internal", "ns-1", True, absent)])).obstacles()
    assert bool(found) is bool(words)
    for each in found:
        assert words in each
        assert "update-private-dns-namespace --id ns-1 " in each
        assert "SOA={TTL=15}" in each


def test_a_service_without_a_name_in_dns_has_nothing_in_the_way() -> None:
    assert host(Plane()).obstacles() == []


# --- versions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "number"),
    [
        ("mlflow:3.14.0", "3.14.0"),
        ("ghcr.io/mlflow/mlflow:v3.17.2", "3.17.2"),
        ("registry:5000/mlflow:v3.17.2-full@sha256:abc", "3.17.2"),
        ("registry:5000/mlflow", ""),
        ("mlflow:3.18.0rc1", ""),
        ("mlflow:2026.1", ""),
        ("mlflow:1.2.3.4", ""),
        ("mlflow@sha256:3.1.4", ""),
    ],
)
def test_the_version_is_in_the_tag_of_the_image(image: str, number: str) -> None:
    assert number_in(image) == number


def test_the_version_that_runs_is_that_of_its_image() -> None:
    found = host(Plane()).current()
    assert found == Version("3.14.0", "head-3.14.0", f"{PREFIX}mlflow:1")


@pytest.mark.parametrize("wanted", ["3.17.2", "registry/mlflow:v3.17.2"])
def test_a_version_is_found_beside_the_one_that_runs(wanted: str) -> None:
    plane = Plane()
    found = host(plane).find(wanted)
    assert found == Version("3.17.2", "head-3.17.2", f"{PREFIX}mlflow:1+{NEW_IMAGE}")
    assert plane.calls == []


@pytest.mark.parametrize("wanted", ["mlflow:1", f"{PREFIX}mlflow:1"])
def test_a_revision_is_found_by_its_name(wanted: str) -> None:
    assert host(Plane()).find(wanted).place == f"{PREFIX}mlflow:1"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("3.16.0", "there is no image 'registry/mlflow:v3.16.0' in ECR"),
        ("newest", "'newest' is no version of MLflow, no image and no revision"),
        ("registry/mlflow@sha256:abc", "does not say which version of MLflow it has"),
        ("mlflow:9", "there is no task definition mlflow:9"),
        (f"{PREFIX}mlflow:1+other@sha256:1", "runs no copy of mlflow:1 with the image"),
    ],
)
def test_what_is_not_there_is_said(wanted: str, words: str) -> None:
    with pytest.raises(HostError, match=words):
        host(Plane()).find(wanted)


def test_an_image_without_a_version_needs_a_word_of_the_operator() -> None:
    plane = Plane(revisions=[Revision(f"{PREFIX}mlflow:1", document("mlflow@sha256:1"))])
    with pytest.raises(HostError, match="--running"):
        host(plane).current()
    assert host(plane, running="3.14.0").current().number == "3.14.0"


def test_a_container_of_another_name_is_named() -> None:
    plane = Plane()
    plane.revisions[0].document["containerDefinitions"][0]["name"] = "server"
    with pytest.raises(HostError, match=r"has no container 'mlflow', but server: .*--container"):
        host(plane).current()


# --- stop and start ----------------------------------------------------------------------------


def test_the_count_of_tasks_outlives_the_command() -> None:
    plane = Plane(desired=3)
    host(plane).stop()
    assert plane.calls == ["tag 3", "scale 0"]
    host(plane).stop()
    assert plane.calls == ["tag 3", "scale 0"]
    other = host(plane)
    other.start(other.current())
    assert plane.calls[2:] == ["scale 3 mlflow:1", "tag None"]
    assert (plane.desired, plane.tags) == (3, {})


def test_a_version_is_registered_once_and_known_again() -> None:
    plane = Plane()
    first = host(plane)
    new = first.find("3.17.2")
    first.start(new)
    first.start(new)
    host(plane).start(new)
    assert plane.calls == ["register mlflow:2", "scale 2 mlflow:2"]
    assert first.current() == first.find(new.place) == new
    assert first.look().place == new.place
    made = plane.revisions[-1]
    assert made.container("mlflow")["image"] == NEW_IMAGE
    assert made.container("mlflow")["environment"] == [URL]


def test_aws_that_refuses_is_an_error_of_the_host() -> None:
    class Refusing(Plane):
        def scale(self, desired: int, revision: str = "") -> None:
            raise PlaneError(PlaneFailure.THROTTLED, "AWS throttles", retryable=True)

    with pytest.raises(HostError, match="AWS throttles") as caught:
        host(Refusing()).stop()
    assert caught.value.retryable


# --- how it stands -----------------------------------------------------------------------------


def test_it_is_healthy_when_all_tasks_run_and_are() -> None:
    plane = Plane(running=[task(1), task(2)])
    found = host(plane).look()
    assert (found.processes, found.healthy, found.failed) == (2, True, False)
    plane.revisions[0].document["containerDefinitions"][0]["healthCheck"] = {"command": ["CMD"]}
    assert not host(plane).look().healthy
    plane.running = [task(1, health="HEALTHY"), task(2, health="HEALTHY")]
    assert host(plane).look().healthy


@pytest.mark.parametrize(
    "others",
    [
        {"running": [task(1)]},
        {"running": [task(1), task(2, status="PENDING")]},
        {"running": [task(1), task(2, "mlflow:9")]},
        {"running": [task(1), task(2)], "stopped": [task(3, status="STOPPING")]},
        {"running": [], "desired": 0},
    ],
)
def test_it_is_not_while_tasks_come_or_go(others: dict[str, Any]) -> None:
    found = host(Plane(**others)).look()
    assert not found.healthy
    assert not found.failed


def test_tasks_that_stop_and_migrations_are_processes() -> None:
    plane = Plane(desired=0, stopped=[task(1, status="DEACTIVATING"), task(2, status="STOPPED")])
    plane.migrations.append(task(3, "mlflow-migration:1"))
    found = host(plane).look()
    assert found.processes == 2
    assert "a migration" in found.note


def test_tasks_that_end_again_and_again_have_failed() -> None:
    before = task(1, status="STOPPED", stopped_reason="earlier")
    plane = Plane(desired=0, tags={DESIRED_TAG: "1"}, stopped=[before])
    it = host(plane)
    it.start(it.current())
    assert not it.look().failed
    ended = [task(n, status="STOPPED", stopped_reason="exited with 1") for n in (2, 3)]
    plane.stopped += ended[:1]
    assert not it.look().failed
    plane.stopped += ended[1:]
    assert it.look().failed
    assert it.look().note == "its tasks end: exited with 1"


def test_a_deployment_that_ecs_gave_up_has_failed_and_an_earlier_one_has_not() -> None:
    plane = Plane(desired=0, tags={DESIRED_TAG: "1"})
    it = host(plane)
    it.start(it.find("3.17.2"))
    made = plane.revisions[-1].arn
    plane.listed = [
        Deployment("d2", DeploymentState.ROLLBACK_SUCCESSFUL, made, reason="circuit breaker")
    ]
    plane.current = f"{PREFIX}mlflow:1"  # ECS has returned to it
    assert it.look().note == "ECS gave up its deployment: circuit breaker"
    it.stop()
    it.start(Version("3.14.0", "", f"{PREFIX}mlflow:1"))
    assert not it.look().failed


def test_writers_at_the_addresses_of_tasks_are_mlflows() -> None:
    plane = Plane(running=[task(1, address="10.0.0.1")])
    plane.stopped = [
        task(2, status="STOPPING", address="10.0.0.2"),
        task(3, status="STOPPED", address="10.0.0.3"),
    ]
    writers = [Writer(f"w{n}", f"10.0.0.{n}") for n in range(1, 5)]
    assert [each.words for each in host(plane).others(writers)] == ["w3", "w4"]


# --- the migration -----------------------------------------------------------------------------


def test_the_migration_is_a_task_of_its_own() -> None:
    plane = Plane()
    it = host(plane)
    new = it.find("3.17.2")
    assert it.migrate(new, 60) == "task 0 ended with exit code 0"
    assert plane.calls == [
        "register mlflow:2",
        "register mlflow-migration:3",
        "run mlflow-migration:3",
        "deregister mlflow-migration:3",
    ]
    container = plane.revisions[-1].container("mlflow")
    assert (container["entryPoint"], container["command"]) == (list(ENTRY), [])
    assert container["image"] == NEW_IMAGE
    assert "postgresql" not in " ".join(container["entryPoint"])


def test_a_migration_that_fails_says_where_its_log_is() -> None:
    logging = {"options": {"awslogs-group": "/ecs/mlflow"}}
    plane = Plane(
        revisions=[Revision(f"{PREFIX}mlflow:1", document(logConfiguration=logging))],
        once=lambda each: replace(
            each, status="STOPPED", exit_code=1, stopped_reason="it exited with 1"
        ),
    )
    it = host(plane)
    with pytest.raises(MigrationError, match="it exited with 1; its log is in /ecs/mlflow"):
        it.migrate(it.current(), 60)
    assert plane.calls[-1] == "deregister mlflow-migration:2"


def test_a_migration_that_takes_too_long_is_ended() -> None:
    plane = Plane(once=lambda each: replace(each, status="RUNNING"))
    it = host(plane)
    with pytest.raises(MigrationError, match="has not ended within 60 s"):
        it.migrate(it.current(), 60)
    assert plane.time == pytest.approx(1060, abs=10)
    assert it.look().processes == 0
    assert "stop arn:task/0" in plane.calls


def test_a_command_that_is_interrupted_ends_its_migration() -> None:
    class Interrupted(Plane):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if "stop arn:task/0" not in self.calls:
                raise KeyboardInterrupt

    plane = Interrupted(once=lambda each: replace(each, status="RUNNING"))
    it = host(plane)
    with pytest.raises(KeyboardInterrupt):
        it.migrate(it.current(), 60)
    assert it.look().processes == 0


@pytest.mark.parametrize("way", ["stop", "migrate"])
def test_a_migration_that_was_left_behind_is_ended_first(way: str) -> None:
    plane = Plane(once=lambda each: replace(each, status="RUNNING"))
    plane.migrations.append(Task("arn:task/left", f"{PREFIX}mlflow-migration:7", "RUNNING"))
    it = host(plane)
    if way == "stop":
        it.stop()
        plane.task("arn:task/left")
    else:
        with pytest.raises(MigrationError):  # its own is stopped by the same hand
            it.migrate(it.current(), 60)
        assert plane.calls[0] == "stop arn:task/left"
    assert plane.migrations[0].status == "STOPPED"


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (["server", "--backend-store-uri", "sqlite:///x"], "sqlite:///x"),
        (["server", "--backend-store-uri=sqlite:///y", "--port", "1"], "sqlite:///y"),
    ],
)
def test_the_database_may_be_named_on_the_command_line(command: list[str], found: str) -> None:
    given = document(environment=[], command=command, healthCheck={"command": ["CMD"]})
    made = migration(Revision(f"{PREFIX}mlflow:1", given), "mlflow")
    (container,) = made["containerDefinitions"]
    assert container["environment"] == [{"name": "MLFLOW_BACKEND_STORE_URI", "value": found}]
    assert "healthCheck" not in container
    assert made["family"] == "mlflow-migration"


def test_a_service_without_a_database_cannot_be_migrated() -> None:
    given = Revision(f"{PREFIX}mlflow:1", document(environment=[], command=["server"]))
    with pytest.raises(HostError, match="names its database neither in"):
        migration(given, "mlflow")


def test_a_version_that_is_not_known_is_said() -> None:
    def unknown(number: str) -> Sequence[str]:
        raise NoSuchVersionError(f"no schema of {number}")

    plane = Plane()
    with pytest.raises(NoSuchVersionError):
        EcsHost(Target("ml", "mlflow", "mlflow"), plane, plane, unknown).current()
