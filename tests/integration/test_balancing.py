"""A live gate over endpoints that fail, fill up and go: what clients and operators see of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headgate.testing.fault_proxy import Fault, FaultProxy
from tests.support.endpoints import running_endpoints
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.patience import patience
from tests.support.raw import request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.resources import Resources
from tests.support.scripted_dns import ScriptedDns
from tests.support.scripts import fixed, held
from tests.support.workers import serving_pid

UPSTREAM = "HEADGATE_UPSTREAMS__DEFAULT__"
NAME = "mlflow.internal.test"
HOSTS = ("127.0.0.2", "127.0.0.3")
READ = "/api/2.0/mlflow/runs/get"
CREATE = "/api/2.0/mlflow/runs/create"
JSON = "Content-Type: application/json"
SECONDS = 30.0


@dataclass(frozen=True)
class Scene:
    """A gate over two endpoints, each behind a fault proxy, at one name."""

    gate: Gate
    key: str
    dns: ScriptedDns
    upstreams: list[RecordingUpstream]
    proxies: list[FaultProxy]

    def reads(self) -> int:
        return self.gate.ask("GET", READ, key=self.key).status

    def endpoints(self) -> dict[str, Any]:
        """What the health page says of each endpoint, by its host."""
        page = json.loads(self.gate.ask("GET", "/-/health", key=self.key).body)
        (upstream,) = page["upstreams"]
        return {each["endpoint"].split(":")[0]: each for each in upstream["endpoints"]}

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.gate.process.errors.read_text(encoding="utf-8").splitlines()
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in told if event["event"] == name]

    def until(self, expected: Callable[[], bool], what: str) -> None:
        self.gate.process.wait_until(lambda: expected() or None, what, SECONDS)


Start = Callable[..., Scene]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def started(hosts: tuple[str, ...] = HOSTS, **settings: object) -> Scene:
            endpoints = stack.enter_context(running_endpoints(hosts))
            names = stack.enter_context(ScriptedDns())
            names.set(NAME, "A", *hosts)
            environment = {f"{UPSTREAM}{name.upper()}": str(v) for name, v in settings.items()}
            environment |= {
                f"{UPSTREAM}RESOLVER": names.address,
                f"{UPSTREAM}BALANCE__SLOW_START": "0",
            }
            key = create_key(tmp_path / "data", "client")
            url = f"http://{NAME}:{endpoints.port}"
            gate = stack.enter_context(running_gate(tmp_path, url, environment))
            upstreams = list(endpoints.upstreams.values())
            return Scene(gate, key, names, upstreams, list(endpoints.proxies.values()))

        yield started


def test_an_endpoint_that_refuses_is_ejected_for_a_growing_time(start: Start) -> None:
    """No client notices, not even those that create something: nothing reached it."""
    scene = start(balance__ejection_time="0.5")
    scene.proxies[1].set(Fault.REFUSE)

    def ejected(count: int) -> bool:
        create = scene.gate.ask("POST", CREATE, JSON, key=scene.key, body=b"{}")
        assert (scene.reads(), create.status) == (200, 200)
        return len(scene.events("endpoint_ejected")) == count

    scene.until(lambda: ejected(1), "an ejection")
    ill = scene.endpoints()[HOSTS[1]]
    assert (ill["state"], ill["available"], ill["ejections"]) == ("ejected", False, 1)
    assert "3 failures in a row" in ill["reason"]
    scene.until(lambda: ejected(3), "two more")
    told = scene.events("endpoint_ejected")
    assert [event["seconds"] for event in told] == [0.5, 1.0, 2.0]
    assert [event["ejections"] for event in told] == [1, 2, 3]
    assert len(scene.events("endpoint_returned")) == 2
    assert {event["endpoint"].split(":")[0] for event in told} == {HOSTS[1]}
    assert scene.upstreams[1].requests == []


def test_no_more_than_the_share_is_ejected(start: Start) -> None:
    """Of four, three of which refuse, two go; those that are left serve all clients."""
    hosts = (*HOSTS, "127.0.0.4", "127.0.0.5")
    scene = start(hosts, balance__ejection_time="60")
    for proxy in scene.proxies[1:]:
        proxy.set(Fault.REFUSE)

    def ejected() -> int:
        return sum(each["state"] == "ejected" for each in scene.endpoints().values())

    def two_are_out() -> bool:
        assert scene.reads() in (200, 503)  # three attempts may all meet one that refuses
        assert ejected() <= 2
        return ejected() == 2

    scene.until(two_are_out, "two ejections")
    for _ in range(30):
        assert scene.reads() == 200
    assert ejected() == 2
    assert len(scene.events("endpoint_ejected")) == 2


def test_an_endpoint_that_left_gets_no_request_and_keeps_no_connection(start: Start) -> None:
    scene = start(idle_timeout="4.9")
    for _ in range(20):
        assert scene.reads() == 200
    assert all(upstream.requests for upstream in scene.upstreams)
    before = len(scene.upstreams[1].requests)
    scene.dns.set(NAME, "A", HOSTS[0])
    scene.until(lambda: scene.endpoints()[HOSTS[1]]["state"] == "draining", "it left")
    connected = Resources(serving_pid(scene.gate.process))
    scene.until(lambda: scene.reads() == 200 and connected.sockets_to(HOSTS[1]) == 0, "it closed")
    for _ in range(20):
        assert scene.reads() == 200
    assert len(scene.upstreams[1].requests) == before
    (left,) = scene.events("endpoint_left")
    assert left["reason"].startswith(f"no longer named by DNS {NAME}")


def test_the_age_and_the_ttl_of_discovery_are_reported_while_it_fails(start: Start) -> None:
    """And what it named last goes on serving."""
    scene = start()

    def source() -> dict[str, Any]:
        page = json.loads(scene.gate.ask("GET", "/-/health", key=scene.key).body)
        (found,) = page["upstreams"][0]["sources"]
        assert isinstance(found, dict)
        return found

    good = source()
    assert (good["endpoints"], good["ttl"], good["failing_seconds"]) == (2, 1.0, None)
    assert good["age_seconds"] < SECONDS
    scene.dns.set(NAME, "A")
    scene.until(lambda: source()["failing_seconds"] is not None, "it fails")
    scene.until(lambda: source()["age_seconds"] > 2.5, "its response is older than its TTL")
    failing = source()
    assert (failing["endpoints"], failing["ttl"]) == (2, 1.0)
    assert "NXDOMAIN" in failing["last_error"]
    assert scene.reads() == 200
    assert scene.gate.ask("GET", "/-/readyz").status == 200
    scene.dns.set(NAME, "A", *HOSTS)
    scene.until(lambda: source()["failing_seconds"] is None, "it answers again")
    assert source()["age_seconds"] < patience(2.5)
    assert [len(scene.events(f"discovery_{name}")) for name in ("failed", "recovered")] == [1, 1]


def test_what_finds_no_room_is_shed_with_the_time_to_come_back(start: Start) -> None:
    """One under way at each endpoint, one in line, and no more; the line has its own patience."""
    scene = start(balance__max_in_flight="1", balance__queue_size="1", balance__queue_timeout="1")
    go_on = threading.Event()
    for upstream in scene.upstreams:
        upstream.scripts[:] = [held(go_on, fixed())]
    head = request_head("GET", READ, bearer(scene.key))
    with ExitStack() as stack:
        under_way = [stack.enter_context(scene.gate.connect()) for _ in HOSTS]
        for client in under_way:
            client.send(head)
        for upstream in scene.upstreams:
            upstream.wait_until(lambda one=upstream: len(one.requests) == 1)  # type: ignore[misc]
        waiting = stack.enter_context(scene.gate.connect())
        waiting.send(head)
        page = json.loads(scene.gate.ask("GET", "/-/health", key=scene.key).body)
        assert (page["status"], page["upstreams"][0]["available"]) == ("ok", 0)
        assert scene.gate.ask("GET", "/-/readyz").status == 200
        shed = scene.gate.ask("GET", READ, key=scene.key)
        assert (shed.status, shed.get("X-Headgate-Reason")) == (429, "overloaded")
        assert shed.get("Retry-After") == "1"
        late = waiting.response()
        assert (late.status, late.get("X-Headgate-Reason")) == (429, "overloaded")
        assert late.get("Retry-After") is not None
        go_on.set()
        assert [client.response().status for client in under_way] == [200, 200]
    assert sum(len(upstream.requests) for upstream in scene.upstreams) == 2
