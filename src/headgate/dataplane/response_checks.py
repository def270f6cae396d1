"""Answers that are not what they seem: a page where JSON is due, a refusal of the gate's own Host.

To the client they would say that its request was wrong, and what is wrong is between the gate and
MLflow.
"""

from __future__ import annotations

import enum
import json
from typing import Final

from headgate.errors import REASONS
from headgate.model import Operation, Reason
from headgate.wire.response import Response

JSON: Final = b"application/json"
_TEXT: Final = b"text/plain"
_HTML: Final = b"text/html"
_HOST_REFUSED: Final = b"Invalid Host header"
"""What MLflow's Host check answers (mlflow/server/fastapi_security.py)."""
_OF_BODY: Final = frozenset({b"content-type", b"content-length", b"content-encoding"})
_MARKUP: Final = ("</", "<!", "<?", "/>", "<html", "<head", "<body", "<p>", "<br>", "<h1")
MAX_HELD: Final = 1024
"""Bytes of an answer's body that are waited for: that refusal is short, and so are sentences."""
_JSON_FAMILIES: Final = frozenset(
    {
        "experiments",
        "runs",
        "metrics",
        "models",
        "logged-models",
        "traces",
        "datasets",
        "assessments",
        "scorers",
        "prompts",
        "webhooks",
        "workspaces",
    }
)
"""Families whose routes answer JSON alone."""
_JSON_ROUTES: Final = frozenset(
    {
        "artifacts/list",
        "artifacts/list-store",
        "artifacts/list-of-logged-model",
        # And those that write: who is answered with a login page would think it is kept.
        "artifacts/upload",
        "artifacts/upload-small",
        "artifacts/delete",
        "artifacts/mpu/create",
        "artifacts/mpu/complete",
        "artifacts/mpu/abort",
    }
)
"""Routes of other families that do, or answer nothing at all."""


def is_wrong_page(page: Response, operation: Operation, *, shown: bool) -> bool:
    """Whether it is not what MLflow answers to this operation.

    Its own authentication asks for credentials wherever it may be, and means the gate's, but for a
    client whose credentials it was ``shown``.
    """
    if page.media_type not in (_HTML, _TEXT):
        return False
    if page.status == 401:
        return not shown
    return page.media_type == _HTML and _wants_json(operation)


def _wants_json(operation: Operation) -> bool:
    return operation.family in _JSON_FAMILIES or operation.name in _JSON_ROUTES


def may_be_sentence(response: Response, operation: Operation) -> bool:
    """Whether it may be MLflow's word for a part of it that is switched off.

    MLflow says so in plain text that it calls ``text/html``, with status 503 (``_disable_if_...``
    and ``_disable_unless_...`` of mlflow/server/handlers.py, 2.9.2 to 3.17.2).
    """
    return response.status == 503 and response.media_type == _HTML and _wants_json(operation)


def may_be_host_refusal(response: Response) -> bool:
    """Whether its body must be seen to tell."""
    return response.status == 403 and response.media_type == _TEXT


class Classification(enum.Enum):
    """What a held answer has turned out to be."""

    UNKNOWN = enum.auto()
    GENUINE = enum.auto()
    REFUSAL = enum.auto()
    SENTENCE = enum.auto()
    PAGE = enum.auto()


class HeldResponse:
    """The part that has come of an answer that may be MLflow's refusal of the gate's Host.

    Or that may be a sentence of MLflow's, see ``may_be_sentence``.
    """

    __slots__ = ("pieces", "response")

    def __init__(self, response: Response) -> None:
        self.response = response
        self.pieces: list[bytes] = []

    def take(self, pieces: list[bytes], *, done: bool) -> Classification:
        """Take more of its body; ``done``: that is all of it."""
        self.pieces += pieces
        body = b"".join(self.pieces)
        if self.response.media_type == _HTML:
            if not done and len(body) <= MAX_HELD:
                return Classification.UNKNOWN
            return Classification.SENTENCE if _is_sentence(body) else Classification.PAGE
        if done and _HOST_REFUSED in body:
            return Classification.REFUSAL
        return Classification.GENUINE if done or len(body) > MAX_HELD else Classification.UNKNOWN

    def told(self) -> tuple[Response, bytes]:
        """The sentence in the shape of MLflow's errors, which its clients print: head and body."""
        sentence = b"".join(self.pieces).decode("utf-8")
        error_code = REASONS[Reason.NO_ENDPOINT].error_code
        body = json.dumps({"error_code": error_code, "message": sentence.strip()}).encode()
        head = Response(b"", b"GET")
        head.status = self.response.status
        kept = [
            line + b"\r\n"
            for line in self.response.lines.split(b"\r\n")
            if line and line.partition(b":")[0].lower() not in _OF_BODY
        ]
        head.lines = b"%bContent-Type: application/json\r\nContent-Length: %d\r\n" % (
            b"".join(kept),
            len(body),
        )
        return head, body


def _is_sentence(body: bytes) -> bool:
    """Whether it is a line of text, and no markup but the patterns of routes (``<path:name>``)."""
    try:
        text = body.decode("utf-8").strip()
    except UnicodeDecodeError:
        return False
    if not text or len(body) > MAX_HELD or not text.isprintable():
        return False
    lowered = text.lower()
    return not any(mark in lowered for mark in _MARKUP) and not lowered.startswith("<")
