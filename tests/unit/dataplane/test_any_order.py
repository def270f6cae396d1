"""Whatever happens in whatever order: one outcome for each request, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import ByteSize

from headgate.config import Limits, Upstream
from headgate.dataplane.client import PIPELINE_BYTES
from headgate.dataplane.upstream import WRITE_HIGH_WATER
from headgate.model import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import answer, chunked, request
from headgate.testing.transport import Peer

LARGE = b"x" * 150_000
CHUNKED = "Transfer-Encoding: chunked"
REQUESTS = {
    "get": request("GET /stream"),
    "get by 1.0": request("GET /safe", minor=0),
    "get by 1.0, kept": request("GET /safe", "Connection: keep-alive", minor=0),
    "head": request("HEAD /stream"),
    "refused": request("GET /refused"),
    "refused, close": request("GET /refused", "Connection: close"),
    "redirected": request("GET /redirect"),
    "defect": request("GET /defect"),
    "safe post": request("POST /safe", body=b"search"),
    "safe post, chunked": request("POST /safe", CHUNKED, body=chunked(b"sea", b"rch")),
    "safe stream": request("POST /safe-stream", CHUNKED, body=chunked(b"sea", b"rch")),
    "post": request("POST /length", body=LARGE),
    "post, over the cap": request("POST /length", CHUNKED, body=chunked(b"x" * 600, b"x" * 600)),
    "refused post": request("POST /refused", body=b"short"),
    "refused large post": request("POST /refused", body=LARGE),
    "put": request("PUT /stream", body=LARGE),
    "put, chunked": request("PUT /stream", CHUNKED, body=chunked(LARGE, LARGE)),
    "put, invited": request("PUT /stream", "Expect: 100-continue", body=b"invited"),
    "put, broken": request("PUT /stream", CHUNKED, body=b"3\r\nabcdef\r\n0\r\n\r\n"),
    "ambiguous": request("POST /length", "Content-Length: 1", CHUNKED, body=b"x"),
    "nonsense": b"no request\r\n\r\n",
    "empty line": b"\r\n",
}
ANSWERS = {
    "small": answer(200, body=b"small"),
    "large": answer(200, body=LARGE),
    "chunked": answer(200, CHUNKED, body=chunked(b"a", LARGE)),
    "close": answer(200, "Connection: close", body=b"last"),
    "204": answer(204),
    "304": answer(304, "Content-Length: 10"),
    "100": answer(100),
    "500": answer(500, body=b"sorry"),
    "two": answer(200, body=b"one") + answer(200, body=b"too many"),
    "until close": b"HTTP/1.1 200 OK\r\n\r\nuntil close",
    "until close, empty": b"HTTP/1.0 200 OK\r\n\r\n",
    "broken": answer(200, CHUNKED, body=b"no chunk\r\n"),
    "nonsense": b"no answer\r\n\r\n",
}
MOST_WAITING = WRITE_HIGH_WATER + 2 * max(map(len, (*REQUESTS.values(), *ANSWERS.values())))
pick = st.integers(0, 9)
parts = st.sampled_from([1, 1, 2, 5, 1000])


class AnyOrder(RuleBasedStateMachine):
    """Both ends of a data plane do as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.dialogue = Dialogue(
            Limits(connections=4, in_flight=3, buffered_body_bytes=ByteSize(1000)),
            Upstream(silence_timeout=90, idle_connections=2),
        )
        self.clients: list[Peer] = []
        self.unsent: dict[Peer, bytes] = {}

    # --- clients -------------------------------------------------------------------------------

    @precondition(lambda self: len(self.clients) < 10)
    @rule()
    def a_client_connects(self) -> None:
        self.clients.append(self.dialogue.client())

    @precondition(lambda self: self.clients)
    @rule(which=pick, what=st.lists(st.sampled_from(sorted(REQUESTS)), min_size=1, max_size=3))
    def a_client_has_something_to_send(self, which: int, what: list[str]) -> None:
        peer = self.clients[which % len(self.clients)]
        self.unsent[peer] = self.unsent.get(peer, b"") + b"".join(map(REQUESTS.__getitem__, what))

    @precondition(lambda self: self.unsent)
    @rule(which=pick, part=parts)
    def a_part_of_it_arrives(self, which: int, part: int) -> None:
        peer = list(self.unsent)[which % len(self.unsent)]
        data = self.unsent.pop(peer)
        size = len(data) // part + 1
        if rest := data[size:]:
            self.unsent[peer] = rest
        peer.sends(data[:size])

    @precondition(lambda self: self.clients)
    @rule(which=pick, how=st.sampled_from([Peer.finishes, Peer.resets, Peer.stops_reading]))
    def a_client_does_something(self, which: int, how: Callable[[Peer], None]) -> None:
        peer = self.clients[which % len(self.clients)]
        how(peer)
        if how is not Peer.stops_reading:
            self.unsent.pop(peer, None)

    @precondition(lambda self: self.clients)
    @rule(which=pick, size=st.sampled_from([None, 1000, 200_000]))
    def a_client_reads(self, which: int, size: int | None) -> None:
        self.clients[which % len(self.clients)].reads(size)

    # --- MLflow --------------------------------------------------------------------------------

    @precondition(lambda self: self.dialogue.pool.pending)
    @rule(which=pick, accepts=st.sampled_from([True, True, True, False]))
    def mlflow_is_connected_to(self, which: int, accepts: bool) -> None:
        pending = self.dialogue.pool.pending
        connecting = pending[which % len(pending)]
        if accepts:
            connecting.succeeds()
        else:
            connecting.fails(ConnectionRefusedError())
        self.dialogue.turns.run()

    @precondition(lambda self: self._open())
    @rule(which=pick, what=st.sampled_from(sorted(ANSWERS)), part=parts)
    def mlflow_sends(self, which: int, what: str, part: int) -> None:
        data = ANSWERS[what]
        size = len(data) // part + 1
        peer = self._open()[which % len(self._open())]
        peer.sends(*(data[at : at + size] for at in range(0, min(len(data), 20 * size), size)))

    @precondition(lambda self: self._open())
    @rule(which=pick, how=st.sampled_from([Peer.finishes, Peer.resets, Peer.stops_reading]))
    def mlflow_does_something(self, which: int, how: Callable[[Peer], None]) -> None:
        how(self._open()[which % len(self._open())])

    @precondition(lambda self: self._open())
    @rule(which=pick, size=st.sampled_from([None, 1000, 200_000]))
    def mlflow_reads(self, which: int, size: int | None) -> None:
        self._open()[which % len(self._open())].reads(size)

    def _open(self) -> list[Peer]:
        return [peer for peer in self.dialogue.pool.peers if not peer.closed()]

    # --- beside --------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, 4.0, 40.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.dialogue.passes(seconds)

    @rule(often=st.integers(0, 19))
    def the_worker_is_told_to_stop(self, often: int) -> None:
        if not often:
            self.dialogue.drains()

    # --- what must hold ------------------------------------------------------------------------

    @invariant()
    def what_waits_is_bounded(self) -> None:
        for peer in (*self.clients, *self.dialogue.pool.peers):
            assert peer.transport.get_write_buffer_size() <= MOST_WAITING
        for connection in self.dialogue.plane.connections:
            assert len(connection._held) <= PIPELINE_BYTES + MOST_WAITING

    @invariant()
    def no_request_ends_twice(self) -> None:
        ids = [outcome.request_id for outcome in self.dialogue.gate.outcomes]
        assert len(ids) == len(set(ids))

    @invariant()
    def there_are_no_defects(self) -> None:
        for outcome in self.dialogue.gate.outcomes:
            assert (outcome.reason is Reason.INTERNAL) == (outcome.target == b"/defect")

    def teardown(self) -> None:
        self.dialogue.ends()


AnyOrder.TestCase.settings = settings(stateful_step_count=60)
TestAnyOrder = AnyOrder.TestCase
