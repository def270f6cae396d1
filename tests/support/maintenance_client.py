"""MLflow's own client, which does everything that a training does: a program of its own.

``python maintenance_client.py LABEL CYCLES PAUSE FILE`` does at least ``CYCLES`` cycles, with
``PAUSE`` seconds between two, and goes on until ``FILE`` exists.  It prints one JSON line after
each: what MLflow has acknowledged to it, which is what has to be there in the end.  All settings
of MLflow's client are the standard ones.  It runs beside any version of MLflow, so it imports
nothing of this project.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

KINDS = {
    "runs/create": "creates",
    "logged-models": "creates",
    "registered-models": "creates",
    "model-versions": "creates",
    "log-batch": "batches",
    "artifact": "artifacts",
}
"""Of operations, by which waits are told apart; all others are ``others``."""
STEPS = 3
BATCH = 20


class Failures(logging.Handler):
    """What the export of traces says, which MLflow's client only logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.seen.append(f"trace: {record.getMessage()[:500]}")


class Cycle:
    """One cycle: operations in their order, and what each was acknowledged with."""

    def __init__(self, client: MlflowClient, experiment: str, name: str) -> None:
        self._client = client
        self._experiment = experiment
        self.name = name
        self.operations = 0
        self.failures: list[str] = []
        self.longest = 0.0
        self.slowest = ""
        self.waits: dict[str, float] = {}
        self.known: dict[str, Any] = {}

    def do(self, name: str, work: Callable[[], Any]) -> Any:
        """Do one operation; its response, or ``None`` if it failed."""
        started = time.monotonic()
        try:
            response = work()
        except (MlflowException, requests.RequestException) as error:
            self.failures.append(f"{name} of {self.name}: {str(error)[:500]}")
            return None
        finally:
            self.operations += 1
            took = time.monotonic() - started
            kind = KINDS.get(name, "others")
            self.waits[kind] = max(took, self.waits.get(kind, 0.0))
            if took > self.longest:
                self.longest, self.slowest = took, name
        return response if response is not None else True

    def run(self) -> None:
        """Log one run with all that belongs to it."""
        create = partial(self._client.create_run, self._experiment, run_name=self.name)
        run = self.do("runs/create", create)
        if run is None:
            return
        run_id = run.info.run_id
        here = {"id": run_id, "name": self.name, "params": {}, "metrics": {}, "tags": {}}
        self.known["run"] = here
        self._values(run_id, here)
        text = f"{self.name}\n" * 200
        if self.do("artifact", lambda: self._client.log_text(run_id, text, "notes/text.txt")):
            here["artifact"] = text
        self._logged_model(run_id)
        self._registered_model(run_id, run.info.artifact_uri)
        self.do("runs/get", lambda: self._client.get_run(run_id))
        if self.do("runs/update", lambda: self._client.set_terminated(run_id)):
            here["status"] = "FINISHED"

    def _values(self, run_id: str, here: dict[str, Any]) -> None:
        client = self._client
        if self.do("log-parameter", lambda: client.log_param(run_id, "depth", self.name)):
            here["params"]["depth"] = self.name
        steps = [
            self.do("log-metric", partial(client.log_metric, run_id, "loss", 1 / (at + 1), step=at))
            for at in range(STEPS)
        ]
        here["metrics"]["loss"] = sum(map(bool, steps))
        batch = partial(
            client.log_batch,
            run_id,
            metrics=[Metric("batch", float(at), 1_700_000_000_000 + at, at) for at in range(BATCH)],
            params=[Param(f"batch{at}", str(at)) for at in range(BATCH)],
            tags=[RunTag("batch", self.name)],
        )
        if self.do("log-batch", batch):
            here["params"] |= {f"batch{at}": str(at) for at in range(BATCH)}
            here["metrics"]["batch"] = BATCH
            here["tags"]["batch"] = self.name
        if self.do("set-tag", lambda: client.set_tag(run_id, "label", self.name)):
            here["tags"]["label"] = self.name

    def _logged_model(self, run_id: str) -> None:
        create = partial(
            self._client.create_logged_model,
            self._experiment,
            self.name,
            source_run_id=run_id,
            params={"of": self.name},
        )
        model = self.do("logged-models", create)
        if model is None:
            return
        known = {"id": model.model_id, "params": {"of": self.name}}
        self.known["model"] = known
        finalize = partial(self._client.finalize_logged_model, model.model_id, "READY")
        if self.do("logged-models/finalize", finalize):
            known["status"] = "READY"

    def _registered_model(self, run_id: str, uri: str) -> None:
        if self.do("registered-models", lambda: self._client.create_registered_model(self.name)):
            versions: list[str] = []
            self.known["registered"] = {"name": self.name, "versions": versions}
            create = partial(
                self._client.create_model_version, self.name, f"{uri}/notes", run_id=run_id
            )
            version = self.do("model-versions", create)
            if version is not None:
                versions.append(str(version.version))

    def trace(self) -> None:
        """Trace something as MLflow does; its export goes on in the background."""
        with mlflow.start_span(f"train-{self.name}") as span:
            span.set_inputs({"name": self.name})
            with mlflow.start_span("step") as inner:
                inner.set_outputs({"of": self.name})
        self.operations += 1
        self.known["trace"] = {"id": span.trace_id, "name": self.name, "spans": 2}


def main(label: str, cycles: int, pause: float, stop: Path) -> None:
    """Do cycles until it is enough."""
    said = Failures()
    logging.getLogger("mlflow.tracing").addHandler(said)
    client = MlflowClient()
    experiment = client.create_experiment(label)
    mlflow.set_experiment(experiment_id=experiment)
    at = 0
    while at < cycles or not stop.exists():
        cycle = Cycle(client, experiment, f"{label}-{at}")
        cycle.run()
        cycle.trace()
        at += 1
        print_line(cycle, experiment, [said.seen.pop(0) for _ in range(len(said.seen))])
        time.sleep(pause)  # noqa: TID251 - a training computes between two steps
    last = Cycle(client, experiment, f"{label}-end")
    last.do("trace flush", mlflow.flush_trace_async_logging)
    last.operations, last.waits = 0, {}  # it is no operation of its own
    print_line(last, experiment, list(said.seen))


def print_line(cycle: Cycle, experiment: str, traces: list[str]) -> None:
    """Print how a cycle went."""
    line = {
        "experiment": experiment,
        "name": cycle.name,
        "operations": cycle.operations,
        "failures": cycle.failures + traces,
        "longest": cycle.longest,
        "slowest": cycle.slowest,
        "waits": cycle.waits,
        "known": cycle.known,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
