"""Answers that are not what they seem: a page where JSON is due, a refusal of the gate's own Host.

To the client they would say that its request was wrong, and what is wrong is between the gate and
MLflow.
"""

from __future__ import annotations

import enum
from typing import Final

from headgate.model import Operation
from headgate.wire.response import Response

JSON: Final = b"application/json"
_TEXT: Final = b"text/plain"
_HTML: Final = b"text/html"
_HOST_REFUSED: Final = b"Invalid Host header"
"""What MLflow's Host check answers (mlflow/server/fastapi_security.py)."""
MAX_HELD: Final = 1024
"""Bytes of an answer's body that are waited for: that refusal is short."""
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
    wants_json = operation.family in _JSON_FAMILIES or operation.name in _JSON_ROUTES
    return page.media_type == _HTML and wants_json


def may_be_host_refusal(response: Response) -> bool:
    """Whether its body must be seen to tell."""
    return response.status == 403 and response.media_type == _TEXT


class Opinion(enum.Enum):
    """What a held answer has turned out to be."""

    UNKNOWN = enum.auto()
    GENUINE = enum.auto()
    REFUSAL = enum.auto()


class HeldAnswer:
    """An answer that may be MLflow's refusal of the gate's Host, as far as it has come."""

    __slots__ = ("pieces", "response")

    def __init__(self, response: Response) -> None:
        self.response = response
        self.pieces: list[bytes] = []

    def take(self, pieces: list[bytes], *, done: bool) -> Opinion:
        """Take more of its body; ``done``: that is all of it."""
        self.pieces += pieces
        body = b"".join(self.pieces)
        if done and _HOST_REFUSED in body:
            return Opinion.REFUSAL
        return Opinion.GENUINE if done or len(body) > MAX_HELD else Opinion.UNKNOWN
