"""Whatever happens in whatever order: one outcome for each request, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ByteSize

from headgate.cluster import ProbeResult
from headgate.config import Limits, Upstream
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.client_stage import PIPELINE_BYTES
from headgate.dataplane.connection_states import TRANSITIONS, Stage
from headgate.dataplane.connections.upstream import WRITE_HIGH_WATER
from headgate.dataplane.decisions import Inspect
from headgate.reasons import Reason
from headgate.testing.decider import LENGTH, PRINCIPAL
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import chunked, request, response
from headgate.testing.policies import cluster_policy
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
    "inspected post": request("POST /inspected", body=b"x" * 900),
    "inspected post, over the cap": request("POST /inspected", body=b"x" * 1100),
    "inspected post, chunked": request("POST /inspected", CHUNKED, body=chunked(b"se", b"en")),
    "put": request("PUT /stream", body=LARGE),
    "put, chunked": request("PUT /stream", CHUNKED, body=chunked(LARGE, LARGE)),
    "put, invited": request("PUT /stream", "Expect: 100-continue", body=b"invited"),
    "put, broken": request("PUT /stream", CHUNKED, body=b"3\r\nabcdef\r\n0\r\n\r\n"),
    "ambiguous": request("POST /length", "Content-Length: 1", CHUNKED, body=b"x"),
    "nonsense": b"no request\r\n\r\n",
    "empty line": b"\r\n",
}
RESPONSES = {
    "small": response(200, body=b"small"),
    "large": response(200, body=LARGE),
    "chunked": response(200, CHUNKED, body=chunked(b"a", LARGE)),
    "close": response(200, "Connection: close", body=b"last"),
    "204": response(204),
    "304": response(304, "Content-Length: 10"),
    "100": response(100),
    "500": response(500, body=b"sorry"),
    "two": response(200, body=b"one") + response(200, body=b"too many"),
    "until close": b"HTTP/1.1 200 OK\r\n\r\nuntil close",
    "until close, empty": b"HTTP/1.0 200 OK\r\n\r\n",
    "page": response(500, "Content-Type: text/html", body=b"<html>"),
    "text": response(403, "Content-Type: text/plain", body=b"refused"),
    "broken": response(200, CHUNKED, body=b"no chunk\r\n"),
    "nonsense": b"no response\r\n\r\n",
}
MOST_WAITING = WRITE_HIGH_WATER + 2 * max(map(len, (*REQUESTS.values(), *RESPONSES.values())))
STEPS = 60
READ = 256 * 1024  # the most that uvloop reads in one go
T = TypeVar("T")


def in_reads(data: bytes) -> list[bytes]:
    """``data`` as the event loop would deliver it, were it all there."""
    return [data[at : at + READ] for at in range(0, len(data), READ)]


class World:
    """A data plane, and all that its surroundings may do to it."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.dialogue = Dialogue(
            Limits(connections=6, in_flight=4, buffered_body_bytes=ByteSize(1000)),
            Upstream(silence_timeout=90, idle_connections=2),
            cluster_policy(probe_interval=0, max_in_flight=2, queue_size=2, ejection_after=2),
            endpoints=self._pick([1, 2]),
        )
        self._clients: list[Peer] = []
        self._unsent: dict[Peer, bytes] = {}
        for _ in range(self._pick(range(1, 5))):
            self.client_connects()
        route = self.dialogue.decider.route(LENGTH)
        self.dialogue.decider.script[b"/inspected"] = lambda _: Inspect(route, b"", PRINCIPAL)

    def step(self) -> None:
        """Something happens; what is repeated here happens more often."""
        steps = [self.client_sends] * 6 + [self.client_reads] * 2
        steps += [self.client_leaves, self.client_connects, self.client_stops_reading]
        steps += [self.time_passes, self.mlflow_is_probed]
        if self._unsent:
            steps += [self.rest_arrives] * 3
        if self.dialogue.pending:
            steps += [self.mlflow_accepts] * 4 + [self.mlflow_refuses]
        if self._open():
            steps += [self.mlflow_reads, self.mlflow_stops_reading, self.mlflow_leaves]
            steps += [self.mlflow_sends]
        if self._asked():
            steps += [self.mlflow_answers] * 6
        self._pick(steps)()

    def _pick(self, choice: Sequence[T]) -> T:
        return self._data.draw(st.sampled_from(choice))

    # --- clients -------------------------------------------------------------------------------

    def client_connects(self) -> None:
        self._clients.append(self.dialogue.client(tls=self._pick([False, False, True])))

    def client_sends(self) -> None:
        """The first part arrives of what it wants to send."""
        peer = self._client()
        names = self._data.draw(st.lists(st.sampled_from(sorted(REQUESTS)), max_size=3))
        data = self._unsent.pop(peer, b"") + b"".join(REQUESTS[name] for name in names)
        size = len(data) // self._parts() + 1
        if rest := data[size:]:
            self._unsent[peer] = rest
        peer.sends(*in_reads(data[:size]))

    def rest_arrives(self) -> None:
        peer = self._pick(list(self._unsent))
        peer.sends(*in_reads(self._unsent.pop(peer)))

    def client_leaves(self) -> None:
        peer = self._client()
        self._unsent.pop(peer, None)
        self._pick([Peer.finishes, Peer.resets])(peer)

    def client_stops_reading(self) -> None:
        self._client().stops_reading()

    def client_reads(self) -> None:
        self._client().reads(self._pick([None, 1000, 200_000]))

    def _client(self) -> Peer:
        return self._pick([peer for peer in self._clients if not peer.closed()] or self._clients)

    # --- MLflow --------------------------------------------------------------------------------

    def mlflow_accepts(self) -> None:
        self._pick(self.dialogue.pending).succeeds()
        self.dialogue.turns.run()

    def mlflow_refuses(self) -> None:
        self._pick(self.dialogue.pending).fails(ConnectionRefusedError())
        self.dialogue.turns.run()

    def mlflow_answers(self) -> None:
        """Some connection on which something was asked."""
        peer = self._pick(self._asked())
        peer.received()
        self._sends(peer)

    def mlflow_sends(self) -> None:
        """Perhaps nothing was asked."""
        self._sends(self._pick(self._open()))

    def mlflow_is_probed(self) -> None:
        """An endpoint is found well or not, which is acted upon with the next sweep."""
        result = ProbeResult(self._pick([True, False]), 0.1, "probed")
        endpoint = self._pick(self.dialogue.pools).endpoint
        self.dialogue.cluster.probed(endpoint, result, self.dialogue.clock())

    def mlflow_leaves(self) -> None:
        self._pick([Peer.finishes, Peer.resets])(self._pick(self._open()))

    def mlflow_stops_reading(self) -> None:
        self._pick(self._open()).stops_reading()

    def mlflow_reads(self) -> None:
        self._pick(self._open()).reads(self._pick([None, 1000, 200_000]))

    def _open(self) -> list[Peer]:
        return [peer for peer in self.dialogue.mlflows if not peer.closed()]

    def _asked(self) -> list[Peer]:
        return [peer for peer in self._open() if peer.transport.arrived]

    def _sends(self, peer: Peer) -> None:
        """A response, or the beginning of one."""
        data = RESPONSES[self._pick(sorted(RESPONSES))]
        size = len(data) // self._parts() + 1
        peer.sends(*(data[at : at + size] for at in range(0, min(len(data), 20 * size), size)))

    def _parts(self) -> int:
        return self._pick([1, 1, 1, 2, 5, 1000])

    # --- beside --------------------------------------------------------------------------------

    def time_passes(self) -> None:
        self.dialogue.passes(self._pick([1.0, 1.0, 4.0, 20.0, 65.0, 100.0]))

    # --- what must hold ------------------------------------------------------------------------

    def holds(self) -> None:
        """Memory is bounded, no request has ended twice, and there are no defects but one."""
        for peer in (*self._clients, *self.dialogue.mlflows):
            assert peer.transport.get_write_buffer_size() <= MOST_WAITING
        for connection in self.dialogue.plane.connections:
            assert isinstance(connection, ClientConnection)
            assert len(connection._reader) <= PIPELINE_BYTES + READ
        outcomes = self.dialogue.accounted
        assert len({outcome.request_id for outcome in outcomes}) == len(outcomes)
        for outcome in outcomes:
            if outcome.target == b"/defect":  # its head may have come in part alone
                assert outcome.reason in (Reason.INTERNAL, Reason.REQUEST_MALFORMED)
            else:
                assert outcome.reason is not Reason.INTERNAL


def run(data: st.DataObject) -> None:
    """Let anything happen, and look after each step whether all is well."""
    world = World(data)
    drain_at = data.draw(st.integers(STEPS // 2, 2 * STEPS))
    for number in range(STEPS):
        world.step()
        if number == drain_at:
            world.dialogue.drains()
        world.holds()
    world.dialogue.ends()


@given(st.data())
def test_nothing_leaks_and_every_request_ends_once(data: st.DataObject) -> None:
    run(data)


@pytest.mark.patches
@given(st.data())
def test_connections_change_their_stage_by_the_table_only(data: st.DataObject) -> None:
    changes: set[tuple[Stage, Stage]] = set()
    enter = ClientConnection._enter

    def noted(connection: ClientConnection, stage: Stage) -> None:
        changes.add((connection.stage, stage))
        enter(connection, stage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientConnection, "_enter", noted)
        run(data)
    assert changes <= {(each.before, each.after) for each in TRANSITIONS}
