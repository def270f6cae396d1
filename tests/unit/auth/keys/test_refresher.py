"""Following a store whose keys change."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pytest

from headgate.auth.keys.keyring import Keyring
from headgate.auth.keys.refresher import KeysStatus, Refresher
from headgate.errors import HeadgateError
from headgate.events import (
    Event,
    KeyRevoked,
    KeysGone,
    KeyStoreReadable,
    KeyStoreUnreadable,
    KeyUnusable,
    RoleMissing,
)
from headgate.policy import Role, Roles
from headgate.stores import KeyRecord, Snapshot, UnreadableKey

ROW = KeyRecord(id="k_00000001", name="ci", digest=b"\x01" * 32, created_at=0)
WAIT = 10  # seconds; only a failing test waits that long


@dataclass
class FakeSource:
    """Keys in memory; ``trouble`` makes it unreadable, ``during_read`` runs inside a read."""

    rows: list[KeyRecord] = field(default_factory=lambda: [ROW])
    unreadable: list[UnreadableKey] = field(default_factory=list)
    version: int = 1
    trouble: str = ""
    reads: int = 0
    looks: int = 0
    during_read: Callable[[], None] = field(default=lambda: None)
    threads: set[str] = field(default_factory=set)
    _looked: threading.Condition = field(default_factory=threading.Condition)

    def revision(self) -> int:
        with self._looked:
            self.looks += 1
            self._looked.notify_all()
        self.threads.add(threading.current_thread().name)
        if self.trouble:
            raise HeadgateError(self.trouble)
        return self.version

    def snapshot(self) -> Snapshot:
        self.reads += 1
        found = Snapshot(list(self.rows), list(self.unreadable))
        self.during_read()
        return found

    def close(self) -> None:
        """Nothing is held."""

    def wait_for_look(self, number: int) -> bool:
        with self._looked:
            return self._looked.wait_for(lambda: self.looks >= number, WAIT)

    def change(self, *rows: KeyRecord) -> None:
        self.rows = list(rows)
        self.version += 1


class Follower:
    """A refresher with everything it tells, and a way to wait for it."""

    def __init__(self, source: FakeSource, now: float = 1_000.0) -> None:
        self.now = now
        self.installed: list[Keyring] = []
        self.events: list[Event] = []
        self._told = asyncio.Event()
        self.refresher = Refresher(
            source,
            self._install,
            interval=0.001,
            clock=lambda: self.now,
            emit=self._emit,
        )

    def _install(self, keyring: Keyring) -> None:
        self.installed.append(keyring)
        self._told.set()

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        self._told.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a report makes ``condition`` true."""
        async with asyncio.timeout(WAIT):
            while not condition():
                self._told.clear()
                await self._told.wait()


async def looks(source: FakeSource, number: int) -> None:
    """Wait until the source was looked at ``number`` times more."""
    enough = source.looks + number
    assert await asyncio.to_thread(source.wait_for_look, enough)


@contextlib.asynccontextmanager
async def following(source: FakeSource) -> AsyncIterator[Follower]:
    """A refresher that has loaded and runs for the block."""
    follower = Follower(source)
    follower.refresher.load()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(follower.refresher.run())
        yield follower
        task.cancel()


def test_load_installs_what_the_source_holds() -> None:
    async def scene() -> None:
        follower = Follower(FakeSource())
        follower.refresher.load()
        (keyring,) = follower.installed
        assert list(keyring.entries) == [ROW.digest]

    asyncio.run(scene())


def test_load_fails_when_the_source_cannot_be_read() -> None:
    async def scene() -> None:
        follower = Follower(FakeSource(trouble="no such file"))
        with pytest.raises(HeadgateError, match="no such file"):
            follower.refresher.load()
        assert follower.installed == []

    asyncio.run(scene())


def test_a_change_is_installed() -> None:
    async def scene() -> None:
        source = FakeSource()
        async with following(source) as follower:
            source.change(replace(ROW, revoked_at=5))
            await follower.until(lambda: len(follower.installed) == 2)
        _, after = follower.installed
        assert after.entries[ROW.digest].revoked

    asyncio.run(scene())


def test_without_a_change_no_key_is_read_and_nothing_installed() -> None:
    async def scene() -> None:
        source = FakeSource()
        async with following(source) as follower:
            await looks(source, 5)
        assert source.reads == len(follower.installed) == 1

    asyncio.run(scene())


