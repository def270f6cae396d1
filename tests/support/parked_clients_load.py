"""Many clients in one process, each of which makes one call while an upstream is parked.

``python -m tests.support.parked_clients_load`` reads one JSON object from standard input, prepares
the clients, prints ``ready`` and waits for a line.  Then each client starts at a moment of its own
within the first ``spread`` seconds.  At the end it prints one JSON list: what each of them saw.
MLflow's kinds are calls of the MLflow client of the interpreter that runs this, with its defaults.
It needs nothing of Headgate.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import requests
from urllib3.util import retry

SMALL = 10_000
BIG = 32 << 20
NEVER = 24 * 3600.0
POLL_SECONDS = 5.0
POLL_TIMEOUT = 3.0
"""MLflow's client waits so long for ``server-info``, and asks once."""
_seen = threading.local()
_process = {"refused": 0, "broken": 0}


@dataclass(frozen=True)
class Plan:
    """What one process does.

    Attributes:
        uri: the address of the gate.
        key: of the gate; empty: MLflow itself is asked, which knows no keys.
        experiment: where runs are made.
        run: a run with the artifact ``seed.bin``.
        name: goes into all names, so that the clients of several processes differ.
        clients: how many of each kind.
        spread: seconds within which they start.
        seconds: for which pollers ask.
        digest: SHA-256 of ``seed.bin``.
        big: bytes of a large upload.
        poll_timeout: seconds that those who ask again and again wait for a response.
    """

    uri: str
    key: str
    experiment: str
    run: str
    name: str
    clients: Mapping[str, int]
    spread: float
    seconds: float
    digest: str
    big: int = BIG
    poll_timeout: float = POLL_TIMEOUT


@dataclass
class Saw:
    """What one client saw.

    Attributes:
        kind: of client.
        name: in the names of what it made.
        began: seconds since the epoch.
        waited: seconds until it had its result.
        ok: whether it succeeded.
        error: what it was given otherwise.
        refused: responses 429 before that.
        broken: attempts that ended without a response.
        asked: requests that it made; more than one for those that ask again and again.
        failed: how many of them failed.
    """

    kind: str
    name: str
    began: float = 0.0
    waited: float = 0.0
    ok: bool = True
    error: str = ""
    refused: int = 0
    broken: int = 0
    asked: int = 1
    failed: int = 0
    slowest: float = field(default=0.0)


def _note_retries() -> None:
    """Let urllib3 note for each thread, and for the process, why it repeats a request."""
    usual: Any = retry.Retry.increment

    def increment(self: Any, *args: Any, **named: Any) -> Any:
        response = named.get("response")
        if response is not None and response.status == 429:
            _seen.refused = getattr(_seen, "refused", 0) + 1
            _process["refused"] += 1
        elif named.get("error") is not None:
            _seen.broken = getattr(_seen, "broken", 0) + 1
            _process["broken"] += 1
        return usual(self, *args, **named)

    increment_of_retry: Any = increment
    retry.Retry.increment = increment_of_retry  # type: ignore[method-assign]


