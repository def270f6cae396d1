"""When the keys of issuers are fetched, and what becomes of failures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from headgate.auth.tokens.follower import Follower, LeftKeys
from headgate.auth.tokens.issuer_keys import IssuerKeys
from headgate.auth.tokens.key_set import KeySet, read_key_set
from headgate.auth.tokens.key_source import KeySource
from headgate.config import Issuer as Settings
from headgate.errors import HeadgateError
from headgate.events import (
    Event,
    InternalError,
    IssuerKeysChanged,
    IssuerKeysReadable,
    IssuerKeysUnreadable,
    IssuerKeyUnusable,
)
from headgate.tasks import Tasks
from headgate.testing.clock import ManualClock
from tests.support.signing import as_json, new_key
from tests.support.token_gate import settings

ONE, TWO = new_key("one", "ES256").public_jwk(), new_key("two", "ES256").public_jwk()


def document(*keys: Mapping[str, Any]) -> bytes:
    return as_json({"keys": list(keys)})


class Source(KeySource):
    """Keys that the test sets; counts how often they are read."""

    def __init__(self, given: Settings) -> None:
        super().__init__(given)
        self.found: bytes | Exception = document(ONE)
        self.reads = 0
        self.gate = threading.Event()
        self.gate.set()

    def read(self) -> KeySet:
        self.reads += 1
        self.gate.wait(10)
        if isinstance(self.found, Exception):
            raise self.found
        return read_key_set(self.found)


class Scene:
    """The keys of one issuer, an hour apart from each other."""

    def __init__(self, **changes: Any) -> None:
        self.events: list[Event] = []
        self.changes: list[str] = []
        self.clock = ManualClock(1_000.0)
        self.source = Source(settings("https://idp.example", **changes))
        self.keys = IssuerKeys(
            "ci",
            self.source,
            3_600.0,
            Tasks(self.events.append),
            self.events.append,
            clock=self.clock,
            monotonic=self.clock,
            on_change=self.changes.append,
            spread=lambda: 1.0,
        )

    async def look(self) -> None:
        """Look, and wait for the fetch that this begins."""
        before = self.source.reads
        self.keys.look()
        if running := self.keys._running:
            await running
        else:
            assert self.source.reads == before

    async def reads_after(self, seconds: float) -> bool:
        """Whether a look after some time reads the keys."""
        before = self.source.reads
        self.clock.advance(seconds)
        await self.look()
        return self.source.reads > before


def run(story: Callable[[Scene], Coroutine[Any, Any, None]], **changes: Any) -> Scene:
    scene = Scene(**changes)
    asyncio.run(story(scene))
    return scene


def test_keys_are_fetched_at_the_start_and_then_by_the_interval() -> None:
    async def story(scene: Scene) -> None:
        assert await scene.reads_after(0)
        assert not await scene.reads_after(3_599)
        assert await scene.reads_after(1)

    scene = run(story)
    assert scene.changes == ["ci", "ci"]
    assert [type(each) for each in scene.events] == [IssuerKeysChanged]
    assert scene.keys.fetched_at == 4_600.0


def test_a_failure_is_tried_again_less_and_less_often() -> None:
    async def story(scene: Scene) -> None:
        scene.source.found = HeadgateError("down")
        assert await scene.reads_after(0)
        for pause in (1, 2, 4, 8, 16, 30, 30):
            assert not await scene.reads_after(pause - 0.5)
            assert await scene.reads_after(0.5)
        scene.source.found = document(ONE)
        assert await scene.reads_after(30)
        scene.source.found = HeadgateError("down again")
        assert await scene.reads_after(3_600)
        for pause in (15, 30, 60, 120, 240, 300, 300):
            assert not await scene.reads_after(pause - 0.5)
            assert await scene.reads_after(0.5)

    scene = run(story)
    assert [type(each) for each in scene.events] == [
        IssuerKeysUnreadable,
        IssuerKeysReadable,
        IssuerKeysChanged,
        IssuerKeysUnreadable,
    ]
    assert isinstance(scene.events[0], IssuerKeysUnreadable)
    assert not scene.events[0].known
    assert isinstance(scene.events[3], IssuerKeysUnreadable)
    assert scene.events[3].known
    assert scene.keys.known is not None


def test_another_failure_is_another_event() -> None:
    async def story(scene: Scene) -> None:
        for why in ("a", "a", "b"):
            scene.source.found = HeadgateError(why)
            await scene.reads_after(60)

    scene = run(story)
    assert [each.reason for each in scene.events if isinstance(each, IssuerKeysUnreadable)] == [
        "a",
        "b",
    ]


def test_changed_keys_are_counted() -> None:
    async def story(scene: Scene) -> None:
        await scene.look()
        scene.source.found = document(ONE, TWO, {"kty": "oct", "k": "a"})
        await scene.reads_after(3_600)
        await scene.reads_after(3_600)
        scene.source.found = document(TWO)
        await scene.reads_after(3_600)

    scene = run(story)
    changed = [each for each in scene.events if isinstance(each, IssuerKeysChanged)]
    assert [(each.keys, each.added, each.removed) for each in changed] == [
        (1, 1, 0),
        (2, 1, 0),
        (1, 0, 1),
    ]
    (unusable,) = (each for each in scene.events if isinstance(each, IssuerKeyUnusable))
    assert "secret" in unusable.reason


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(b"1")

    async def story(scene: Scene) -> None:
        assert await scene.reads_after(0)
        assert not await scene.reads_after(100_000)
        file.write_bytes(b"22")
        assert await scene.reads_after(0)
        file.write_bytes(b"333")
        assert not await scene.reads_after(0), "at most once a second"
        assert await scene.reads_after(1)
        scene.source.found = HeadgateError("half of it")
        file.unlink()
        assert await scene.reads_after(1)
        scene.source.found = document(ONE)
        assert await scene.reads_after(1), "tried again until it can be read"
        assert not await scene.reads_after(1)

    run(story, jwks_file=file)


def test_requests_wait_for_one_fetch_together() -> None:
    async def story(scene: Scene) -> None:
        scene.source.gate.clear()
        waiting = [asyncio.ensure_future(scene.keys.fetched()) for _ in range(20)]
        await asyncio.sleep(0)
        assert scene.keys.may_fetch(), "to join"
        waiting[0].cancel()
        await asyncio.sleep(0)
        scene.source.gate.set()
        await asyncio.gather(*waiting[1:])
        assert scene.keys.known is not None

    scene = run(story)
    assert scene.source.reads == 1


def test_a_request_does_not_wait_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.auth.tokens.issuer_keys.WAIT_SECONDS", 0.01)

    async def story(scene: Scene) -> None:
        scene.source.gate.clear()
        await scene.keys.fetched()
        assert scene.keys.known is None
        scene.source.gate.set()
        await scene.keys.begin()
        assert scene.keys.known is not None

    run(story)


def test_a_fetch_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.auth.tokens.issuer_keys.GIVE_UP_SECONDS", 0.01)

    async def story(scene: Scene) -> None:
        scene.source.gate.clear()
        await scene.keys.begin()
        assert "has not responded" in (scene.keys.failing or "")
        scene.source.gate.set()
        await scene.keys.begin()
        assert scene.keys.failing is None

    run(story)


def test_a_defect_is_reported_and_holds_nobody_up() -> None:
    async def story(scene: Scene) -> None:
        scene.source.found = ZeroDivisionError("a defect")
        await scene.keys.fetched()
        await asyncio.sleep(0)

    scene = run(story)
    assert [type(each) for each in scene.events] == [InternalError]


def test_a_shorter_interval_counts_from_now() -> None:
    async def story(scene: Scene) -> None:
        await scene.look()
        scene.keys.reschedule(60)
        assert not await scene.reads_after(59)
        assert await scene.reads_after(1)
        assert await scene.reads_after(60)

    run(story)


def test_the_follower_fetches_what_is_due_until_it_is_cancelled() -> None:
    made: list[Source] = []
    left: list[Mapping[str, LeftKeys]] = []
    changed: list[str] = []
    shown: list[float] = []
    both = asyncio.Event()

    def keep(kept: Mapping[str, LeftKeys]) -> None:
        left.append(kept)
        if len(kept) == 2:
            both.set()

    def source(given: Settings) -> Source:
        made.append(Source(given))
        return made[-1]

    async def story() -> None:
        events: list[Event] = []
        follower = Follower(
            events.append, lambda: 5.0, changed.append, keep=keep, show=shown.append, source=source
        )
        follower.configure({"a": settings("https://a.example"), "b": settings("https://b.example")})
        running = asyncio.ensure_future(follower.run())
        await both.wait()
        running.cancel()
        assert follower.oldest() == 0.0
        assert shown[0] == 0.0
        assert [each.keys for each in follower.statuses()] == [1, 1]
        follower.configure({"a": settings("https://a.example", leeway=1)})
        assert [each.name for each in follower.statuses()] == ["a"]
        assert len(made) == 2

    asyncio.run(story())
    assert sorted(changed) == ["a", "b"]
    assert set(left[-1]) == {"a", "b"}
    assert left[-1]["a"].document == document(ONE)


def test_keys_that_never_came_age_too() -> None:
    clock = ManualClock(5.0)
    follower = Follower(lambda _: None, clock, lambda _: None, source=Source)
    assert follower.oldest() == 0.0
    follower.configure({"a": settings("https://a.example")})
    clock.advance(7)
    assert follower.oldest() == 7.0
    assert follower.statuses()[0].age_seconds is None


def test_what_another_worker_left_may_be_unreadable() -> None:
    place = "https://a.example/.well-known/openid-configuration"
    follower = Follower(
        lambda _: None,
        lambda: 5.0,
        lambda _: None,
        kept={"a": LeftKeys(place, b"{", 1.0)},
        source=Source,
    )
    (keys,) = follower.configure({"a": settings("https://a.example")}).values()
    assert keys.known is None
