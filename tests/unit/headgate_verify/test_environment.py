"""The MLflow client sees the caller's network and nothing else of the caller."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from headgate_verify.environment import Auth, Credentials, client_environment

URL = "http://gate.example/mlflow"
KEY = "a-key-of-a-test"


def environment(auth: Auth = "bearer", /, **inherited: str) -> dict[str, str]:
    return client_environment(
        inherited, url=URL, credentials=Credentials(KEY, auth, "ann"), home=Path("/empty")
    )


def test_bearer_leaves_no_user_name() -> None:
    """MLflow's client prefers a user name and a password to a token."""
    result = environment(
        "bearer", MLFLOW_TRACKING_USERNAME="somebody", MLFLOW_TRACKING_PASSWORD="other"
    )
    assert result["MLFLOW_TRACKING_TOKEN"] == KEY
    assert "MLFLOW_TRACKING_USERNAME" not in result
    assert "MLFLOW_TRACKING_PASSWORD" not in result


def test_basic_leaves_no_token() -> None:
    result = environment("basic", MLFLOW_TRACKING_TOKEN="other")
    assert result["MLFLOW_TRACKING_USERNAME"] == "ann"
    assert result["MLFLOW_TRACKING_PASSWORD"] == KEY
    assert "MLFLOW_TRACKING_TOKEN" not in result


@pytest.mark.parametrize(
    "name",
    [
        "MLFLOW_RUN_ID",
        "MLFLOW_EXPERIMENT_NAME",
        "MLFLOW_TRACKING_AUTH",
        "MLFLOW_WORKSPACE",
        "_MLFLOW_HTTP_REQUEST_MAX_RETRIES_LIMIT",
        "OTEL_TRACES_SAMPLER",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "DATABRICKS_HOST",
        "HEADGATE_API_KEY",
        "NETRC",
    ],
)
def test_what_changes_requests_is_not_inherited(name: str) -> None:
    assert name not in environment("bearer", **{name: "x"})


@pytest.mark.parametrize("name", ["PATH", "HTTPS_PROXY", "NO_PROXY", "LANG"])
def test_what_leads_to_the_server_is_inherited(name: str) -> None:
    assert environment("bearer", **{name: "x"})[name] == "x"


def test_tls_settings_survive_a_change_of_folder() -> None:
    result = environment(
        MLFLOW_TRACKING_SERVER_CERT_PATH="ca.pem", MLFLOW_TRACKING_INSECURE_TLS="true"
    )
    assert result["MLFLOW_TRACKING_SERVER_CERT_PATH"] == os.path.abspath("ca.pem")
    assert result["MLFLOW_TRACKING_INSECURE_TLS"] == "true"


def test_the_trace_is_sent_with_the_certificates_of_the_rest() -> None:
    result = environment(
        MLFLOW_TRACKING_SERVER_CERT_PATH="ca.pem", MLFLOW_TRACKING_CLIENT_CERT_PATH="client.pem"
    )
    assert result["OTEL_EXPORTER_OTLP_CERTIFICATE"] == os.path.abspath("ca.pem")
    assert result["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"] == os.path.abspath("client.pem")
    assert "OTEL_EXPORTER_OTLP_CLIENT_KEY" not in result


def test_the_trace_is_sent_with_certificates_of_its_own_where_there_are_some() -> None:
    own = {
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/own/ca.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/own/client.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/own/client.key",
    }
    both = own | {"MLFLOW_TRACKING_CLIENT_CERT_PATH": "/other.pem"}
    assert environment("bearer", **both).items() >= both.items()
    del both["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"]
    result = environment("bearer", **both)
    assert result["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"] == "/other.pem"
    assert "OTEL_EXPORTER_OTLP_CLIENT_KEY" not in result  # it belongs to another certificate


@pytest.mark.parametrize(
    "name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
)
def test_other_files_of_authorities_survive_a_change_of_folder_too(name: str) -> None:
    assert environment("bearer", **{name: "ca.pem"})[name] == os.path.abspath("ca.pem")


def test_addresses_home_and_bounds_are_our_own() -> None:
    result = environment(
        HOME="/root", MLFLOW_TRACKING_URI="x", MLFLOW_HTTP_REQUEST_MAX_RETRIES="10"
    )
    assert result["HOME"] == "/empty"
    assert result["MLFLOW_TRACKING_URI"] == result["MLFLOW_REGISTRY_URI"] == URL
    assert result["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "2"


def test_every_spelling_of_the_key_is_secret() -> None:
    encoded = base64.b64encode(f"ann:{KEY}".encode()).decode()
    credentials = Credentials(KEY, "basic", "ann")
    assert credentials.authorization == f"Basic {encoded}"
    assert set(credentials.secrets) == {KEY, encoded}


def test_a_word_is_not_a_secret() -> None:
    """To blot out `key` would maim every message about keys."""
    assert Credentials("key", "bearer", "ann").secrets == ()
