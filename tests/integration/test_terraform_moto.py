"""Terraform applies the complete example to moto, and then finds nothing to change."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final
from unittest import mock

import boto3
import pytest

from headgate.testing.one_moto import running_moto
from tests.support.terraform import Workspace, changes, moto_settings, resources
from tests.support.terraform_tasks import (
    GOLDEN,
    comparable,
    rendered_task_definitions,
    task_definitions,
)

pytestmark = pytest.mark.long  # an apply and a plan of some eighty resources

EXAMPLE: Final = "examples/complete"
NOISE: Final[Mapping[tuple[str, str], str]] = {
    ("aws_appautoscaling_target", "tags_all"): "moto keeps no tags of scalable targets",
    ("aws_ecs_service", "availability_zone_rebalancing"): "moto never returns it",
    ("aws_ecs_service", "enable_ecs_managed_tags"): "moto drops it",
    ("aws_ecs_service", "health_check_grace_period_seconds"): "moto drops it",
    ("aws_vpc_security_group_egress_rule", "description"): "moto forgets it beside a group",
    ("aws_vpc_security_group_ingress_rule", "description"): "moto forgets it beside a group",
    ("aws_vpc_security_group_egress_rule", "referenced_security_group_id"): (
        "moto puts the account before it"
    ),
    ("aws_vpc_security_group_ingress_rule", "referenced_security_group_id"): (
        "moto puts the account before it"
    ),
}
"""Arguments that change on each plan against moto, and why that is moto's fault."""
OVERRIDE: Final = """
# moto has no composite alarms; a test with a mocked provider reads the rule of this one.
module "observability" {
  page_once = false
}
"""
NO_QUERIES: Final = """
# moto has no saved queries; a test with a mocked provider reads these.
resource "aws_cloudwatch_query_definition" "this" {
  for_each = {}
}
"""
CANARY: Final = "canary-of-a-secret-value"
REGION: Final = "eu-central-1"
ACCOUNT: Final = "123456789012"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    from moto.applicationautoscaling.responses import (  # noqa: PLC0415 - a second of CPU
        ApplicationAutoScalingResponse,
    )

    def list_tags_for_resource(_response: object) -> str:
        """What moto lacks, and the provider asks for after each scalable target."""
        return json.dumps({"Tags": {}})

    with (
        mock.patch.object(
            ApplicationAutoScalingResponse,
            "list_tags_for_resource",
            list_tags_for_resource,
            create=True,
        ),
        running_moto() as (host, port),
    ):
        yield f"http://{host}:{port}"


@pytest.fixture(scope="module")
def settings(moto: str) -> Mapping[str, Any]:
    """What an operator has before: a VPC, a database's security group, secrets, a certificate."""

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=moto,
            region_name=REGION,
            aws_access_key_id="example",
            aws_secret_access_key="example",
        )

    ec2, secrets = client("ec2"), client("secretsmanager")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=f"{REGION}{zone}"
        )["Subnet"]["SubnetId"]
        for index, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="database", Description="database", VpcId=vpc)
    certificate = client("acm").request_certificate(DomainName="mlflow.example.com")
    urls = {
        name: secrets.create_secret(Name=f"{name}/database-url", SecretString=CANARY)["ARN"]
        for name in ("headgate", "mlflow")
    }
    return {
        "region": REGION,
        "vpc_id": vpc,
        "private_subnet_ids": subnets,
        "public_name": "mlflow.example.com",
        "certificate_arn": certificate["CertificateArn"],
        "gateway_image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/headgate@sha256:{'a' * 64}",
        "mlflow_image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/mlflow:3.10.1",
        "database_security_group_id": group["GroupId"],
        "gateway_database_url_secret_arn": urls["headgate"],
        "mlflow_database_url_secret_arn": urls["mlflow"],
        "documentation_url": "https://code.example.com/headgate/blob/main",
    }


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, moto: str, settings: Mapping[str, Any]
) -> Workspace:
    """The example, applied."""
    made = Workspace.copy(tmp_path_factory.mktemp("terraform"))
    folder = made.at(EXAMPLE)
    (folder / "moto_override.tf").write_text(moto_settings(moto) + OVERRIDE, encoding="utf-8")
    (folder / "moto.auto.tfvars.json").write_text(json.dumps(settings), encoding="utf-8")
    observability = made.at("modules/observability")
    (observability / "moto_override.tf").write_text(NO_QUERIES, encoding="utf-8")
    made.initialise(EXAMPLE)
    made.output(EXAMPLE, "apply", "-auto-approve", "-no-color")
    return made


@pytest.fixture(scope="module")
def state(workspace: Workspace) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(workspace.output(EXAMPLE, "show", "-json"))
    return found


def test_a_second_plan_changes_nothing(workspace: Workspace) -> None:
    workspace.output(EXAMPLE, "plan", "-out=second.plan", "-no-color")
    plan = json.loads(workspace.output(EXAMPLE, "show", "-json", "second.plan"))
    left = {
        (each.address, each.actions, argument)
        for each in changes(plan)
        for argument in each.arguments or {""}
        if (kind(each.address), argument) not in NOISE
    }
    assert not left, "\n".join(sorted(map(str, left)))


def kind(address: str) -> str:
    """The type of a resource, of its address in a plan."""
    return next(part for part in address.split(".") if part.startswith("aws_"))


def test_the_tasks_are_those_of_the_committed_file(state: Mapping[str, Any]) -> None:
    """Which tests of deployments read where there is no provider."""
    made = comparable(task_definitions(state))
    if os.environ.get("HEADGATE_GOLDEN") == "write":
        GOLDEN.write_text(f"{json.dumps(made, indent=2)}\n", encoding="utf-8")
    assert made == rendered_task_definitions(), "write it anew with HEADGATE_GOLDEN=write"


def test_no_value_of_a_secret_is_in_the_state(
    workspace: Workspace, settings: Mapping[str, Any]
) -> None:
    text = (workspace.at(EXAMPLE) / "terraform.tfstate").read_text(encoding="utf-8")
    assert settings["gateway_database_url_secret_arn"] in text
    assert CANARY not in text


def test_the_service_stops_deployments_on_alarms_that_exist(state: Mapping[str, Any]) -> None:
    """Modules that need each other's outputs: the alarms were made before the service."""
    named = {
        name
        for service in of_type(state, "aws_ecs_service")
        for alarms in service["alarms"]
        for name in alarms["alarm_names"]
    }
    made = {each["alarm_name"] for each in of_type(state, "aws_cloudwatch_metric_alarm")}
    assert named == {"HeadgateGateErrorsFast-headgate", "HeadgateNoEndpoint-headgate-default"}
    assert named < made


def of_type(state: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The values of all resources of a type."""
    return [each["values"] for each in resources(state, name)]
