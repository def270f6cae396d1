"""The server itself: its version, and whether it responds."""

from __future__ import annotations

import re

import mlflow
from mlflow.exceptions import MlflowException

from headgate_verify import transport
from headgate_verify.subject import Subject

_PATH = "/version"
_FIRST_CONTACT_TIMEOUT = 10
_PROBE_TIMEOUT = 5


def version(subject: Subject) -> str:
    """Request the version once, without retries, so that a wrong address is reported in seconds.

    Redirects are not followed here.  MLflow's client does follow them, and a redirected POST
    arrives as a GET without its body.
    """
    response = transport.send(
        subject.url,
        _PATH,
        "GET",
        max_retries=0,
        timeout=_FIRST_CONTACT_TIMEOUT,
        raise_on_status=False,
        allow_redirects=False,
    )
    text = response.text.strip()
    if response.status_code != 200 or not re.fullmatch(r"\d++\.\d++[\w.+-]*", text):
        raise ValueError(f"{_PATH} does not name a version of MLflow: {text[:80]!r}")
    return f"MLflow {text}, client {mlflow.__version__}"


def answers(subject: Subject) -> bool:
    """Whether the server still serves this key."""
    try:
        response = transport.send(
            subject.url,
            _PATH,
            "GET",
            max_retries=0,
            timeout=_PROBE_TIMEOUT,
            raise_on_status=False,
        )
    except MlflowException:
        return False
    return response.status_code == 200
