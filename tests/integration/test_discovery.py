"""Endpoints found in DNS and in Cloud Map, by the real adapters over real sockets."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import dns.rcode
import pytest

from headgate.discovery.cloudmap import LIST_SECONDS, CloudMapDiscovery, cloudmap_client
from headgate.discovery.report import is_forbidden
from headgate.model import Endpoint
from tests.support.adapters import Reports, Story, follow, watch
from tests.support.cloud_map import CloudMap
from tests.support.name_servers import SAMPLE, ZONE, NameServers, running_name_servers

MANY = [f"10.0.0.{last}" for last in range(1, 13)]


@pytest.fixture(scope="module")
def _name_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServers]:
    with running_name_servers(tmp_path_factory.mktemp("dns")) as running:
        yield running


@pytest.fixture
def names(_name_servers: NameServers, request: pytest.FixtureRequest) -> Names:
    """Names of the test's own, since the resolver remembers those of the tests before."""
    return Names(_name_servers, f"test{zlib.crc32(request.node.nodeid.encode())}.{ZONE}")


@dataclass(frozen=True)
class Names:
    """The name servers, and a name below which nobody else has set any."""

    servers: NameServers
    name: str


def follow_addresses(names: Names, story: Story, **more: object) -> None:
    """Follow the addresses of the test's name, at MLflow's port."""
    follow(f"http://{names.name}:5000", names.servers.address, story, **more)


def test_addresses_are_asked_for_again_when_their_ttl_is_over(names: Names) -> None:
    names.servers.set(names.name, "A", "10.0.0.1", "10.0.0.2", ttl=2)

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert reports.sets[0] == ({"10.0.0.1:5000", "10.0.0.2:5000"}, 2.0)
        names.servers.set(names.name, "A", "10.0.0.2", "10.0.0.3")
        _, known = names.servers.answer(names.name, "A")
        assert "10.0.0.1" in known  # the resolver goes by the TTL too
        after = {"10.0.0.2:5000", "10.0.0.3:5000"}
        await reports.until(lambda: reports.sets[-1][0] == after)

    follow_addresses(names, story)


@pytest.mark.parametrize(("given", "counts"), [(0, 1.0), (5, 5.0), (3600, 30.0)])
def test_a_ttl_counts_between_a_floor_and_a_ceiling(
    names: Names, given: int, counts: float
) -> None:
    names.servers.set(names.name, "A", "10.0.0.1", ttl=given)

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert reports.sets[0][1] == counts

    follow_addresses(names, story)


def test_ipv6_addresses_count_too(names: Names) -> None:
    names.servers.set(names.name, "A", "10.0.0.1")
    names.servers.set(names.name, "AAAA", "fd00::1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert reports.sets[0][0] == {"10.0.0.1:5000", "[fd00::1]:5000"}

    follow_addresses(names, story)


def test_a_name_that_is_gone_is_reported_until_it_is_back(names: Names) -> None:
    names.servers.set(names.name, "A", "10.0.0.1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        names.servers.set(names.name, "A")
        await reports.until(lambda: bool(reports.errors))
        assert "NXDOMAIN" in reports.errors[0]
        names.servers.set(names.name, "A", "10.0.0.2")
        await reports.until(lambda: reports.sets[-1][0] == {"10.0.0.2:5000"})
        assert all(found for found, _ in reports.sets)

    follow_addresses(names, story)


def test_a_name_that_comes_is_not_there_while_the_resolver_remembers_that_it_was_not(
    names: Names,
) -> None:
    first, _ = names.servers.answer(names.name, "A")
    names.servers.set(names.name, "A", "10.0.0.1")
    second, _ = names.servers.answer(names.name, "A")
    assert (first, second) == (dns.rcode.NXDOMAIN, dns.rcode.NXDOMAIN)

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert "NXDOMAIN" in reports.errors[0]

    follow_addresses(names, story)


def test_a_resolver_that_fails_is_reported_and_names_no_set(names: Names) -> None:
    names.servers.set(names.name, "A", "10.0.0.1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        names.servers.break_zone()
        await reports.until(lambda: bool(reports.errors))
        assert "SERVFAIL" in reports.errors[0]
        seen = len(reports.sets)
        await asyncio.to_thread(names.servers.mend_zone)
        await reports.until(lambda: len(reports.sets) > seen)
        assert all(found for found, _ in reports.sets)

    follow_addresses(names, story)


def test_a_resolver_that_is_silent_is_reported(names: Names) -> None:
    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.errors))
        assert "within 5 s" in reports.errors[0]

    names.servers.silence()
    try:
        follow_addresses(names, story)
    finally:
        names.servers.speak()


def test_more_than_eight_addresses_in_one_answer(names: Names) -> None:
    names.servers.set(names.name, "A", *MANY)

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert reports.sets[0][0] == {f"{address}:5000" for address in MANY}

    follow_addresses(names, story)


@pytest.mark.parametrize("ttl", [0, 1, 2])
def test_more_addresses_than_one_answer_holds_are_put_together(names: Names, ttl: int) -> None:
    """The resolver's copy may be at its end, its TTL 0, each time that it is asked."""
    names.servers.sample(names.name, *MANY, ttl=ttl)

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert len(reports.sets[0][0]) == SAMPLE
        await reports.until(lambda: len(reports.sets[-1][0]) == len(MANY))

    follow_addresses(names, story)


def test_srv_records_name_ports_and_spares(names: Names) -> None:
    service = f"_mlflow._tcp.{names.name}"
    hosts = [f"{host}.{names.name}" for host in "abc"]
    best, also, spare = (f"{host}." for host in hosts)
    names.servers.set(service, "SRV", f"0 1 5001 {best}", f"0 1 5002 {also}", f"9 1 1 {spare}")
    for host, last in zip(hosts, (1, 2, 3), strict=True):
        names.servers.set(host, "A", f"10.0.0.{last}")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert reports.sets[0][0] == {"10.0.0.1:5001", "10.0.0.2:5002", "10.0.0.3:1"}

    follow(f"srv+http://{service}", names.servers.address, story)


def test_link_local_addresses_are_refused_unless_allowed(names: Names) -> None:
    names.servers.set(names.name, "A", "169.254.169.254")

    async def refused(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.errors))
        assert "link-local" in reports.errors[0]
        assert reports.sets == []

    async def allowed(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))

    follow_addresses(names, refused)
    follow_addresses(names, allowed, allow_link_local=True)


