"""What the settings of the shields may be."""

from __future__ import annotations

import pytest

from headgate.config import ShieldRule, load
from headgate.errors import ConfigError


def problem(setting: str, value: object) -> str:
    """What is said about one setting."""
    with pytest.raises(ConfigError) as caught:
        load(None, {}, {f"shields.{setting}": value})
    (found,) = caught.value.problems
    assert found.path.startswith(f"shields.{setting}")
    return found.message


def test_by_default_every_shield_is_up() -> None:
    shields = load(None, {}).shields
    assert (shields.disabled, shields.targets, shields.assistant) == ((), (), False)
    assert shields.locations == ("mlflow-artifacts:", "runs:/", "models:/")


def test_lists_from_the_environment() -> None:
    environment = {
        "HEADGATE_SHIELDS__LOCATIONS": "mlflow-artifacts:, s3://bucket/team",
        "HEADGATE_SHIELDS__TARGETS": "Ollama.ml.svc,10.0.0.0/8,169.254.1.1",
        "HEADGATE_SHIELDS__DISABLED": "traversal,graphql-bounds",
        "HEADGATE_SHIELDS__ASSISTANT": "true",
    }
    shields = load(None, environment).shields
    assert shields.locations == ("mlflow-artifacts:", "s3://bucket/team")
    assert shields.targets == ("ollama.ml.svc", "10.0.0.0/8", "169.254.1.1/32")
    assert shields.disabled == (ShieldRule.TRAVERSAL, ShieldRule.GRAPHQL_BOUNDS)
    assert shields.assistant


@pytest.mark.parametrize(
    "location",
    [
        "s3://bucket",
        "gs://bucket/a/",
        "wasbs://box@account.example/",
        "/mnt/mlruns",
        "file:///mnt/x",
    ],
)
def test_prefixes_of_locations(location: str) -> None:
    assert load(None, {}, {"shields.locations": [location]}).shields.locations == (location,)


@pytest.mark.parametrize(
    "location",
    ["", "/", "file:", "file:///", "s3:", "s3://", "bucket", "s3://b/../c", "s3://b#", "s3://b%2f"],
)
def test_what_would_open_the_whole_server_is_no_prefix(location: str) -> None:
    assert "is not a prefix of locations" in problem("locations", [location])


def test_what_is_no_target_and_no_shield() -> None:
    assert "neither a host nor a network" in problem("targets", ["http://10.0.0.1"])
    assert "'traversal'" in problem("disabled", ["travesty"])
