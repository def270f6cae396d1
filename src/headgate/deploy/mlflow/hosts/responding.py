"""Asks an MLflow server at its own address, past every gate, whether it is well."""

from __future__ import annotations

import http.client
from typing import Final
from urllib.parse import urlsplit

SECONDS: Final = 2.0


def problem_of(url: str, number: str) -> str:
    """Why no healthy MLflow of a version responds at an address; empty if one does.

    Args:
        url: of the server, without a path.
        number: the version that is to respond.
    """
    try:
        health, found = _body(url, "/health"), _body(url, "/version")
    except TimeoutError:
        return f"no response within {SECONDS:g} s at {url}"
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return f"nothing responds at {url} yet ({str(reason).lower()})"
    if health != "OK":
        return f"{url}/health responds, but not as MLflow"
    if found != number:
        return f"MLflow {found[:40]} responds at {url}, not {number}"
    return ""


def _body(url: str, path: str) -> str:
    parts = urlsplit(url)
    of = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = of(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request("GET", parts.path.rstrip("/") + path)
        response = connection.getresponse()
        body = response.read(256).decode(errors="replace").strip()
    finally:
        connection.close()
    return body if response.status == http.client.OK else f"status {response.status}"
