"""A deployed gate in the stand-in for ECS: MLflow and gates as tasks, one key store, a client."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from headgate.testing.ecs import FakePlane, Image, ServiceSpec
from headgate.testing.ecs.model import FakeService
from headgate.testing.ecs.plane import failing_gates, gate_image
from tests.support.postgres import postgres_server
from tests.support.two_gates import SharedStore, shared_store

CLUSTER: Final = "ml"
SERVICE: Final = "gate"
GATE: Final = (sys.executable, "-m", "headgate")
ROLLING: Final[Mapping[str, Any]] = {
    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
    "minimumHealthyPercent": 100,
    "maximumPercent": 200,
}
_SETTINGS: Final[Mapping[str, str]] = {
    "HEADGATE_LISTEN__LAME_DUCK": "0.5",
    "HEADGATE_LISTEN__TRUSTED_PROXIES": "127.0.0.1/32",
    "HEADGATE_LIMITS__FAILED_AUTHENTICATIONS": "1000/s",
}
_MLFLOW: Final[Mapping[str, str]] = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_PORT": "5000",
    "MLFLOW_WORKERS": "1",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "*",
}


def images(folder: Path) -> dict[str, Image]:
    """The images of a scene: MLflow, and gates that are good and bad in each way."""
    good = gate_image(GATE, **_SETTINGS)
    return {
        "mlflow:3": Image(
            command=(sys.executable, "-m", "mlflow", "server"),
            environment={
                **_MLFLOW,
                "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/mlflow.db",
                "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
            },
            port=5000,
            listen={"MLFLOW_HOST": "{address}"},
        ),
        "headgate:1.0": good,
        "headgate:1.1": good,
        **failing_gates(GATE),
        # It serves what the load sends, and refuses larger files: only a verification notices.
        "headgate:unverifiable": gate_image(
            GATE, **_SETTINGS, HEADGATE_UPSTREAMS__DEFAULT__LIMITS__ARTIFACT_BODY_BYTES="32KiB"
        ),
    }


@dataclass(frozen=True)
class Deployed:
    """The scene: a plane with the services ``mlflow`` and ``gate``, and a key."""

    plane: FakePlane
    gate: FakeService
    store: SharedStore
    key: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The tracking URI: the load balancer."""
        return self.plane.balancer.url()

    def image(self, tag: str) -> str:
        """An image of the gate in ECR."""
        return self.plane.pushed(f"headgate:{tag}")

    def running(self) -> set[str]:
        """The images of the tasks that serve."""
        tags = {}
        client = self.plane.client("ecr")
        for each in client.describe_images(repositoryName="headgate")["imageDetails"]:
            for tag in each["imageTags"]:
                tags[each["imageDigest"]] = tag
        return {
            tags.get(image.partition("@")[2], image.rpartition(":")[2])
            for task in self.plane.tasks.of(self.gate)
            for image in (task.definition.containers[0]["image"],)
        }


def gate_definition(plane: FakePlane, secret: str) -> dict[str, Any]:
    """The template of the gate, as the Terraform module makes one."""
    return {
        "family": SERVICE,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "512",
        "memory": "1024",
        "containerDefinitions": [
            {
                "name": "headgate",
                "image": plane.pushed("headgate:1.0"),
                "essential": True,
                "stopTimeout": 120,
                "portMappings": [{"containerPort": 8080}],
                "environment": [
                    {"name": "MLFLOW_SERVER_URL", "value": "cloudmap://ml.internal/mlflow"},
                    {"name": "AWS_ENDPOINT_URL_SERVICEDISCOVERY", "value": plane.url},
                    *({"name": n, "value": v} for n, v in plane.environment.items()),
                ],
                "secrets": [{"name": "HEADGATE_AUTH__DATABASE_URL", "valueFrom": secret}],
                "healthCheck": {
                    "command": ["CMD", "headgate", "health"],
                    "interval": 10, "timeout": 5, "retries": 3, "startPeriod": 30,
                },
            }
        ],
    }  # fmt: skip


@contextmanager
def deployed(
    folder: Path, deployment: Mapping[str, Any] = ROLLING, speed: float | None = None
) -> Iterator[Deployed]:
    """Run MLflow and two gates behind a load balancer until the block ends."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server(folder))
        plane = stack.enter_context(FakePlane(folder / "tasks", images(folder), speed=speed))
        store = shared_store(server, folder / "store", "keys", server.url("keys"))
        key = store.told("keys", "create", "operator")
        made = plane.client("secretsmanager").create_secret(
            Name="headgate/database-url",
            SecretString=store.url_file.read_text(encoding="utf-8").strip(),
        )
        registry = plane.discovered("ml.internal", "mlflow")
        mlflow = plane.service(
            ServiceSpec(
                CLUSTER,
                "mlflow",
                {
                    "family": "mlflow",
                    "containerDefinitions": [
                        {"name": "mlflow", "image": plane.pushed("mlflow:3"), "memory": 2048}
                    ],
                },
                desired=1,
                port=None,
                registry=registry,
            )
        )
        plane.wait_until_steady(mlflow)
        gate = plane.service(
            ServiceSpec(
                CLUSTER,
                SERVICE,
                gate_definition(plane, made["ARN"]),
                deployment=deployment,
                tags={"headgate:environment": "development"},
            )
        )
        plane.wait_until_steady(gate)
        yield Deployed(plane, gate, store, key, folder)
