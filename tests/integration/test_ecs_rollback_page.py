"""The commands of the page on deploying and rolling back, run as written against the stand-in.

Its image and addresses are examples: images are replaced by those of the stand-in, and the small
service has no MLflow behind it, so that ``--verify-url`` becomes ``--no-verify``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.testing.ecs import FakePlane
from tests.support.ecs_service import CLUSTER, DIGEST, images, small_service
from tests.support.recipes import blocks
from tests.support.waiting import seconds_until

pytestmark = pytest.mark.first  # takes more than a minute, most of it waiting
PAGE = "deploy-and-roll-back-on-ecs"
STEADY_SECONDS = 60.0
IMAGES = {"registry/headgate:1.1": "headgate", "registry/headgate:crashes": "headgate-crashes"}


def commands() -> list[tuple[list[str], str]]:
    """Each command of the page with the line that it ends with, in their order."""
    found = []
    for block in blocks(PAGE, "console"):
        command, expected = block.strip().split("\n", 1)
        found.append((shlex.split(command.removeprefix("$ headgate ")), expected))
    return found


def adapted(arguments: list[str]) -> list[str]:
    """A command of the page, for the stand-in."""
    line = " ".join(arguments)
    line = re.sub(r" --verify-url \S+", " --no-verify" if "deploy" in arguments else "", line)
    for name, image in IMAGES.items():
        line = line.replace(name, image + DIGEST)
    return [*line.split(), *(["--watch", "0"] if "deploy" in arguments else [])]


def comparable(text: str) -> str:
    """Without times and line breaks."""
    return " ".join(re.sub(r"\d+\.\d s", "N s", text).split())


def test_the_page_does_as_it_says(tmp_path: Path) -> None:
    with FakePlane(tmp_path / "tasks", images(tmp_path), speed=30.0) as plane:
        with plane.patched_environment():
            _steady(plane)
        environment = {
            **os.environ,
            **plane.environment,
            "HEADGATE_ECS_CLUSTER": CLUSTER,
            "HEADGATE_ECS_SERVICE": "gateway",
        }
        for arguments, expected in commands():
            run = subprocess.run(
                [sys.executable, "-m", "headgate", *adapted(arguments)],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            said = comparable(run.stdout + run.stderr)
            assert comparable(expected) in said, (arguments, said)
        assert "not run on real AWS" in (tmp_path / "drill.md").read_text(encoding="utf-8")


def _steady(plane: FakePlane) -> None:
    small_service(plane, "gateway", wait=False)
    service = plane.ecs.services[CLUSTER, "gateway"]
    seconds_until(lambda: service.deployment is None and service.steady is not None, STEADY_SECONDS)
