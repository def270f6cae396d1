"""Each kind of failure leads to its own cause and its own next thing to do."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from headgate.reasons import Reason
from headgate_verify.advice import FAULTS, REASONS
from headgate_verify.diagnosis import Diagnosis, Symptom, diagnose
from headgate_verify.exchange import Answerer, Exchange, Fault

URL = "https://gate.example:8443/mlflow"
NGINX = "nginx/1.27"


def response(status: int, **fields: Any) -> Exchange:
    exchange = Exchange("POST", "/mlflow/api/2.0/mlflow/runs/create", status)
    return dataclasses.replace(exchange, **fields)


def diagnosis(exchange: Exchange | None, text: str = "", *, mismatch: bool = False) -> Diagnosis:
    return diagnose(Symptom(exchange, text, mismatch), url=URL)


@pytest.mark.parametrize(
    ("exchange", "by", "cause", "action"),
    [
        pytest.param(
            response(401, reason="key_unknown"),
            Answerer.GATE,
            "does not know the key",
            "HEADGATE_API_KEY",
            id="gate: key",
        ),
        pytest.param(
            response(403, reason="forbidden"), Answerer.GATE, "role", "role", id="gate: role"
        ),
        pytest.param(
            response(404, reason="route_unknown"),
            Answerer.GATE,
            "prefix",
            "/api/mlflow",
            id="gate: path",
        ),
        pytest.param(
            response(503, reason="upstream_connect"),
            Answerer.GATE,
            "does not accept connections",
            "Start MLflow",
            id="gate: MLflow down",
        ),
        pytest.param(
            response(503, reason="no_endpoint"),
            Answerer.GATE,
            "no MLflow server",
            "headgate doctor",
            id="gate: no MLflow",
        ),
        pytest.param(
            response(413, reason="body_too_large"),
            Answerer.GATE,
            "the gate's limit",
            "--size",
            id="gate: size",
        ),
        pytest.param(
            response(418, reason="brand_new"),
            Answerer.GATE,
            "refused",
            "message",
            id="gate: unknown reason",
        ),
        pytest.param(
            response(401, error_code="UNAUTHENTICATED"),
            Answerer.MLFLOW,
            "its own authentication",
            "basic-auth",
            id="mlflow: login",
        ),
        pytest.param(
            response(401, server=NGINX),
            Answerer.OTHER,
            "its own credentials (nginx/1.27)",
            "gate itself",
            id="other: login",
        ),
        pytest.param(
            response(403, message="Invalid Host header - possible DNS rebinding attack detected"),
            Answerer.MLFLOW,
            "Host header",
            "--allowed-hosts",
            id="mlflow: host",
        ),
        pytest.param(
            response(403, message="Cross-origin request blocked"),
            Answerer.MLFLOW,
            "Origin header",
            "--cors-allowed-origins",
            id="mlflow: origin",
        ),
        pytest.param(
            response(403, error_code="PERMISSION_DENIED"),
            Answerer.MLFLOW,
            "permissions",
            "Grant",
            id="mlflow: permission",
        ),
        pytest.param(
            response(403, server=NGINX),
            Answerer.OTHER,
            "in front of the gate",
            "firewall",
            id="other: 403",
        ),
        pytest.param(
            response(404, content_type="text/html", server=NGINX),
            Answerer.OTHER,
            "neither Headgate nor MLflow (nginx/1.27)",
            "--url",
            id="other: 404",
        ),
        pytest.param(
            response(404, content_type="text/html"),
            Answerer.OTHER,
            "neither Headgate nor MLflow (no Server header)",
            "--url",
            id="other: 404 of a nameless server",
        ),
        pytest.param(
            response(404, content_type="text/html", server="uvicorn"),
            Answerer.MLFLOW,
            "no such path",
            "removes its prefixes",
            id="mlflow: prefix not removed",
        ),
        pytest.param(
            response(404, error_code="ENDPOINT_NOT_FOUND"),
            Answerer.MLFLOW,
            "does not have the endpoint",
            "versions",
            id="mlflow: too old",
        ),
        pytest.param(
            response(404, error_code="RESOURCE_DOES_NOT_EXIST"),
            Answerer.MLFLOW,
            "an earlier step created",
            "share one database",
            id="mlflow: two databases",
        ),
        pytest.param(response(405), Answerer.OTHER, "method", "PUT, PATCH or DELETE", id="405"),
        pytest.param(
            response(413, server=NGINX),
            Answerer.OTHER,
            "size of bodies",
            "client_max_body_size",
            id="413",
        ),
        pytest.param(response(429, server=NGINX), Answerer.OTHER, "rate", "wait", id="429"),
        pytest.param(
            response(502, server="awselb/2.0"),
            Answerer.OTHER,
            "no healthy gate behind it (awselb/2.0)",
            "/-/readyz",
            id="load balancer",
        ),
        pytest.param(
            response(503, error_code="TEMPORARILY_UNAVAILABLE"),
            Answerer.MLFLOW,
            "MLflow failed",
            "log",
            id="mlflow: 503",
        ),
        pytest.param(
            response(501, error_code="NOT_IMPLEMENTED"),
            Answerer.MLFLOW,
            "cannot do this",
            "--artifacts-destination",
            id="mlflow: 501",
        ),
        pytest.param(
            response(500, error_code="INTERNAL_ERROR"),
            Answerer.MLFLOW,
            "MLflow failed",
            "disk space",
            id="mlflow: 500",
        ),
        pytest.param(
            response(400, error_code="INVALID_PARAMETER_VALUE"),
            Answerer.MLFLOW,
            "does not accept the request (status 400)",
            "request bodies",
            id="mlflow: 400",
        ),
        pytest.param(
            response(302, location="https://login.example/"),
            Answerer.OTHER,
            "redirects to https://login.example/",
            "--url",
            id="redirect",
        ),
        pytest.param(
            response(200, content_type="text/html", server=NGINX),
            Answerer.OTHER,
            "neither Headgate nor MLflow",
            "login page",
            id="a page instead of JSON",
        ),
        pytest.param(
            Exchange("GET", "/version", fault=Fault.REFUSED),
            Answerer.NOBODY,
            "Nothing listens at gate.example:8443",
            "headgate serve",
            id="refused",
        ),
        pytest.param(
            Exchange("GET", "/version", fault=Fault.UNKNOWN_NAME),
            Answerer.NOBODY,
            "gate.example cannot be resolved",
            "DNS",
            id="unknown name",
        ),
        pytest.param(
            Exchange("GET", "/version", fault=Fault.TLS),
            Answerer.NOBODY,
            "TLS",
            "MLFLOW_TRACKING_SERVER_CERT_PATH",
            id="TLS",
        ),
    ],
)
def test_the_failed_request_explains_the_failure(
    exchange: Exchange, by: Answerer, cause: str, action: str
) -> None:
    """Who answered is named; cause and action fit, and no placeholder is left."""
    result = diagnosis(exchange, "the client's own words")
    assert result.answered_by is by
    assert cause in result.cause
    assert action in result.action
    assert "{" not in result.cause + result.action


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "MlflowException: IncompleteRead(5 bytes read, 7 more expected)",
            "closed before the response was complete",
        ),
        ("OSError: [Errno 28] No space left on device", "temporary folder"),
        ("ImportError: boto3 is required", "bypassing the gate"),
        ("the client would write artifacts to its own disk, at /mlruns/1", "bypassing the gate"),
        ("ModuleNotFoundError: No module named 'numpy'", "package is missing"),
        ("ValueError: /version does not name a version of MLflow: 'hello'", "neither Headgate"),
        ("interrupted", "was stopped"),
    ],
)
@pytest.mark.parametrize("exchange", [None, response(200, content_type="application/json")])
def test_without_a_failed_request_the_words_explain(
    exchange: Exchange | None, text: str, cause: str
) -> None:
    result = diagnosis(exchange, text)
    assert cause in result.cause
    assert result.message == text


def test_a_failed_request_explains_more_than_words() -> None:
    """MLflow quotes the response in its exception, which may contain any word at all."""
    result = diagnosis(response(413, reason="body_too_large"), "Connection broken")
    assert "the gate's limit" in result.cause


def test_a_mismatch_blames_what_lies_between() -> None:
    result = diagnosis(response(200), "params: read back {}, expected {'a': '1'}", mismatch=True)
    assert "read back differs from the data sent" in result.cause
    assert result.message == "params: read back {}, expected {'a': '1'}"


def test_a_mismatch_caused_by_a_refusal_is_explained_by_the_refusal() -> None:
    exchange = response(401, reason="key_unknown")
    assert "does not know the key" in diagnosis(exchange, "version", mismatch=True).cause


def test_a_failure_before_any_request_is_a_local_one() -> None:
    result = diagnosis(None, "KeyError: 'x'")
    assert result.answered_by is None
    assert result.request == ""
    assert "this machine" in result.cause


def test_the_report_names_request_and_response() -> None:
    """What the operator needs to find the request in the gate's log."""
    exchange = response(503, reason="no_endpoint", request_id="r-1", message="No MLflow server.")
    result = diagnosis(exchange, "MlflowException: too many 503 error responses")
    assert result.request == "POST /mlflow/api/2.0/mlflow/runs/create"
    assert (result.status, result.reason, result.request_id) == (503, "no_endpoint", "r-1")
    assert result.message == "No MLflow server."


def test_every_fault_has_advice() -> None:
    assert set(FAULTS) == set(Fault)


def test_every_reason_a_client_can_be_sent_has_advice() -> None:
    """The gate's closed set of reasons, without the two that no refused client ever sees."""
    assert set(REASONS) == {reason.value for reason in Reason} - {"ok", "client_gone"}
