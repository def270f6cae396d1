"""The environment of the MLflow client: the caller's network settings, and nothing else."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Auth = Literal["bearer", "basic"]

# Each of these can redirect, sign, sample or rename the client's requests.
_DROPPED_PREFIXES = ("MLFLOW_", "_MLFLOW_", "OTEL_", "DATABRICKS_", "HEADGATE_")
# NETRC: an entry in that file replaces the Authorization header in requests.
_DROPPED = frozenset({"NETRC"})
_TLS_SWITCH = "MLFLOW_TRACKING_INSECURE_TLS"
_AUTHORITIES = "MLFLOW_TRACKING_SERVER_CERT_PATH"
_CERTIFICATE = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
OTLP_AUTHORITIES = "OTEL_EXPORTER_OTLP_CERTIFICATE"
_OTLP_CERTIFICATE = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
_OTLP_KEY = "OTEL_EXPORTER_OTLP_CLIENT_KEY"
# The fallbacks of OpenTelemetry's variables: those of MLflow's client, whose certificate file
# also contains the key.
_OTLP_INSTEAD = {OTLP_AUTHORITIES: _AUTHORITIES, _OTLP_CERTIFICATE: _CERTIFICATE}
# Variables of MLflow's client, of requests below it, and of OpenSSL.
_TLS_FILES = (
    *(_AUTHORITIES, _CERTIFICATE, OTLP_AUTHORITIES, _OTLP_CERTIFICATE, _OTLP_KEY),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)

# With MLflow's own defaults an unreachable server is reported after four minutes.  With these a
# server that refuses connections is reported after two seconds, a silent one after three timeouts.
REQUEST_TIMEOUT = 15
LARGE_REQUEST_TIMEOUT = 120
_BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_TIMEOUT),
}
_QUIET = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The key and how to send it."""

    key: str
    auth: Auth
    username: str

    @property
    def authorization(self) -> str:
        """The ``Authorization`` header that MLflow's client derives from its settings."""
        if self.auth == "bearer":
            return f"Bearer {self.key}"
        return "Basic " + base64.b64encode(f"{self.username}:{self.key}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """All strings that must not be printed.

        Very short keys protect nothing, and masking them would damage other text.
        """
        texts = (self.key, self.authorization.partition(" ")[2])
        return tuple(text for text in texts if len(text) >= 8)


def client_environment(
    inherited: Mapping[str, str], *, url: str, credentials: Credentials, home: Path
) -> dict[str, str]:
    """The process environment to set before MLflow is imported.

    ``home`` is an empty folder: MLflow prefers the user name and password of
    ``~/.mlflow/credentials`` to a token, and requests reads ``~/.netrc``.  TLS settings are kept,
    because they belong to the connection; relative paths in them are resolved here, before the
    working folder changes.
    """
    environment = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(_DROPPED_PREFIXES) and name not in _DROPPED
    }
    if _TLS_SWITCH in inherited:
        environment[_TLS_SWITCH] = inherited[_TLS_SWITCH]
    for name in _TLS_FILES:
        if inherited.get(name):
            environment[name] = os.path.abspath(inherited[name])
    if _OTLP_CERTIFICATE not in environment:
        environment.pop(_OTLP_KEY, None)  # the key of another certificate
    for name, instead in _OTLP_INSTEAD.items():
        if name not in environment and instead in environment:
            environment[name] = environment[instead]
    environment |= _BOUNDS | _QUIET
    environment |= {"HOME": str(home), "MLFLOW_TRACKING_URI": url, "MLFLOW_REGISTRY_URI": url}
    if credentials.auth == "bearer":
        environment["MLFLOW_TRACKING_TOKEN"] = credentials.key
    else:
        environment["MLFLOW_TRACKING_USERNAME"] = credentials.username
        environment["MLFLOW_TRACKING_PASSWORD"] = credentials.key
    return environment
