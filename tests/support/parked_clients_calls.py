"""One call of a client, for measuring what it survives; run by the interpreter of any version.

``python -m tests.support.parked_clients_calls KIND [--skip]`` prints one JSON object: whether the
call succeeded, what it said otherwise, and how long urllib3 slept between its attempts.  With
``--skip`` it does not sleep: it only notes the seconds.  It needs MLflow and nothing of Headgate.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RUN_ID = "r" * 32


def _client() -> Any:
    from mlflow import MlflowClient  # noqa: PLC0415 (OTLP clients do without)

    return MlflowClient()


def _create_run() -> None:
    _client().create_run("0")


def _log_batch() -> None:
    from mlflow.entities import Metric  # noqa: PLC0415

    _client().log_batch(RUN_ID, metrics=[Metric("loss", 0.5, 1, step) for step in range(100)])


def _log_metric() -> None:
    _client().log_metric(RUN_ID, "loss", 0.5)


def _log_later() -> None:
    _client().log_metric(RUN_ID, "loss", 0.5, synchronous=False).wait()


def _upload() -> None:
    size = int(os.environ.get("UPLOAD_BYTES", "1000"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.bin")
        with file.open("wb") as out:
            block = bytes(range(256)) * 4096
            for _ in range(max(1, size // len(block))):
                out.write(block[:size])
        _client().log_artifact(RUN_ID, str(file))


def _download() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _client().download_artifacts(RUN_ID, "a.bin", folder)


def _register() -> None:
    _client().create_registered_model("model")


def _search() -> None:
    _client().search_runs(["0"])


def _trace() -> None:
    import mlflow  # noqa: PLC0415

    with mlflow.start_span(name="work") as span:
        span.set_inputs({"question": 1})
    flush = getattr(mlflow, "flush_trace_async_logging", None)
    if flush is not None:
        flush()


def _otlp() -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415

    results = []

    class Noting(OTLPSpanExporter):
        def export(self, spans: Any) -> Any:
            results.append(super().export(spans))
            return results[-1]

    address = os.environ["MLFLOW_TRACKING_URI"] + "/v1/traces"
    provider = TracerProvider()
    exporter = Noting(endpoint=address, headers={"x-mlflow-experiment-id": "0"})
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("work").start_as_current_span("work"):
        pass
    if [result.name for result in results] != ["SUCCESS"]:
        raise RuntimeError(str(results))


KINDS: dict[str, tuple[str, Callable[[], None]]] = {
    "create run": (r"runs/create$", _create_run),
    "log batch": (r"runs/log-batch$", _log_batch),
    "log metric": (r"runs/log-metric$", _log_metric),
    "log metric, asynchronous": (r"runs/log-batch$|runs/log-metric$", _log_later),
    "upload": (r"mlflow-artifacts/artifacts/.*a.bin$", _upload),
    "download": (r"mlflow-artifacts/artifacts/.*a.bin$", _download),
    "register model": (r"registered-models/create$", _register),
    "search": (r"runs/search$", _search),
    "trace": (r"mlflow/traces|v1/traces|traces.json$", _trace),
    "plain OTLP": (r"v1/traces", _otlp),
}


def main() -> None:
    """Make the call and print what came of it."""
    from urllib3.util import retry  # noqa: PLC0415

    kind, skip = sys.argv[1], "--skip" in sys.argv
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(round(seconds, 2))
        if not skip:
            threading.Event().wait(seconds)

    module: Any = retry
    module.time = SimpleNamespace(sleep=sleep, time=time.time)
    lines = io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(lines))
    if kind != "plain OTLP":
        _client()  # import before the clock starts
    started = time.monotonic()
    error = ""
    try:
        KINDS[kind][1]()
    except Exception as problem:  # noqa: BLE001 (any failure is the finding)
        error = f"{type(problem).__name__}: {problem}"
    found = {
        "ok": not error,
        "error": error[:600],
        "log": lines.getvalue()[-600:],
        "sleeps": sleeps,
        "seconds": round(time.monotonic() - started, 2),
    }
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
