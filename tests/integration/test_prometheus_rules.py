"""Prometheus' own tool takes the rules, and each alert fires when it should and not near that."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.debian import PROMETHEUS, require

FOLDER = Path(__file__).parents[2] / "deploy" / "observability"
SECONDS = 240.0


def promtool(*arguments: str) -> str:
    """What promtool says; it must be content."""
    program = require(PROMETHEUS).with_name("promtool")
    done = subprocess.run(
        [program, *arguments],
        cwd=FOLDER,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_rules_are_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", "prometheus-rules.yml")


def test_each_alert_fires_when_it_should_and_not_near_that() -> None:
    promtool("test", "rules", "prometheus-rules.test.yml")