@pytest.mark.parametrize(
    ("address", "forbidden"),
    [
        ("169.254.169.254", True),
        ("fe80::1", True),
        ("fd00:ec2::254", True),
        ("::ffff:169.254.169.254", True),
        ("224.0.0.1", True),
        ("mlflow", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("fd00::1", False),
    ],
)
def test_what_is_never_mlflow(address: str, forbidden: bool) -> None:
    assert is_forbidden(address) is forbidden


# --- Cloud Map -----------------------------------------------------------------------------------


def follow_instances(cloud_map: CloudMap, namespace: str, story: Story) -> None:
    """Run the adapter for the service ``mlflow`` while ``story`` reads its reports."""
    client, errors = cloudmap_client(cloud_map.url)
    watch(CloudMapDiscovery(client, namespace, "mlflow", 5000, errors), story)


def test_instances_of_a_cloud_map_service(cloud_map: CloudMap) -> None:
    service = cloud_map.create_service("instances", "mlflow")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.errors))  # nobody is registered yet
        await asyncio.to_thread(service.register, "one", "10.0.0.1", 5001)
        await asyncio.to_thread(service.register, "two", "10.0.0.2")
        both = {str(Endpoint("10.0.0.1", 5001)), str(Endpoint("10.0.0.2", 5000))}
        await reports.until(lambda: bool(reports.sets) and reports.sets[-1][0] == both)
        await asyncio.to_thread(service.deregister, "one")
        await reports.until(lambda: reports.sets[-1][0] == {"10.0.0.2:5000"})

    follow_instances(cloud_map, "instances", story)


def test_one_instance_in_the_place_of_another_is_seen_by_the_revision(
    cloud_map: CloudMap,
) -> None:
    """Their number is the same as before, which must not hide it."""
    service = cloud_map.create_service("revision", "mlflow")
    service.register("one", "10.0.0.1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        await asyncio.to_thread(service.register, "two", "10.0.0.2")
        await asyncio.to_thread(service.deregister, "one")
        began = time.monotonic()
        await reports.until(lambda: reports.sets[-1][0] == {"10.0.0.2:5000"})
        assert time.monotonic() - began < LIST_SECONDS / 2

    follow_instances(cloud_map, "revision", story)


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "ThrottlingException"])
def test_a_cloud_map_that_throttles_is_reported_and_names_no_set(
    cloud_map: CloudMap, code: str
) -> None:
    service = cloud_map.create_service(code, "mlflow")
    service.register("one", "10.0.0.1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        cloud_map.throttled = code
        await reports.until(lambda: bool(reports.errors))
        assert reports.errors[0] == f"{code}: Rate exceeded"
        assert len(reports.sets) == 1
        cloud_map.throttled = None
        began = time.monotonic()
        await reports.until(lambda: len(reports.sets) > 1)
        assert time.monotonic() - began < LIST_SECONDS / 2  # though no revision has changed

    try:
        follow_instances(cloud_map, code, story)
    finally:
        cloud_map.throttled = None


def test_a_namespace_that_does_not_exist_is_reported(cloud_map: CloudMap) -> None:
    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.errors))
        assert "NamespaceNotFound" in reports.errors[0]

    follow_instances(cloud_map, "nowhere", story)
