"""A program that traces itself with OpenTelemetry's own exporter: a program of its own.

``python maintenance_exporter.py LABEL CYCLES PAUSE FILE`` exports a span after the other to MLflow,
as ``maintenance_client.py`` does its cycles, and prints the same lines.  The exporter has the
standard settings, with which it gives up 10 seconds after it began.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


class Watched(SpanExporter):
    """OpenTelemetry's exporter, and how its last export went."""

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        self._exporter = exporter
        self.succeeded = False
        self.took = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export, and note it."""
        started = time.monotonic()
        result = self._exporter.export(spans)
        self.took = time.monotonic() - started
        self.succeeded = result is SpanExportResult.SUCCESS
        return result


def main(label: str, cycles: int, pause: float, stop: Path) -> None:
    """Export until it is enough."""
    experiment = MlflowClient().create_experiment(label)
    key = os.environ.get("MLFLOW_TRACKING_TOKEN")
    headers = {"x-mlflow-experiment-id": experiment}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    url = os.environ["MLFLOW_TRACKING_URI"]
    exporter = Watched(OTLPSpanExporter(f"{url}/v1/traces", headers=headers))
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer(label)
    at = 0
    while at < cycles or not stop.exists():
        name = f"{label}-{at}"
        with tracer.start_as_current_span(name) as span:
            span.set_attribute("mlflow.spanInputs", json.dumps({"name": name}))
        trace = f"tr-{span.get_span_context().trace_id:032x}"
        known = {"id": trace, "name": name, "spans": 1}
        line = {
            "experiment": experiment,
            "name": name,
            "operations": 1,
            "failures": [] if exporter.succeeded else [f"export of {name}: it gave up"],
            "longest": exporter.took,
            "slowest": "export",
            "waits": {"OpenTelemetry's exporter": exporter.took},
            "known": {"trace": known} if exporter.succeeded else {"unsure": known},
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        at += 1
        time.sleep(pause)  # noqa: TID251 - a program computes between two spans


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
