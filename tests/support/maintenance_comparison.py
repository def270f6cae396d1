"""Compares what MLflow has with what its clients know of: a program of its own.

``python maintenance_comparison.py`` reads the lines of ``maintenance_client.py`` and asks the
MLflow at ``MLFLOW_TRACKING_URI``.  It prints one JSON object: ``lost``, what was acknowledged and
is not there as it was sent; ``doubled``, what is there and no client knows of; and how much there
is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import load_text
from mlflow.exceptions import MlflowException

PAGE = 1000


class Comparison:
    """What was found to differ."""

    def __init__(
        self, client: MlflowClient, experiments: list[str], labels: tuple[str, ...]
    ) -> None:
        self._client = client
        self._labels = labels
        self._experiments = experiments
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self.counts: dict[str, int] = {}

    def runs(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        """Runs with their parameters, metrics, tags and artifacts."""
        found: dict[str, Any] = {}
        for experiment in self._experiments:
            token = None
            while True:
                page = self._client.search_runs(
                    [experiment], max_results=PAGE, page_token=token, run_view_type=3
                )
                found |= {run.info.run_id: run for run in page}
                token = page.token
                if not token:
                    break
        self._compare("run", known, found)
        for run_id in known.keys() & found.keys():
            self._run(known[run_id], found[run_id])

    def _run(self, known: Mapping[str, Any], run: Any) -> None:
        name, data = known["name"], run.data
        self._same(f"name of run {name}", name, run.info.run_name)
        if "status" in known:
            self._same(f"status of run {name}", known["status"], run.info.status)
        self._same(f"parameters of run {name}", known["params"], dict(data.params), part=True)
        self._same(f"tags of run {name}", known["tags"], dict(data.tags), part=True)
        for metric, points in known["metrics"].items():
            history = self._client.get_metric_history(run.info.run_id, metric)
            self._same(f"{metric} of run {name}", points, len(history))
            steps = {each.step for each in history}
            if len(steps) < len(history):
                self.doubled.append(f"points of {metric} of run {name}")
        if "artifact" in known:
            try:
                text = load_text(f"runs:/{run.info.run_id}/notes/text.txt")
            except MlflowException as error:
                text = str(error)
            self._same(f"artifact of run {name}", known["artifact"], text)

    def models(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        """Logged models."""
        found: dict[str, Any] = {}
        for experiment in self._experiments:
            token = None
            while True:
                page = self._client.search_logged_models(
                    [experiment], max_results=50, page_token=token
                )
                found |= {model.model_id: model for model in page}
                token = page.token
                if not token:
                    break
        self._compare("logged model", known, found)
        for model_id in known.keys() & found.keys():
            here, model = known[model_id], found[model_id]
            self._same(f"parameters of {model.name}", here["params"], dict(model.params), part=True)
            if "status" in here:
                self._same(f"status of {model.name}", here["status"], str(model.status.value))

    def versions(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        """Registered models and their versions; those of other clients are left out."""
        models = self._pages(self._client.search_registered_models)
        self._compare("registered model", known, {each.name: each for each in self._ours(models)})
        expected = {f"{name} {at}": 0 for name, each in known.items() for at in each["versions"]}
        versions = self._ours(self._pages(self._client.search_model_versions))
        self._compare(
            "model version", expected, {f"{each.name} {each.version}": each for each in versions}
        )

    def _ours(self, found: Iterable[Any]) -> list[Any]:
        return [each for each in found if each.name.startswith(self._labels)]

    def traces(
        self, known: Mapping[str, Mapping[str, Any]], unsure: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Traces with their spans; those of ``unsure`` may be there or not."""
        found: dict[str, Any] = {}
        for experiment in self._experiments:
            token = None
            while True:
                page = self._client.search_traces(
                    locations=[experiment], max_results=500, page_token=token
                )
                found |= {trace.info.trace_id: trace for trace in page}
                token = page.token
                if not token:
                    break
        for trace_id in unsure.keys() - known.keys():
            found.pop(trace_id, None)
        self._compare("trace", known, found)
        for trace_id in known.keys() & found.keys():
            here, spans = known[trace_id], found[trace_id].data.spans
            inputs = [span.inputs for span in spans if span.parent_id is None]
            self._same(f"spans of trace {here['name']}", here["spans"], len(spans))
            self._same(f"inputs of trace {here['name']}", [{"name": here["name"]}], inputs)

    def _pages(self, search: Any) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = search(max_results=PAGE, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _compare(self, what: str, known: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        self.counts[what] = len(found)
        self.lost += [f"{what} {key}: {known[key]}" for key in known.keys() - found.keys()]
        self.doubled += [f"{what} {key}" for key in found.keys() - known.keys()]

    def _same(self, what: str, known: Any, found: Any, *, part: bool = False) -> None:
        seen = {key: found.get(key) for key in known} if part else found
        if seen != known:
            self.lost.append(f"{what}: {str(known)[:200]} is {str(seen)[:200]}")


def main(lines: Iterable[str]) -> None:
    """Compare."""
    cycles = [json.loads(line) for line in lines]
    known = [cycle["known"] for cycle in cycles]
    experiments = sorted({cycle["experiment"] for cycle in cycles})
    labels = {cycle["name"].rpartition("-")[0] + "-" for cycle in cycles}
    comparison = Comparison(MlflowClient(), experiments, tuple(labels))

    def named(kind: str, key: str = "id") -> dict[str, Mapping[str, Any]]:
        return {each[kind][key]: each[kind] for each in known if kind in each}

    comparison.runs(named("run"))
    comparison.models(named("model"))
    comparison.versions(named("registered", "name"))
    comparison.traces(named("trace"), named("unsure"))
    result = {"lost": comparison.lost, "doubled": comparison.doubled, "counts": comparison.counts}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.stdin)
