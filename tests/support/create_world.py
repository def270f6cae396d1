"""Gates, clients and MLflow in one thread, with a clock that only the test moves.

Every step that a process takes, towards the store, MLflow or a client, is one that the test
chooses, so that any other may come before it; a process may be killed before each.  What a request
asks and decides is the code of the gate; how it is carried out is written here once more.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any

from headgate.creates import Claim, Place, Response, Verdict
from headgate.creates.shared import BEAT_SECONDS, Look, Progress, Row
from headgate.dataplane.creates import Asked, CreateFinder, Resolution
from headgate.dataplane.shared_creates import (
    IN_STORE,
    Entry,
    Given,
    SharedCreates,
    SharedSearch,
    enter,
    send_as_new,
)
from headgate.events import Reconciled
from headgate.stores.creates import (
    Doubt,
    Enter,
    Forget,
    Give,
    Keep,
    Operation,
    Release,
    TakeBack,
    Written,
)
from headgate.testing.clock import ManualClock
from headgate.testing.create_store import MemoryCreateStore

PATIENCE = 5.0
LONGEST_EXECUTION = 3.0
"""Seconds that MLflow takes for a create at most."""


class LeftError(Exception):
    """The client of a request has left."""


class Until:
    """What a process waits for."""

    def __init__(self, is_due: Callable[[], bool]) -> None:
        self.is_due = is_due

    def __await__(self) -> Generator[Until, None, None]:
        yield self


def step() -> Until:
    """Anything else may happen before what follows."""
    return Until(lambda: True)


@dataclass(eq=False)
class Task:
    """Something that goes on in a process; ``process`` is ``None`` for MLflow."""

    work: Coroutine[Any, Any, None]
    process: Process | None
    waits: Until = field(default_factory=step)
    client: Client | None = None


@dataclass(eq=False)
class Client:
    """A process of a user's, which creates one run and sends its create until it has it."""

    digest: bytes
    run: str = ""
    sends: int = 0
    task: Task | None = None


@dataclass(eq=False)
class Execution:
    """A create that MLflow has been sent."""

    digest: bytes
    run: str = ""
    responded: bool = False


class Process(SharedCreates):
    """A gate, as the store sees it."""

    def __init__(self, world: World, me: str) -> None:
        self.me = me
        self.world = world
        self.alive = True
        self.queue: list[Operation] = []
        self.given: dict[int, tuple[Response, bytes]] = {}
        self.allowed: dict[int, bool] = {}

    @property
    def is_up(self) -> bool:
        return True

    def miss(self) -> None:
        raise AssertionError

    def now(self) -> float:
        return self.world.clock()

    async def pause(self, seconds: float) -> None:
        until = self.world.clock() + seconds
        await Until(lambda: self.world.clock() >= until)

    def is_gone(self, process: str) -> bool:
        return False

    def flush(self, *more: Operation) -> list[Any]:
        """Do what is due in the store, in one transaction."""
        due, self.queue = [*self.queue, *more], []
        answers = self.world.store.apply(self.me, due)
        for each, answer in zip(due, answers, strict=True):
            if isinstance(each, Give):
                self.allowed[each.id] = answer is True
        return answers

    async def enter(self, digest: bytes, *, forced: bool) -> tuple[Look, Place] | None:
        await step()
        row = self.world.number()
        look = self.flush(Enter(row, digest, forced))[-1]
        return look, Place(IN_STORE, row)

    async def claim(self, row: Row) -> bool:
        await step()
        self.flush()
        return self.world.store.claim(self.me, row.id, row.claimer)

    async def progress(self, claim: Claim) -> Progress | None:
        await step()
        self.flush()
        return self.world.store.progress(self.me, claim.place.serial, ())

    async def join(self, claim: Claim, digest: bytes, found: list[str]) -> tuple[Verdict, int]:
        await step()
        self.flush()
        ids = [each.encode() for each in found]
        verdict, made = self.world.store.join(self.me, claim.place.serial, digest, ids, ())
        return verdict, ids.index(made) if made else 0

    def give(
        self, place: Place, digest: bytes, response: Response, made: str
    ) -> Coroutine[Any, Any, Given]:
        self.given[place.serial] = response, made.encode()
        give = Give(place.serial, digest, made.encode())
        self.queue.append(give)
        return self._given(give)

    async def _given(self, give: Give) -> Given:
        await step()
        self.flush()
        if self.world.has_gaps:
            await step()  # it may be killed between
        return Given.YES if self.allowed.pop(give.id) else Given.NO

    def note(self, digest: bytes, made: str) -> None:
        raise AssertionError

    def keep(self, place: Place, response: Response, made: str) -> None:
        self.queue.append(Keep(place.serial, response, made.encode()))

    def leave(self, place: Place) -> None:
        self.queue.append(Doubt(place.serial, awaited=True))

    def abandon(self, place: Place, *, status: int = 0) -> None:
        self.queue.append(Doubt(place.serial, awaited=False, failed=status >= 500))

    def forget(self, place: Place) -> None:
        self.queue.append(Forget(place.serial))

    def written(self, place: Place) -> None:
        self.queue.append(Written(place.serial))

    def unwritten(self, place: Place) -> None:
        response, made = self.given[place.serial]
        self.queue.append(TakeBack(place.serial, response, made))

    def release(self, claim: Claim) -> None:
        self.queue.append(Release(claim.place.serial))


