"""What a response of MLflow's to the gate itself says is wrong, and what helps against it.

For operators: the texts name what is inside.
"""

from __future__ import annotations

import json
from typing import Any, Final, Protocol

from headgate.contract.responses import is_host_refusal
from headgate.reasons import Reason

ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts"
MAX_SAID: Final = 300

PAGE_CURE: Final = (
    "Something else than MLflow listens there, or stands before it, such as a login page or a "
    "load balancer; correct the URL, or let the gate's requests pass it."
)
CREDENTIALS_CURE: Final = (
    "MLflow runs with an authentication of its own: set upstreams.NAME.credentials, with policy "
    "'replace', or correct the user and the password there."
)
HOST_CURE: Final = (
    "Add the gate's Host, which `headgate doctor` shows, to MLflow's --allowed-hosts, or set "
    "upstreams.NAME.host_header to a name that MLflow accepts."
)
PERMISSION_CURE: Final = (
    "MLflow's own authentication knows the gate's user and does not let it do this: make it an "
    "administrator there, or name another user in upstreams.NAME.credentials."
)
DATABASE_CURE: Final = (
    "Look into MLflow's log; see that the database of its --backend-store-uri runs and lets it in, "
    "and run `mlflow db upgrade <its URI>` if it is of an older version."
)
STORE_CURE: Final = (
    "Look into MLflow's log: its artifact store does not answer, or refuses it; see that "
    "--artifacts-destination is there, that MLflow may write to it, and that it has room."
)
ROUTE_CURE: Final = "Correct the URL: MLflow, or a version of it that the gate knows, is not there."


def cure_for(upstream: str, cure: str) -> str:
    """A cure in the words of the configuration of one upstream, by its name."""
    return cure.replace("upstreams.NAME", f"upstreams.{upstream}")


class Reply(Protocol):
    """What MLflow answered."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body."""


class AskError(Exception):
    """MLflow gave no good response.

    The text is a clause for a person; ``cure`` is what helps, empty if that is not known.
    """

    def __init__(self, text: str, reason: Reason = Reason.UPSTREAM_ERROR, cure: str = "") -> None:
        super().__init__(text)
        self.reason = reason
        self.cure = cure


class NoSuchRouteError(AskError):
    """It answered 404."""


def expect(reply: Reply, method: str, target: str) -> None:
    """Take a response for a good one.

    Raises:
        AskError: it is none.
    """
    if 200 <= reply.status < 300:
        return
    path = target.partition("?")[0]
    if reply.status == 404:
        raise NoSuchRouteError(f"{method} {path} answered 404", cure=ROUTE_CURE)
    reason, cure = _diagnose(reply, path)
    said = "a web page" if is_page(reply) else _said(reply)
    raise AskError(f"{method} {path} answered {reply.status}: {said}", reason, cure)


def _diagnose(reply: Reply, path: str) -> tuple[Reason, str]:
    if reply.status == 401:
        return Reason.UPSTREAM_CREDENTIALS, CREDENTIALS_CURE
    if reply.status == 403 and is_host_refusal(reply.body):
        return Reason.UPSTREAM_HOST_REFUSED, HOST_CURE
    if is_page(reply):
        return Reason.UPSTREAM_NOT_JSON, PAGE_CURE
    if reply.status == 403:
        return Reason.UPSTREAM_CREDENTIALS, PERMISSION_CURE
    return Reason.UPSTREAM_ERROR, STORE_CURE if path.startswith(ARTIFACTS) else DATABASE_CURE


def is_page(reply: Reply) -> bool:
    """Whether it is a web page, by its body."""
    return reply.body.lstrip()[:1] == b"<"


def _said(reply: Reply) -> str:
    """What MLflow says, in one line."""
    try:
        told = json.loads(reply.body)
    except ValueError:
        told = None
    message = told.get("message") if isinstance(told, dict) else None
    text = message if isinstance(message, str) else reply.body[:MAX_SAID].decode("utf-8", "replace")
    return " ".join(text.split())[:MAX_SAID]


def parse(reply: Reply, method: str, target: str) -> dict[str, Any]:
    """The JSON object that MLflow answered.

    Raises:
        AskError: it is none.
    """
    try:
        told = json.loads(reply.body)
    except ValueError:
        told = None
    if isinstance(told, dict):
        return told
    where = f"{method} {target.partition('?')[0]}"
    what = "a web page" if is_page(reply) else "no JSON object"
    raise AskError(f"{where} answered {what}: is that MLflow?", Reason.UPSTREAM_NOT_JSON, PAGE_CURE)
