"""moto has one memory in each process: what uses it begins empty, whatever ran before."""

from __future__ import annotations

import sys
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from headgate.testing.ecs import FakePlane, Image, ServiceSpec
from headgate.testing.one_moto import running_moto
from tests.support.cloud_map import running_cloud_map

KEYS = {
    "region_name": "eu-central-1",
    "aws_access_key_id": "example",
    "aws_secret_access_key": "example",
}
PROGRAM = Image((sys.executable, "-c", "import time; time.sleep(60)"), port=None)


def fill(plane: FakePlane) -> None:
    """Make one thing of each kind, always by the same names."""
    plane.client("secretsmanager").create_secret(Name="db", SecretString="x")
    container = {"name": "headgate", "image": plane.pushed("gate:1"), "memory": 512}
    definition = {"family": "gate", "containerDefinitions": [container]}
    registry = plane.discovered("ml.internal", "gate")
    plane.service(ServiceSpec("production", "gate", definition, registry=registry))


@pytest.mark.parametrize("leaves", [None, KeyError], ids=["ends", "fails"])
def test_planes_one_after_the_other_have_the_same_names(
    leaves: type[Exception] | None, tmp_path: Path
) -> None:
    try:
        with FakePlane(tmp_path / "first", {"gate:1": PROGRAM}) as plane:
            fill(plane)
            if leaves is not None:
                raise leaves
    except KeyError:
        pass
    with FakePlane(tmp_path / "second", {"gate:1": PROGRAM}) as plane:
        assert plane.client("ssm").describe_parameters()["Parameters"] == []
        fill(plane)
    with running_moto() as (host, port):
        place = KEYS | {"endpoint_url": f"http://{host}:{port}"}
        assert boto3.client("secretsmanager", **place).list_secrets()["SecretList"] == []
        assert boto3.client("elbv2", **place).describe_target_groups()["TargetGroups"] == []
        assert boto3.client("ecr", **place).describe_repositories()["repositories"] == []


def test_what_somebody_else_has_left_is_forgotten(tmp_path: Path) -> None:
    """By moto's own ``mock_aws``, which keeps what it had until the next one starts."""
    with mock_aws():
        boto3.client("secretsmanager", **KEYS).create_secret(Name="db", SecretString="left")
    with FakePlane(tmp_path, {"gate:1": PROGRAM}) as plane:
        fill(plane)


def test_cloud_maps_one_after_the_other_have_the_same_names() -> None:
    for _ in range(2):
        with running_cloud_map() as cloud_map:
            cloud_map.create_service("ml.internal", "gate")


def test_a_second_plane_beside_one_is_refused(tmp_path: Path) -> None:
    with FakePlane(tmp_path / "first", {"gate:1": PROGRAM}) as plane:
        fill(plane)
        with (
            pytest.raises(RuntimeError, match="two would share one memory"),
            FakePlane(tmp_path / "second", {"gate:1": PROGRAM}),
        ):
            pass
        found = plane.client("secretsmanager").list_secrets()["SecretList"]
        assert [each["Name"] for each in found] == ["db"]