class Finder(CreateFinder):
    """Finds what MLflow has made of a digest, if no client works with it yet."""

    def __init__(self, world: World, digest: bytes) -> None:
        self.patience = PATIENCE
        self.across_gates = True
        self._world = world
        self._digest = digest

    async def find(self, asked: Asked) -> list[tuple[str, bytes]] | None:
        await step()
        world = self._world
        return [
            (each.run, each.run.encode())
            for each in world.executions
            if each.digest == self._digest and each.run and each.run not in world.touched
        ]


class World:
    """All of it.

    Args:
        rng: chooses what happens next.
        has_gaps: whether a gate may be killed after the store lets it give a response and before
            it has done so.
    """

    def __init__(self, rng: random.Random, *, has_gaps: bool) -> None:
        self.rng = rng
        self.has_gaps = has_gaps
        self.clock = ManualClock()
        self.store = MemoryCreateStore(self.clock)
        self.tasks: list[Task] = []
        self.processes: list[Process] = []
        self.executions: list[Execution] = []
        self.clients: list[Client] = []
        self.touched: set[str] = set()
        self.kills = 0
        self.leaves = 0
        self._numbers = 0
        for _ in range(2):
            self.start()

    def number(self) -> int:
        """A number that is nothing else's."""
        self._numbers += 1
        return self._numbers

    # --- what a test does ------------------------------------------------------------------

    def start(self) -> None:
        """Start a gate."""
        process = Process(self, f"gate.{self.number()}")
        self.processes.append(process)
        self.tasks.append(Task(self._beat(process), process))

    def kill(self, process: Process) -> None:
        """Kill a gate whole: its clients notice, the store does not; another takes its place."""
        self.kills += 1
        process.alive = False
        self.processes.remove(process)
        for each in [each for each in self.tasks if each.process is process]:
            self.tasks.remove(each)
            each.work.close()
            if each.client is not None:
                each.client.task = None
        self.start()

    @property
    def killable(self) -> list[Process]:
        """The gates that may be killed now."""
        return [each for each in self.processes if self.has_gaps or not each.allowed]

    def send(self, client: Client) -> None:
        """Let a client send its create, on a new connection to any gate."""
        client.sends += 1
        process = self.rng.choice(self.processes)
        client.task = Task(self._serve(process, client), process, client=client)
        self.tasks.append(client.task)

    def leave(self, client: Client) -> None:
        """Let a client give its connection up, as after a time-out; its gate notices."""
        self.leaves += 1
        task, client.task = client.task, None
        assert task is not None
        self._go(task, LeftError())

    def go(self) -> None:
        """Let something happen that is due; if nothing is, let time pass."""
        due = [each for each in self.tasks if each.waits.is_due()]
        if not due or self.rng.random() < 0.02:
            self.clock.advance(self.rng.choice((0.05, 0.1, 0.3)))
        if due:
            self._go(self.rng.choice(due), None)

    def _go(self, task: Task, error: Exception | None) -> None:
        try:
            task.waits = task.work.send(None) if error is None else task.work.throw(error)
        except (StopIteration, LeftError):
            self.tasks.remove(task)
            if task.client is not None and task.client.task is task:
                task.client.task = None

    # --- what processes do -----------------------------------------------------------------

    async def _beat(self, process: Process) -> None:
        while True:
            await process.pause(BEAT_SECONDS)
            process.flush()

    async def _serve(self, process: Process, client: Client) -> None:
        """One request, as its responder carries it out."""
        entry = Entry()
        try:
            entry = await enter(process, client.digest)
            while entry.claim is not None:
                claim = entry.claim
                resolution = await self._resolve(process, client, entry)
                if resolution.response is not None:
                    await self._give(process, client, claim.place, resolution.response)
                    return
                entry = await send_as_new(process, claim, client.digest)
        except LeftError:
            if entry.claim is not None:
                process.release(entry.claim)
            return
        assert entry.place is not None
        await self._forward(process, client, entry.place)

    async def _resolve(self, process: Process, client: Client, entry: Entry) -> Resolution:
        assert entry.claim is not None
        if entry.response is not None:
            return Resolution(Reconciled.RESPONSE, entry.response)
        finder = Finder(self, client.digest)
        asked: Any = None
        search = SharedSearch(process, entry.claim, client.digest, asked, finder)
        return await search.resolve(lambda: False)

    async def _forward(self, process: Process, client: Client, place: Place) -> None:
        try:
            await step()
        except LeftError:
            process.forget(place)
            return
        execution = Execution(client.digest)
        self.executions.append(execution)
        self.tasks.append(Task(self._execute(execution), None))
        try:
            await Until(lambda: execution.responded)
        except LeftError:
            process.leave(place)
            detached = self._detached(process, place, execution)
            self.tasks.append(Task(detached, process))
            return
        await self._give(process, client, place, response_of(execution))

    async def _detached(self, process: Process, place: Place, execution: Execution) -> None:
        await Until(lambda: execution.responded)
        process.keep(place, response_of(execution), execution.run)

    async def _give(
        self, process: Process, client: Client, place: Place, response: Response
    ) -> None:
        try:
            given = await process.give(place, client.digest, response, response.body.decode())
        except LeftError:
            process.unwritten(place)
            return
        if given is Given.YES:
            client.run = response.body.decode()
            process.written(place)

    async def _execute(self, execution: Execution) -> None:
        until = self.clock() + self.rng.choice((0.0, 0.1, LONGEST_EXECUTION))
        await Until(lambda: self.clock() >= until)
        execution.run = f"run-{self.number()}"
        await step()
        execution.responded = True

    def close(self) -> None:
        """Leave nothing that runs."""
        for each in self.tasks:
            each.work.close()


def response_of(execution: Execution) -> Response:
    """MLflow's response."""
    return Response(200, b"", execution.run.encode())
