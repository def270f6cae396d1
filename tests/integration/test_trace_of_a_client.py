"""A client's own trace goes on through the gate into MLflow, with programs that trace themselves.

The client, the gate and MLflow export to one receiver, each in its own way.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import tracing_client
from tests.support.gate import create_key, running_gate
from tests.support.mlflow_server import running_mlflow
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan
from tests.support.processes import clean_environment
from tests.support.traced_gate import CLIENT, SERVER, settings

INSTRUMENT = str(Path(sys.executable).with_name("opentelemetry-instrument"))
SECONDS = 120.0


def instrumented(receiver: OtlpReceiver, service: str) -> dict[str, str]:
    """What lets a program under ``opentelemetry-instrument`` export to the receiver, soon."""
    return {
        "OTEL_SERVICE_NAME": service,
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }


def log_a_run(url: str, key: str, environment: dict[str, str]) -> str:
    """Let MLflow's client log a run; the id of its trace."""
    done = subprocess.run(
        [INSTRUMENT, sys.executable, tracing_client.__file__],
        env=clean_environment()
        | environment
        | {"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_TOKEN": key},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]  # MLflow's client prints links before


CLOCKS = 1_000_000
"""Nanoseconds by which the clocks of two processes may differ in what they export."""


def test_a_clients_trace_goes_on_through_the_gate(tmp_path: Path) -> None:
    """With a ratio of 0: it is traced because the client says so, who has a key."""
    key = create_key(tmp_path / "data", "ci")
    with (
        OtlpReceiver() as receiver,
        running_mlflow(tmp_path, instrumented(receiver, "mlflow"), under=[INSTRUMENT]) as mlflow,
        running_gate(
            tmp_path, mlflow.url, settings(receiver, traces__ratio="0", otlp__metrics="false")
        ) as gate,
    ):
        trace_id = log_a_run(gate.url, key, instrumented(receiver, "client"))
        receiver.span(lambda each: each.trace_id == trace_id and each.name == "train")

        def of(service: str, kind: int) -> dict[str, ReceivedSpan]:
            return {
                each.span_id: each
                for each in receiver.spans
                if each.trace_id == trace_id
                and each.kind == kind
                and each.resource["service.name"] == service
            }

        def requests() -> int:
            """How many the client has sent so far: it exports them in any order."""
            return len(of("client", CLIENT))

        receiver.wait_until(lambda: requests() >= 4, "no four requests")
        receiver.wait_until(lambda: len(of("headgate", SERVER)) >= requests(), "a request")
        receiver.wait_until(lambda: len(of("headgate", CLIENT)) >= requests(), "an attempt")
        # MLflow run so leaves some spans out, also when its client asks it without a gate.
        receiver.wait_until(lambda: len(of("mlflow", SERVER)) >= 1, "no span of MLflow")
        sent, served = of("client", CLIENT), of("headgate", SERVER)
        attempts, in_mlflow = of("headgate", CLIENT), of("mlflow", SERVER)
        assert len(sent) == len(served) == len(attempts) >= len(in_mlflow)
        for span in in_mlflow.values():
            assert attempts[span.parent_id].start <= span.start
        for attempt in attempts.values():
            gate_span = served[attempt.parent_id]
            request = sent[gate_span.parent_id]
            assert request.start <= gate_span.start <= attempt.start
            assert gate_span.attributes["http.response.status_code"] == 200
        assert {each.attributes["headgate.operation"] for each in served.values()} >= {
            "experiments/create",
            "runs/create",
        }
        everything = b"".join(each.body for each in receiver.requests)
        assert key.encode() not in everything
