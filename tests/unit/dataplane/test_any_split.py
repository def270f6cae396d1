"""However the bytes of both sides are split into reads, the same messages pass.

Chunks are made anew from what each read held, so bodies are compared without their coding.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from headgate.dataplane.decisions import Decision, Inspect
from headgate.reasons import Reason
from headgate.testing.decider import LENGTH, PRINCIPAL, ScriptedDecider
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import chunked, request, response
from headgate.testing.transport import End, Peer
from headgate.wire.request import Request
from tests.support.outcomes import told_by

BODILESS = ("GET", "HEAD")
PATHS = ["/stream", "/length", "/safe", "/safe-stream", "/inspected", "/refused"]


class Ask(NamedTuple):
    """One request and the response that MLflow is to give to it."""

    method: str
    path: str
    body: bytes
    chunks: int  # pieces of a chunked body; 0: a body of known length
    minor: int
    close: bool
    expects: bool
    status: int
    response: bytes
    framing: str

    def written(self, number: int) -> bytes:
        """The request as the client writes it."""
        fields = []
        if self.close:
            fields.append("Connection: close")
        elif self.minor == 0:
            fields.append("Connection: keep-alive")
        if self.expects:
            fields.append("Expect: 100-continue")
        body = self.body
        if self.chunks:
            fields.append("Transfer-Encoding: chunked")
            body = in_chunks(body, self.chunks)
        return request(f"{self.method} {self.path}?{number}", *fields, body=body, minor=self.minor)

    def answered(self) -> bytes:
        """The response as MLflow writes it."""
        if self.empty:
            return response(self.status, f"Content-Length: {len(self.response)}")
        if self.framing == "chunked":
            return response(
                self.status, "Transfer-Encoding: chunked", body=in_chunks(self.response, 3)
            )
        if self.framing == "length":
            return response(
                self.status, f"Content-Length: {len(self.response)}", body=self.response
            )
        return b"HTTP/1.1 %d Any\r\n\r\n%b" % (self.status, self.response)

    @property
    def empty(self) -> bool:
        """Whether MLflow's response ends with its head, whatever stands in it."""
        return self.status in (204, 304)

    @property
    def bodiless(self) -> bool:
        """Whether the client's does; MLflow is sent a GET for a HEAD."""
        return self.method == "HEAD" or self.empty

    @property
    def visible(self) -> bytes:
        """The body that the client is to see."""
        return b"" if self.bodiless else self.response

    @property
    def ends_mlflows_connection(self) -> bool:
        """Whether MLflow's response ends with its connection."""
        return self.framing == "until close" and not self.bodiless

    @property
    def cut_off(self) -> bool:
        """Whether the gate may end MLflow's connection after the head: it needs no more."""
        return self.method == "HEAD" and self.framing != "length" and not self.empty

    @property
    def ends_connection(self) -> bool:
        """Whether the client's connection cannot outlive it."""
        delimited = self.framing == "length" or self.bodiless
        refused = self.path == "/refused"
        return self.close or (self.minor == 0 and not delimited and not refused)


def in_chunks(body: bytes, count: int) -> bytes:
    """``body`` in the chunked coding, in up to ``count`` chunks."""
    step = len(body) // count + 1
    return chunked(*(body[at : at + step] for at in range(0, len(body), step)))


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    """Any request that the gate serves, with any response."""
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE"]))
    path = draw(st.sampled_from(PATHS))
    minor = draw(st.sampled_from([1, 1, 1, 0]))
    size = draw(st.sampled_from([0, 1, 2, 17, 300, 70_000]))
    if method in BODILESS or (path == "/refused" and size > 300):
        size = 0
    chunks = 0
    if method not in BODILESS and path != "/refused" and minor == 1:
        chunks = draw(st.integers(0, 3))
    answered = draw(st.sampled_from([0, 1, 30, 5000]))
    return Ask(
        method,
        path,
        b"q" * size,
        chunks,
        minor,
        draw(st.sampled_from([False, False, False, True])),
        bool(size) and path != "/refused" and draw(st.booleans()),
        draw(st.sampled_from([200, 201, 204, 304, 404, 500])),
        b"a" * answered,
        draw(st.sampled_from(["length", "chunked", "until close"])),
    )


class Split(NamedTuple):
    """Where a stream of bytes is cut into reads; ``step`` cuts it into equal parts besides."""

    at: list[int]
    step: int

    def of(self, data: bytes) -> list[bytes]:
        """The parts of ``data``."""
        cuts = {cut % len(data) for cut in self.at} if data else set()
        if self.step:
            cuts |= set(range(0, min(len(data), 600), self.step))
        edges = sorted(cuts | {0, len(data)})
        return [data[a:b] for a, b in itertools.pairwise(edges)]


WHOLE = Split([], 0)
splits = st.builds(
    Split, st.lists(st.integers(0, 100_000), max_size=8), st.sampled_from([0, 0, 1, 2, 3, 7])
)


# --- reading messages back: not by the code under test ------------------------------------------


def take_chunked(data: bytes) -> tuple[bytes, bytes] | None:
    """The content of a chunked body and what follows it, or None when it is not all there."""
    content = b""
    while match := re.match(rb"([0-9a-f]+)\r\n", data):
        size = int(match[1], 16)
        end = match.end() + size
        if len(data) < end + 2:
            return None
        assert data[end : end + 2] == b"\r\n"
        content += data[match.end() : end]
        data = data[end + 2 :]
        if size == 0:
            return content, data
    return None


