"""The real MLflow client works through the gate, under each prefix and with each credential."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.support.client import credential, run_session
from tests.support.gate import Gate

PREFIXES = ("", "/mlflow", "/api/mlflow")
SCHEMES = ("bearer", "basic", "x-api-key")
USUAL = tuple(zip(PREFIXES, SCHEMES, strict=True))
"""Each prefix and each scheme once; the other pairs take a minute."""


@pytest.mark.parametrize(
    ("prefix", "scheme"),
    [
        pytest.param(*pair, marks=() if pair in USUAL else pytest.mark.long)
        for pair in itertools.product(PREFIXES, SCHEMES)
    ],
)
def test_a_session_of_the_client(
    prefix: str, scheme: str, gate: Gate, key: str, tmp_path: Path
) -> None:
    """What the client writes it reads back: run, artifacts, registered model, OTLP trace."""

    def traces_sent() -> int:
        sent = [o for o in gate.outcomes() if o["path"] == f"{prefix}/v1/traces"]
        return sum(outcome["status"] == 200 for outcome in sent)

    before = traces_sent()
    report = run_session(gate.url + prefix, credential(scheme, key), tmp_path)
    assert report["params"] == {"rate": "0.1", "depth": "3"}
    assert report["metrics"] == {"loss": 0.25, "accuracy": 0.75}
    assert report["history"] == [0.5, 0.25]
    assert report["stage"] == "test"
    assert report["artifacts"] == ["blob.bin", "empty.txt", "texts"]
    assert report["blob_is_same"]
    assert report["empty_size"] == 0
    assert report["text"] == "hello"
    assert report["runs_found"] == [report["run_id"]]
    assert report["version_of_alias"] == "1"
    assert report["model_found"]
    assert report["models_left"] == 0
    assert report["traces_found"] == 1
    gate.process.wait_until(lambda: traces_sent() > before or None, "the trace's outcome", 10)
