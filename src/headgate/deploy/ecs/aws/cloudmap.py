"""What Cloud Map has of the service: its instances, and its names in DNS."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.deploy.ecs import permissions
from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.records import DnsName, Instance, Service


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


def dns_names(calls: Calls, service: Service) -> Sequence[DnsName]:
    """The names that resolvers have for the tasks of a service; none if it has only an API's."""
    found = []
    for registry in service.document.get("serviceRegistries", ()):
        name = registry["registryArn"].rpartition("/")[2]
        response = calls.ask(permissions.NAMED, f"Cloud Map service {name}", Id=name)
        named = response["Service"]
        if not named.get("DnsConfig", {}).get("DnsRecords"):
            continue
        id_ = named["NamespaceId"]
        response = calls.ask(permissions.NAMESPACE, f"Cloud Map namespace {id_}", Id=id_)
        namespace = response["Namespace"]
        soa = namespace.get("Properties", {}).get("DnsProperties", {}).get("SOA", {})
        found.append(
            DnsName(
                f"{named['Name']}.{namespace['Name']}",
                id_,
                namespace.get("Type") != "DNS_PUBLIC",
                soa.get("TTL"),
            )
        )
    return found