def test_a_change_during_a_read_is_seen_by_the_next_look() -> None:
    async def scene() -> None:
        source = FakeSource()
        async with following(source) as follower:

            def revoke_once() -> None:
                source.during_read = lambda: None
                source.change(replace(ROW, revoked_at=5))

            source.during_read = revoke_once
            source.version += 1
            await follower.until(lambda: follower.installed[-1].entries[ROW.digest].revoked)

    asyncio.run(scene())


def test_an_unreadable_source_is_reported_once_and_its_return_once() -> None:
    """The last good keys stay meanwhile, and what changed is taken up afterwards."""

    async def scene() -> None:
        source = FakeSource()
        async with following(source) as follower:
            source.trouble = "the file is gone"
            await follower.until(lambda: len(follower.events) == 1)
            await looks(source, 5)
            assert len(follower.installed) == 1
            source.change(replace(ROW, revoked_at=5))
            source.trouble = ""
            await follower.until(lambda: len(follower.installed) == 2)
            await looks(source, 5)
        assert follower.events == [
            KeyStoreUnreadable("the file is gone"),
            KeyRevoked("ci", "k_00000001"),
            KeyStoreReadable(),
        ]
        assert follower.installed[-1].entries[ROW.digest].revoked

    asyncio.run(scene())


def test_another_trouble_is_another_report() -> None:
    async def scene() -> None:
        source = FakeSource()
        async with following(source) as follower:
            for trouble in ("locked", "gone"):
                source.trouble = trouble
                await looks(source, 3)
        assert follower.events == [KeyStoreUnreadable("locked"), KeyStoreUnreadable("gone")]

    asyncio.run(scene())


def test_keys_expire_while_the_source_is_unreadable() -> None:
    async def scene() -> None:
        source = FakeSource([replace(ROW, expires_at=1_500)])
        async with following(source) as follower:
            source.trouble = "gone"
            await follower.until(lambda: len(follower.events) == 1)
            assert follower.refresher.status().active == 1
            follower.now = 1_500
            assert follower.refresher.status().active == 0
        assert follower.installed[-1].entries[ROW.digest].expires_at == 1_500

    asyncio.run(scene())


def test_the_event_loop_never_waits_for_the_source() -> None:
    """While a read hangs in its thread, the loop runs on."""

    async def scene() -> None:
        source = FakeSource()
        release = threading.Event()
        reading = threading.Event()

        def hang() -> None:
            reading.set()
            assert release.wait(WAIT)

        async with following(source) as follower:
            source.during_read = hang
            source.version += 1
            assert await asyncio.to_thread(reading.wait, WAIT)
            release.set()
            await follower.until(lambda: len(follower.installed) == 2)

    asyncio.run(scene())


def test_a_cancelled_refresher_ends_after_its_thread() -> None:
    """The caller may close the store right after it."""

    async def scene() -> None:
        source = FakeSource()
        release, reading, done = threading.Event(), threading.Event(), threading.Event()

        def hang() -> None:
            reading.set()
            assert release.wait(WAIT)
            done.set()

        follower = Follower(source)
        follower.refresher.load()
        async with asyncio.timeout(WAIT), asyncio.TaskGroup() as group:
            task = group.create_task(follower.refresher.run())
            source.during_read = hang
            source.version += 1
            assert await asyncio.to_thread(reading.wait, WAIT)
            task.cancel()
            for _ in range(10):
                await asyncio.sleep(0)
            assert not task.done()
            release.set()
        assert task.cancelled()
        assert done.is_set()
        assert len(follower.installed) == 1

    asyncio.run(scene())


def test_a_source_that_fails_while_cancelled_leaves_no_loose_end() -> None:
    async def scene() -> None:
        source = FakeSource()
        release, reading = threading.Event(), threading.Event()

        def fail() -> None:
            reading.set()
            assert release.wait(WAIT)
            raise HeadgateError("gone")

        loose: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, what: loose.append(what))
        follower = Follower(source)
        follower.refresher.load()
        async with asyncio.timeout(WAIT), asyncio.TaskGroup() as group:
            task = group.create_task(follower.refresher.run())
            source.during_read = fail
            source.version += 1
            assert await asyncio.to_thread(reading.wait, WAIT)
            task.cancel()
            await asyncio.sleep(0)
            release.set()
        assert task.cancelled()
        gc.collect()
        assert loose == []

    asyncio.run(scene())


