"""Runs the real MLflow client against an address, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.patience import patience
from tests.support.processes import clean_environment

SESSION_SECONDS = 120
API_KEY_VARIABLE = "SESSION_API_KEY"
"""Where the session takes a key from to send it as ``X-API-Key``."""


def credential(scheme: str, key: str) -> dict[str, str]:
    """The environment that makes MLflow's client present ``key``."""
    return {
        "bearer": {"MLFLOW_TRACKING_TOKEN": key},
        "basic": {"MLFLOW_TRACKING_USERNAME": "anybody", "MLFLOW_TRACKING_PASSWORD": key},
        "x-api-key": {API_KEY_VARIABLE: key},
    }[scheme]


def run_client(
    program: str,
    uri: str,
    environment: Mapping[str, str],
    *arguments: str,
    python: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a Python ``program`` that uses MLflow's client on the server at ``uri``.

    ``python`` is the interpreter of another environment than this one.
    """
    settings = {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a failure shows immediately and as it is
    }
    return subprocess.run(
        [python or sys.executable, "-c", program, *arguments],
        env=clean_environment() | settings | dict(environment),
        capture_output=True,
        text=True,
        timeout=patience(SESSION_SECONDS),
        check=False,
    )


def run_session(uri: str, environment: Mapping[str, str], folder: Path) -> Mapping[str, Any]:
    """Run ``tests.support.client_session`` and return its report."""
    program = "from tests.support.client_session import main; main()"
    done = run_client(program, uri, environment, str(folder))
    assert done.returncode == 0, done.stderr
    report: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report
