"""The how-to "Find out why it was slow", run as it stands there while an MLflow server hangs."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.fleet import Fleet, running_fleet
from tests.support.gate import OPS_LISTENER, Gate, create_key, running_gate
from tests.support.patience import patience
from tests.support.processes import clean_environment
from tests.support.prometheus_server import PrometheusServer, running_prometheus

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/find-out-why-it-was-slow.md").read_text("utf-8")
SETTINGS, *STEPS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
OUTPUTS = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
RULES = ROOT / "deploy/observability/prometheus-rules.yml"
ALERT = "HeadgateEndpointOutOfService"
CLIENTS = 8
JSON = "Content-Type: application/json"
SECONDS = 60.0
HEALTH = {
    "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "1",
    "HEADGATE_UPSTREAMS__DEFAULT__PROBES__TIMEOUT": "1",
}
_SHAPES = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\b[0-9a-f]{24}\b"), "ID"),
    (re.compile(r"\b\d+\.\d+\.\d+\.\d+:\d+\b"), "ENDPOINT"),
    (re.compile(r"exit code \d+|\b200\b"), lambda found: found[0].replace("2", "two")),
    (re.compile(r"\d+(\.\d+)?(e-\d+)?"), "NUMBER"),
    # Where a connection to the other endpoint was in the pool.
    (re.compile(r'"connect_ms":null'), '"connect_ms":NUMBER'),
)

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("jq") is None, reason="needs curl and jq"
)


def kinds(text: str) -> list[str]:
    """The shapes of its lines, each once: how many requests were slow depends on the load."""
    return list(dict.fromkeys(shape(text)))


def shape(output: str) -> list[str]:
    """The lines of an output, without what differs from run to run."""
    for pattern, word in _SHAPES:
        output = pattern.sub(word, output)
    return output.splitlines()


@contextmanager
def clients(gate: Gate, key: str) -> Iterator[None]:
    """Clients that search without a pause while the block runs."""
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            path = "/api/2.0/mlflow/experiments/search"
            with contextlib.suppress(OSError):  # one that has waited for too long
                gate.ask("POST", path, JSON, key=key, body=b'{"max_results": 10}')

    running = [threading.Thread(target=search) for _ in range(CLIENTS)]
    for each in running:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in running:
            each.join()


def impatient(rules: Path, folder: Path) -> Path:
    """The rules as they are shipped, but that the alert of this story does not hold back."""
    document = yaml.safe_load(rules.read_text("utf-8"))
    for group in document["groups"]:
        for rule in group["rules"]:
            if rule.get("alert") == ALERT:
                del rule["for"]
    changed = folder / "rules.yml"
    changed.write_text(yaml.safe_dump(document), encoding="utf-8")
    return changed


class Scene:
    """Two MLflow servers, a gate in front of them, and a Prometheus that scrapes it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        for name in ("fleet", "gate", "prometheus"):
            (folder / name).mkdir()
        self.fleet: Fleet = stack.enter_context(running_fleet(folder / "fleet", 2))
        data = folder / "gate" / "data"
        self.operator = create_key(data, "operator", ["viewer"])
        self.client = create_key(data, "training", ["writer"])
        urls = ",".join(f"http://{each}" for each in sorted(self.fleet.endpoints))
        settings = HEALTH | OPS_LISTENER
        self.gate: Gate = stack.enter_context(running_gate(folder / "gate", urls, settings))
        ops = self.gate.process.wait_for_line(r"health and metrics on http://(\S+)", SECONDS)
        rules = [impatient(RULES, folder)]
        self.prometheus: PrometheusServer = stack.enter_context(
            running_prometheus(folder / "prometheus", [ops[1]], rules)
        )

    def run(self, script: str) -> str:
        """What a shell prints that runs a script with the settings of the page."""
        environment = {
            "GATE": self.gate.url,
            "HEADGATE_API_KEY": self.operator,
            "PROMETHEUS": self.prometheus.url,
            "ACCESS_LOG": str(self.gate.process.output),
            "EVENT_LOG": str(self.gate.process.errors),
        }
        done = subprocess.run(
            ["bash", "-eu", "-c", script],
            env=clean_environment() | environment,
            capture_output=True,
            text=True,
            timeout=patience(SECONDS),
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fires(self) -> list[dict[str, Any]] | None:
        """The alert, once it fires."""
        named = [each for each in self.prometheus.alerts() if each["labels"]["alertname"] == ALERT]
        return named or None

    def retried(self) -> float | None:
        """How many attempts Prometheus has seen repeated, once there are any."""
        found = self.prometheus.query("sum(increase(headgate_upstream_retries_total[5m])) > 0")
        return float(found[0]["value"][1]) if found else None


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(tmp_path, stack)


def test_the_page_leads_from_the_alert_to_the_cause(scene: Scene) -> None:
    assert re.findall(r"(\w+)=", SETTINGS) == [
        "GATE",
        "HEADGATE_API_KEY",
        "PROMETHEUS",
        "ACCESS_LOG",
        "EVENT_LOG",
    ]
    hung, well = (f"{each.address}:{scene.fleet.port}" for each in scene.fleet.tasks)
    wait = scene.prometheus.process.wait_until
    with clients(scene.gate, scene.client):
        ready = "sum(increase(headgate_requests_total[5m])) > 0"
        wait(lambda: scene.prometheus.query(ready) or None, "requests to be scraped", SECONDS)
        scene.fleet.tasks[0].hang()
        wait(scene.fires, "the alert", SECONDS)
        wait(scene.retried, "the retries to be scraped", SECONDS)
    scene.gate.outcome(lambda each: bool(each.get("retries")))
    mark = "--- step"
    printed = scene.run(f"\necho '{mark}'\n".join(STEPS)).split(f"{mark}\n")
    assert [kinds(each) for each in printed] == [kinds(each) for each in OUTPUTS]
    _alert, seconds, requests, parts, event, now = (each.splitlines() for each in printed)
    gate_seconds, *_ = (float(line.split("\t")[1]) for line in seconds)
    assert gate_seconds < patience(0.25)
    assert all(float(line.split("\t")[0]) > 1000 for line in requests)
    assert f'"endpoint":"{well}"' in parts[0]
    assert f'"endpoint":"{hung}","cause":"endpoint_down"' in parts[1]
    assert "endpoint_unhealthy" in event[0]
    assert now == [f"{hung}\tunhealthy", f"{well}\thealthy", "curl: exit code 28"]
