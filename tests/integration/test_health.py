"""The health pages of a live gate: what they say, to whom, and when the configuration changes."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headgate.contract.use import PROBE_FOLDER
from headgate.testing.fault_proxy import Fault, FaultProxy
from tests.support.gate import Gate, create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.raw import RawResponse
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed, held, raw, response_bytes, routed

SECONDS = 20.0
APIS = ("experiments", "models", "artifacts", "traces")
PAGES = (
    "/-/livez",
    "/-/readyz",
    "/-/health",
    *(f"/-/health/{api}" for api in APIS),
    *(
        f"{prefix}/health/mlflow{page}"
        for prefix in ("", "/mlflow", "/api/mlflow")
        for page in ("", "/detailed")
    ),
)


@dataclass(frozen=True)
class Watched:
    """A gate with a configuration file."""

    gate: Gate
    file: Path
    key: str

    def page(self, path: str, *, known: bool = True) -> Any:
        """What a page says to a key holder, or to a stranger."""
        return json.loads(self.ask(path, known=known).body)

    def ask(self, path: str, *, known: bool = True) -> RawResponse:
        return self.gate.ask("GET", path, key=self.key if known else None)

    def events(self) -> list[dict[str, Any]]:
        """What has been logged of upstreams."""
        lines = self.gate.process.errors.read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if "upstream" in event]

    def upstreams(self, path: str = "/-/health/experiments") -> dict[str, Any]:
        """What a check says of each upstream, by its name."""
        found: dict[str, Any] = self.page(path)["upstreams"]
        return found

    def reconfigure(self, text: str, expected: Callable[[], bool], *, how: str = "SIGHUP") -> None:
        """Change the file, and wait until that shows."""
        write(self.file, text)
        if how == "SIGHUP":
            self.gate.process.signal(signal.SIGHUP)
        self.until(expected, "the changed configuration")

    def until(self, expected: Callable[[], bool], what: str) -> None:
        self.gate.process.wait_until(lambda: expected() or None, what, SECONDS)


def write(file: Path, text: str) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.rename(file)


def named(name: str, url: str, *more: str) -> str:
    """The configuration of one upstream, watched closely."""
    prefixes = () if name == "default" else (f'prefixes = ["/{name}"]',)
    lines = (f"[upstreams.{name}]", f'url = "{url}"', "probes.interval = 0.5", *prefixes, *more)
    return "\n".join(lines) + "\n"


Start = Callable[[str], Watched]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a gate with the configuration that it is given."""
    with ExitStack() as stack:

        def started(text: str) -> Watched:
            file = tmp_path / "headgate.toml"
            write(file, text)
            key = create_key(tmp_path / "data", "health", ["admin"])
            environment = {"HEADGATE_CONFIG": str(file)}
            # The settings of the file hold; `running_gate` switches probes off.
            environment["HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL"] = "0.5"
            gate = stack.enter_context(running_gate(tmp_path, None, environment))
            return Watched(gate, file, key)

        yield started


@pytest.fixture
def one() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed()) as upstream:
        yield upstream


@pytest.fixture
def other() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed()) as upstream:
        yield upstream


def asked(upstream: RecordingUpstream, path: bytes) -> int:
    """How often a path was asked for."""
    return sum(path in each.request_line for each in upstream.requests)


# --- a changed configuration ---------------------------------------------------------------------


@pytest.mark.parametrize("how", ["SIGHUP", "changed file"])
def test_an_upstream_that_comes_is_probed_checked_and_shown(
    how: str, start: Start, one: RecordingUpstream, other: RecordingUpstream
) -> None:
    watched = start(named("default", one.url))
    assert set(watched.upstreams()) == {"default"}
    both = named("default", one.url) + named("added", other.url)
    watched.reconfigure(both, lambda: set(watched.upstreams()) == {"default", "added"}, how=how)
    assert asked(other, b"/experiments/search") >= 1
    other.wait_until(lambda: asked(other, b" /health ") >= 1)

    def shown() -> bool:
        upstreams = {each["upstream"]: each for each in watched.page("/-/health")["upstreams"]}
        (endpoint,) = upstreams["added"]["endpoints"]
        return endpoint["state"] == "healthy" and endpoint["endpoint"] in other.url

    watched.until(shown, "the new upstream on the page")
    for path in ("/health/mlflow/detailed", "/added/health/mlflow/detailed"):
        assert set(watched.page(path)["apis"]) == {"default", "added"}


