"""A gate's metrics: few series whatever is sent, upstreams that come and go, no decrease."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser

from headgate.contract import table
from headgate.telemetry import openmetrics, prometheus
from tests.support.debian import PROMETHEUS, require
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.prometheus import Family, parse
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.waiting import seconds_until
from tests.support.workers import worker_pids

MOST_SERIES = 1500
SECONDS = 20.0
_TWO = """
[listen]
workers = 2
[upstreams.default]
url = "{default}"
probes.interval = 0.5
[upstreams.second]
url = "{second}"
prefixes = ["/second"]
probes.interval = 0.5
"""


@dataclass(frozen=True)
class Scene:
    """A gate of two workers with two upstreams, two keys, and its configuration."""

    gate: Gate
    admin: str
    viewer: str
    file: Path
    settings: str

    def page(self) -> dict[str, Family]:
        """What the metrics say now."""
        response = self.gate.ask("GET", "/-/metrics", key=self.admin)
        assert response.status == 200
        assert response.get("Content-Type") == prometheus.CONTENT_TYPE
        return parse(response.body.decode())

    def reload(self, settings: str) -> None:
        self.file.write_text(settings, encoding="utf-8")
        self.gate.process.signal(signal.SIGHUP)

    def reload_until(self, settings: str, event: str) -> None:
        """Reload, and wait until each worker says that of ``second``: they do one by one."""
        before = len(self.gate.events())
        self.reload(settings)

        def said() -> bool:
            found = [each for each in self.gate.events()[before:] if each["event"] == event]
            pids = {each["pid"] for each in found if each["upstream"] == "second"}
            return pids >= set(worker_pids(self.gate.process))

        seconds_until(said, SECONDS)

    def wait_for(self, is_so: Callable[[dict[str, Family]], bool]) -> None:
        seconds_until(lambda: is_so(self.page()), SECONDS)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("metrics")
    with ExitStack() as stack:
        default, second = (stack.enter_context(RecordingUpstream(fixed())) for _ in range(2))
        settings = _TWO.format(default=default.url, second=second.url)
        file = folder / "headgate.toml"
        file.write_text(settings, encoding="utf-8")
        admin = create_key(folder / "data", "admin", ("admin",))
        viewer = create_key(folder / "data", "viewer", ("viewer",))
        gate = stack.enter_context(running_gate(folder, None, {"HEADGATE_CONFIG": str(file)}))
        yield Scene(gate, admin, viewer, file, settings)


def series_of(page: dict[str, Family]) -> int:
    return sum(len(family.samples) for family in page.values())


def upstreams_of(page: dict[str, Family], metric: str) -> set[str]:
    return {dict(labels)["upstream"] for _, labels in page[metric].samples}


def test_upstreams_are_named_and_described(scene: Scene) -> None:
    for _ in range(3):
        assert scene.gate.ask("GET", "/second/version", key=scene.viewer).status == 200

    def is_described(page: dict[str, Family]) -> bool:
        return (
            page["headgate_upstream_endpoints_in_service"].value(upstream="second") == 1
            and page["headgate_upstream_endpoints"].value(upstream="second", state="healthy") == 1
            and page["headgate_upstream_probes_total"].value(upstream="second", result="ok") > 0
            and page["headgate_upstream_attempts_total"].value(upstream="second", result="ok") >= 3
            and page["headgate_upstream_requests_limit"].value(upstream="second") > 0
        )

    scene.wait_for(is_described)
    accepted = scene.page()["headgate_authentications_total"]
    assert accepted.value(authenticator="key", outcome="accepted") >= 3


def test_hostile_clients_bring_no_more_series_than_a_page_may_have(scene: Scene) -> None:
    """Many routes with each kind of key, to both upstreams, with methods of all sorts."""
    routes = sorted({(row.operation.family, row.method, row.paths[0]) for row in table().rows})
    some = [each for at, each in enumerate(routes) if at % 3 == 0]
    fields = (bearer("hgk_wrong"), bearer(scene.viewer), bearer(scene.admin), "X-Nothing: 1")
    for at, (_, method, path) in enumerate(some):
        prefix = "/second" if at % 2 and not path.startswith("/-/") else ""
        for each in (fields[at % 4], fields[(at + 1) % 4]):
            scene.gate.ask(method, prefix + path, each, body=b"{}" if method != "GET" else b"")
    for method in ("BREW", "TRACE", "get", "M" * 40):
        for field in fields:
            scene.gate.ask(method, "/api/2.0/mlflow/runs/create", field)
    for target in ("/no/route", "//api", "/%2Fapi/2.0", "*", "/api/2.0/mlflow/../x"):
        scene.gate.ask("GET", target, fields[2])
    page = scene.page()
    assert series_of(page) <= MOST_SERIES
    requests = page["headgate_requests_total"]
    values = {value for family in page.values() for _, have in family.samples for _, value in have}
    assert all(values)
    assert not any(secret in value for secret in (scene.admin, scene.viewer) for value in values)
    durations = page["headgate_request_duration_seconds"].samples
    counts = [value for (name, _), value in durations.items() if name.endswith("_count")]
    assert requests.total() == sum(counts)


def test_openmetrics_and_promtool_are_content(scene: Scene) -> None:
    response = scene.gate.ask(
        "GET", "/-/metrics", "Accept: application/openmetrics-text; version=1.0.0", key=scene.admin
    )
    assert response.get("Content-Type") == openmetrics.CONTENT_TYPE
    page = response.body.decode()
    assert list(parser.text_string_to_metric_families(page))  # type: ignore[no-untyped-call]
    promtool = require(PROMETHEUS).with_name("promtool")
    plain = scene.gate.ask("GET", "/-/metrics", key=scene.admin).body
    done = subprocess.run(
        [promtool, "check", "metrics"], input=plain, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_an_upstream_that_has_left_is_no_longer_shown_and_goes_on_when_it_is_back(
    scene: Scene,
) -> None:
    metric = "headgate_upstream_attempts_total"
    scene.wait_for(lambda page: "second" in upstreams_of(page, metric))
    before = scene.page()[metric].total(upstream="second")
    scene.reload_until(scene.settings.partition("[upstreams.second]")[0], "upstream_retired")
    scene.wait_for(lambda page: upstreams_of(page, metric) == {"default"})
    scene.reload_until(scene.settings, "endpoint_added")
    scene.wait_for(lambda page: "second" in upstreams_of(page, metric))
    assert scene.page()[metric].total(upstream="second") >= before


def test_no_counter_goes_down_while_workers_are_killed_and_the_configuration_reloaded(
    scene: Scene,
) -> None:
    before: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for at in range(40):
        if at == 10:
            os.kill(worker_pids(scene.gate.process)[0], signal.SIGKILL)
        if at == 20:
            scene.reload(scene.settings + "# again\n")
        try:
            scene.gate.ask("GET", "/version", key=scene.viewer)
            page = scene.page()
        except (OSError, AssertionError):
            assert 10 <= at < 30  # the worker that was asked had just been killed
            continue
        now = {
            sample: value
            for family in page.values()
            if family.kind != "gauge"
            for sample, value in family.samples.items()
        }
        assert not {
            sample: (value, now.get(sample, 0.0))
            for sample, value in before.items()
            if now.get(sample, 0.0) < value
        }
        before = now
