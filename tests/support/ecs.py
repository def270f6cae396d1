"""What Terraform deploys, in the stand-in for ECS: MLflow and gates as tasks, and a load balancer.

The task definitions are those that Terraform renders (``shipped_tasks.py``); gates find MLflow by
the name that Cloud Map has in a real name server.  The databases are real, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headgate.testing.ecs import FakePlane, Image, ServiceSpec
from headgate.testing.ecs.constants import Constants
from headgate.testing.ecs.images import gate_image, gate_images
from headgate.testing.ecs.model import FakeService
from headgate.testing.ecs.runner import ADDRESS
from tests.support.mlflow_versions import CURRENT, python_with
from tests.support.name_servers import NEGATIVE_TTL, NameServers, running_name_servers
from tests.support.postgres import HOST, PostgresServer, postgres_server
from tests.support.shipped_tasks import DATABASE, GATE, MLFLOW, PACE, shipped
from tests.support.task_network import running_task_network
from tests.support.two_gates import SharedStore, shared_store
from tests.support.waiting import seconds_until

CLUSTER: Final = "ml"
SERVICE: Final = "gate"
NAMESPACE: Final = "ml.internal"
NAME: Final = f"{MLFLOW}.{NAMESPACE}"
"""Of MLflow in DNS, as the rendered definitions have it."""
BUCKET: Final = "mlflow-artifacts-0"
"""Of MLflow's artifacts, as the rendered definition has it."""
STEADY_SECONDS: Final = 300.0
ROLLING: Final[Mapping[str, Any]] = {
    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
    "minimumHealthyPercent": 100,
    "maximumPercent": 200,
}


def mlflow_image(version: str = CURRENT, **environment: str) -> Image:
    """An image with a version of MLflow in it, which is to be on the search path there."""
    programs = python_with(version).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return Image(command=("python3",), environment={"PATH": path, **environment}, port=5000)


def images() -> dict[str, Image]:
    """The images of a scene: MLflow, and gates that are good and bad in each way."""
    return {
        f"{MLFLOW}:{CURRENT}": mlflow_image(),
        **gate_images(),
        # It serves what the load sends, and refuses larger files: only a verification notices.
        "headgate:unverifiable": gate_image(
            HEADGATE_UPSTREAMS__DEFAULT__LIMITS__ARTIFACT_BODY_BYTES="32KiB"
        ),
    }


@dataclass(frozen=True)
class Deployed:
    """The scene: a plane with the services ``mlflow`` and ``gate``, and an operator's key."""

    plane: FakePlane
    mlflow: FakeService
    gate: FakeService
    store: SharedStore
    key: str
    folder: Path
    names: NameServers
    server: PostgresServer

    @property
    def url(self) -> str:
        """The tracking URI: the load balancer."""
        return self.plane.balancer.url()

    def image(self, tag: str) -> str:
        """An image of the gate in ECR."""
        return self.plane.pushed(f"headgate:{tag}")

    def running(self, service: FakeService | None = None) -> set[str]:
        """The tags of the images of a service's tasks, by default the gate's."""
        found = set()
        for task in self.plane.tasks.of(service or self.gate):
            repository, at, digest = task.definition.containers[0]["image"].partition("@")
            found.add(self._tag(repository, digest) if at else repository.rpartition(":")[2])
        return found

    def _tag(self, repository: str, digest: str) -> str:
        name = repository.rpartition("/")[2]
        client = self.plane.client("ecr")
        for each in client.describe_images(repositoryName=name)["imageDetails"]:
            if each["imageDigest"] == digest:
                return str(each["imageTags"][-1])
        return digest

    def addresses(self) -> set[str]:
        """Where MLflow's tasks are."""
        return {each.address for each in self.plane.tasks.of(self.mlflow)}


@contextmanager
def deployed(
    folder: Path,
    deployment: Mapping[str, Any] = ROLLING,
    speed: float | None = None,
    made: Mapping[str, Image] | None = None,
    first: str = CURRENT,
    constants: Constants | None = None,
    negative_ttl: int = NEGATIVE_TTL,
) -> Iterator[Deployed]:
    """Run MLflow and two gates behind a load balancer until the block ends.

    ``made`` are further images; ``first`` is the tag of MLflow's that runs.  ``negative_ttl`` is
    for how many real seconds resolvers remember that MLflow's name has no address.
    """
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server(folder))
        names = stack.enter_context(
            running_name_servers(_made(folder / "dns"), NAMESPACE, negative_ttl)
        )
        everything = images() | dict(made or {})
        plane = stack.enter_context(
            FakePlane(
                folder / "tasks",
                everything,
                constants,
                speed,
                lambda name, kind, data, ttl: names.set(name, kind, *data, ttl=ttl),
            )
        )
        server.create_database(MLFLOW)
        port = stack.enter_context(running_task_network(folder, HOST, server.port))
        store = shared_store(server, folder / "store", "keys", server.url("keys"))
        key = store.told("keys", "create", "operator", "--role", "admin")
        urls = {
            DATABASE[GATE]: store.url_file.read_text(encoding="utf-8").strip(),
            DATABASE[MLFLOW]: f"postgresql://postgres@{ADDRESS}:{port}/{MLFLOW}",
        }
        secrets = {
            name: plane.client("secretsmanager").create_secret(Name=name, SecretString=url)["ARN"]
            for name, url in urls.items()
        }
        pace = PACE if speed is None else speed
        mlflow = plane.service(_mlflow(plane, first, secrets, pace))
        _wait_until_steady(plane, mlflow)
        beside = {"HEADGATE_UPSTREAMS__DEFAULT__RESOLVER": names.address, **plane.environment}
        del beside["AWS_DEFAULT_REGION"]  # Terraform sets it
        definition = shipped(GATE, plane.pushed("headgate:1.0"), secrets, beside, pace)
        gate = plane.service(
            ServiceSpec(
                CLUSTER,
                SERVICE,
                {**definition, "family": SERVICE},
                deployment=deployment,
                tags={"headgate:environment": "development"},
            )
        )
        _wait_until_steady(plane, gate)
        yield Deployed(plane, mlflow, gate, store, key, folder, names, server)


def _mlflow(plane: FakePlane, tag: str, secrets: Mapping[str, str], pace: float) -> ServiceSpec:
    plane.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    beside = {**plane.environment, "AWS_ENDPOINT_URL_S3": plane.storage_url}
    del beside["AWS_DEFAULT_REGION"]  # Terraform sets it
    return ServiceSpec(
        CLUSTER,
        MLFLOW,
        shipped(MLFLOW, plane.pushed(f"{MLFLOW}:{tag}"), secrets, beside, pace),
        desired=1,
        port=None,
        deployment=ROLLING,
        registry=plane.discovered(NAMESPACE, MLFLOW),
    )


def _wait_until_steady(plane: FakePlane, service: FakeService) -> None:
    """Wait for the first deployment of a service, by moving the clock where it has no pacer."""
    if not plane.paced:
        plane.wait_until_steady(service)
        return
    seconds_until(lambda: service.deployment is None and service.steady is not None, STEADY_SECONDS)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