def test_an_upstream_that_changes_is_checked_where_it_is_now(
    start: Start, one: RecordingUpstream, other: RecordingUpstream
) -> None:
    """What was found of the old one a moment ago says nothing of the new one."""
    one.scripts[:] = [fixed(b"{}", status=500)]
    watched = start(named("default", one.url))
    assert watched.ask("/-/health/experiments").status == 503
    watched.reconfigure(
        named("default", other.url), lambda: watched.ask("/-/health/experiments").status == 200
    )
    before = len(one.requests)
    for api in APIS:
        assert watched.ask(f"/-/health/{api}").status == 200
    assert len(one.requests) == before  # nor is it probed any more
    watched.until(lambda: watched.page("/-/health")["status"] == "ok", "all well")


def test_an_upstream_that_goes_is_neither_checked_nor_shown(
    start: Start, one: RecordingUpstream, other: RecordingUpstream
) -> None:
    """A broken one that an operator takes out no longer counts."""
    other.scripts[:] = [fixed(b"{}", status=500)]
    watched = start(named("default", one.url) + named("gone", other.url))
    assert set(watched.upstreams()) == {"default", "gone"}
    assert watched.ask("/-/health/experiments").status == 503
    watched.reconfigure(named("default", one.url), lambda: set(watched.upstreams()) == {"default"})
    assert watched.ask("/-/health/experiments").status == 200
    upstreams = [each["upstream"] for each in watched.page("/-/health")["upstreams"]]
    assert upstreams == ["default"]
    watched.until(lambda: watched.page("/-/health")["status"] == "ok", "all well")


# --- who sees what ------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.REFUSE, Fault.RESET])
def test_a_stranger_sees_no_name_of_the_inside(
    fault: Fault, start: Start, one: RecordingUpstream
) -> None:
    with FaultProxy("127.0.0.1", 0, (one.host, one.port)) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        unknown = named("unknown-team", "http://mlflow.secret.invalid:5000")
        watched = start(named("default", url) + unknown)
        proxy.set(fault)
        inside = (str(proxy.port), "127.0.0.1", "unknown-team", "secret", "3.1", "uvicorn")
        for path in PAGES:
            for fields in ((), ("X-Headgate-Principal: k_1",), ("x_headgate_principal: k_1",)):
                response = watched.gate.ask("GET", path, *fields)
                text = (response.head + response.body).decode("latin-1").lower()
                assert not [word for word in inside if word in text], text
                if path not in ("/-/livez", "/-/readyz"):
                    assert set(json.loads(response.body)) == {"status"}
        assert watched.ask("/-/metrics", known=False).status == 401


def test_every_prefix_has_the_established_addresses(start: Start, one: RecordingUpstream) -> None:
    watched = start(named("default", one.url) + named("team-a", one.url))
    for prefix in ("", "/mlflow", "/api/mlflow", "/team-a"):
        for known in (True, False):
            brief = watched.page(f"{prefix}/health/mlflow", known=known)
            full = watched.page(f"{prefix}/health/mlflow/detailed", known=known)
            assert ("upstreams" in brief, "apis" in full) == (known, known)
        assert {"default", "team-a"} == set(full_of(watched, prefix)["apis"])


def full_of(watched: Watched, prefix: str) -> Any:
    return watched.page(f"{prefix}/health/mlflow/detailed")


