"""Runs the stand-in for ECS: ``python -m headgate.testing.ecs [--speed N] [--upstream URL]``."""

from __future__ import annotations

import argparse
import shlex
import signal
import tempfile
import threading
from pathlib import Path

from headgate.testing.ecs.images import gate_images
from headgate.testing.ecs.plane import FakePlane, ServiceSpec
from headgate.testing.ecs.runner import ADDRESS, FOLDER

WHAT = (
    "Runs the stand-in for ECS with two gates until Ctrl-C, and prints the variables that lead "
    "`headgate ecs` to it."
)
CLUSTER, SERVICE = "ml", "gateway"
POLL_SECONDS = 0.2


def main() -> None:
    """Run until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m headgate.testing.ecs", description=WHAT)
    parser.add_argument("--speed", type=float, default=20.0, help="seconds of the model in one")
    parser.add_argument("--upstream", default="http://127.0.0.1:5000", help="where MLflow is")
    options = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with (
        tempfile.TemporaryDirectory() as folder,
        FakePlane(Path(folder), gate_images(), speed=options.speed) as plane,
    ):
        container = {
            "name": "headgate",
            "image": plane.pushed("headgate:1.0"),
            "memory": 512,
            "stopTimeout": 120,
            "portMappings": [{"containerPort": 8080}],
            "environment": [
                {"name": "MLFLOW_SERVER_URL", "value": options.upstream},
                {"name": "HEADGATE_LISTEN__LAME_DUCK", "value": "1"},
                {"name": "HEADGATE_LISTEN__HOST", "value": ADDRESS},
                {"name": "HEADGATE_LISTEN__PORT", "value": "8080"},
                {"name": "HEADGATE_OPS__LISTEN", "value": f"{ADDRESS}:9464"},
                {"name": "HEADGATE_DATA", "value": f"{FOLDER}/data"},
            ],
        }
        service = plane.service(
            ServiceSpec(
                CLUSTER,
                SERVICE,
                {"family": SERVICE, "containerDefinitions": [container]},
                deployment={
                    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                    "minimumHealthyPercent": 100,
                    "maximumPercent": 200,
                },
                tags={"headgate:environment": "development"},
            )
        )
        while service.deployment is not None and not stopped.wait(POLL_SECONDS):
            pass  # the clock has a thread of its own
        lines = {
            **plane.environment,
            "HEADGATE_ECS_CLUSTER": CLUSTER,
            "HEADGATE_ECS_SERVICE": SERVICE,
        }
        for name, value in lines.items():
            print(f"export {name}={shlex.quote(value)}")  # noqa: T201 - a program for people
        print(f"# gates at {plane.balancer.url()}")  # noqa: T201
        print(f"# images: {' '.join(map(plane.pushed, gate_images()))}", flush=True)  # noqa: T201
        stopped.wait()


if __name__ == "__main__":
    main()
