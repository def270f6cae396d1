"""MLflow as a service of the stand-in for ECS: real servers, one database, several versions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.aws.mlflow_plane import AwsMlflowPlane
from headgate.deploy.ecs.records import Target
from headgate.deploy.mlflow.ecs import EcsHost
from headgate.deploy.mlflow.records import Standing
from headgate.testing.ecs import FakePlane, Image, ServiceSpec
from headgate.testing.ecs.clock import SimulatedClock
from headgate.testing.ecs.constants import Constants
from headgate.testing.ecs.model import FakeService
from tests.support.processes import POLL_SECONDS
from tests.support.shipped_tasks import DATABASE, MLFLOW, shipped

CLUSTER: Final = "ml"
SERVICE: Final = "mlflow"
SPEED: Final = 10.0
"""Seconds of the model in a real one."""
QUICK: Final = Constants(start=5.0)
SETTLE_SECONDS: Final = 3000.0
"""Of the model: five minutes for an MLflow that starts on a busy machine."""


class PacedClock:
    """The model's time for a command beside it: ``sleep`` waits until it has passed."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._never = threading.Event()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds since the stand-in began."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait until so much time of the model has passed."""
        until = self._clock.monotonic() + seconds
        while self._clock.monotonic() < until:
            self._never.wait(POLL_SECONDS)


@dataclass(frozen=True)
class EcsMlflow:
    """The service in its plane, and the host that an upgrade uses."""

    plane: FakePlane
    service: FakeService
    host: EcsHost
    clock: PacedClock

    def wait(self, what: str, condition: Callable[[Standing], bool]) -> Standing:
        """Let time pass until MLflow stands as it is to.

        Raises:
            AssertionError: it does not.
        """
        until = self.clock.monotonic() + SETTLE_SECONDS
        while not condition(standing := self.host.look()):
            assert self.clock.monotonic() < until, f"{what}: {standing}, {self.service.events[:5]}"
            self.clock.sleep(2)
        return standing


@contextmanager
def ecs_mlflow(
    folder: Path, images: Mapping[str, Image], first: str, database: str
) -> Iterator[EcsMlflow]:
    """Run the image ``first`` as a service of one task until the block ends."""
    with FakePlane(folder / "tasks", images, QUICK, SPEED) as plane:
        secrets = {
            DATABASE[MLFLOW]: plane.client("secretsmanager").create_secret(
                Name=DATABASE[MLFLOW], SecretString=database
            )["ARN"]
        }
        spec = ServiceSpec(
            CLUSTER,
            SERVICE,
            shipped(MLFLOW, plane.pushed(first), secrets, {}, SPEED),
            desired=1,
            port=None,
            deployment={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        )
        service = plane.service(spec)
        clock = PacedClock(plane.clock)
        with plane.patched_environment():
            calls = Calls(clock)
        target = Target(CLUSTER, SERVICE, SERVICE)
        aws = AwsMlflowPlane(calls, target, clock)
        host = EcsHost(target, aws, clock, lambda number: (f"head-of-{number}",))
        with plane.patched_environment():
            scene = EcsMlflow(plane, service, host, clock)
            scene.wait("the first start", lambda found: found.healthy)
            yield scene
