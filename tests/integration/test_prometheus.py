"""A real Prometheus watches a gate under load, and sees MLflow stop.

The rules are the real ones with shorter times, since nobody wants to wait for them here.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headgate.auth.keys.form import RANDOM_BYTES, mint
from tests.support.certificates import Authority
from tests.support.dashboard_queries import dashboard_queries
from tests.support.debian import CURL, JQ, require
from tests.support.gate import OPS_LISTENER, Gate, running_gate
from tests.support.issued_tokens import GITHUB
from tests.support.issuers import running_issuer
from tests.support.keys import make_key
from tests.support.ports import free_port
from tests.support.processes import ServerError
from tests.support.prometheus_server import PrometheusServer, running_prometheus
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripted_dns import ScriptedDns
from tests.support.scripts import fixed, raw, response_bytes, routed
from tests.support.two_gates import called
from tests.support.waiting import seconds_until
from tools.observability.alerts import GATE_ERRORS_FAST, MLFLOW_ERRORS_FAST, NO_ENDPOINT
from tools.observability.prometheus_rules import INTERVAL

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "observability" / "prometheus-rules.yml"
RUNBOOK = ROOT / "docs" / "how-to" / "respond-to-alerts.md"
RULES_OF_ISSUER = json.dumps([{"when": {"repository_id": "74"}, "roles": ["admin"]}])
UNKNOWN_KEY = mint(secrets.token_bytes(RANDOM_BYTES))
SECONDS = 90.0
DATA_SECONDS = 15.0
DAY = 86_400.0
NAME = "mlflow.example"
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/model.bin"
BROKEN = "/api/2.0/mlflow/runs/get?run_id=1"
LOCKED = "/api/2.0/mlflow/registered-models/search"
LOGIN = response_bytes(
    b"You are not authenticated.",
    'WWW-Authenticate: Basic realm="mlflow"',
    status=401,
    content_type="text/html",
)
ROUNDS = 20
FAILURES = 2  # fewer than an alert needs
WRONG_KEYS = 4  # fewer than what an address is throttled for
ALL_GATES = 'family!="gate"'
SENT: Mapping[tuple[str, str], int] = {
    ("experiments", "ok"): 2 * ROUNDS,
    ("artifacts", "ok"): ROUNDS,
    ("ui", "ok"): ROUNDS,
    ("runs", "ok"): FAILURES,
    ("models", "upstream_credentials"): FAILURES,
    ("none", "key_unknown"): WRONG_KEYS,  # such clients learn nothing about routes
}
"""How many requests are sent before MLflow stops, by family and reason."""
pytestmark = pytest.mark.first


@dataclass(frozen=True)
class Watched:
    """What Prometheus knew of a gate that served, and then of one whose MLflow was gone.

    Attributes:
        counted: requests by family and reason, before MLflow stopped.
        traces: the traces that were sent.
        exemplars: the traces that Prometheus kept.
        missing: panels with a query that had no data.
        series: how many of the gate there were.
        alerts: those that fired in the end, with their labels.
        commands: what each command of the runbook came to that failed.
    """

    counted: Mapping[tuple[str, str], float]
    traces: frozenset[str]
    exemplars: frozenset[str]
    missing: Sequence[str]
    series: int
    alerts: Sequence[Mapping[str, str]]
    commands: Sequence[str]


def quick_rules(folder: Path) -> Path:
    """The rules, evaluated each second and without waiting."""
    text = RULES.read_text(encoding="utf-8")
    text = re.sub(r"^( +)for: .*$", r"\1for: 1s", text, flags=re.MULTILINE)
    text = text.replace(f"interval: {INTERVAL}s", "interval: 1s")
    text = text.replace(f"* {INTERVAL} >=", "* 1 >=")
    file = folder / "rules.yml"
    file.write_text(text, encoding="utf-8")
    return file


def configuration(
    folder: Path, names: ScriptedDns, plain: RecordingUpstream, secure: RecordingUpstream
) -> Path:
    """Two upstreams, the first to be looked up, the second over TLS."""
    file = folder / "headgate.toml"
    file.write_text(
        f"""
        [listen]
        workers = 2
        [upstreams.default]
        url = "http://{NAME}:{plain.port}"
        resolver = "{names.address}"
        [upstreams.research]
        url = "{secure.url}"
        prefixes = ["/research"]
        [upstreams.research.tls]
        ca = "{folder / "authority.pem"}"
        """,
        encoding="utf-8",
    )
    return file


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    authority = Authority(folder, "authority")
    with ExitStack() as stack:
        script = routed(
            {
                BROKEN.encode(): fixed(b"{}", status=500),
                LOCKED.encode(): raw(LOGIN),
            },
            fixed(b"{}"),
        )
        plain = stack.enter_context(RecordingUpstream(script))
        names = stack.enter_context(ScriptedDns())
        names.set(NAME, "A", "127.0.0.1")
        certificate = authority.issue("research", "127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        secure = stack.enter_context(RecordingUpstream(fixed(b"{}"), tls=context))
        issuer = stack.enter_context(running_issuer(GITHUB.issuer))
        environment = {
            **OPS_LISTENER,
            "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "1",
            "HEADGATE_UPSTREAMS__DEFAULT__PROBES__TIMEOUT": "1",
            "HEADGATE_CONFIG": str(configuration(folder, names, plain, secure)),
            "HEADGATE_AUTH__ISSUERS__CI__ISSUER": GITHUB.issuer,
            "HEADGATE_AUTH__ISSUERS__CI__AUDIENCE": GITHUB.audience,
            "HEADGATE_AUTH__ISSUERS__CI__DISCOVERY_URL": issuer.discovery_url,
            "HEADGATE_AUTH__ISSUERS__CI__RULES": RULES_OF_ISSUER,
            # Nothing listens there: exports fail, and traces have exemplars all the same.
            "HEADGATE_TELEMETRY__OTLP__ENDPOINT": f"http://127.0.0.1:{free_port()}",
        }
        key = make_key(folder / "data", "client", expires_at=time.time() + 10 * DAY)
        operator = make_key(folder / "data", "operator", ["admin"])  # known to both workers
        gate = stack.enter_context(running_gate(folder, None, environment))
        target = "{}:{}".format(*gate.ops)
        prometheus = stack.enter_context(
            running_prometheus(folder, [target], [quick_rules(folder)])
        )
        begun = time.time()
        traces = send(gate, key)
        counted = wait_for_counts(prometheus)
        series = int(
            prometheus.query('count({__name__=~"headgate_.*|process_.*", job="headgate"})')[0][
                "value"
            ][1]
        )
        exemplars = kept_traces(prometheus, begun)
        maintain(gate, operator)
        plain.stop()
        alerts = wait_for_alerts(gate, prometheus, key)
        yield Watched(
            counted,
            traces,
            exemplars,
            missing(prometheus),
            series,
            alerts,
            failed_commands(folder, gate, key, environment),
        )


def send(gate: Gate, key: str) -> frozenset[str]:
    """Send what ``SENT`` says, each request in a trace of its own; the traces."""
    traces = set()

    def ask(target: str, status: int, key: str) -> None:
        trace = os.urandom(16).hex()
        traces.add(trace)
        context = f"traceparent: 00-{trace}-{os.urandom(8).hex()}-01"
        assert gate.ask("GET", target, context, key=key).status == status

    for _ in range(ROUNDS):
        ask(SEARCH, 200, key)
        ask(f"/research{SEARCH}", 200, key)
        ask(ARTIFACT, 200, key)
        ask("/", 200, key)
    for _ in range(FAILURES):
        ask(BROKEN, 500, key=key)
        ask(LOCKED, 502, key=key)
    for _ in range(WRONG_KEYS):
        ask(SEARCH, 401, UNKNOWN_KEY)
    return frozenset(traces)


def maintain(gate: Gate, key: str) -> None:
    """Park an upstream with a request, let that go on, and let the upstream be read-only."""
    upstream = "/upstreams/research"

    def asked(done: Callable[[Any], bool]) -> None:
        seconds_until(lambda: done(called(gate, key, "GET", upstream)), SECONDS)

    called(gate, key, "POST", f"{upstream}/park", {"seconds": 600})
    asked(lambda shown: shown["drained"])
    with ThreadPoolExecutor(1) as executor:
        held = executor.submit(gate.ask, "GET", f"/research{SEARCH}", key=key)
        asked(lambda shown: sum(each["waiting"] for each in shown["gates"]) == 1)
        called(gate, key, "POST", f"{upstream}/unpark", {})
        assert held.result(SECONDS).status == 200
    called(gate, key, "POST", f"{upstream}/read-only", {"on": True, "seconds": 3600})


def wait_for_counts(prometheus: PrometheusServer) -> Mapping[tuple[str, str], float]:
    """What Prometheus has counted, once it is as much as was sent."""
    query = f"sum by (family, reason) (headgate_requests_total{{{ALL_GATES}}})"

    def counted() -> Mapping[tuple[str, str], float] | None:
        found = {
            (each["metric"]["family"], each["metric"]["reason"]): float(each["value"][1])
            for each in prometheus.query(query)
        }
        return found if sum(found.values()) >= sum(SENT.values()) else None

    return prometheus.process.wait_until(counted, "all requests", SECONDS)


def kept_traces(prometheus: PrometheusServer, begun: float) -> frozenset[str]:
    """The traces of the exemplars that Prometheus has of the durations."""
    found = prometheus.exemplars("headgate_request_duration_seconds_bucket", begun, time.time())
    return frozenset(each["labels"]["trace_id"] for each in found)


def wait_for_alerts(
    gate: Gate, prometheus: PrometheusServer, key: str
) -> Sequence[Mapping[str, str]]:
    """Send to an upstream that is gone until both alerts about it fire; all that fire."""
    wanted = {NO_ENDPOINT.name, MLFLOW_ERRORS_FAST.name}
    labels: list[Mapping[str, str]] = []

    def firing() -> bool | None:
        for _ in range(50):
            gate.ask("GET", SEARCH, key=key)
        labels[:] = [each["labels"] for each in prometheus.alerts()]
        return wanted <= {each["alertname"] for each in labels} or None

    with suppress(ServerError):  # the test says which
        prometheus.process.wait_until(firing, "alerts", SECONDS)
    return labels


def missing(prometheus: PrometheusServer) -> Sequence[str]:
    """Panels of which a query has no data, after a while in which it may come."""
    without = list(dashboard_queries())

    def found() -> bool | None:
        without[:] = [each for each in without if not prometheus.query(each[1])]
        return True if not without else None

    with suppress(ServerError):  # the test says which
        prometheus.process.wait_until(found, "data", DATA_SECONDS)
    return [f"{title}: {query}" for title, query in without]


def failed_commands(
    folder: Path, gate: Gate, key: str, environment: Mapping[str, str]
) -> Sequence[str]:
    """Run each command of the runbook; what failed."""
    (folder / "access.log").write_bytes(gate.process.output.read_bytes())
    lines = gate.process.errors.read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "events.log").write_text("".join(each for each in lines if each[:1] == "{"))
    settings = {
        **os.environ,
        **environment,
        "HEADGATE_DATA": str(gate.data),
        "GATE": gate.url,
        "OPS": "http://{}:{}".format(*gate.ops),
        "KEY": key,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    blocks = re.findall(r"^```sh\n(.*?)^```", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL)
    failures = []
    for block in blocks[1:]:  # the first sets the variables
        done = subprocess.run(
            ["bash", "-c", f"set -eo pipefail\n{block}"],
            cwd=folder,
            env=settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            failures.append(f"{block}{done.returncode}\n{done.stdout}{done.stderr}")
    return failures


def test_prometheus_counts_what_was_sent(watched: Watched) -> None:
    assert dict(watched.counted) == dict(SENT)


def test_every_query_of_the_dashboard_has_data(watched: Watched) -> None:
    assert list(watched.missing) == []


def test_a_gate_with_two_upstreams_has_no_more_series_than_promised(watched: Watched) -> None:
    assert 200 < watched.series <= 1500


def test_exemplars_lead_to_traces_that_were_sent(watched: Watched) -> None:
    assert watched.exemplars
    assert watched.exemplars <= watched.traces


def test_an_mlflow_that_stops_fires_the_alerts_about_it_and_none_about_the_gate(
    watched: Watched,
) -> None:
    by_name = {each["alertname"]: each for each in watched.alerts}
    assert by_name[NO_ENDPOINT.name]["upstream"] == "default"
    assert by_name[NO_ENDPOINT.name]["severity"] == "page"
    assert by_name[MLFLOW_ERRORS_FAST.name]["budget"] == "mlflow"
    assert GATE_ERRORS_FAST.name not in by_name
    assert [each for each in watched.alerts if each.get("upstream") == "research"] == []


def test_the_commands_of_the_runbook_run(watched: Watched) -> None:
    require(CURL)
    require(JQ)
    assert list(watched.commands) == []
