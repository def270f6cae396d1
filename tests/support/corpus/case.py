"""What a case of the corpus is: bytes from a client, and what the gate must make of them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

AUTHORIZATION = b"Authorization: Bearer @key@"
"""The field that presents the key; the sender of the case puts the key in the place of @key@."""

LOOKUP = b"/api/2.0/mlflow/experiments/get-by-name?experiment_name=looked-for"
"""MLflow answers with the name it looked for."""
RUN = b"/api/2.0/mlflow/runs/delete"
RUN_MESSAGE = b'{"run_id": "a-run"}'
"""A message to ``RUN``: Flask serves it, and answers with the id it was asked to delete."""
FILE = b"/api/2.0/mlflow-artifacts/artifacts/corpus/file.bin"
"""MLflow stores what is put there, whatever its framing."""


class Server(enum.Enum):
    """Who else reads the corpus: nginx, and MLflow with each parser that its server may have."""

    NGINX = "nginx"
    MLFLOW_H11 = "h11"
    MLFLOW_HTTPTOOLS = "httptools"


def by_mlflow(why: str) -> Mapping[Server, str]:
    """The ``apart`` of a case that MLflow answers otherwise with either parser."""
    return {Server.MLFLOW_H11: why, Server.MLFLOW_HTTPTOOLS: why}


class Reading(NamedTuple):
    """One request as MLflow must receive it."""

    method: bytes
    target: bytes
    body: bytes = b""


class Refused(NamedTuple):
    """One request that the gate answers itself; ``closes``: it reads nothing after it."""

    status: int
    reason: str
    closes: bool = True


MALFORMED = Refused(400, "request_malformed")
AMBIGUOUS = Refused(400, "request_ambiguous")
UNCLEAR_PATH = Refused(400, "request_ambiguous", closes=False)
LOOKED_UP = Reading(b"GET", LOOKUP)
ASKED = Reading(b"POST", RUN, RUN_MESSAGE)
HEAD_APART = {
    Server.NGINX: "nginx sends a HEAD on",
    **by_mlflow("MLflow reads no query of a HEAD (_get_request_message of its handlers.py)"),
}


@dataclass(frozen=True)
class Case:
    """Bytes that a client sends, and what is made of each request in them, in order.

    ``closes``: the connection ends without a refusal, since the client wished it.
    ``unfinished``: the client leaves in the middle of the last request, which never arrives.
    ``asks_head``: its first request is a HEAD, for which MLflow is sent a GET.
    ``apart``: which servers answer otherwise when the bytes reach them without the gate, and why.
    """

    name: str
    sent: bytes
    made: tuple[Reading | Refused, ...] = ()
    closes: bool = False
    unfinished: bool = False
    asks_head: bool = False
    apart: Mapping[Server, str] = field(default_factory=dict)

    @property
    def readings(self) -> list[Reading]:
        """The requests that reach MLflow."""
        return [each for each in self.made if isinstance(each, Reading)]

    @property
    def refusals(self) -> list[Refused]:
        """The requests that the gate answers itself."""
        return [each for each in self.made if isinstance(each, Refused)]

    @property
    def goes_on(self) -> bool:
        """Whether the next request on the connection is served."""
        closed = self.closes or any(refusal.closes for refusal in self.refusals)
        return not closed and not self.unfinished


def message(
    start: bytes, *lines: bytes, body: bytes = b"", host: bytes = b"Host: localhost"
) -> bytes:
    """A request of ``start`` (method and target) with raw header ``lines`` after the usual two."""
    return b"\r\n".join([start + b" HTTP/1.1", host, AUTHORIZATION, *lines, b"", body])


def lookup(*lines: bytes, host: bytes = b"Host: localhost") -> bytes:
    """A GET with raw header ``lines``."""
    return message(b"GET " + LOOKUP, *lines, host=host)


def post(*lines: bytes, body: bytes = RUN_MESSAGE) -> bytes:
    """A POST to a route that Flask serves, framed by ``lines``."""
    return message(b"POST " + RUN, b"Content-Type: application/json", *lines, body=body)


def put(*lines: bytes, body: bytes) -> bytes:
    """A PUT to a route that takes any framing, framed by ``lines``."""
    return message(b"PUT " + FILE, *lines, body=body)


def stored(body: bytes) -> Reading:
    """What ``put`` must arrive as."""
    return Reading(b"PUT", FILE, body)


SMUGGLED = message(b"GET /version?smuggled")
"""A request that stands where it must be one, or where nothing may be read at all."""
INNER = b"GET /version?inner HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A request that stands in a body, where it is none."""
SMUGGLED_PASSES = Reading(b"GET", b"/version?smuggled")
NO_EMPTY_LINE = {Server.MLFLOW_H11: "h11 reads over no empty line before a request"}
