"""Clients notice nothing while MLflow servers come, go, hang and vanish.

Two MLflow servers on one PostgreSQL stand behind one DNS name; a fault proxy before each of them
misbehaves.  The standard client, with its standard settings, logs runs without a pause.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import dns.rcode
import pytest

from headgate.testing.fault_proxy import Fault, FaultProxy
from tests.support.dns_server import DnsServer
from tests.support.gate import Gate, create_key, running_gate
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.postgres import running_postgres
from tests.support.processes import clean_environment

NAME = "mlflow.internal.test"
RUNS = int(os.environ.get("HEADGATE_FAILOVER_RUNS", "15"))
"""Runs that the client logs in each story, nine operations each; `make chaos` takes more."""
HANG_SECONDS = 6.0
HOSTS = ("127.0.0.2", "127.0.0.3")

CLIENT = """
import json, os, sys, time
import mlflow
from mlflow import MlflowClient

client = MlflowClient()
label, runs = sys.argv[1], int(sys.argv[2])
experiment = client.get_experiment_by_name("failover") or client.get_experiment(
    client.create_experiment("failover")
)
experiment = experiment.experiment_id
longest, operations, failures = 0.0, 0, []

def timed(name, work):
    global longest, operations
    started = time.monotonic()
    try:
        return work()
    except Exception as error:
        failures.append(f"{name}: {error}")
    finally:
        operations += 1
        longest = max(longest, time.monotonic() - started)

for at in range(runs):
    run = timed("create", lambda: client.create_run(experiment, run_name=f"{label}-{at}"))
    if run is None:
        continue
    run_id = run.info.run_id
    timed("param", lambda: client.log_param(run_id, "at", at))
    for step in range(3):
        timed("metric", lambda: client.log_metric(run_id, "value", at, step=step))
    timed("tag", lambda: client.set_tag(run_id, "label", label))
    timed("artifact", lambda: client.log_text(run_id, "x" * 2000, "text.txt"))
    timed("get", lambda: client.get_run(run_id))
    timed("end", lambda: client.set_terminated(run_id))
    print(at, flush=True)
found = client.search_runs([experiment], f"tags.label = '{label}'", max_results=5000)
names = [run.info.run_name for run in found]
twice = len(names) - len(set(names))
complete = all(run.info.status == "FINISHED" for run in found)
print(json.dumps({"operations": operations, "failures": failures, "longest": longest,
                  "runs": len(names), "twice": twice, "complete": complete}))
