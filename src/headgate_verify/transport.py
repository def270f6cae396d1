"""Requests that the MLflow client has no method for, sent with its own credentials and TLS."""

from __future__ import annotations

from typing import Any

import requests
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

# MLflow does not annotate these.
_credentials: Any = get_default_host_creds
_send: Any = http_request


def send(url: str, path: str, method: str, **options: Any) -> requests.Response:
    """Send one request to the server at ``url``, with MLflow's retries unless ``options`` differ.

    Raises:
        MlflowException: there was no response.
    """
    response: requests.Response = _send(_credentials(url), path, method, **options)
    return response
