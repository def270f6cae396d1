"""Which routes respond with JSON alone, and how MLflow's sentences are told from web pages."""

from __future__ import annotations

import json

import pytest

from headgate.contract import classify
from headgate.contract.responses import (
    MAX_SENTENCE,
    is_host_refusal,
    is_sentence,
    sentence_as_json,
)

DISABLED = (
    b"Endpoint: /api/2.0/mlflow-artifacts/artifacts/<path:artifact_path> disabled due to the "
    b"mlflow server running with `--no-serve-artifacts`. To enable \xe2\x80\xa6"
)
ARTIFACTS = b"/api/2.0/mlflow-artifacts/artifacts"


@pytest.mark.parametrize(
    ("method", "path", "json_only"),
    [
        (b"POST", b"/api/2.0/mlflow/runs/create", True),
        (b"POST", b"/api/3.0/mlflow/traces/search", True),
        (b"GET", b"/api/2.0/mlflow/logged-models/m-1", True),
        (b"GET", ARTIFACTS, True),
        (b"PUT", ARTIFACTS + b"/a", True),
        (b"DELETE", ARTIFACTS + b"/a", True),
        (b"GET", ARTIFACTS + b"/a", False),  # the artifact itself, whatever it is
        (b"GET", b"/get-artifact", False),
        (b"GET", b"/", False),
        (b"GET", b"/version", False),
        (b"GET", b"/-/health", False),
    ],
)
def test_which_routes_respond_with_json_alone(method: bytes, path: bytes, json_only: bool) -> None:
    operation = classify(method, path)
    assert operation is not None
    assert operation.json_only is json_only
    assert operation.gate_page is path.startswith(b"/-/")


def test_a_sentence_is_told_from_a_page() -> None:
    assert is_sentence(DISABLED)
    assert json.loads(sentence_as_json(DISABLED)) == {
        "error_code": "TEMPORARILY_UNAVAILABLE",
        "message": DISABLED.decode(),
    }


@pytest.mark.parametrize(
    "page",
    [
        b"<!doctype html><title>503</title>",
        b" <html><body>Service Unavailable</body></html>",
        b"Sorry.<br>We are down</p>",
        b"",
        b"\xff\xfe",
        b"a\0b",
        b"a line\nand another",
        b"x" * (MAX_SENTENCE + 1),
    ],
)
def test_a_page_is_no_sentence(page: bytes) -> None:
    assert not is_sentence(page)


def test_the_body_of_the_host_check() -> None:
    assert is_host_refusal(b"Invalid Host header - possible DNS rebinding attack detected")
    assert not is_host_refusal(b"Permission denied")
