"""The instances of the service in Cloud Map."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.deploy.ecs import permissions
from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.records import Instance, Service


def instances(calls: Calls, service: Service) -> Sequence[Instance]:
    """See ``ControlPlane``."""
    return [
        instance
        for registry in service.document.get("serviceRegistries", ())
        for instance in _of_registry(calls, registry["registryArn"])
    ]


def _of_registry(calls: Calls, registry: str) -> Sequence[Instance]:
    name = registry.rpartition("/")[2]
    resource = f"Cloud Map service {name}"
    listed = list(
        calls.pages(permissions.INSTANCES, resource, "Instances", "NextToken", ServiceId=name)
    )
    if not listed:
        return []
    health = _health(calls, name, resource)
    found = []
    for each in listed:
        attributes = each.get("Attributes", {})
        port = attributes.get("AWS_INSTANCE_PORT", "")
        found.append(
            Instance(
                each["Id"],
                attributes.get("AWS_INSTANCE_IPV4", ""),
                int(port) if port.isascii() and port.isdigit() else None,
                health.get(each["Id"], ""),
            )
        )
    return found


def _health(calls: Calls, service: str, resource: str) -> dict[str, str]:
    health: dict[str, str] = {}
    following: dict[str, str] = {}
    while True:
        response = calls.ask(permissions.INSTANCES_HEALTH, resource, ServiceId=service, **following)
        health |= response.get("Status", {})
        if not response.get("NextToken"):
            return health
        following = {"NextToken": response["NextToken"]}
