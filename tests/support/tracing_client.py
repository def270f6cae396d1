"""MLflow's client in a program that traces itself.

``opentelemetry-instrument python tracing_client.py`` logs a run to ``MLFLOW_TRACKING_URI`` within a
span of its own, and prints the id of the trace.
"""

from __future__ import annotations

import sys

from mlflow import MlflowClient
from opentelemetry import trace


def main() -> None:
    """Log one run."""
    client = MlflowClient()
    with trace.get_tracer("training").start_as_current_span("train") as span:
        experiment = client.create_experiment("traced")
        run = client.create_run(experiment)
        client.log_metric(run.info.run_id, "loss", 0.5)
        client.set_terminated(run.info.run_id)
        sys.stdout.write(f"{span.get_span_context().trace_id:032x}\n")


if __name__ == "__main__":
    main()
