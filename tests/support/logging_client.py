"""The standard MLflow client, which logs runs without a pause: a program of its own.

``python logging_client.py LABEL RUNS FILE`` logs at least ``RUNS`` runs, nine operations each, and
goes on until ``FILE`` exists.  It prints one JSON line after each run, with all until then.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

EXPERIMENT = "failover"


class Log:
    """Does operations, and keeps how they went."""

    def __init__(self) -> None:
        self.operations = 0
        self.failures: list[str] = []
        self.longest = 0.0
        self.slowest = ""

    def do(self, name: str, work: Callable[[], Any]) -> Any:
        """Do one; the response, or nothing if it failed."""
        started = time.monotonic()
        try:
            return work()
        except (MlflowException, requests.RequestException) as error:
            self.failures.append(f"{name}: {error}")
        finally:
            self.operations += 1
            took = time.monotonic() - started
            if took > self.longest:
                self.longest, self.slowest = took, name
        return None

    def log_run(self, client: MlflowClient, experiment: str, label: str, at: int) -> None:
        """Log one run as a training does."""
        run = self.do("create", lambda: client.create_run(experiment, run_name=f"{label}-{at}"))
        if run is None:
            return
        run_id = run.info.run_id
        self.do("param", lambda: client.log_param(run_id, "at", at))
        for step in range(3):
            self.do("metric", partial(client.log_metric, run_id, "value", at, step=step))
        self.do("tag", lambda: client.set_tag(run_id, "label", label))
        self.do("artifact", lambda: client.log_text(run_id, "x" * 2000, "text.txt"))
        self.do("get", lambda: client.get_run(run_id))
        self.do("end", lambda: client.set_terminated(run_id))


def main(label: str, runs: int, stop: Path) -> None:
    """Log until it is enough."""
    client = MlflowClient()
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT)
    log = Log()
    at = 0
    while at < runs or not stop.exists():
        log.log_run(client, experiment, label, at)
        at += 1
        line = {"experiment": experiment, "runs": at, **vars(log)}
        print(json.dumps(line), flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
