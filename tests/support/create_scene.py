"""One worker that remembers creates, with its client, MLflow and the store in one thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

import pytest

from headgate.dataplane.creates import Asked, CreateFinder
from headgate.dataplane.responders.detached_create import DETACHED_SECONDS
from headgate.model import BodyHandling, Created, Operation, Retry
from headgate.runtime import create_store_thread
from headgate.runtime.shared_creates import StoreCreates
from headgate.testing.create_store import MemoryCreateStore
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import request, response
from headgate.testing.transport import Peer
from tests.support.create_memory import Processes

CREATE = Operation(
    "runs", Retry.NEVER, BodyHandling.LENGTH, json_only=True, writes=True, creates=Created.RUN
)
MESSAGE = {
    "experiment_id": "7",
    "user_id": "ada",
    "start_time": 1_795_946_249_543,
    "tags": [{"key": "mlflow.user", "value": "ada"}],
}
TURNS = 30


class Inline(Executor):
    """Does work where it is submitted."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """See ``Executor``."""
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **named))
        except Exception as error:  # noqa: BLE001 - as an executor does
            done.set_exception(error)
        return done


class Finder(CreateFinder):
    """MLflow as the gate's search sees it."""

    def __init__(self, *, across_gates: bool) -> None:
        self.patience = 0.0
        self.across_gates = across_gates
        self.found: list[tuple[str, bytes]] = []
        self.asked = 0

    async def find(self, asked: Asked) -> list[tuple[str, bytes]] | None:
        """See ``CreateFinder``."""
        self.asked += 1
        return self.found


class CreateScene:
    """A worker; its ``table``, and its ``shared`` creates in a ``store`` where it shares them."""

    def __init__(self, *, across_gates: bool = False) -> None:
        self.dialogue = Dialogue()
        self.clients: list[Peer] = []
        self.dialogue.decider.script[b"/create"] = CREATE
        self.finder = Finder(across_gates=across_gates)
        self.dialogue.balancer.creates = self.finder
        processes = Processes()
        processes.clock = self.dialogue.clock
        _, self.table = processes.start()
        _, self.other_table = processes.start()
        self.dialogue.plane.creates = self.table
        self.store = MemoryCreateStore(self.dialogue.clock)
        self.shared = self.sharing("one")
        if across_gates:
            self.dialogue.plane.shared_creates = self.shared

    def sharing(self, me: str) -> StoreCreates:
        """What a process shares with the others."""
        return StoreCreates(
            me,
            lambda: self.store,
            lambda _process: False,
            self.dialogue.clock,
            self.dialogue.events.append,
            lambda _why: None,
            lambda: 2.0,
        )

    async def turns(self) -> None:
        """Let everything happen that follows."""
        for _ in range(TURNS):
            self.dialogue.turns.run()
            await asyncio.sleep(0)

    async def passes(self, seconds: float) -> None:
        """Time passes."""
        self.dialogue.passes(seconds)
        await self.turns()

    async def sends(self) -> Peer:
        """A client sends the create."""
        client = self.dialogue.client()
        self.clients.append(client)
        client.sends(request("POST /create", body=json.dumps(MESSAGE).encode()))
        await self.turns()
        return client

    async def accepts(self) -> Peer:
        """MLflow takes the create."""
        mlflow = self.dialogue.mlflow_accepts()
        await self.turns()
        mlflow.received()
        return mlflow

    async def connects(self) -> None:
        """MLflow accepts whatever connection is opened, until none is any more."""
        await self.passes(1)
        while self.dialogue.pending:
            await self.accepts()


def made(run: str = "r1", size: int = 0) -> bytes:
    """MLflow's response to the create; ``size``: bytes of a tag."""
    run_of = {"info": {"run_id": run}, "data": {"tags": [{"key": "t", "value": "x" * size}]}}
    return response(
        200, "Content-Type: application/json", body=json.dumps({"run": run_of}).encode()
    )


@contextmanager
def _inline() -> Iterator[None]:
    turn = asyncio.sleep
    with pytest.MonkeyPatch.context() as patch:
        # Who waits looks again in the next turn; the clocks are those of the test.
        patch.setattr(asyncio, "sleep", lambda _seconds: turn(0))
        patch.setattr(create_store_thread, "ThreadPoolExecutor", lambda **_: Inline())
        yield


def play(story: Callable[[CreateScene], Coroutine[Any, Any, None]], *, across_gates: bool) -> None:
    """Let a story happen; nothing may be left behind."""

    async def whole() -> None:
        scene = CreateScene(across_gates=across_gates)
        with scene.shared._thread.running():
            await story(scene)
            for each in scene.clients:
                each.resets()
            await scene.passes(DETACHED_SECONDS + 1)
            scene.dialogue.ends()
            await scene.turns()
            assert not scene.shared._under_way, "creates are kept that nobody waits for"

    with _inline():
        asyncio.run(whole())
