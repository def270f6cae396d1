"""``headgate ecs`` run in the process of a test, whose time is that of the stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from headgate.cli import main
from tests.support.ecs import CLUSTER, SERVICE, Deployed

SIZE: Final = "64KiB"
WATCH: Final = 120  # seconds of the model
_WITH_A_CLOCK: Final = ("deploy", "rollback", "drill")


@dataclass(frozen=True)
class Commands:
    """Gives the commands of an operator, who has the scene's key."""

    scene: Deployed
    capture: pytest.CaptureFixture[str]

    def run(self, command: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code, and the document that ``--json`` prints."""
        where = ("--cluster", CLUSTER, "--service", SERVICE)
        code = main(["ecs", command, *where, *arguments, "--json"])
        lines = self.capture.readouterr().out
        return code, json.loads(lines[lines.index("{\n") :])

    def verify(self) -> tuple[str, ...]:
        """The options that verify through the load balancer."""
        return ("--verify-url", self.scene.url, "--verify-size", SIZE)

    def deploy(self, tag: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Deploy an image, with verification."""
        image = ("--image", self.scene.image(tag))
        return self.run("deploy", *image, *self.verify(), "--watch", str(WATCH), *arguments)

    def drill(self, fault: str, report: Path) -> tuple[int, dict[str, Any]]:
        """Rehearse a fault, with verification."""
        how = ("--image", self.scene.image("1.1"), "--fault", fault, "--report", str(report))
        return self.run("drill", *how, *self.verify())


def commands(
    scene: Deployed, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
) -> Commands:
    """Lead this process to the stand-in, until the test ends."""
    for name, value in scene.plane.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", scene.key)
    clock: Callable[[], Any] = lambda: scene.plane.clock  # noqa: E731 - a constructor
    for module in _WITH_A_CLOCK:
        monkeypatch.setattr(f"headgate.cli.ecs.{module}.SystemClock", clock)
    return Commands(scene, capture)
