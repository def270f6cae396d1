"""Clients notice nothing while MLflow servers come, go, hang and vanish.

Two MLflow servers on one PostgreSQL stand behind a name in a real DNS: PowerDNS, and unbound that
caches its responses.  The standard client, with its standard settings, logs runs without a pause.
One story of each kind is part of `make test`, a server, a name, a registry; `make test-long` has
all.  `make chaos` tells the same stories longer, and of HAProxy too, of which nothing is asserted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.rcode
import pytest

from headgate.testing.fault_proxy import Fault
from tests.support.cloud_map import CloudMap, CloudMapService, running_cloud_map
from tests.support.debian import HAPROXY, require
from tests.support.fleet import Fleet, running_fleet
from tests.support.gate import Gate, create_key, running_gate
from tests.support.haproxy import running_haproxy
from tests.support.load import Load, running_load
from tests.support.name_servers import ZONE, NameServers, running_name_servers
from tests.support.stories import Entrance, Table, ending, gate_entrance, haproxy_entrance, health

NAME = f"mlflow.{ZONE}"
RUNS = int(os.environ.get("HEADGATE_FAILOVER_RUNS", "15"))
"""Runs that the client logs in each story, nine operations each; `make chaos` takes more."""
PEERS = os.environ.get("HEADGATE_FAILOVER_PEERS", "").split()
OUTAGE_SECONDS = min(30.0, RUNS / 5)
"""How long name servers and Cloud Map fail: 30 s with `make chaos`."""
HANG_SECONDS = min(15.0, RUNS / 4)
TTL = 2
HEALTH = {
    "HEADGATE_UPSTREAMS__DEFAULT__CONNECT_TIMEOUT": "1",
    "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "1",
    "HEADGATE_UPSTREAMS__DEFAULT__PROBES__TIMEOUT": "2",
    "HEADGATE_UPSTREAMS__DEFAULT__PROBES__UNHEALTHY_AFTER": "2",
    "HEADGATE_UPSTREAMS__DEFAULT__BALANCE__EJECTION_TIME": "3",
}


@dataclass
class Scene:
    """The servers, how they are found, and the programs that clients reach them through."""

    folder: Path
    fleet: Fleet
    names: NameServers
    gate: Gate
    key: str
    entrances: dict[str, Entrance]
    table: Table = field(default_factory=Table)

    def name_tasks(self) -> None:
        """Let DNS name the tasks that run now, and wait until it does."""
        self.names.set(NAME, "A", *self.fleet.addresses, ttl=TTL)
        named = frozenset(self.fleet.addresses)
        self.names.wait_for(NAME, "A", dns.rcode.NOERROR, named)

    def dns_error(self) -> str:
        """What the gate's health page says has gone wrong with DNS."""
        (source,) = health(self.gate, self.key)["sources"]
        error: str = source["last_error"]
        return error

    @contextmanager
    def story(self, title: str, entrance: Entrance) -> Iterator[Load]:
        """Let the client log while the block runs; then judge what it did."""
        label = f"{title.replace(' ', '-').replace(',', '')}-{entrance.name}".lower()
        before = len(self.fleet.requests.arrivals)
        with running_load(self.folder, entrance.url, entrance.key, label, RUNS) as load:
            load.go_on(3)
            yield load
            load.go_on(3)
            result = load.finish()
        arrivals = self.fleet.requests.arrivals[before:]
        assert not self.fleet.requests.unreadable
        ended = ending(result, self.fleet.tasks[0].server, label, arrivals)
        self.table.add(title, entrance.name, ended)
        if entrance.name == "gate":
            ended.assert_unnoticed()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("failover")
    with ExitStack() as stack:
        for name in ("gate", "dns", "load"):
            (folder / name).mkdir()
        names = stack.enter_context(running_name_servers(folder / "dns"))
        fleet = stack.enter_context(running_fleet(folder, 2))
        key = create_key(folder / "gate" / "data", "client")
        settings = {"HEADGATE_UPSTREAMS__DEFAULT__RESOLVER": names.address} | HEALTH
        names.set(NAME, "A", *fleet.addresses, ttl=TTL)
        gate = stack.enter_context(
            running_gate(folder / "gate", f"http://{NAME}:{fleet.port}", settings)
        )
        entrances = {"gate": gate_entrance(gate, key)}
        if "haproxy" in PEERS and HAPROXY.is_installed:
            haproxy = running_haproxy(folder, NAME, fleet.port, names.address)
            entrances["haproxy"] = haproxy_entrance(stack.enter_context(haproxy))
        told = Scene(folder / "load", fleet, names, gate, key, entrances)
        yield told
        print("\n" + "\n".join(told.table.lines()))  # noqa: T201 - `make chaos` shows it


@pytest.fixture(params=["gate", *PEERS])
def entrance(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Entrance]:
    """One program after the other, everything at rest before its story."""
    if request.param not in scene.entrances:
        require(HAPROXY)
    chosen = scene.entrances[request.param]
    scene.name_tasks()
    chosen.wait_to_use(scene.fleet.endpoints)
    yield chosen
    scene.fleet.heal()


