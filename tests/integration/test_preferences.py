"""Which of several endpoints a live gate prefers: its own zone's, and those long in service."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headgate.cluster.choice import LEAST_WEIGHT
from headgate.testing.fault_proxy import Fault
from tests.support.cloud_map import CloudMap
from tests.support.endpoints import Endpoints, running_endpoints
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.raw import request_head
from tests.support.scripted_dns import ScriptedDns

BALANCE = "HEADGATE_UPSTREAMS__DEFAULT__BALANCE__"
PROBES = "HEADGATE_UPSTREAMS__DEFAULT__PROBES__"
NAME = "mlflow.internal.test"
READ = "/api/2.0/mlflow/runs/get"
HERE, ALSO_HERE, THERE = "127.0.0.2", "127.0.0.3", "127.0.0.4"
MORE = [f"127.0.0.{last}" for last in range(5, 8)]
OWN, OTHER = "eu-central-1a", "eu-central-1b"
ZONES = {HERE: OWN, ALSO_HERE: OWN, THERE: OTHER}
REQUESTS = 40
WARM_UP = 8.0
SECONDS = 30.0


@dataclass(frozen=True)
class Scene:
    """A gate over three endpoints, two of them in its own zone."""

    gate: Gate
    key: str
    endpoints: Endpoints

    def told(self) -> dict[str, dict[str, Any]]:
        """What the health page says of each endpoint, by its host."""
        page = json.loads(self.gate.ask("GET", "/-/health", key=self.key).body)
        return {each["endpoint"].split(":")[0]: each for each in page["upstreams"][0]["endpoints"]}

    def spread(self, count: int = REQUESTS) -> dict[str, int]:
        """Where ``count`` requests go, none of which may fail."""
        before = self._reads()
        with self.gate.connect() as client:
            for _ in range(count):
                client.send(request_head("GET", READ, bearer(self.key)))
                assert client.response().status == 200
        return {host: now - before[host] for host, now in self._reads().items()}

    def _reads(self) -> dict[str, int]:
        """What clients were sent on for so far; probes do not count."""
        line = f"GET {READ} HTTP/1.1".encode()
        return {
            host: sum(request.request_line == line for request in upstream.requests)
            for host, upstream in self.endpoints.upstreams.items()
        }

    def until_state(self, state: str, *hosts: str) -> None:
        self.gate.process.wait_until(
            lambda: all(self.told()[host]["state"] == state for host in hosts) or None,
            f"{hosts} to be {state}",
            SECONDS,
        )


@pytest.fixture
def endpoints() -> Iterator[Endpoints]:
    with running_endpoints(tuple(ZONES)) as running:
        yield running


@pytest.fixture
def zoned(endpoints: Endpoints, cloud_map: CloudMap, tmp_path: Path) -> Iterator[Scene]:
    with running_zones(ZONES, endpoints, cloud_map, tmp_path) as scene:
        yield scene


@contextmanager
def running_zones(
    zones: Mapping[str, str], endpoints: Endpoints, cloud_map: CloudMap, tmp_path: Path
) -> Iterator[Scene]:
    """A gate that has its zone as a setting, and finds the endpoints with theirs in Cloud Map."""
    service = cloud_map.create_service(tmp_path.name[-20:], "mlflow")
    for host, zone in zones.items():
        service.register(host, host, endpoints.port, zone)
    settings = cloud_map.environment | {
        f"{BALANCE}ZONE": OWN,
        f"{BALANCE}SLOW_START": "0",
        f"{BALANCE}EJECTION_TIME": "0.5",
        f"{PROBES}INTERVAL": "0.2",
        f"{PROBES}TIMEOUT": "1",
    }
    key = create_key(tmp_path / "data", "client")
    url = f"cloudmap://{tmp_path.name[-20:]}/mlflow"
    with running_gate(tmp_path, url, settings) as gate:
        scene = Scene(gate, key, endpoints)
        scene.until_state("healthy", *zones)
        yield scene


def test_requests_stay_in_the_gates_own_zone_while_it_has_endpoints(zoned: Scene) -> None:
    assert {host: each["zone"] for host, each in zoned.told().items()} == ZONES
    found = zoned.spread()
    assert found[HERE] > 0
    assert found[ALSO_HERE] > 0
    assert found[THERE] == 0
    zoned.endpoints.fail(HERE)
    zoned.until_state("unhealthy", HERE)
    assert zoned.spread() == {HERE: 0, ALSO_HERE: REQUESTS, THERE: 0}


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.BLACKHOLE])
def test_they_leave_it_when_it_has_none_and_come_back(zoned: Scene, fault: Fault) -> None:
    zoned.endpoints.fail(HERE, ALSO_HERE, fault=fault)
    zoned.until_state("unhealthy", HERE, ALSO_HERE)
    assert zoned.spread() == {HERE: 0, ALSO_HERE: 0, THERE: REQUESTS}
    zoned.endpoints.fail()
    zoned.until_state("healthy", *ZONES)
    assert zoned.spread()[THERE] == 0


def test_no_client_notices_that_the_zone_fails(zoned: Scene) -> None:
    """Before a probe has told of it: nothing was sent, so the request goes elsewhere."""
    zoned.endpoints.fail(HERE, ALSO_HERE)
    found = zoned.spread()
    assert sum(found.values()) == REQUESTS
    assert found[THERE] > 0


def test_nor_where_the_zone_has_more_endpoints_than_a_request_has_attempts(
    cloud_map: CloudMap, tmp_path: Path
) -> None:
    zones = ZONES | dict.fromkeys(MORE, OWN)
    with (
        running_endpoints(tuple(zones)) as endpoints,
        running_zones(zones, endpoints, cloud_map, tmp_path) as scene,
    ):
        endpoints.fail(*(host for host, zone in zones.items() if zone == OWN))
        assert scene.spread()[THERE] == REQUESTS


def test_a_target_of_a_worse_priority_is_a_spare(endpoints: Endpoints, tmp_path: Path) -> None:
    key = create_key(tmp_path / "data", "client")
    service = "_mlflow._tcp.internal.test"
    with ScriptedDns() as names:
        for name, priority, host in (("first", 1, HERE), ("spare", 20, THERE)):
            names.set(f"{name}.test", "A", host)
            ttl, known = names.records.get((service, "SRV"), (1, []))
            record = f"{priority} 1 {endpoints.port} {name}.test."
            names.set(service, "SRV", *known, record, ttl=ttl)
        settings = {
            "HEADGATE_UPSTREAMS__DEFAULT__RESOLVER": names.address,
            f"{BALANCE}SLOW_START": "0",
            f"{BALANCE}EJECTION_TIME": "0.5",
            f"{PROBES}INTERVAL": "0.2",
        }
        with running_gate(tmp_path, f"srv+http://{service}", settings) as gate:
            scene = Scene(gate, key, endpoints)
            scene.until_state("healthy", HERE, THERE)
            assert scene.spread()[THERE] == 0
            endpoints.fail(HERE)
            scene.spread()  # no client notices
            scene.until_state("unhealthy", HERE)
            assert scene.spread()[HERE] == 0
            endpoints.fail()
            scene.until_state("healthy", HERE)
            assert scene.spread()[THERE] == 0


def test_an_endpoint_new_in_service_comes_to_its_share_by_and_by(
    endpoints: Endpoints, tmp_path: Path
) -> None:
    """The bounds are six standard deviations wide, and the machine may be as slow as it likes."""
    count = 200
    margin = 6 * (count / 4) ** 0.5
    key = create_key(tmp_path / "data", "client")
    with ScriptedDns() as names:
        names.set(NAME, "A", HERE)
        settings = {
            "HEADGATE_UPSTREAMS__DEFAULT__RESOLVER": names.address,
            f"{BALANCE}SLOW_START": str(WARM_UP),
        }
        with running_gate(tmp_path, f"http://{NAME}:{endpoints.port}", settings) as gate:
            scene = Scene(gate, key, endpoints)

            def in_service(host: str) -> float:
                each = scene.told().get(host)
                return each["state_seconds"] if each else -1.0

            def until_warm(host: str) -> None:
                gate.process.wait_until(
                    lambda: in_service(host) > WARM_UP or None, f"{host} to be warm", SECONDS
                )

            until_warm(HERE)
            names.set(NAME, "A", HERE, THERE)
            gate.process.wait_until(lambda: in_service(THERE) >= 0 or None, "the new one", SECONDS)
            young = scene.spread(count)[THERE]
            share = max(LEAST_WEIGHT, min(1.0, in_service(THERE) / WARM_UP)) / 2
            assert young < count * share + margin
            until_warm(THERE)
            grown = scene.spread(count)[THERE]
            assert abs(grown - count / 2) < margin
