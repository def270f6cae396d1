"""Cloud Map, kept up to date with the tasks of services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headgate.testing.ecs.model import REGION, FakeService, FakeTask

ZONE = f"{REGION}a"


class Registry:
    """Registers tasks in the Cloud Map services of ``serviceRegistries``.

    Args:
        client: boto3's ``servicediscovery``, of moto.
        publish: what else hears of the addresses of a Cloud Map service, such as a name server.
    """

    def __init__(self, client: Any, publish: Callable[[str, list[str]], None]) -> None:
        self._client = client
        self._publish = publish
        self._registered: dict[str, list[tuple[str, str]]] = {}

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
            self._registered.setdefault(task.id, []).append((name, task.address))
            self._tell(name)

    def deregister(self, task: FakeTask) -> None:
        """Take a task out, as it begins to leave."""
        for name, _ in self._registered.pop(task.id, ()):
            self._client.deregister_instance(ServiceId=name, InstanceId=task.id)
            self._tell(name)

    def _tell(self, name: str) -> None:
        addresses = [
            address
            for places in self._registered.values()
            for service, address in places
            if service == name
        ]
        self._publish(name, sorted(addresses))