def test_a_server_that_stops_and_comes_back(scene: Scene, entrance: Entrance) -> None:
    proxy = scene.fleet.tasks[0].proxy
    with scene.story("server stops, comes back", entrance) as load:
        proxy.set(Fault.LEAVE)
        load.go_on(3)
        proxy.set()


@pytest.mark.long
@pytest.mark.parametrize("noticed", [True, *([False] if PEERS else [])])
def test_an_address_that_swallows_everything(
    scene: Scene, entrance: Entrance, noticed: bool
) -> None:
    """A blackhole: once it has been noticed nobody is sent there.

    What may be repeated leaves it then.  A request that may not is swallowed, and the client waits
    120 s before it sends it again.
    """
    hole, other = scene.fleet.tasks
    title = "blackhole, noticed before" if noticed else "blackhole, all together"
    if noticed:
        hole.proxy.set(Fault.BLACKHOLE)
        entrance.wait_to_use({f"{other.address}:{scene.fleet.port}"})
    with scene.story(title, entrance) as load:
        hole.proxy.set(Fault.BLACKHOLE)
        load.go_on(3)
        hole.proxy.set()


@pytest.mark.long
def test_a_server_that_hangs(scene: Scene, entrance: Entrance) -> None:
    """What may not be repeated waits for it; the others go on elsewhere."""
    task = scene.fleet.tasks[0]
    with scene.story("hung worker", entrance) as load:
        task.hang()
        load.go_on_for(HANG_SECONDS)
        task.wake()


def test_a_name_that_does_not_exist(scene: Scene, entrance: Entrance) -> None:
    with scene.story("NXDOMAIN", entrance) as load:
        scene.names.set(NAME, "A")
        scene.names.wait_for(NAME, "A", dns.rcode.NXDOMAIN)
        load.go_on_for(OUTAGE_SECONDS)
        if entrance.name == "gate":
            assert "NXDOMAIN" in scene.dns_error()
        scene.name_tasks()


@pytest.mark.long
def test_a_resolver_that_fails(scene: Scene, entrance: Entrance) -> None:
    with scene.story("SERVFAIL", entrance) as load:
        scene.names.break_zone()
        scene.names.wait_for(NAME, "A", dns.rcode.SERVFAIL)
        load.go_on_for(OUTAGE_SECONDS)
        if entrance.name == "gate":
            assert "SERVFAIL" in scene.dns_error()
        scene.names.mend_zone()
        scene.name_tasks()


@pytest.mark.long
def test_a_rolling_replacement(scene: Scene, entrance: Entrance) -> None:
    """As ECS does it: a task leaves DNS, is gone before the TTL is over, and a new one comes."""
    with scene.story("rolling replacement", entrance):
        for task in tuple(scene.fleet.tasks):
            stay = [each for each in scene.fleet.addresses if each != task.address]
            scene.names.set(NAME, "A", *stay, ttl=TTL)
            scene.fleet.stop(task)
            scene.fleet.start()
            scene.name_tasks()


@dataclass(frozen=True)
class Registry:
    """The tasks in Cloud Map, and a gate that finds them there."""

    cloud_map: CloudMap
    service: CloudMapService
    gate: Gate
    entrance: Entrance


@pytest.fixture
def registry(scene: Scene, tmp_path: Path) -> Iterator[Registry]:
    with running_cloud_map() as cloud_map:
        service = cloud_map.create_service("ml", "mlflow")
        for address in scene.fleet.addresses:
            service.register(address, address, scene.fleet.port)
        key = create_key(tmp_path / "data", "client")
        settings = HEALTH | cloud_map.environment
        with running_gate(tmp_path, "cloudmap://ml/mlflow", settings) as gate:
            entrance = gate_entrance(gate, key)
            entrance.wait_to_use(scene.fleet.endpoints)
            yield Registry(cloud_map, service, gate, entrance)


def test_a_replacement_while_cloud_map_throttles(scene: Scene, registry: Registry) -> None:
    """The last known good set is used, with its age told; what has changed is seen afterwards."""
    fleet, cloud_map, service = scene.fleet, registry.cloud_map, registry.service

    def source() -> Mapping[str, Any]:
        (found,) = health(registry.gate, registry.entrance.key)["sources"]
        return found  # type: ignore[no-any-return]

    with scene.story("Cloud Map throttles", registry.entrance) as load:
        cloud_map.throttled = "RequestLimitExceeded"
        task = fleet.tasks[0]
        service.deregister(task.address)
        fleet.move(task)
        service.register(task.address, task.address, fleet.port)
        registry.gate.process.wait_until(
            lambda: source()["failing_seconds"], "that Cloud Map is missed", 30
        )
        cloud_map.throttled = "ThrottlingException"
        load.go_on_for(OUTAGE_SECONDS)
        told = source()
        assert told["endpoints"] == 2
        assert told["age_seconds"] > OUTAGE_SECONDS
        assert told["failing_seconds"] > OUTAGE_SECONDS
        assert "Rate exceeded" in told["last_error"]
        cloud_map.throttled = None
        registry.entrance.wait_to_use(fleet.endpoints)
        assert source()["failing_seconds"] is None
