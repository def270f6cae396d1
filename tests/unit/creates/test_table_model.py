"""No run is ever with two clients, whatever happens to processes, clients and MLflow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.creates import BusyError, Claim, CreateTable, Place, Response, Verdict
from tests.support.create_memory import KilledError, Processes

DIGESTS = (b"a" * 32, b"b" * 32)
NEVER = 1000
_kills = st.one_of(st.just(NEVER), st.integers(0, 8))
_words = st.integers(0, 11)
_numbers = st.integers(0, 1000)


@dataclass
class Request:
    """One request that is under way in a process."""

    slot: int
    digest: bytes
    place: Place | None = None
    claim: Claim | None = None
    made: str = ""
    writing: bool = False
    left: bool = False


class Scene(RuleBasedStateMachine):
    """Several processes, whose clients send creates of two digests again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.processes = Processes()
        self.tables: dict[int, CreateTable] = {}
        self.requests: list[Request] = []
        self.mlflow: dict[bytes, list[str]] = {digest: [] for digest in DIGESTS}
        self.with_clients: set[str] = set()
        self.count = 0
        for _ in range(2):
            self.start()

    # --- what happens to processes ---------------------------------------------------------

    @precondition(lambda self: len(self.tables) < 3)
    @rule()
    def start(self) -> None:
        slot, table = self.processes.start()
        self.tables[slot] = table

    @precondition(lambda self: len(self.tables) > 1)
    @rule(number=_numbers)
    def kill(self, number: int) -> None:
        self._kill(sorted(self.tables)[number % len(self.tables)])

    def _kill(self, slot: int) -> None:
        self.processes.kill(slot)
        del self.tables[slot]
        for each in self.requests:
            if each.slot == slot and each.writing and each.left:
                self.with_clients.discard(each.made)  # its client is gone
        self.requests = [each for each in self.requests if each.slot != slot]

    def _do(self, slot: int, kill_at: int, words: int, work: Callable[[CreateTable], Any]) -> Any:
        """Do something in a process that is killed at its ``kill_at``-th write."""
        memory = self.processes.memory
        memory.writes, memory.words = (None if kill_at == NEVER else kill_at), words
        try:
            return work(self.tables[slot])
        except KilledError:
            self._kill(slot)
            if not self.tables:
                self.start()
            raise
        finally:
            memory.writes = None

    # --- what clients do -------------------------------------------------------------------

    @rule(number=_numbers, digest=st.sampled_from(DIGESTS), kill_at=_kills, words=_words)
    def send(self, number: int, digest: bytes, kill_at: int, words: int) -> None:
        """A client sends a create, for the first time or again."""
        slot = sorted(self.tables)[number % len(self.tables)]
        try:
            claim = self._do(slot, kill_at, words, lambda table: table.claim(digest))
            if claim is not None:
                self.requests.append(Request(slot, digest, claim=claim))
                return
            self._forward(Request(slot, digest), kill_at, words)
        except (KilledError, BusyError):
            pass

    def _forward(self, request: Request, kill_at: int, words: int) -> None:
        request.claim = None
        begin = self._do(request.slot, kill_at, words, lambda table: table.begin(request.digest))
        request.place = begin
        self.requests.append(request)

    @precondition(lambda self: self.requests)
    @rule(number=_numbers, kill_at=_kills, words=_words)
    def leave(self, number: int, kill_at: int, words: int) -> None:
        """A client closes its side; the request goes on in its process."""
        request = self.requests[number % len(self.requests)]
        if request.claim is not None:
            claim = request.claim
            self.requests.remove(request)
            self._try(request, kill_at, words, lambda table: table.release(claim))
        elif request.place is not None and not request.left:
            place = request.place
            request.left = True
            if request.writing:  # it has not taken the response
                self.requests.remove(request)
                self.with_clients.discard(request.made)
                self._try(request, kill_at, words, lambda table: table.unwritten(place))
            else:
                self._try(request, kill_at, words, lambda table: table.leave(place))

    def _try(
        self, request: Request, kill_at: int, words: int, work: Callable[[CreateTable], Any]
    ) -> bool:
        """Do something; whether the process has survived it."""
        try:
            self._do(request.slot, kill_at, words, work)
        except KilledError:
            return False
        return True

    # --- what MLflow does ------------------------------------------------------------------

    def _sent(self) -> list[Request]:
        return [each for each in self.requests if each.claim is None and not each.writing]

    @precondition(lambda self: self._sent())
    @rule(number=_numbers)
    def execute(self, number: int) -> None:
        """MLflow creates a run."""
        request = self._sent()[number % len(self._sent())]
        if not request.made:
            self.count += 1
            request.made = f"run-{self.count}"
            self.mlflow[request.digest].append(request.made)

    @precondition(lambda self: self._sent())
    @rule(number=_numbers, kill_at=_kills, words=_words, long=st.booleans())
    def respond(self, number: int, kill_at: int, words: int, long: bool) -> None:
        """MLflow's response comes, and the client is sent it."""
        request = self._sent()[number % len(self._sent())]
        place, made = request.place, request.made
        if not made:
            return
        body = made.encode() + b" " * (9000 if long else 0)

        def work(table: CreateTable) -> bool:
            if place is None:
                return True
            table.keep(place, Response(200, b"x: y\r\n", body), made)
            return table.write(place)

        try:
            may_write = self._do(request.slot, kill_at, words, work)
        except KilledError:
            return
        if may_write and not (place is None and request.left):
            self._give(request)
        else:
            self.requests.remove(request)

    @precondition(lambda self: self._sent())
    @rule(number=_numbers, kill_at=_kills, words=_words)
    def lose(self, number: int, kill_at: int, words: int) -> None:
        """MLflow's connection is lost; the client is sent a 502."""
        request = self._sent()[number % len(self._sent())]
        self.requests.remove(request)
        place = request.place
        if place is not None:
            self._try(request, kill_at, words, lambda table: table.abandon(place))

    # --- what becomes of responses ---------------------------------------------------------

    def _give(self, request: Request) -> None:
        assert request.made not in self.with_clients, f"{request.made} is with two clients"
        self.with_clients.add(request.made)
        request.writing = True

    @precondition(lambda self: any(each.writing for each in self.requests))
    @rule(number=_numbers, kill_at=_kills, words=_words)
    def take(self, number: int, kill_at: int, words: int) -> None:
        """A client takes its response."""
        writing = [each for each in self.requests if each.writing]
        request = writing[number % len(writing)]
        place = request.place
        if place is not None and not request.left:
            self.requests.remove(request)
            self._try(request, kill_at, words, lambda table: table.written(place))

    @precondition(lambda self: any(each.claim for each in self.requests))
    @rule(number=_numbers, kill_at=_kills, words=_words)
    def look_up(self, number: int, kill_at: int, words: int) -> None:
        """The process of a claim looks what has come of it."""
        claiming = [each for each in self.requests if each.claim is not None]
        request = claiming[number % len(claiming)]
        claim = request.claim
        assert claim is not None
        found = [(each, Response(200, b"", each.encode())) for each in self.mlflow[request.digest]]

        def work(table: CreateTable) -> Response | Verdict | None:
            response = table.response(claim)
            if response is None:
                if table.is_under_way(claim):
                    return None
                verdict = table.join(claim, found)
                if verdict is not Verdict.JOINED:
                    return verdict
                response = table.response(claim)
            assert response is not None
            assert table.write(claim.place, claimed=True)
            return response

        try:
            got = self._do(request.slot, kill_at, words, work)
            if isinstance(got, Response):
                request.claim, request.place = None, claim.place
                request.made = got.body.decode().strip()
                self._give(request)
            elif got in (Verdict.NONE, Verdict.SEVERAL) and not self.processes.lock.stuck:
                self.requests.remove(request)
                may_exist = got is Verdict.SEVERAL
                self._do(
                    request.slot,
                    kill_at,
                    words,
                    lambda table: table.lapse(claim, may_exist=may_exist),
                )
                self._forward(request, NEVER, 0)
        except KilledError:
            pass

    @rule()
    def stop(self) -> None:
        """A process that is not one of these is stopped within its turn, for a while."""
        self.processes.lock.stuck = True

    @rule()
    def go_on(self) -> None:
        """It goes on; each of the others has a turn soon, or none before it is killed."""
        self.processes.lock.stuck = False

    @rule(number=_numbers, kill_at=_kills, words=_words)
    def report(self, number: int, kill_at: int, words: int) -> None:
        """A process reports, and does what is due."""
        slot = sorted(self.tables)[number % len(self.tables)]
        with contextlib.suppress(KilledError):
            self._do(slot, kill_at, words, lambda table: table.report())

    @rule(seconds=st.sampled_from([1.0, 100.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.processes.clock.advance(seconds)

    @invariant()
    def no_turn_lasts(self) -> None:
        assert not self.processes.lock.held

    @invariant()
    def no_claim_is_held_twice(self) -> None:
        claimed = [each.claim.place for each in self.requests if each.claim is not None]
        assert len(claimed) == len({*claimed})


TestTable = Scene.TestCase
TestTable.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)
