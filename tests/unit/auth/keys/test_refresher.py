"""Following a store whose principals and keys change."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest

from headgate.auth.chain import Identified
from headgate.auth.credentials import Credentials
from headgate.auth.keys.authenticator import KeyAuthenticator
from headgate.auth.keys.break_glass import BreakGlassKeys, BreakGlassRule
from headgate.auth.keys.form import digest, mint
from headgate.auth.keys.keyring import Keyring
from headgate.auth.keys.left import LeftKeys
from headgate.auth.keys.refresher import FLUSH_SECONDS, KeysStatus, Refresher
from headgate.errors import HeadgateError, Refusal
from headgate.events import (
    BreakGlassUsed,
    Event,
    FirstKeyTaken,
    KeyExpiresSoon,
    KeyRevoked,
    KeysExpireSoon,
    KeysGone,
    KeysStale,
    KeyStoreAwaited,
    KeyStoreReadable,
    KeyStoreUnreadable,
    KeyUnusable,
    PrincipalDisabled,
    RoleMissing,
    UsesNotKept,
)
from headgate.policy import Role, Roles
from headgate.reasons import Reason
from headgate.stores.identity import Changes, Position, StoreUnreachableError
from headgate.stores.records import KeyRecord, KeyUse, PrincipalRecord, UnreadableKey
from headgate.testing.key_store import MemoryIdentityStore
from tests.support.keyrings import principal

KEY = mint(b"k" * 32)
OWNER = principal(1, "team a")
ROW = KeyRecord(
    id="k_00000001",
    name="ci",
    digest=digest(KEY),
    created_at=0,
    principal_id=OWNER.id,
    roles=("viewer",),
)
OTHER = replace(ROW, id="k_00000002", name="other", digest=b"\x02" * 32)
DAY = 86_400.0
WAIT = 60  # seconds; only a failing test waits that long


class Source(MemoryIdentityStore):
    """A store that can be waited for; ``during_read`` runs inside a read."""

    def __init__(self, *keys: KeyRecord) -> None:
        super().__init__()
        self.asked: list[Position | None] = []
        self.threads: set[str] = set()
        self.during_read: Callable[[], None] = lambda: None
        self._looked = threading.Condition()
        self.put(*(keys or (ROW,)), owners=[OWNER])

    def put(self, *keys: KeyRecord, owners: Sequence[PrincipalRecord] = ()) -> None:
        with self.transaction() as transaction:
            for owner in owners:
                transaction.put_principal(owner)
            for key in keys:
                transaction.put_key(key)

    def changes(self, since: Position | None) -> Changes | None:
        self.threads.add(threading.current_thread().name)
        self.asked.append(since)
        with self._looked:
            self._looked.notify_all()
        found = super().changes(since)
        self.during_read()
        return found

    def wait_for_look(self, number: int) -> bool:
        with self._looked:
            return self._looked.wait_for(lambda: len(self.asked) >= number, WAIT)


class Follower:
    """A refresher with everything it does, and a way to wait for it."""

    def __init__(
        self, source: Source, *, notice: float = 0.0, max_stale: float = 100.0, **more: object
    ) -> None:
        self.now = 1_000.0
        self.events: list[Event] = []
        self.shown: list[tuple[float, int]] = []
        self.first_end = 0.0
        self.keyring = Keyring(notice=notice, max_stale=max_stale)
        self.break_glass = BreakGlassKeys(self.keyring.uses)
        self.authenticator = KeyAuthenticator(self.keyring, self.break_glass)
        self._told = asyncio.Event()
        self.refresher = Refresher(
            source,
            self.keyring,
            self._change,
            interval=0.001,
            clock=lambda: self.now,
            emit=self._emit,
            break_glass=self.break_glass,
            show=self._show,
            tick=0.001,
            **more,  # type: ignore[arg-type]
        )

    def _show(self, age: float, expiring: int, first_end: float) -> None:
        self.shown.append((age, expiring))
        self.first_end = first_end

    def ask(self, key: str = KEY) -> Identified | Refusal:
        found = self.authenticator.authenticate(Credentials(key), self.now)
        assert isinstance(found, Identified | Refusal)
        return found

    def why_not(self, key: str = KEY) -> Reason | None:
        found = self.ask(key)
        return found.reason if isinstance(found, Refusal) else None

    def _change(self) -> None:
        self.authenticator.generation += 1
        self._told.set()

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        self._told.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT):
            while not condition():  # noqa: ASYNC110 - no event says it
                await asyncio.sleep(0.001)

    async def ticks(self, number: int) -> None:
        """Wait until what is due by the clock was done ``number`` times more."""
        enough = len(self.shown) + number
        await self.until(lambda: len(self.shown) >= enough)


async def looks(source: Source, number: int) -> None:
    """Wait until the source was looked at ``number`` times more."""
    assert await asyncio.to_thread(source.wait_for_look, len(source.asked) + number)


@contextlib.asynccontextmanager
async def following(source: Source, **more: object) -> AsyncIterator[Follower]:
    """A refresher that has loaded and runs for the block."""
    follower = Follower(source, **more)  # type: ignore[arg-type]
    follower.refresher.load()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(follower.refresher.run())
        yield follower
        task.cancel()


def test_load_takes_what_the_source_holds() -> None:
    async def scene() -> None:
        follower = Follower(Source())
        assert follower.why_not() is Reason.KEYS_STALE
        follower.refresher.load()
        assert follower.why_not() is None

    asyncio.run(scene())


def test_load_fails_when_the_source_is_unfit() -> None:
    async def scene() -> None:
        source = Source()
        source.failure = HeadgateError("no key store")
        with pytest.raises(HeadgateError, match="no key store"):
            Follower(source).refresher.load()

    asyncio.run(scene())


def test_a_source_that_cannot_be_reached_is_awaited() -> None:
    """Keys get 503 until it can be, and the health page says so."""

    async def scene() -> None:
        source = Source()
        source.failure = StoreUnreachableError("refused")
        async with following(source) as follower:
            assert follower.why_not() is Reason.KEYS_STALE
            status = follower.refresher.status()
            assert (status.awaited, status.refused, status.age_seconds) == (True, True, None)
            assert status.failing == "refused"
            await looks(source, 3)
            source.failure = None
            await follower.until(lambda: follower.why_not() is None)
            await follower.until(lambda: len(follower.events) == 2)
            assert not follower.refresher.status().awaited
        assert follower.events == [KeyStoreAwaited("refused"), KeyStoreReadable()]

    asyncio.run(scene())


def test_a_gate_with_a_key_for_emergencies_awaits_nothing() -> None:
    async def scene() -> None:
        source = Source()
        source.failure = StoreUnreachableError("refused")
        follower = Follower(source)
        follower.break_glass.configure([BreakGlassRule(digest(KEY), 2_000.0, "why")])
        follower.refresher.load()
        assert not follower.refresher.status().awaited
        assert follower.why_not() is None

    asyncio.run(scene())


def test_a_change_is_taken_up_and_only_the_change_is_read() -> None:
    async def scene() -> None:
        source = Source()
        async with following(source) as follower:
            before = follower.authenticator.generation
            source.put(replace(ROW, revoked_at=5))
            await follower.until(lambda: follower.why_not() is Reason.KEY_REVOKED)
            assert follower.authenticator.generation > before
        assert source.asked[0] is None
        assert None not in source.asked[1:]

    asyncio.run(scene())


def test_a_new_key_ends_no_identity_that_is_kept() -> None:
    async def scene() -> None:
        source = Source()
        async with following(source) as follower:
            before = follower.authenticator.generation
            source.put(OTHER)
            await follower.until(lambda: follower.refresher.status().active == 2)
            assert follower.authenticator.generation == before

    asyncio.run(scene())


def test_a_disabled_principal_ends_its_keys() -> None:
    async def scene() -> None:
        source = Source()
        async with following(source) as follower:
            before = follower.authenticator.generation
            source.put(owners=[replace(OWNER, disabled_at=5)])
            await follower.until(lambda: follower.why_not() is Reason.PRINCIPAL_DISABLED)
            await follower.until(lambda: follower.authenticator.generation > before)
            assert follower.refresher.status().active == 0
        assert follower.events == [PrincipalDisabled("team a", OWNER.id)]

    asyncio.run(scene())


def test_an_unreadable_source_is_reported_once_and_its_return_once() -> None:
    """The last good keys stay meanwhile, and what changed is taken up afterwards."""

    async def scene() -> None:
        source = Source()
        async with following(source) as follower:
            source.failure = HeadgateError("the file is gone")
            await follower.until(lambda: len(follower.events) == 1)
            await looks(source, 5)
            assert follower.why_not() is None
            source.failure = None
            source.put(replace(ROW, revoked_at=5))
            await follower.until(lambda: len(follower.events) == 3)
            await looks(source, 5)
        assert follower.events == [
            KeyStoreUnreadable("the file is gone"),
            KeyRevoked("ci", "k_00000001"),
            KeyStoreReadable(),
        ]

    asyncio.run(scene())


def test_another_trouble_is_another_report() -> None:
    async def scene() -> None:
        source = Source()
        async with following(source) as follower:
            for trouble in ("locked", "gone"):
                source.failure = HeadgateError(trouble)
                await looks(source, 3)
        assert follower.events == [KeyStoreUnreadable("locked"), KeyStoreUnreadable("gone")]

    asyncio.run(scene())


def test_keys_are_refused_once_they_are_too_old_and_on_connections_that_stay() -> None:
    async def scene() -> None:
        source = Source()
        async with following(source, max_stale=60.0) as follower:
            source.failure = HeadgateError("gone")
            await follower.until(lambda: len(follower.events) == 1)
            generation = follower.authenticator.generation
            follower.now += 60.0
            await follower.until(lambda: follower.authenticator.generation > generation)
            assert follower.why_not() is Reason.KEYS_STALE
            assert follower.refresher.status().refused
            assert not follower.refresher.status().awaited
            await follower.until(lambda: len(follower.events) == 2)
            source.failure = None
            await follower.until(lambda: follower.why_not() is None)
        assert follower.events[1:] == [KeysStale(60.0), KeyStoreReadable()]
        assert max(age for age, _ in follower.shown) == 60.0

    asyncio.run(scene())


def test_keys_expire_while_the_source_is_unreadable() -> None:
    async def scene() -> None:
        source = Source(replace(ROW, expires_at=1_500))
        async with following(source, max_stale=1_000.0) as follower:
            source.failure = HeadgateError("gone")
            await follower.until(lambda: len(follower.events) == 1)
            assert follower.refresher.status().active == 1
            follower.now = 1_500
            assert follower.refresher.status().active == 0
            assert follower.why_not() is Reason.KEY_EXPIRED

    asyncio.run(scene())


@pytest.mark.parametrize("error", [None, HeadgateError("gone")])
def test_a_cancelled_refresher_ends_after_its_thread(error: HeadgateError | None) -> None:
    """While a read hangs, the loop runs on; afterwards the caller may close the store."""

    async def scene() -> None:
        source = Source()
        release, reading, done = threading.Event(), threading.Event(), threading.Event()

        def hang() -> None:
            reading.set()
            assert release.wait(WAIT)
            done.set()
            if error is not None:
                raise error

        loose: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, what: loose.append(what))
        follower = Follower(source)
        follower.refresher.load()
        async with asyncio.timeout(WAIT), asyncio.TaskGroup() as group:
            task = group.create_task(follower.refresher.run())
            source.during_read = hang
            assert await asyncio.to_thread(reading.wait, WAIT)
            task.cancel()
            for _ in range(10):
                await asyncio.sleep(0)
            assert not task.done()
            release.set()
        assert task.cancelled()
        assert done.is_set()
        gc.collect()
        assert loose == []

    asyncio.run(scene())


def test_looks_come_from_one_thread_that_is_gone_afterwards() -> None:
    async def scene() -> None:
        source = Source()
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
        source = Source(replace(ROW, roles=("team",)))
        async with following(source) as follower:
            found = follower.ask()
            assert isinstance(found, Identified)
            assert found.principal.grants.missing == ("team",)
            follower.refresher.regrant(TEAM)
            found = follower.ask()
            assert isinstance(found, Identified)
            assert found.principal.grants == TEAM.grants_for("ci", ["team"], ["admin"])

    asyncio.run(scene())


def roles_missing(follower: Follower) -> list[Event]:
    return [each for each in follower.events if isinstance(each, RoleMissing)]


def test_a_role_that_does_not_exist_is_one_event() -> None:
    """And again only after it has existed."""

    async def scene() -> None:
        source = Source(replace(ROW, roles=("team", "viewer")))
        missing = RoleMissing("ci", "k_00000001", "team")
        async with following(source) as follower:
            source.put(OTHER)
            await follower.until(lambda: follower.refresher.status().active == 2)
            assert roles_missing(follower) == [missing]
            follower.refresher.regrant(TEAM)
            follower.refresher.regrant(Roles())
            await follower.ticks(3)
            assert roles_missing(follower) == [missing]
            follower.refresher.regrant(TEAM)
            await follower.ticks(3)
            follower.refresher.regrant(Roles())
            await follower.until(lambda: len(roles_missing(follower)) == 2)

    asyncio.run(scene())


BAD = UnreadableKey(3, "'k_00000003', 'ada'", "expires_at is text, not whole seconds since 1970")


def test_a_key_that_cannot_be_used_is_one_event_and_shown_and_all_keys_are_compared() -> None:
    async def scene() -> None:
        source = Source()
        async with following(source) as follower:
            assert follower.refresher.status() == KeysStatus(1, 0.0, None, ())
            source.damage(BAD)
            await follower.until(lambda: len(follower.events) == 1)
            await looks(source, 3)
            assert follower.refresher.status().unreadable == (str(BAD),)
        assert follower.events == [KeyUnusable(str(BAD))]
        assert source.asked.count(None) == 2

    asyncio.run(scene())


def test_a_backup_that_is_put_back_is_taken_up_whole() -> None:
    async def scene() -> None:
        source = Source()
        backup = source.saved()
        source.put(OTHER)
        async with following(source) as follower:
            assert follower.refresher.status().active == 2
            source.restore(backup)
            await follower.until(lambda: follower.refresher.status().active == 1)
        assert follower.events == [KeysGone(1, ("other",))]

    asyncio.run(scene())


def test_a_worker_begins_with_what_another_one_left_and_its_age() -> None:
    async def scene() -> None:
        source = Source()
        found = source.changes(None)
        assert found is not None
        left = LeftKeys(found, compared_at=960.0)
        source.failure = HeadgateError("gone")
        async with following(source, left=left) as follower:
            assert follower.why_not() is None
            assert follower.refresher.status().age_seconds == 40.0
            follower.now = 1_060.0
            assert follower.why_not() is Reason.KEYS_STALE
            source.failure = None
            source.put(replace(ROW, revoked_at=5))
            await follower.until(lambda: follower.why_not() is Reason.KEY_REVOKED)
        assert source.asked.count(None) == 1  # the one of this test

    asyncio.run(scene())


class Keeper:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.written: list[Changes] = []
        self.moments: list[float] = []
        self.is_full = False

    def write(self, changes: Changes) -> None:
        self.written.append(changes)

    def compared(self, at: float) -> None:
        self.moments.append(at)


def test_what_was_read_is_left_to_others() -> None:
    async def scene() -> None:
        source, keeper = Source(), Keeper()
        async with following(source, keep=keeper) as follower:
            source.put(OTHER)
            await follower.until(lambda: len(keeper.written) == 2)
            keeper.is_full = True
            await follower.until(lambda: len(keeper.written) == 3)
            keeper.is_full = False
        assert [(each.complete, len(each.keys)) for each in keeper.written[:3]] == [
            (True, 1),
            (False, 1),
            (True, 2),
        ]
        assert keeper.moments[0] == 1_000.0

    asyncio.run(scene())


def test_uses_are_written_and_kept_while_they_cannot_be() -> None:
    async def scene() -> None:
        source = Source(ROW, OTHER)
        async with following(source) as follower:
            found = follower.ask()
            assert isinstance(found, Identified)
            assert found.use is not None
            found.use.note("192.0.2.1")
            await follower.until(lambda: len(source.recorded) == 1)
            source.failure = HeadgateError("gone")
            follower.now += 1
            await follower.until(lambda: follower.keyring.uses.now == 1_001)
            found.use.note("192.0.2.2")
            found.use.note("192.0.2.3")  # in the same second
            follower.now += FLUSH_SECONDS
            await looks(source, 3)
            source.failure = None
            await follower.until(lambda: len(source.recorded) == 2)
        assert source.recorded == [
            KeyUse(ROW.id, 1_000, "192.0.2.1"),
            KeyUse(ROW.id, 1_001, "192.0.2.2"),
        ]

    asyncio.run(scene())


def test_uses_are_written_at_the_end() -> None:
    async def scene() -> None:
        source = Source()
        async with following(source) as follower:
            found = follower.ask()
            assert isinstance(found, Identified)
            assert found.use is not None
            found.use.note("192.0.2.1")
            await follower.until(lambda: len(source.recorded) == 1)
            follower.now += 1
            await follower.until(lambda: follower.keyring.uses.now == 1_001)
            found.use.note("192.0.2.2")
        assert source.recorded[1:] == [KeyUse(ROW.id, 1_001, "192.0.2.2")]

    asyncio.run(scene())


def test_a_store_that_can_be_read_but_not_written_is_reported() -> None:
    class ReadOnly(Source):
        def record_uses(self, uses: Sequence[KeyUse]) -> None:
            raise HeadgateError("read-only")

    async def scene() -> None:
        async with following(ReadOnly()) as follower:
            found = follower.ask()
            assert isinstance(found, Identified)
            assert found.use is not None
            found.use.note("192.0.2.1")
            await follower.until(lambda: len(follower.events) == 1)
        assert follower.events == [UsesNotKept("read-only")]

    asyncio.run(scene())


def test_keys_close_to_their_end_are_announced_once_and_a_day_before() -> None:
    async def scene() -> None:
        source = Source(replace(ROW, expires_at=int(1_000 + 3 * DAY)), OTHER)
        async with following(source, notice=7 * DAY, max_stale=9 * DAY) as follower:
            await follower.until(lambda: len(follower.events) == 1)
            follower.now += DAY
            await follower.until(lambda: follower.shown[-1] == (0.0, 1))
            follower.now += DAY
            await follower.until(lambda: len(follower.events) == 2)
            follower.now += DAY / 2
            assert follower.refresher.status().expiring == 1
            follower.now += DAY / 2
            assert follower.refresher.status().expiring == 0
        soon = KeyExpiresSoon("ci", "k_00000001", "team a", "1970-01-04T00:16:40Z")
        assert follower.events == [soon, soon]

    asyncio.run(scene())


def test_of_many_keys_close_to_their_end_some_are_named() -> None:
    async def scene() -> None:
        many = [
            replace(
                ROW,
                id=f"k_{number:08}",
                name=f"n{number}",
                digest=bytes([number]) * 32,
                expires_at=5_000,
            )
            for number in range(1, 31)
        ]
        async with following(Source(*many), notice=DAY) as follower:
            await follower.until(lambda: len(follower.events) == 11)
        assert follower.events[-1] == KeysExpireSoon(20)

    asyncio.run(scene())


def test_another_worker_announces_and_this_one_counts() -> None:
    async def scene() -> None:
        source = Source(replace(ROW, expires_at=5_000))
        async with following(source, notice=DAY, announces=False) as follower:
            await follower.until(lambda: follower.refresher.status().expiring == 1)
            await follower.until(lambda: follower.first_end == 5_000 - follower.now)
        assert follower.events == []

    asyncio.run(scene())


def test_the_use_of_a_key_for_emergencies_is_announced_each_hour() -> None:
    async def scene() -> None:
        source = Source(replace(ROW, break_glass="no database", revoked_at=5))
        rule = BreakGlassRule(digest(mint(b"b" * 32)), 9_000.0, "the database is gone")
        async with following(source, max_stale=DAY) as follower:
            follower.break_glass.configure([rule])
            found = follower.ask(mint(b"b" * 32))
            assert isinstance(found, Identified)
            assert found.use is not None
            for now in (1_000, 2_000, 4_599, 4_600):
                follower.now = now
                await follower.until(lambda at=now: follower.keyring.uses.now == at)  # type: ignore[misc]
                found.use.note("192.0.2.1")
                await follower.until(lambda: not found.use or not found.use.is_noted)
        used = BreakGlassUsed(rule.label, rule.reason, "192.0.2.1")
        assert follower.events == [used, used]
        assert source.recorded == []

    asyncio.run(scene())


def test_what_is_done_before_the_first_look_is_tried_until_it_works() -> None:
    async def scene() -> None:
        source, calls = Source(), list[str]()

        def prepare() -> Sequence[Event]:
            calls.append(threading.current_thread().name)
            if len(calls) < 3:
                raise StoreUnreachableError("down")
            return [FirstKeyTaken("k_00000001", "then")]

        async with following(source, before_reading=prepare) as follower:
            await follower.until(lambda: follower.why_not() is None)
            await looks(source, 3)
        assert len(calls) == 3
        assert FirstKeyTaken("k_00000001", "then") in follower.events

    asyncio.run(scene())
