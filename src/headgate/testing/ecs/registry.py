"""Cloud Map, kept up to date with the tasks of services, and the DNS records that it makes of them.

moto answers for Cloud Map's API and makes no records; so they are made here, as
docs.aws.amazon.com/cloud-map/latest/api/API_DnsRecord.html describes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from headgate.testing.ecs.model import REGION, FakeService, FakeTask

ZONE = f"{REGION}a"


class Publish(Protocol):
    """Sets the records of one name and type in a zone, in place of those before; none: it is gone.

    ``ttl`` is in seconds.
    """

    def __call__(self, name: str, kind: str, data: list[str], ttl: int) -> None:
        """See above."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A task in a Cloud Map service; ``port`` as it was registered, None without one."""

    service: str
    id: str
    address: str
    port: int | None


class Registry:
    """Registers tasks in the Cloud Map services of ``serviceRegistries``.

    Args:
        client: boto3's ``servicediscovery``, of moto.
        publish: hears of the records of a Cloud Map service; None: nobody asks for them.
    """

    def __init__(self, client: Any, publish: Publish | None) -> None:
        self._client = client
        self._publish = publish
        self._registered: list[Instance] = []

    def register(self, task: FakeTask, service: FakeService) -> None:
        """Register a task that runs."""
        for each in service.document.get("serviceRegistries", ()):
            name = each["registryArn"].rpartition("/")[2]
            attributes = {
                "AWS_INSTANCE_IPV4": task.address,
                "AVAILABILITY_ZONE": ZONE,
                "REGION": REGION,
                "ECS_SERVICE_NAME": service.name,
                "ECS_CLUSTER_NAME": service.cluster,
                "ECS_TASK_DEFINITION_FAMILY": task.family,
            }
            port = each.get("port") or each.get("containerPort")
            if port:
                attributes["AWS_INSTANCE_PORT"] = str(port)
            self._client.register_instance(
                ServiceId=name, InstanceId=task.id, Attributes=attributes
            )
            self._registered.append(Instance(name, task.id, task.address, port))
            self._tell(name)

    def deregister(self, task: FakeTask) -> None:
        """Take a task out, as it begins to leave."""
        for each in [each for each in self._registered if each.id == task.id]:
            self._registered.remove(each)
            self._client.deregister_instance(ServiceId=each.service, InstanceId=task.id)
            self._tell(each.service, left=each)

    def _tell(self, service: str, left: Instance | None = None) -> None:
        """Publish the records of a service as its instances are now."""
        if self._publish is None:
            return
        name, ttls = self._named(service)
        there = [each for each in self._registered if each.service == service]
        if "A" in ttls:
            self._publish(name, "A", sorted(each.address for each in there), ttls["A"])
        if "SRV" not in ttls:
            return
        ttl = ttls["SRV"]
        for each in there:
            self._publish(f"{each.id}.{name}", "A", [each.address], ttl)
        data = [f"1 1 {each.port} {each.id}.{name}." for each in there]
        self._publish(name, "SRV", sorted(data), ttl)
        if left is not None:
            self._publish(f"{left.id}.{name}", "A", [], ttl)

    def _named(self, service: str) -> tuple[str, dict[str, int]]:
        """The name of a Cloud Map service in DNS, and the TTL of each type of its records."""
        found = self._client.get_service(Id=service)["Service"]
        namespace = self._client.get_namespace(Id=found["NamespaceId"])["Namespace"]["Name"]
        records = found.get("DnsConfig", {}).get("DnsRecords", ())
        return f"{found['Name']}.{namespace}", {each["Type"]: each["TTL"] for each in records}