# --- broken states ------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.BLACKHOLE, Fault.RESET])
def test_liveness_never_depends_on_mlflow_and_the_rest_tells_the_truth(
    fault: Fault, start: Start, one: RecordingUpstream
) -> None:
    with FaultProxy("127.0.0.1", 0, (one.host, one.port)) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        watched = start(named("default", url, "probes.timeout = 0.5", "connect_timeout = 0.5"))
        watched.until(lambda: watched.events()[-1]["event"] == "endpoint_healthy", "all well")
        assert watched.page("/-/health", known=False) == {"status": "ok"}
        proxy.set(fault)
        watched.until(lambda: watched.page("/-/health")["status"] == "down", "it shows")
        assert watched.ask("/-/health", known=False).status == 503
        (upstream,) = watched.page("/-/health")["upstreams"]
        (endpoint,) = upstream["endpoints"]
        assert (endpoint["state"], endpoint["available"]) == ("unhealthy", False)
        assert endpoint["reason"].startswith("GET /health: ")
        assert endpoint["last_error"]
        assert watched.ask("/-/livez", known=False).status == 200
        assert watched.ask("/-/health/models", known=False).status == 503
        proxy.set()
        watched.until(lambda: watched.page("/-/health")["status"] == "ok", "all well again")
        changes = ["endpoint_added", "endpoint_healthy", "endpoint_unhealthy", "endpoint_healthy"]
        assert [event["event"] for event in watched.events()] == changes
        assert watched.events()[2]["reason"] == endpoint["reason"]


def test_by_default_a_slow_server_stays_and_a_silent_one_is_noticed_soon(
    start: Start, one: RecordingUpstream, other: RecordingUpstream
) -> None:
    version = raw(response_bytes(b"3.17.2", content_type="text/plain"))
    one.scripts[:] = [routed({b"/version": version}, fixed())]
    with FaultProxy("127.0.0.1", 0, (one.host, one.port)) as proxy:
        usual = f'[upstreams.usual]\nurl = "http://127.0.0.1:{proxy.port}"\nprefixes = ["/usual"]\n'
        watched = start(named("default", other.url) + usual)

        def changes() -> list[str]:
            events = [each for each in watched.events() if each["upstream"] == "usual"]
            names = [each["event"] for each in events]
            return [name for name in names if name.startswith("endpoint_")]

        watched.until(lambda: changes() == ["endpoint_added", "endpoint_healthy"], "all well")
        proxy.set(delay=1.5)
        before = asked(one, b" /health ")
        watched.until(lambda: asked(one, b" /health ") > before + 3, "three slow probes")
        assert changes() == ["endpoint_added", "endpoint_healthy"]
        proxy.set(Fault.BLACKHOLE)
        silent = time.monotonic()
        watched.until(lambda: changes()[-1] == "endpoint_unhealthy", "it is noticed")
        assert time.monotonic() - silent < 14


def test_an_endpoint_where_an_api_is_broken_gets_no_request(
    start: Start, one: RecordingUpstream, other: RecordingUpstream
) -> None:
    """Where the configuration has the probes use it."""
    models = b"/api/2.0/mlflow/registered-models/search?max_results=1"
    routes = {models: fixed(b'{"message": "no store"}', status=500)}
    other.scripts[:] = [routed(routes, fixed())]
    watched = start(
        named("default", f"{one.url},{other.url}", 'probes.apis = ["models", "traces"]')
    )

    def states() -> dict[str, Any]:
        (upstream,) = watched.page("/-/health")["upstreams"]
        return {each["endpoint"]: each for each in upstream["endpoints"]}

    at = {name: url.url.removeprefix("http://") for name, url in (("one", one), ("other", other))}
    watched.until(lambda: states()[at["other"]]["state"] == "unhealthy", "the broken one")
    watched.until(lambda: states()[at["one"]]["state"] == "healthy", "the other one")
    broken, well = states()[at["other"]], states()[at["one"]]
    assert broken["reason"].startswith("models: GET /api/2.0/mlflow/registered-models/search ")
    assert "responded 500" in broken["apis"]["models"]
    assert set(well["apis"]) == {"models", "traces"}
    assert watched.page("/-/health", known=False) == {"status": "degraded"}
    for _ in range(10):
        assert watched.gate.ask("GET", "/api/2.0/mlflow/runs/get", key=watched.key).status == 200
    assert asked(other, b"/runs/get") == 0
    routes.clear()
    watched.until(lambda: states()[at["other"]]["state"] == "healthy", "it is well again")


