"""What names the metrics for CloudWatch may have."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.config import load
from headgate.errors import ConfigError


def cloudwatch(**settings: object) -> dict[str, dict[str, object]]:
    return {"telemetry": {"cloudwatch": settings}}


def test_nothing_is_written_by_default() -> None:
    config = load(None, {}, {})
    assert not config.telemetry.cloudwatch.enabled


def test_the_environment_says_it_too(tmp_path: Path) -> None:
    environment = {
        "HEADGATE_TELEMETRY__CLOUDWATCH__ENABLED": "true",
        "HEADGATE_TELEMETRY__CLOUDWATCH__SERVICE": "gate/eu-1",
    }
    found = load(None, environment, {}).telemetry.cloudwatch
    assert (found.enabled, found.namespace, found.service) == (True, "Headgate", "gate/eu-1")


@pytest.mark.parametrize("name", ["", " ", "a b", ":a", "a:b", "é", "a\n", '"', "$x", "a" * 256])
def test_names_are_plain_words(name: str) -> None:
    """All problems are reported together, each with its path."""
    with pytest.raises(ConfigError) as caught:
        load(None, {}, cloudwatch(namespace=name, service=name))
    assert [problem.path for problem in caught.value.problems] == [
        "telemetry.cloudwatch.namespace",
        "telemetry.cloudwatch.service",
    ]


@pytest.mark.parametrize("name", ["AWS/Logs", "aws/x"])
def test_the_namespaces_of_amazon_are_left_to_it(name: str) -> None:
    with pytest.raises(ConfigError, match="Amazon's own"):
        load(None, {}, cloudwatch(namespace=name))
