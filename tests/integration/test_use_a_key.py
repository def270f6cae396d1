"""The ways of giving a key that the how-to names, with the real client and a real gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.client import run_client
from tests.support.gate import Gate, create_key

PROGRAM = """
import mlflow
try:
    print(len(mlflow.search_experiments(max_results=1)))
except Exception as error:
    print(error)
"""


def netrc(home: Path, key: str) -> None:
    file = home / ".netrc"
    file.write_text(f"machine 127.0.0.1\nlogin anybody\npassword {key}\n")
    file.chmod(0o600)


def credentials(home: Path, key: str) -> None:
    (home / ".mlflow").mkdir()
    text = f"[mlflow]\nmlflow_tracking_username = anybody\nmlflow_tracking_password = {key}\n"
    (home / ".mlflow" / "credentials").write_text(text)


@pytest.mark.parametrize("way", ["netrc", "credentials", "address", "latin-1"])
def test_a_key_is_found(way: str, gate: Gate, key: str, tmp_path: Path) -> None:
    settings = {"HOME": str(tmp_path)}
    uri = gate.url
    if way == "netrc":
        netrc(tmp_path, key)
        settings["MLFLOW_TRACKING_TOKEN"] = "it is not sent"
    elif way == "credentials":
        credentials(tmp_path, key)
    elif way == "address":
        uri = gate.url.replace("://", f"://anybody:{key}@")
    else:  # requests encodes what stands in an address in Latin-1
        uri = gate.url.replace("://", f"://j%C3%BCrgen:{key}@")
    done = run_client(PROGRAM, uri, settings)
    assert done.stdout.strip() == "1", done.stdout + done.stderr


def test_an_old_entry_of_netrc_is_named(gate: Gate, key: str, tmp_path: Path) -> None:
    """It is sent in place of a good token, which nobody would guess."""
    netrc(tmp_path, create_key(tmp_path / "elsewhere", "stranger"))
    settings = {"HOME": str(tmp_path), "MLFLOW_TRACKING_TOKEN": key}
    done = run_client(PROGRAM, gate.url, settings)
    assert "not known to this gate" in done.stdout
    assert "~/.netrc" in done.stdout


def test_an_exporter_of_opentelemetry(gate: Gate, key: str, tmp_path: Path) -> None:
    """The headers of the how-to, as the SDK reads them from the environment."""
    program = """
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
with provider.get_tracer("t").start_as_current_span("work"):
    pass
"""
    for credential in (f"x-api-key={key}", f"authorization=Bearer%20{key}"):
        known = len(_exports(gate))
        settings = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{gate.url}/v1/traces",
            "OTEL_EXPORTER_OTLP_HEADERS": f"{credential},x-mlflow-experiment-id=0",
        }
        done = run_client(program, gate.url, settings)
        assert done.returncode == 0, done.stderr
        assert _exports_after(gate, known) == [200]


def _exports_after(gate: Gate, known: int) -> list[int]:
    """What has come after the first ``known`` exports; waits for one."""
    process = gate.process
    return process.wait_until(lambda: _exports(gate)[known:] or None, "an export", 10)


def _exports(gate: Gate) -> list[int]:
    """The status of each export of traces until now."""
    return [line["status"] for line in gate.outcomes() if line["path"] == "/v1/traces"]
