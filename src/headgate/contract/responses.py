"""What a response of MLflow's must look like, and the sentences that MLflow itself says.

Which routes respond with JSON alone is in ``rules.txt`` (``Operation.json_only``).
"""

from __future__ import annotations

import json
from typing import Final

from headgate.reasons import Reason

HOST_REFUSED: Final = b"Invalid Host header"
"""How the response of MLflow's Host check begins (mlflow/server/fastapi_security.py)."""
MAX_SENTENCE: Final = 1024
"""Bytes; the longest of MLflow's sentences has about 300."""
_MARKUP: Final = ("</", "<!", "<?", "/>", "<html", "<head", "<body", "<p>", "<br>", "<h1")


def is_host_refusal(body: bytes) -> bool:
    """Whether the body of a 403 is that of MLflow's Host check."""
    return HOST_REFUSED in body


def is_sentence(body: bytes) -> bool:
    """Whether a body with the media type ``text/html`` is a sentence of MLflow's and no web page.

    MLflow says in plain text, with status 503, which part of it is switched off
    (``_disable_if_...`` and ``_disable_unless_...`` of mlflow/server/handlers.py, 2.9.2 to 3.17.2).
    That is one line without markup, but for the patterns of routes (``<path:name>``).
    """
    try:
        text = body.decode("utf-8").strip()
    except UnicodeDecodeError:
        return False
    if not text or len(body) > MAX_SENTENCE or not text.isprintable():
        return False
    lowered = text.lower()
    return not any(mark in lowered for mark in _MARKUP) and not lowered.startswith("<")


def sentence_as_json(body: bytes) -> bytes:
    """The same sentence in the shape of MLflow's errors, which MLflow's clients print."""
    message = body.decode("utf-8").strip()
    error_code = Reason.NO_ENDPOINT.error_code
    return json.dumps({"error_code": error_code, "message": message}).encode()
