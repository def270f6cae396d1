"""Creates in any order of events: each client has an end, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from headgate.creates import KEPT_BYTES
from headgate.dataplane.responders.create_delivery import MAX_HELD
from headgate.errors import HeadgateError
from headgate.runtime.create_store_thread import RETRY_SECONDS
from headgate.testing.messages import response
from headgate.testing.transport import End, Peer
from tests.support.create_scene import CreateScene, made, play

JSON = "Content-Type: application/json"
RESPONSES = {
    "a run": b"",
    "a long run": b"long",
    "a page": response(200, "Content-Type: text/html", body=b"<html>sign in</html>"),
    "no id": response(200, JSON, body=b"{}"),
    "refused": response(400, JSON, body=b"{}"),
    "failed": response(503, JSON, body=b"{}"),
    "too long": response(200, JSON, body=b" " * (MAX_HELD + 70_000)),
    "to the end": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
    "half": response(200, JSON, body=b"{" + b" " * 99)[:-50],
    "nonsense": b"no response\r\n\r\n",
}
EVENTS = [
    *("sends", "sends", "accepts", "accepts", "leaves", "half closes", "resets", "finishes"),
    *("passes", "store fails", "store is back", "finds", "refuses"),
    *RESPONSES,
]


class Story:
    """What happens to clients, MLflow and the store."""

    def __init__(self, scene: CreateScene) -> None:
        self.scene = scene
        self.there: list[Peer] = []
        self.asked: list[Peer] = []
        self.halves: list[Peer] = []
        self.runs = 0

    async def happens(self, event: str, number: int) -> None:
        """One event."""
        if event == "sends":
            self.there.append(await self.scene.sends())
        elif event == "passes":
            await self.scene.passes(RETRY_SECONDS)
        elif event in ("leaves", "half closes"):
            self._client_goes(event, number)
        elif event in ("store fails", "store is back"):
            self.scene.store.failure = HeadgateError("down") if event == "store fails" else None
        elif event == "finds":
            self.runs += 1
            run = f"r{self.runs}"
            self.scene.finder.found.append((run, made(run).partition(b"\r\n\r\n")[2]))
        else:
            self._mlflow_does(event, number)
        await self.settles()

    def _client_goes(self, event: str, number: int) -> None:
        if self.there and event == "leaves":
            self.there.pop(number % len(self.there)).resets()
        elif self.there:
            self.there[number % len(self.there)].finishes()

    def _mlflow_does(self, event: str, number: int) -> None:
        pending, asked = self.scene.dialogue.pending, self.asked
        if event in ("accepts", "refuses"):
            if pending and event == "accepts":
                pending[0].succeeds()
            elif pending:
                pending[0].fails(ConnectionRefusedError(111, "refused"))
        elif asked and event in RESPONSES:
            self.responds(asked[number % len(asked)], event)
        elif asked:
            mlflow = asked.pop(number % len(asked))
            (mlflow.resets if event == "resets" else mlflow.finishes)()

    def responds(self, mlflow: Peer, kind: str) -> None:
        """MLflow, or what is in front of it, responds."""
        if kind == "half":
            self.halves.append(mlflow)
        else:
            self.asked.remove(mlflow)
        data = RESPONSES[kind]
        if data in (b"", b"long"):
            self.runs += 1
            data = made(f"r{self.runs}", size=KEPT_BYTES if data else 0)
        mlflow.sends(data[:-10], data[-10:])
        if kind == "to the end":
            mlflow.finishes()

    async def settles(self) -> None:
        """Let everything follow, and see what MLflow was asked."""
        await self.scene.turns()
        for each in self.scene.dialogue.mlflows:
            if each.closed():
                if each in self.asked:
                    self.asked.remove(each)
            elif each.received() and each not in self.asked:
                self.asked.append(each)

    async def ends(self) -> None:
        """MLflow responds to whatever it is asked, for a while."""
        self.scene.store.failure = None
        for each in self.halves:
            each.resets()
        await self.settles()
        for _ in range(40):
            while self.scene.dialogue.pending:
                self.scene.dialogue.pending[0].succeeds()
                await self.settles()
            for each in tuple(self.asked):
                self.asked.remove(each)
                self.runs += 1
                each.sends(made(f"r{self.runs}"))
                await self.settles()
            await self.scene.passes(3.0)
            await self.settles()
        assert self.scene.dialogue.plane.in_flight == 0, "a request has no end"
        for client in self.there:
            assert client.received() or client.end() is not End.OPEN, "a client has no end"
        assert not self.scene.table.report(), "it would report without end"


@pytest.mark.parametrize("across_gates", [False, True])
@settings(max_examples=60)
@given(
    first=st.sampled_from(sorted(RESPONSES)),
    events=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 3)), max_size=14),
    before=st.integers(0, 3),
)
def test_creates_in_any_order(
    first: str, events: Sequence[tuple[str, int]], before: int, across_gates: bool
) -> None:
    events = [("sends", 0), ("accepts", 0), *events[:before], (first, 0), *events[before:]]
    note(repr(events))

    async def whole(scene: CreateScene) -> None:
        story = Story(scene)
        for event, number in events:
            await story.happens(event, number)
        await story.ends()

    play(whole, across_gates=across_gates)
