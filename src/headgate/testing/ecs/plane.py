"""``FakePlane``: the stand-in as a whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets as random_numbers
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest import mock

import boto3

from headgate.testing.ecs import metrics
from headgate.testing.ecs.api import Ecs
from headgate.testing.ecs.balancer import Balancer, Group
from headgate.testing.ecs.clock import Pacer, SimulatedClock
from headgate.testing.ecs.constants import Constants
from headgate.testing.ecs.model import ACCOUNT, REGION, FakeService
from headgate.testing.ecs.registry import Publish, Registry
from headgate.testing.ecs.runner import Image
from headgate.testing.ecs.server import Faults, Server
from headgate.testing.ecs.tasks import Tasks
from headgate.testing.one_moto import running_moto

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "example",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
BEGAN = 1_790_000_000.0
"""The first moment of the model, in seconds since the epoch."""
STEADY_SECONDS = 900
A_RECORDS: Mapping[str, int] = {"A": 10}
"""Those that the project's Terraform module makes, unless told otherwise, with their TTL."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service to make.

    Attributes:
        definition: what ``RegisterTaskDefinition`` takes; the container is the first one.
        port: of the container, behind the load balancer; None without one.
        strategy: a ``deploymentConfiguration``.
        registry: the id of its Cloud Map service.
        registry_port: what is registered there; a service with SRV records needs one, and one with
            A records alone accepts none.
        tags: of the service.
    """

    cluster: str
    name: str
    definition: Mapping[str, Any]
    desired: int = 2
    port: int | None = 8080
    deployment: Mapping[str, Any] = field(default_factory=dict)
    registry: str = ""
    registry_port: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class FakePlane:
    """ECS with what belongs to it, on one address; use it as a context manager.

    It begins empty.  There is one at a time in a process: ``running_moto`` refuses a second.

    Args:
        folder: where tasks have their folders.
        images: what images are.  One with a tag, such as ``headgate:1.0``, is in ECR under the
            name that ``pushed`` has; one without is that repository with any digest.
        constants: the times of the model.
        speed: simulated seconds in a real one, with a thread that moves the clock; None for a
            clock that only ``clock.sleep`` moves.
        publish: sets the records of Cloud Map services in the zone of a name server; None: gates
            ask Cloud Map's API.
    """

    def __init__(
        self,
        folder: Path,
        images: Mapping[str, Image],
        constants: Constants | None = None,
        speed: float | None = None,
        publish: Publish | None = None,
    ) -> None:
        self.faults = Faults()
        self._folder = folder
        self._images = images
        self._constants = constants or Constants()
        self._speed = speed
        self._publish = publish
        self._stack = ExitStack()
        # Tasks of planes side by side have other addresses.
        self._network = f"{random_numbers.randbelow(200) + 20}.{random_numbers.randbelow(250) + 1}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_quiet("werkzeug"))
            host, port = stack.enter_context(running_moto())
            self._moto = f"http://{host}:{port}"
            # Beside the real clock, commands ask for the traffic of real times.
            self.clock = SimulatedClock(self._pass_second, time.time() if self.paced else BEGAN)
            seen_at = time.time if self.paced else self.clock.now
            self.balancer = stack.enter_context(Balancer("127.0.0.1", seen_at))
            stack.enter_context(metrics.answered_by_moto(lambda: list(self.balancer.seen)))
            images: dict[str, Image] = {}
            for name, program in self._images.items():
                images |= self._push(name, program)
            self.tasks = Tasks(
                self._constants,
                images,
                self.secret_value,
                self.balancer,
                Registry(self.client("servicediscovery"), self._publish),
                self._folder,
                self._network,
                waits=not self.paced,
            )
            stack.callback(self.tasks.close)
            self.ecs = Ecs(self._constants, self.tasks, self.balancer, self.clock.now)
            server = Server("127.0.0.1", self.ecs, (host, port), self.faults)
            stack.callback(server.close)
            self.url = server.url
            if self._speed is not None:
                pacer = Pacer(self.clock, self._speed)
                pacer.start()
                stack.callback(pacer.stop)
            self._stack = stack.pop_all()
        return self

    def _pass_second(self) -> None:
        self.ecs.pass_second()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 reads, in a process that is to ask here."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL": self.url}

    @property
    def paced(self) -> bool:
        """Whether the real clock moves the model's."""
        return self._speed is not None

    @property
    def storage_url(self) -> str:
        """Where S3 is; ``url`` passes JSON on, and no files."""
        return self._moto

    def client(self, name: str) -> Any:
        """A client of boto3 for one of the APIs that moto answers for."""
        return boto3.client(
            name,
            endpoint_url=self._moto,
            region_name=REGION,
            aws_access_key_id="example",
            aws_secret_access_key="example",  # noqa: S106 - moto takes any
        )

    def patched_environment(self) -> Any:
        """A context in which this process asks here."""
        return mock.patch.dict(os.environ, self.environment)

    # --- making things -------------------------------------------------------------------------

    def service(self, spec: ServiceSpec) -> FakeService:
        """Make a service, with its load balancer and the parameter that names its template."""
        self.ecs.clusters.add(spec.cluster)
        registered = self.ecs.register_task_definition(spec.definition)["taskDefinition"]
        request: dict[str, Any] = {
            "cluster": spec.cluster,
            "serviceName": spec.name,
            "taskDefinition": registered["taskDefinitionArn"],
            "desiredCount": spec.desired,
            "deploymentConfiguration": dict(spec.deployment),
            "tags": [{"key": key, "value": value} for key, value in spec.tags.items()],
            "networkConfiguration": {
                "awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}
            },
        }
        if spec.registry:
            port = {} if spec.registry_port is None else {"port": spec.registry_port}
            request["serviceRegistries"] = [{"registryArn": _registry_arn(spec.registry), **port}]
        if spec.port is not None:
            request["loadBalancers"] = [self._balanced(spec)]
        self.ecs.create_service(request)
        self.client("ssm").put_parameter(
            Name=f"/headgate/{spec.cluster}/{spec.name}/template",
            Value=registered["taskDefinitionArn"],
            Type="String",
            Overwrite=True,
        )
        return self.ecs.services[spec.cluster, spec.name]

    def _balanced(self, spec: ServiceSpec) -> dict[str, Any]:
        two = spec.deployment.get("strategy", "ROLLING") != "ROLLING"
        names = [f"{spec.name}-blue", f"{spec.name}-green"] if two else [spec.name]
        elb = self.client("elbv2")
        subnets = [each["SubnetId"] for each in self.client("ec2").describe_subnets()["Subnets"]]
        network = self.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        balancer = elb.create_load_balancer(Name=spec.name, Subnets=subnets[:2], Type="application")
        arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
        groups = []
        for port, name in enumerate(names, 80):
            made = elb.create_target_group(
                Name=name, Protocol="HTTP", Port=8080, VpcId=network, TargetType="ip"
            )
            groups.append(made["TargetGroups"][0]["TargetGroupArn"])
            elb.create_listener(
                LoadBalancerArn=arn,
                Protocol="HTTP",
                Port=port,
                DefaultActions=[{"Type": "forward", "TargetGroupArn": groups[-1]}],
            )
            self.balancer.groups[name] = Group(name)
        self.balancer.weights["production"] = {names[0]: 100.0}
        found: dict[str, Any] = {
            "targetGroupArn": groups[0],
            "containerName": spec.definition["containerDefinitions"][0]["name"],
            "containerPort": spec.port,
        }
        if two:
            found["advancedConfiguration"] = {"alternateTargetGroupArn": groups[1]}
        return found

    def pushed(self, image: str) -> str:
        """The name of an image in ECR, with its tag."""
        return f"{REGISTRY}/{image}"

    def _push(self, image: str, program: Image) -> dict[str, Image]:
        """Put an image into moto's ECR; what it is, by the names that task definitions use."""
        repository, _, tag = image.partition(":")
        if not tag:
            return {repository: program}
        client = self.client("ecr")
        there = client.describe_repositories()["repositories"]
        if repository not in {each["repositoryName"] for each in there}:
            client.create_repository(repositoryName=repository)
        # Without layers moto draws one of 101 digests, so that two images may be one.
        layers = [{"digest": f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"}]
        manifest = json.dumps({"schemaVersion": 2, "layers": layers})
        made = client.put_image(
            repositoryName=repository,
            imageTag=tag,
            imageManifest=manifest,
            imageManifestMediaType="application/vnd.docker.distribution.manifest.v2+json",
        )
        name, digest = f"{REGISTRY}/{repository}", made["image"]["imageId"]["imageDigest"]
        return {f"{name}:{tag}": program, f"{name}@{digest}": program}

    def discovered(self, namespace: str, name: str, records: Mapping[str, int] = A_RECORDS) -> str:
        """Make a Cloud Map service in a private namespace; its id.

        ``records`` has the TTL, in seconds, of each type of its DNS records: ``A``, ``SRV``.
        """
        client = self.client("servicediscovery")
        network = self.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        operation = client.create_private_dns_namespace(Name=namespace, Vpc=network)["OperationId"]
        made = client.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
        listed = [{"Type": kind, "TTL": ttl} for kind, ttl in records.items()]
        created = client.create_service(
            Name=name,
            NamespaceId=made,
            DnsConfig={"RoutingPolicy": "MULTIVALUE", "DnsRecords": listed},
        )
        return str(created["Service"]["Id"])

    def wait_until_steady(self, *services: FakeService) -> None:
        """Let time pass until these services have no deployment under way.

        Raises:
            AssertionError: they still have after ``STEADY_SECONDS`` of the model.
        """
        for _ in range(STEADY_SECONDS):
            if all(each.deployment is None and each.steady is not None for each in services):
                return
            self.clock.sleep(1)
        raise AssertionError(f"not steady: {[each.events[:3] for each in services]}")

    def secret_value(self, reference: str) -> str:
        """What a container's ``valueFrom`` stands for (Secrets Manager or SSM)."""
        if ":secretsmanager:" not in reference:
            name = reference.rpartition(":parameter")[2] or reference
            found = self.client("ssm").get_parameter(Name=name, WithDecryption=True)
            return str(found["Parameter"]["Value"])
        parts = reference.split(":")
        key, stage, version = ([*parts[7:], "", "", ""])[:3]
        wanted = {"VersionId": version} if version else {"VersionStage": stage or "AWSCURRENT"}
        client = self.client("secretsmanager")
        text = client.get_secret_value(SecretId=":".join(parts[:7]), **wanted)["SecretString"]
        return str(json.loads(text)[key]) if key else str(text)


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Let a logger write errors alone: moto's server notes every request."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _registry_arn(name: str) -> str:
    return f"arn:aws:servicediscovery:{REGION}:123456789012:service/{name}"
