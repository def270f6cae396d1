"""What a response of MLflow's to the gate itself says is wrong: which symptom it is.

For operators: the texts name what is inside.
"""

from __future__ import annotations

import json
from typing import Any, Final, Protocol

from headgate.contract.responses import is_host_refusal
from headgate.symptoms import ResponseFailure, Symptom

ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts"
MAX_SAID: Final = 300


class Reply(Protocol):
    """A response of MLflow's."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body."""


class AskError(Exception):
    """MLflow gave no good response; the text is a clause for a person."""

    def __init__(self, text: str, symptom: Symptom) -> None:
        super().__init__(text)
        self.symptom = symptom


class NoSuchRouteError(AskError):
    """The response is a 404."""


def expect(reply: Reply, method: str, target: str) -> None:
    """Take a response for a good one.

    Raises:
        AskError: it is none.
    """
    if 200 <= reply.status < 300:
        return
    path = target.partition("?")[0]
    if reply.status == 404:
        missing = ResponseFailure.ROUTE_MISSING
        raise NoSuchRouteError(f"{method} {path} responded 404", missing)
    said = "a web page" if is_page(reply) else _said(reply)
    text = f"{method} {path} responded {reply.status}: {said}"
    raise AskError(text, response_failure(reply, is_artifact=path.startswith(ARTIFACTS)))


def response_failure(reply: Reply, *, is_artifact: bool = False) -> ResponseFailure:
    """What a response that is no good one says is wrong."""
    if reply.status == 401:
        return ResponseFailure.CREDENTIALS_WANTED
    if reply.status == 403 and is_host_refusal(reply.body):
        return ResponseFailure.HOST_REFUSED
    if is_page(reply):
        return ResponseFailure.WEB_PAGE
    if reply.status == 403:
        return ResponseFailure.PERMISSION_DENIED
    return ResponseFailure.ARTIFACT_STORE if is_artifact else ResponseFailure.DATABASE


def health_failure(reply: Reply) -> ResponseFailure | None:
    """What a response to ``GET /health`` says is wrong; ``None``: that server is healthy."""
    if reply.status == 404:  # a web page too, where it is MLflow's
        return ResponseFailure.BASE_PATH
    if 300 <= reply.status < 400:
        return ResponseFailure.REDIRECT
    if is_page(reply):
        return ResponseFailure.WEB_PAGE
    if reply.status == 200:
        return None
    return ResponseFailure.FAILING if reply.status >= 500 else ResponseFailure.WEB_PAGE


def is_page(reply: Reply) -> bool:
    """Whether it is a web page, by its body."""
    return reply.body.lstrip()[:1] == b"<"


def _said(reply: Reply) -> str:
    """What MLflow says, in one line."""
    try:
        parsed = json.loads(reply.body)
    except ValueError:
        parsed = None
    message = parsed.get("message") if isinstance(parsed, dict) else None
    text = message if isinstance(message, str) else reply.body[:MAX_SAID].decode("utf-8", "replace")
    return " ".join(text.split())[:MAX_SAID]


def parse(reply: Reply, method: str, target: str) -> dict[str, Any]:
    """The JSON object in a response of MLflow's.

    Raises:
        AskError: it is none.
    """
    try:
        parsed = json.loads(reply.body)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        return parsed
    where = f"{method} {target.partition('?')[0]}"
    what = "a web page" if is_page(reply) else "no JSON object"
    raise AskError(f"{where} responded with {what}: is that MLflow?", ResponseFailure.WEB_PAGE)