def test_a_named_upstream_that_is_lost_leaves_the_gate_ready(
    start: Start, one: RecordingUpstream
) -> None:
    """Or else a balancer would take the default upstream away with it."""
    lost = named("lost", "http://mlflow.lost.invalid:5000")
    watched = start(named("default", one.url) + lost)
    assert watched.ask("/-/readyz", known=False).status == 200
    assert watched.page("/-/health", known=False) == {"status": "degraded"}
    upstreams = {each["upstream"]: each for each in watched.page("/-/health")["upstreams"]}
    assert upstreams["default"]["status"] == "ok"
    (source,) = upstreams["lost"]["sources"]
    assert (upstreams["lost"]["status"], source["endpoints"]) == ("down", 0)
    assert "NXDOMAIN" in source["last_error"] or "no resolver" in source["last_error"]


def test_questions_at_the_same_time_cause_one_probe(start: Start, one: RecordingUpstream) -> None:
    count, go_on = 200, threading.Event()
    watched = start(named("default", one.url))
    one.scripts[:] = [held(go_on, fixed())]
    with ExitStack() as stack:
        clients = [stack.enter_context(watched.gate.connect()) for _ in range(count)]
        for client in clients:
            client.send(b"GET /-/health/experiments HTTP/1.1\r\nHost: gate\r\n\r\n")
        under_way = f"headgate_requests_in_flight {count}\n"
        watched.until(
            lambda: under_way.encode() in watched.ask("/-/metrics").body, "all of them under way"
        )
        go_on.set()
        assert {client.response().status for client in clients} == {200}
    assert asked(one, b"/experiments/search") == 1


# --- a real MLflow ------------------------------------------------------------------------------


def test_each_api_of_a_real_mlflow_is_used_and_nothing_stays(
    gate: Gate, admin_key: str, mlflow_server: MlflowServer
) -> None:
    for page in (*APIS, "artifacts?deep=1"):
        response = gate.ask("GET", f"/-/health/{page}", key=admin_key)
        assert (response.status, json.loads(response.body)["status"]) == (200, "ok"), response
    kept = mlflow_server.artifacts / PROBE_FOLDER
    assert list(kept.iterdir()) == []


# --- who sees what --------------------------------------------------------------------------------

ROLES = """
[roles.tracker]
grants = ["read:experiments", "write:runs"]
[roles.watcher]
grants = ["read:gate"]
"""


def test_details_are_for_keys_that_may_read_the_gate(
    start: Start, one: RecordingUpstream, tmp_path: Path
) -> None:
    """Any good key may open MLflow; that is no reason to show where it runs."""
    roles = {"tracker": False, "watcher": True, "viewer": True, "admin": True}
    keys = {role: create_key(tmp_path / "data", role, [role]) for role in roles}
    gate = start(named("default", one.url) + ROLES).gate
    inside = one.url.removeprefix("http://")
    for role, shown in roles.items():
        for path in ("/-/health", "/health/mlflow/detailed", "/mlflow/health/mlflow"):
            response = gate.ask("GET", path, key=keys[role])
            assert response.status == 200
            assert (inside.encode() in response.body) is shown, (role, path)
        response = gate.ask("GET", "/-/health/models", key=keys[role])
        assert (set(json.loads(response.body)) == {"status"}) is not shown
    before = len(one.requests)
    for role in roles:
        response = gate.ask("GET", "/-/health/artifacts?deep=1", key=keys[role])
        if role != "admin":
            assert (response.status, response.get("X-Headgate-Reason")) == (403, "forbidden")
            assert len(one.requests) == before
    assert len(one.requests) > before


def test_a_client_cannot_claim_the_grant(start: Start, one: RecordingUpstream) -> None:
    gate = start(named("default", one.url)).gate
    claims = ("X-Headgate-Principal: k_00000001", "X-Headgate-May: read,administer")
    assert set(json.loads(gate.ask("GET", "/-/health", *claims).body)) == {"status"}
    assert gate.ask("GET", "/-/health/artifacts?deep=1", *claims).status == 401
