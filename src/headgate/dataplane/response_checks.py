"""Responses that are not what they seem: a page in place of JSON, a refusal of the gate's own Host.

Passed on, they would tell the client that its request was wrong, while the fault lies between the
gate and MLflow.  What MLflow's own responses look like is known to ``headgate.contract``.
"""

from __future__ import annotations

import enum
from typing import Final

from headgate.contract.responses import (
    MAX_SENTENCE,
    is_host_refusal,
    is_sentence,
    sentence_as_json,
)
from headgate.model import Operation
from headgate.wire.response import Response

JSON: Final = b"application/json"
_TEXT: Final = b"text/plain"
_HTML: Final = b"text/html"
_OF_BODY: Final = frozenset({b"content-type", b"content-length", b"content-encoding"})
MAX_HELD: Final = MAX_SENTENCE
"""Bytes of a response's body that are held back: all that is looked for is shorter."""


def is_wrong_page(page: Response, operation: Operation, *, shown: bool) -> bool:
    """Whether it is not what MLflow responds to this operation.

    MLflow's own authentication responds 401 to any route.  That is meant for the gate, unless
    MLflow was ``shown`` the client's own credentials.
    """
    if page.media_type not in (_HTML, _TEXT):
        return False
    if page.status == 401:
        return not shown
    return page.media_type == _HTML and operation.json_only


def may_be_sentence(response: Response, operation: Operation) -> bool:
    """Whether its body has to be seen: it may say which part of MLflow is switched off."""
    return response.status == 503 and response.media_type == _HTML and operation.json_only


def may_be_host_refusal(response: Response) -> bool:
    """Whether its body has to be seen: it may be that of MLflow's Host check."""
    return response.status == 403 and response.media_type == _TEXT


class Classification(enum.Enum):
    """What a held response has turned out to be."""

    UNKNOWN = enum.auto()
    GENUINE = enum.auto()
    REFUSAL = enum.auto()
    SENTENCE = enum.auto()
    PAGE = enum.auto()


class HeldResponse:
    """A response of which the head and a part of the body have come, and which is held back.

    It may be the Host check's (``may_be_host_refusal``) or a sentence (``may_be_sentence``).
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
            return Classification.SENTENCE if is_sentence(body) else Classification.PAGE
        if done and is_host_refusal(body):
            return Classification.REFUSAL
        return Classification.GENUINE if done or len(body) > MAX_HELD else Classification.UNKNOWN

    def as_json(self) -> tuple[Response, bytes]:
        """The head and the body of the response that the client gets in place of a sentence."""
        body = sentence_as_json(b"".join(self.pieces))
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