class _Clients:
    """The kinds of client; each method is one call."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.headers = {"Authorization": f"Bearer {plan.key}"} if plan.key else {}
        self.small = self._file("small.bin", SMALL)
        if "big upload" in plan.clients:
            self.big = self._file("big.bin", plan.big)
        if set(plan.clients) & MLFLOW_KINDS.keys():
            from mlflow import MlflowClient  # noqa: PLC0415 (the other kinds do without)

            self.mlflow: Any = MlflowClient()
            self.mlflow.get_run(plan.run)  # imports what calls need

    def _file(self, name: str, size: int) -> Path:
        file = self.folder / name
        file.write_bytes(os.urandom(size))
        return file

    def create_run(self, name: str) -> None:
        self.mlflow.create_run(self.plan.experiment, run_name=name)

    def log_batch(self, name: str) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415

        metrics = [Metric(name, float(step), 1, step) for step in range(20)]
        self.mlflow.log_batch(self.plan.run, metrics=metrics)

    def log_metric(self, name: str) -> None:
        self.mlflow.log_metric(self.plan.run, name, 1.0, timestamp=1)

    def upload(self, name: str) -> None:
        self.mlflow.log_artifact(self.plan.run, str(self.small), name)

    def big_upload(self, name: str) -> None:
        self.mlflow.log_artifact(self.plan.run, str(self.big), name)

    def download(self, name: str) -> None:
        folder = self.folder / name
        folder.mkdir()
        found = Path(self.mlflow.download_artifacts(self.plan.run, "seed.bin", str(folder)))
        if hashlib.sha256(found.read_bytes()).hexdigest() != self.plan.digest:
            raise ValueError("another file came")

    def register_model(self, name: str) -> None:
        self.mlflow.create_registered_model(name)

    def search(self, name: str) -> None:
        if self.mlflow.search_runs([self.plan.experiment], f"tags.t = '{name}'"):
            raise ValueError("a run that nobody has made")

    def trace(self, name: str) -> None:
        """A trace in the queue of MLflow's exporter, which sends it later."""
        import mlflow  # noqa: PLC0415

        with mlflow.start_span(name=name) as span:
            span.set_inputs({"question": 1})

    def plain_otlp(self, name: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415

        results = []

        class Noting(OTLPSpanExporter):
            def export(self, spans: Any) -> Any:
                results.append(super().export(spans).name)

        headers = {"x-mlflow-experiment-id": self.plan.experiment, **self.headers}
        provider = TracerProvider(resource=Resource.create({"service.name": name}))
        exporter = Noting(endpoint=f"{self.plan.uri}/v1/traces", headers=headers)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("work").start_as_current_span(name):
            pass
        if results != ["SUCCESS"]:
            raise RuntimeError("the exporter gave up")

    def page(self, name: str) -> None:
        """What a browser does first: it waits for a page as long as the server lets it."""
        response = requests.get(f"{self.plan.uri}/?{name}", headers=self.headers, timeout=300)
        response.raise_for_status()

    def curl(self, name: str) -> None:
        """``curl`` with a time-out of 120 s, which repeats nothing by itself."""
        fields = [part for each in self.headers.items() for part in ("-H", ": ".join(each))]
        url = f"{self.plan.uri}/api/2.0/mlflow/experiments/get?experiment_id=0&{name}"
        command = ["curl", "-sS", "--fail", "--max-time", "120", *fields, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())

    def ask(self, path: str) -> None:
        """One question of those that ask again and again, on a connection of its own."""
        url, seconds = self.plan.uri + path, self.plan.poll_timeout
        response = requests.get(url, headers=self.headers, timeout=seconds)
        response.raise_for_status()


MLFLOW_KINDS: Mapping[str, Callable[[_Clients, str], None]] = {
    "create run": _Clients.create_run,
    "log batch": _Clients.log_batch,
    "log metric": _Clients.log_metric,
    "upload": _Clients.upload,
    "big upload": _Clients.big_upload,
    "download": _Clients.download,
    "register model": _Clients.register_model,
    "search": _Clients.search,
    "trace": _Clients.trace,
}
KINDS: Mapping[str, Callable[[_Clients, str], None]] = {
    **MLFLOW_KINDS,
    "plain OTLP": _Clients.plain_otlp,
    "page": _Clients.page,
    "curl": _Clients.curl,
}
POLLED: Mapping[str, str] = {
    "server-info": "/api/3.0/mlflow/server-info",
    "version": "/version",
    "health": "/health",
}


def _once(clients: _Clients, saw: Saw, wait: float) -> None:
    """One client: it waits for its moment, makes its call, and notes what came of it."""
    threading.Event().wait(wait)
    _seen.refused = _seen.broken = 0
    saw.began = time.time()
    started = time.monotonic()
    try:
        KINDS[saw.kind](clients, saw.name)
    except Exception as error:  # noqa: BLE001 (any failure is the finding)
        saw.ok, saw.failed, saw.error = False, 1, f"{type(error).__name__}: {error}"[:300]
    saw.waited = saw.slowest = round(time.monotonic() - started, 3)
    saw.refused, saw.broken = _seen.refused, _seen.broken


def _again(clients: _Clients, saw: Saw, wait: float) -> None:
    """One client that asks again and again whether the server is well."""
    threading.Event().wait(wait)
    saw.began, saw.asked = time.time(), 0
    end = time.monotonic() + clients.plan.seconds - wait
    while time.monotonic() < end:
        started = time.monotonic()
        saw.asked += 1
        try:
            clients.ask(POLLED[saw.kind])
        except requests.RequestException as error:
            saw.ok, saw.error = False, f"{type(error).__name__}: {error}"[:300]
            saw.failed += 1
        saw.slowest = max(saw.slowest, round(time.monotonic() - started, 3))
        threading.Event().wait(POLL_SECONDS)
    saw.waited = saw.slowest


def _run(plan: Plan, folder: Path) -> list[Saw]:
    clients = _Clients(plan, folder)
    found: list[Saw] = []
    threads: list[threading.Thread] = []
    for kind, count in plan.clients.items():
        for number in range(count):
            saw = Saw(kind, f"{plan.name}-{kind.replace(' ', '-')}-{number}")
            found.append(saw)
            work = _again if kind in POLLED else _once
            moment = plan.spread * number / count
            threads.append(threading.Thread(target=work, args=(clients, saw, moment)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if "trace" in plan.clients:
        _flush(found)
    return found


def _flush(found: list[Saw]) -> None:
    """Wait until MLflow's exporter has sent what is in its queue; that ends all its traces."""
    import mlflow  # noqa: PLC0415

    mlflow.flush_trace_async_logging()
    ended = time.time()
    traces = [saw for saw in found if saw.kind == "trace"]
    for saw in traces:
        saw.waited = saw.slowest = round(ended - saw.began, 3)
    # Its threads send the traces of all: what they repeated is of the kind, not of one client.
    others = sum(saw.refused for saw in found)
    traces[0].refused = max(0, _process["refused"] - others)


def main() -> None:
    """Run the clients of one process."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    os.environ["MLFLOW_TRACKING_URI"] = plan.uri
    if plan.key:
        os.environ["MLFLOW_TRACKING_TOKEN"] = plan.key
    os.environ["MLFLOW_EXPERIMENT_ID"] = plan.experiment
    _note_retries()
    with tempfile.TemporaryDirectory() as folder:
        found = _run(plan, Path(folder))
    sys.stdout.write(json.dumps([asdict(saw) for saw in found]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