def take_message(data: bytes, *, bodiless: bool = False) -> tuple[bytes, bytes, bytes] | None:
    """The head of a message, the content of its body and what follows; None: not all there."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    if bodiless:
        return head, b"", rest
    if b"\r\nTransfer-Encoding: chunked" in head:
        taken = take_chunked(rest)
        return None if taken is None else (head, *taken)
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    if length is None:
        return (head, rest, b"") if head.startswith(b"HTTP/") else (head, b"", rest)
    size = int(length[1])
    return (head, rest[:size], rest[size:]) if len(rest) >= size else None


@dataclass
class Mlflow:
    """Answers each request as scripted, once it has all of it."""

    dialogue: Dialogue
    script: list[Ask]
    split: Split
    got: list[tuple[bytes, bytes]] = field(default_factory=list)
    unread: dict[Peer, bytes] = field(default_factory=dict)

    def works(self) -> None:
        """Do all that can be done now."""
        while self._accepts() or any(map(self._serves, self.dialogue.pool.peers)):
            continue

    def _accepts(self) -> bool:
        if not self.dialogue.pool.pending:
            return False
        self.dialogue.mlflow_accepts()
        return True

    def _serves(self, peer: Peer) -> bool:
        data = self.unread.get(peer, b"") + peer.received()
        taken = take_message(data)
        self.unread[peer] = data if taken is None else taken[2]
        if taken is None:
            return False
        head, body, _ = taken
        self.got.append((head, body))
        number = re.match(rb"\S+ \S+\?(\d+) ", head)
        assert number is not None
        ask = self.script[int(number[1])]
        reply = ask.answered()
        for part in self.split.of(reply):
            if peer.end() is End.OPEN:
                peer.sends(part)
            else:
                assert ask.cut_off
        if ask.ends_mlflows_connection:
            peer.finishes()
        return True


class Result(NamedTuple):
    """What came of it all."""

    at_mlflow: list[tuple[bytes, bytes]]
    at_client: list[tuple[bytes, bytes]]
    outcomes: list[dict[str, Any]]


def inspect(gate: ScriptedDecider) -> Callable[[Request], Decision]:
    """Have bodies shown to the gate first."""

    def decision(asked: Request) -> Decision:
        path, mark, query = asked.target.partition(b"?")
        return Inspect(gate.route(LENGTH, path), mark + query, PRINCIPAL)

    return decision


def play(script: list[Ask], clients: Split, mlflows: Split) -> Result:
    """Let a client send the whole script over one connection."""
    dialogue = Dialogue()
    dialogue.decider.script[b"/inspected"] = inspect(dialogue.decider)
    mlflow = Mlflow(dialogue, script, mlflows)
    client = dialogue.client()
    stream = b"".join(ask.written(number) for number, ask in enumerate(script))
    for read in clients.of(stream):
        client.sends(read)
        mlflow.works()
    received = client.received().replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    outcomes = [told_by(outcome) for outcome in dialogue.outcomes()]
    assert dialogue.pool.busy == 0
    dialogue.ends()
    assert dialogue.outcomes() == []
    return Result(mlflow.got, read_responses(script, received), outcomes)


def read_responses(script: list[Ask], received: bytes) -> list[tuple[bytes, bytes]]:
    """Heads and contents of the responses in ``received``."""
    responses = []
    for ask in script:
        bodiless = ask.method == "HEAD" or (ask.status in (204, 304) and ask.path != "/refused")
        taken = take_message(received, bodiless=bodiless) if received else None
        if taken is None:
            break
        head, content, received = taken
        responses.append((head, content))
    assert received == b""
    return responses


@given(st.lists(asks(), min_size=1, max_size=5), splits, splits)
@example([Ask("GET", "/refused", b"", 0, 1, True, False, 200, b"", "length")] * 2, WHOLE, WHOLE)
def test_any_split_into_reads_lets_the_same_messages_pass(
    script: list[Ask], clients: Split, mlflows: Split
) -> None:
    result = play(script, clients, mlflows)
    assert result == play(script, WHOLE, WHOLE)

    last = next((n for n, ask in enumerate(script) if ask.ends_connection), len(script) - 1)
    served = script[: last + 1]
    forwarded = [ask for ask in served if ask.path != "/refused"]
    assert len(result.outcomes) == len(served)
    assert [body for _, body in result.at_mlflow] == [ask.body for ask in forwarded]
    assert [body for _, body in result.at_client if b"X-Headgate" not in _] == [
        ask.visible for ask in forwarded
    ]
    for ask, outcome, (head, body) in zip(served, result.outcomes, result.at_client, strict=True):
        refused = ask.path == "/refused"
        assert outcome["reason"] is (Reason.UNAUTHENTICATED if refused else Reason.OK)
        assert outcome["status"] == (401 if refused else ask.status)
        assert head.startswith(b"HTTP/1.1 %d" % outcome["status"])
        assert outcome["bytes_in"] == (0 if refused else len(ask.body))
        assert outcome["bytes_out"] == len(body if refused else ask.visible)