def test_looks_come_from_one_thread_that_is_gone_afterwards() -> None:
    async def scene() -> None:
        source = FakeSource()
        follower = Follower(source)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(follower.refresher.run())
            await looks(source, 3)
            task.cancel()
        (name,) = source.threads
        assert name not in {thread.name for thread in threading.enumerate()}

    asyncio.run(scene())


TEAM = Roles({"team": Role("", ("read:runs",))})


def test_other_roles_apply_immediately_and_to_keys_created_later() -> None:
    async def scene() -> None:
        source = FakeSource([replace(ROW, roles=("team",))])
        follower = Follower(source)
        follower.refresher.load()
        follower.refresher.regrant(TEAM)
        before, after = follower.installed
        assert before.entries[ROW.digest].principal.grants.missing == ("team",)
        assert after.entries[ROW.digest].principal.grants == TEAM.grants_for("ci", ["team"])
        source.change(replace(ROW, name="nightly", roles=("team",)))
        follower.refresher.load()
        later = follower.installed[-1].entries[ROW.digest].principal
        assert later.grants == TEAM.grants_for("nightly", ["team"])

    asyncio.run(scene())


def test_a_role_that_does_not_exist_is_one_event() -> None:
    """And again only after it has existed."""

    async def scene() -> None:
        source = FakeSource([replace(ROW, roles=("team", "viewer"))])
        follower = Follower(source)
        refresher = follower.refresher
        refresher.load()
        source.change(*source.rows, replace(ROW, id="k_00000002", digest=b"\x02" * 32))
        refresher.load()
        assert follower.events == [RoleMissing("ci", "k_00000001", "team")]
        refresher.regrant(TEAM)
        assert len(follower.events) == 1
        refresher.regrant(Roles())
        assert len(follower.events) == 2

    asyncio.run(scene())


def test_a_key_that_cannot_be_used_is_one_event_and_shown() -> None:
    """Again when it breaks again, and the others work on."""
    bad = UnreadableKey(
        3, "'k_00000003', 'ada'", "expires_at is text, not whole seconds since 1970"
    )

    async def scene() -> None:
        source = FakeSource(unreadable=[bad])
        follower = Follower(source)
        assert follower.refresher.status() == KeysStatus(0, None, None, ())
        follower.refresher.load()
        assert follower.refresher.status() == KeysStatus(1, 0.0, None, (str(bad),))
        source.change(ROW)
        follower.refresher.load()
        assert follower.events == [KeyUnusable(str(bad))]
        source.unreadable = []
        source.change(ROW)
        follower.refresher.load()
        assert follower.refresher.status().unreadable == ()
        source.unreadable = [bad]
        source.change(ROW)
        follower.refresher.load()
        assert len(follower.events) == 2

    asyncio.run(scene())


def test_the_status_tells_how_long_the_source_has_failed() -> None:
    async def scene() -> None:
        source = FakeSource([ROW, replace(ROW, digest=b"\x02" * 32, revoked_at=5)])
        async with following(source) as follower:
            source.trouble = "the file is gone"
            await follower.until(lambda: len(follower.events) == 1)
            follower.now = 1_007
            status = follower.refresher.status()
            assert (status.active, status.age_seconds, status.failing) == (
                1,
                7.0,
                "the file is gone",
            )

    asyncio.run(scene())


def test_a_revocation_is_one_event() -> None:
    async def scene() -> None:
        source = FakeSource([ROW])
        follower = Follower(source)
        follower.refresher.load()
        source.change(replace(ROW, revoked_at=5))
        follower.refresher.load()
        source.change(replace(ROW, revoked_at=5), replace(ROW, id="k_00000002", digest=b"2" * 32))
        follower.refresher.load()
        assert follower.events == [KeyRevoked("ci", "k_00000001")]

    asyncio.run(scene())


def test_keys_that_are_gone_from_the_source_are_named() -> None:
    """As after a store was deleted and made anew; what worked no more is not missed."""

    async def scene() -> None:
        revoked = replace(ROW, id="k_00000002", name="old", digest=b"\x02" * 32, revoked_at=5)
        source = FakeSource([ROW, revoked])
        follower = Follower(source)
        follower.refresher.load()
        source.change(replace(ROW, id="k_00000003", name="new", digest=b"\x03" * 32))
        follower.refresher.load()
        assert follower.events == [KeysGone(1, ("ci",))]

    asyncio.run(scene())
