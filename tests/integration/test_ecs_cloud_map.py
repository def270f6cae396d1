"""The stand-in for ECS registers its tasks in Cloud Map, whose names real name servers have."""

from __future__ import annotations

from pathlib import Path

import dns.rcode

from headgate.testing.ecs import FakePlane, ServiceSpec
from tests.support.ecs_service import BREAKER, CLUSTER, definition, images
from tests.support.name_servers import NameServers, running_name_servers

NAMESPACE = "ml.internal"
NAME = f"mlflow.{NAMESPACE}"
TTL = 7
FAMILY = "mlflow"


def known(names: NameServers, name: str, kind: str) -> set[str]:
    """What the resolver has for a name; its copy is no older than the records' TTL allows."""
    code, found = names.answer(name, kind)
    assert code == dns.rcode.NOERROR
    assert all(0 < ttl <= TTL for ttl in found.values()), found
    return set(found)


def test_tasks_are_named_until_they_are_deregistered(tmp_path: Path) -> None:
    (tmp_path / "dns").mkdir()
    with (
        running_name_servers(tmp_path / "dns", NAMESPACE) as names,
        FakePlane(
            tmp_path / "tasks",
            images(tmp_path),
            publish=lambda name, kind, data, ttl: names.set(name, kind, *data, ttl=ttl),
        ) as plane,
    ):
        registry = plane.discovered(NAMESPACE, "mlflow", {"A": TTL, "SRV": TTL})
        service = plane.service(
            ServiceSpec(
                CLUSTER,
                FAMILY,
                definition(FAMILY),
                port=None,
                deployment=BREAKER,
                registry=registry,
                registry_port=8080,
            )
        )
        plane.wait_until_steady(service)
        before = {each.id: each.address for each in plane.tasks.of(service)}
        assert len(before) == 2
        names.wait_for(NAME, "A", dns.rcode.NOERROR, frozenset(before.values()))
        assert known(names, NAME, "A") == set(before.values())
        assert known(names, NAME, "SRV") == {f"1 1 8080 {each}.{NAME}." for each in before}
        for task, address in before.items():
            assert known(names, f"{task}.{NAME}", "A") == {address}
        discovered = plane.client("servicediscovery").list_instances(ServiceId=registry)
        assert {each["Id"] for each in discovered["Instances"]} == set(before)

        with plane.ecs.lock:
            plane.ecs.update_service(
                {"cluster": CLUSTER, "service": FAMILY, "forceNewDeployment": True}
            )
        plane.wait_until_steady(service)
        after = {each.id: each.address for each in plane.tasks.of(service)}
        assert not after.keys() & before.keys()
        names.wait_for(NAME, "A", dns.rcode.NOERROR, frozenset(after.values()))
        listed = frozenset(f"1 1 8080 {each}.{NAME}." for each in after)
        names.wait_for(NAME, "SRV", dns.rcode.NOERROR, listed)
        for task in before:
            names.wait_for(f"{task}.{NAME}", "A", dns.rcode.NXDOMAIN)

        with plane.ecs.lock:
            plane.ecs.update_service({"cluster": CLUSTER, "service": FAMILY, "desiredCount": 0})
        plane.clock.sleep(60)
        names.wait_for(NAME, "A", dns.rcode.NXDOMAIN)
