"""Requests wait for a look at the key store where memory alone would be a wrong answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from headgate.auth.chain import AuthenticatorChain, Identified, Waiting
from headgate.auth.keys import looks as limits
from headgate.auth.keys.authenticator import KeyAuthenticator
from headgate.auth.keys.form import digest, mint
from headgate.auth.keys.keyring import Keyring
from headgate.auth.keys.looks import Looks
from headgate.auth.keys.refresher import Refresher
from headgate.errors import HeadgateError, Refusal
from headgate.events import Event, KeysStale
from headgate.reasons import Reason
from headgate.stores.identity import Changes, Position
from headgate.stores.records import KeyRecord, PrincipalRecord
from headgate.wire.request_fields import CredentialFields
from tests.support.keyrings import principal

OWNER = principal(1, "team a")
KEY, OTHER = mint(b"k" * 32), mint(b"o" * 32)
ROW = KeyRecord(id="k_00000001", name="ci", digest=digest(KEY), created_at=0, principal_id=OWNER.id)
NEW = replace(ROW, id="k_00000002", name="new", digest=digest(OTHER))
WAIT = 20.0
MAX_STALE = 3600.0


class Store:
    """A store whose looks take as long as a test wants: while ``open`` is not set."""

    def __init__(self) -> None:
        self.rows = [ROW]
        self.sequence = 1
        self.open = threading.Event()
        self.open.set()
        self.failure: HeadgateError | None = None
        self.begun = 0

    def put(self, *rows: KeyRecord) -> None:
        self.rows, self.sequence = list(rows), self.sequence + 1

    def changes(self, since: Position | None) -> Changes | None:
        self.begun += 1
        sequence, rows = self.sequence, self.rows
        assert self.open.wait(WAIT)
        if self.failure is not None:
            raise self.failure
        if since is not None and since.sequence == sequence:
            return None
        owners: list[PrincipalRecord] = [OWNER]
        return Changes(Position(sequence, f"t{sequence}"), True, owners, rows)

    def record_uses(self, uses: object) -> None:
        """Nobody asks when they were used."""

    def close(self) -> None:
        """There is nothing to close."""


class Scene:
    """A worker's keys, followed from a store, at a time that a test moves."""

    tasks: asyncio.TaskGroup

    def __init__(self) -> None:
        self.now = 1_000.0
        self.store = Store()
        self.looks = Looks(lambda: self.now)
        keyring = Keyring(max_stale=MAX_STALE)
        self.keys = KeyAuthenticator(keyring, None, self.looks)
        self.chain = AuthenticatorChain([self.keys], lambda: self.now)
        self.events: list[Event] = []
        self.refresher = Refresher(
            self.store,
            keyring,
            self.change,
            interval=0.001,
            clock=lambda: self.now,
            emit=self.events.append,
            looks=self.looks,
            tick=0.001,
        )

    def change(self) -> None:
        self.keys.generation += 1

    def ask(self, key: str = KEY) -> Identified | Refusal | Waiting:
        return self.chain.authenticate(CredentialFields(b"Bearer " + key.encode(), None))

    async def ask_to_the_end(self, key: str = KEY) -> Reason | None:
        found = self.ask(key)
        if isinstance(found, Waiting):
            found = await self.chain.finish(found)
        return found.reason if isinstance(found, Refusal) else None

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT):
            while not condition():  # noqa: ASYNC110 - no event says it
                await asyncio.sleep(0.001)

    async def next_look(self) -> None:
        """Until a look is under way that has begun after this."""
        begun = self.store.begun
        await self.until(lambda: self.store.begun > begun)


def run(act: Callable[[Scene], Awaitable[None]]) -> None:
    async def play() -> None:
        scene = Scene()
        scene.refresher.load()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(scene.refresher.run())
            scene.tasks = group
            await scene.until(lambda: scene.looks.fresh_until < float("inf"))
            try:
                await act(scene)
            finally:
                scene.store.open.set()
                task.cancel()

    asyncio.run(play())


def test_a_known_key_waits_for_nothing_while_the_store_is_well() -> None:
    async def act(scene: Scene) -> None:
        found = scene.ask()
        assert isinstance(found, Identified)
        assert found.good_until <= scene.now + limits.FRESH_SECONDS

    run(act)


def test_a_key_that_is_not_known_is_looked_for_in_the_store_first() -> None:
    """However late the look is that would have told: the key was made before it was shown."""

    async def act(scene: Scene) -> None:
        scene.store.open.clear()
        await scene.next_look()
        scene.store.put(ROW, NEW)  # the look that is under way does not see it
        asked = scene.tasks.create_task(scene.ask_to_the_end(OTHER))
        await asyncio.sleep(0.02)
        assert not asked.done()
        scene.store.open.set()
        assert await asked is None

    run(act)


