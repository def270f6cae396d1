"""A scripted MLflow that knows what its objects are called, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.support.recording_upstream import Exchange, RecordingUpstream
from tests.support.scripts import response_bytes

MISSING = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none such"})


@dataclass
class NamedObjects:
    """Experiments by id; runs, traces and logged models by id with the id of their experiment.

    A script for a ``RecordingUpstream``.  Everything that is no look-up is answered ``{}``.
    ``batches``: whether it knows MLflow's route for several traces.
    """

    experiments: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, list[str]] = field(default_factory=dict)
    logged_models: dict[str, str] = field(default_factory=dict)
    batches: bool = True

    def __call__(self, exchange: Exchange) -> None:
        body = exchange.read_body()
        method, target, _ = exchange.request.request_line.decode().split(" ")
        path, _, query = target.partition("?")
        status, response = self._response(method, path, parse_qs(query), body)
        exchange.send(response_bytes(json.dumps(response).encode(), status=status))

    def _response(
        self, method: str, path: str, query: Mapping[str, list[str]], body: bytes
    ) -> tuple[int, Any]:
        """The status and the JSON of a response; a look-up's is None where there is no such."""
        found: Any = {}
        if path == "/version":
            found = "3.17.2"
        elif path == "/api/2.0/mlflow/experiments/get":
            name = self.experiments.get(query.get("experiment_id", [""])[0])
            found = name and {"experiment": {"name": name}}
        elif path == "/api/2.0/mlflow/runs/get":
            experiment = self.runs.get(query.get("run_id", [""])[0])
            found = experiment and {"run": {"info": {"experiment_id": experiment}}}
        elif path == "/api/3.0/mlflow/traces/batchGetInfos":
            if not self.batches:
                return 405, "no such route"
            wanted = json.loads(body)["trace_ids"]
            found = {"trace_infos": [self._info(each) for each in wanted if each in self.traces]}
        elif method == "GET" and path.startswith("/api/3.0/mlflow/traces/"):
            trace = path.rpartition("/")[2]
            found = {"trace": {"trace_info": self._info(trace)}} if trace in self.traces else None
        elif method == "GET" and path.startswith("/api/2.0/mlflow/logged-models/"):
            experiment = self.logged_models.get(path.rpartition("/")[2])
            found = experiment and {"model": {"info": {"experiment_id": experiment}}}
        elif path.endswith("/experiment-ids"):
            experiments = self.datasets.get(path.split("/")[-2])
            found = experiments and {"experiment_ids": experiments}
        return MISSING if found is None else (200, found)

    def _info(self, trace: str) -> dict[str, Any]:
        location = {"mlflow_experiment": {"experiment_id": self.traces[trace]}}
        return {"trace_id": trace, "trace_location": location}


def asked_of(upstream: RecordingUpstream) -> Counter[str]:
    """How often each path was asked for."""
    lines = [request.request_line.decode().split(" ")[1] for request in upstream.requests]
    return Counter(line.partition("?")[0] for line in lines)
