"""Sends the corpus through a gate, case by case, and sorts what came of each."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.conversation import Conversation, converse
from tests.support.corpus.case import Case, Reading, message
from tests.support.gate import Gate
from tests.support.recording_upstream import Exchange, RecordedRequest, RecordingUpstream
from tests.support.scripts import response_bytes

RESPONSE_SECONDS = 10.0
PIECES = 600
"""Into how many pieces a case is broken at most."""

Slicing = Callable[[bytes], Iterable[bytes]]


def whole(sent: bytes) -> Iterable[bytes]:
    """All in one packet."""
    return [sent]


def dribbled(sent: bytes) -> Iterable[bytes]:
    """Byte by byte, long cases in somewhat larger pieces."""
    size = max(1, len(sent) // PIECES)
    return (sent[at : at + size] for at in range(0, len(sent), size))


@dataclass(frozen=True)
class Result:
    """What came of one case: for the client, in the access log, and at the upstream."""

    conversation: Conversation
    outcomes: Sequence[Mapping[str, Any]]
    arrived: Sequence[RecordedRequest]

    @property
    def readings(self) -> list[Reading]:
        """The requests that arrived whole."""
        return [reading_of(request) for request in self.arrived if request.complete]


def echo(exchange: Exchange) -> None:
    """Answer with the method and the target, so that no response can be taken for another."""
    exchange.read_body()
    method, target, _ = exchange.request.request_line.split(b" ", 2)
    response = response_bytes(method + b" " + target, content_type="text/plain")
    head, mark, _ = response.partition(b"\r\n\r\n")
    exchange.send(head + mark if method == b"HEAD" else response)


def sent_bytes(case: Case, key: str, number: int) -> bytes:
    """What a client says: the case, and a request behind it that closes the connection."""
    sent = case.sent if case.unfinished else case.sent + _behind(number)
    return sent.replace(b"@key@", key.encode())


def _behind(number: int) -> bytes:
    return message(b"GET /version?behind-%d" % number, b"Connection: close")


def reading_behind(number: int) -> Reading:
    """The request behind the case."""
    return Reading(b"GET", b"/version?behind-%d" % number)


def expected_readings(case: Case, number: int) -> list[Reading]:
    """All that must reach MLflow."""
    return [*case.readings, reading_behind(number)] if case.goes_on else case.readings


def reading_of(request: RecordedRequest) -> Reading:
    """A recorded request as a reading."""
    method, target, _ = request.request_line.split(b" ", 2)
    return Reading(method, target, bytes(request.body))


def run(
    gate: Gate, upstream: RecordingUpstream, key: str, cases: Sequence[Case], slicing: Slicing
) -> Mapping[str, Result]:
    """Hold one conversation for each case and return the results by the cases' names.

    The gate's log is in the order of the outcomes and one connection is open at a time, so that
    what stands between two marks belongs to one case; from there the request ids lead to what
    arrived at ``upstream``.
    """
    marks = [f"/static-files/after-{slicing.__name__}-{number}" for number in range(len(cases))]
    before = len(gate.outcomes())
    conversations = []
    for number, (case, mark) in enumerate(zip(cases, marks, strict=True)):
        connection = socket.create_connection((gate.host, gate.port))
        pieces = slicing(sent_bytes(case, key, number))
        conversations.append(
            converse(connection, pieces, leaves=case.unfinished, seconds=RESPONSE_SECONDS)
        )
        assert gate.ask("GET", mark, key=key).status == 200
    gate.outcome(lambda outcome: outcome["path"] == marks[-1])
    upstream.wait_until(
        lambda: all(each.complete or each.disconnected for each in upstream.requests)
    )
    outcomes = _between(marks, gate.outcomes()[before:])
    arrived = {request.all(b"x-request-id")[0]: request for request in upstream.requests}
    return {
        case.name: _result(conversation, those, arrived)
        for case, conversation, those in zip(cases, conversations, outcomes, strict=True)
    }


def _between(
    marks: Iterable[str], outcomes: Iterable[Mapping[str, Any]]
) -> Iterator[list[Mapping[str, Any]]]:
    """The outcomes before each mark, and behind the one before it."""
    left = iter(outcomes)
    for mark in marks:
        yield list(itertools.takewhile(lambda outcome: outcome["path"] != mark, left))  # noqa: B023


def _result(
    conversation: Conversation,
    outcomes: Sequence[Mapping[str, Any]],
    arrived: Mapping[bytes, RecordedRequest],
) -> Result:
    ids = [outcome["request_id"].encode() for outcome in outcomes]
    requests = [arrived[each] for each in ids if each in arrived]
    return Result(conversation, outcomes, requests)