def test_a_key_that_nobody_has_made_is_refused_after_a_look() -> None:
    async def act(scene: Scene) -> None:
        assert isinstance(scene.ask(OTHER), Waiting)
        assert await scene.ask_to_the_end(OTHER) is Reason.KEY_UNKNOWN

    run(act)


def test_many_that_are_not_known_share_the_looks() -> None:
    async def act(scene: Scene) -> None:
        scene.refresher._interval = 60.0  # type: ignore[misc]
        await scene.next_look()
        before = scene.store.begun
        found = await asyncio.gather(*(scene.ask_to_the_end(OTHER) for _ in range(200)))
        assert set(found) == {Reason.KEY_UNKNOWN}
        assert scene.store.begun - before <= 3

    run(act)


def test_a_revoked_key_is_dead_although_the_look_is_late() -> None:
    """It waits for the look that is under way instead of being let in by memory."""

    async def act(scene: Scene) -> None:
        scene.store.put(replace(ROW, revoked_at=1))
        scene.store.open.clear()
        await scene.next_look()
        scene.now += limits.FRESH_SECONDS + 0.01
        asked = scene.tasks.create_task(scene.ask_to_the_end())
        await asyncio.sleep(0.02)
        assert not asked.done()
        scene.store.open.set()
        assert await asked is Reason.KEY_REVOKED

    run(act)


def test_an_identity_that_is_kept_ends_with_the_freshness() -> None:
    """So a kept connection asks again: it is not let in by what was true long ago."""

    async def act(scene: Scene) -> None:
        scene.store.open.clear()
        found = scene.ask()
        assert isinstance(found, Identified)
        scene.now += limits.FRESH_SECONDS + 0.01
        assert found.good_until < scene.now
        assert isinstance(scene.ask(), Waiting)

    run(act)


def test_a_store_that_hangs_stops_known_keys_once_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PATIENCE", 0.05)

    async def act(scene: Scene) -> None:
        scene.store.open.clear()
        await scene.next_look()
        scene.now += 60
        assert await scene.ask_to_the_end() is None
        assert isinstance(scene.ask(), Identified)  # the next one does not wait
        generation = scene.keys.generation
        scene.store.open.set()
        await scene.until(lambda: scene.looks.fresh_until < float("inf"))
        assert scene.keys.generation > generation  # who was let in without an end asks again

    run(act)


def test_a_store_that_is_down_is_not_waited_for() -> None:
    async def act(scene: Scene) -> None:
        scene.store.failure = HeadgateError("it is down")
        await scene.until(lambda: not scene.looks.helps)
        scene.now += 60
        assert isinstance(scene.ask(), Identified)
        assert isinstance(scene.ask(OTHER), Refusal)

    run(act)


def test_an_unknown_key_at_a_store_that_hangs_may_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be good: 401 would end a client's work for nothing."""
    monkeypatch.setattr(limits, "LONGEST", 0.05)

    async def act(scene: Scene) -> None:
        scene.store.open.clear()
        await scene.next_look()
        assert await scene.ask_to_the_end(OTHER) is Reason.KEYS_STALE

    run(act)


def test_keys_that_grew_old_while_the_gate_stood_still_wait_for_a_look() -> None:
    """The store is not said to be unreadable: nobody has tried."""

    async def act(scene: Scene) -> None:
        scene.store.open.clear()
        await scene.next_look()
        scene.store.put(ROW, NEW)
        scene.now += MAX_STALE + 1
        asked = [scene.tasks.create_task(scene.ask_to_the_end(key)) for key in (KEY, OTHER)]
        await asyncio.sleep(0)
        assert not any(each.done() for each in asked)
        scene.store.open.set()
        assert [await each for each in asked] == [None, None]

    run(act)


def test_keys_that_grew_old_are_refused_while_the_store_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LONGEST", 0.05)

    async def act(scene: Scene) -> None:
        scene.store.open.clear()
        await scene.next_look()
        scene.now += MAX_STALE + 1
        assert await scene.ask_to_the_end() is Reason.KEYS_STALE
        await scene.until(lambda: any(isinstance(each, KeysStale) for each in scene.events))

    run(act)


def test_who_waits_goes_on_when_the_worker_stops() -> None:
    async def act(scene: Scene) -> None:
        scene.store.open.clear()
        await scene.next_look()
        asked = scene.tasks.create_task(scene.ask_to_the_end(OTHER))
        await asyncio.sleep(0.02)
        scene.looks.stop()
        assert await asked is Reason.KEY_UNKNOWN

    run(act)