"""


@dataclass
class Scene:
    """The gate, and what stands behind it."""

    gate: Gate
    key: str
    dns: DnsServer
    proxies: list[FaultProxy]
    servers: list[MlflowServer]

    def heal(self) -> None:
        """Let everything work again."""
        self.dns.rcode = dns.rcode.NOERROR
        self.dns.set(NAME, "A", *HOSTS)
        for proxy, server in zip(self.proxies, self.servers, strict=True):
            proxy.target = (server.host, server.port)
            proxy.set()
            os.killpg(server.process.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("failover")
    with ExitStack() as stack:
        for name in ("one", "two", "gate"):
            (folder / name).mkdir()
        database = stack.enter_context(running_postgres(folder))
        servers = [
            stack.enter_context(
                running_mlflow(
                    folder / name,
                    {"MLFLOW_SERVER_ALLOWED_HOSTS": "*"},
                    database=database,
                    artifacts=folder / "artifacts",
                )
            )
            for name in ("one", "two")
        ]
        first = stack.enter_context(FaultProxy(HOSTS[0], 0, (servers[0].host, servers[0].port)))
        second = stack.enter_context(
            FaultProxy(HOSTS[1], first.port, (servers[1].host, servers[1].port))
        )
        names = stack.enter_context(DnsServer())
        names.set(NAME, "A", *HOSTS)
        settings = {
            "HEADGATE_UPSTREAMS__DEFAULT__RESOLVER": names.address,
            "HEADGATE_UPSTREAMS__DEFAULT__CONNECT_TIMEOUT": "1",
            "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "1",
            "HEADGATE_UPSTREAMS__DEFAULT__PROBES__TIMEOUT": "2",
        }
        key = create_key(folder / "gate" / "data", "client")
        gate = stack.enter_context(
            running_gate(folder / "gate", f"http://{NAME}:{first.port}", settings)
        )
        yield Scene(gate, key, names, [first, second], servers)


@pytest.fixture(autouse=True)
def _healed(scene: Scene) -> Iterator[None]:
    yield
    scene.heal()


def log_runs(scene: Scene, label: str, tmp_path: Path, *faults: object) -> dict[str, object]:
    """Let the client log; each fault, a function, begins a few runs after the one before."""
    command = [sys.executable, "-c", CLIENT, label, str(RUNS)]
    environment = clean_environment() | {
        "MLFLOW_TRACKING_URI": f"{scene.gate.url}/mlflow",
        "MLFLOW_TRACKING_TOKEN": scene.key,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    errors = (tmp_path / "client.err").open("w")
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=tmp_path
    ) as client:
        ends = threading.Timer(60 + 12 * RUNS, client.kill)
        ends.start()
        assert client.stdout is not None
        waiting = list(faults)
        last = ""
        for line in client.stdout:
            last = line
            if waiting and line.strip().isdigit() and int(line) % 3 == 1:
                fault = waiting.pop(0)
                assert callable(fault)
                fault()
        ends.cancel()
    errors.close()
    assert client.returncode == 0, (tmp_path / "client.err").read_text()[-2000:]
    assert not waiting
    result: dict[str, object] = json.loads(last)
    failures = result["failures"]
    assert isinstance(failures, list)
    print(  # noqa: T201 - `make chaos` shows it
        f"\n{label}: {result['operations']} operations, {len(failures)} failures, "
        f"{result['twice']} runs twice, longest stall {result['longest']:.1f} s"
    )
    return result


def assert_unnoticed(result: dict[str, object]) -> None:
    """Every operation succeeded, every run is there once and complete."""
    expected = {"failures": [], "runs": RUNS, "twice": 0, "complete": True}
    assert {name: result[name] for name in expected} == expected
    assert result["operations"] == RUNS * 9


def test_a_server_that_refuses(scene: Scene, tmp_path: Path) -> None:
    first = scene.proxies[0]
    result = log_runs(scene, "refuse", tmp_path, lambda: first.set(Fault.REFUSE), first.set)
    assert_unnoticed(result)


def test_an_address_that_swallows_everything(scene: Scene, tmp_path: Path) -> None:
    """A blackhole: no request that may be executed twice is lost, once it has been noticed."""
    scene.proxies[1].set(Fault.BLACKHOLE)
    scene.gate.process.wait_until(
        lambda: "endpoint_unhealthy" in scene.gate.process.errors.read_text() or None,
        "that the blackhole is noticed",
        30,
    )
    assert_unnoticed(log_runs(scene, "blackhole", tmp_path))


@pytest.mark.parametrize("rcode", [dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL])
def test_a_name_that_is_gone(scene: Scene, tmp_path: Path, rcode: dns.rcode.Rcode) -> None:
    def fail() -> None:
        scene.dns.rcode = rcode

    assert_unnoticed(log_runs(scene, f"dns-{int(rcode)}", tmp_path, fail))


def test_a_server_that_hangs(scene: Scene, tmp_path: Path) -> None:
    """What it was sent waits for it; nothing is sent twice, and the others go on elsewhere."""
    server = scene.servers[0].process.pid
    awakening = threading.Timer(HANG_SECONDS, os.killpg, (server, signal.SIGCONT))

    def hang() -> None:
        os.killpg(server, signal.SIGSTOP)
        awakening.start()

    assert_unnoticed(log_runs(scene, "hang", tmp_path, hang))
    awakening.join()  # it must not outlive the server


def test_a_rolling_replacement(scene: Scene, tmp_path: Path) -> None:
    """As ECS does it: a name is taken out, and its server is gone before the TTL is over."""
    first, second = scene.proxies

    def take_out(out: FaultProxy, stays: str) -> None:
        scene.dns.set(NAME, "A", stays)
        out.set(Fault.REFUSE)

    def put_back(proxy: FaultProxy) -> None:
        proxy.set()
        scene.dns.set(NAME, "A", *HOSTS)

    result = log_runs(
        scene,
        "rolling",
        tmp_path,
        lambda: take_out(first, HOSTS[1]),
        lambda: put_back(first),
        lambda: take_out(second, HOSTS[0]),
        lambda: put_back(second),
    )
    assert_unnoticed(result)
