"""Upgrades and rollbacks one by one: what becomes of each bad input, and what is said."""

from __future__ import annotations

import pytest

from headgate.deploy.mlflow.beginning import RefusedError
from headgate.deploy.mlflow.journal import JournalError, read
from headgate.deploy.mlflow.phases import FORWARD, Kind, Step
from headgate.deploy.mlflow.records import Writer
from headgate.deploy.mlflow.site import Limits
from headgate.deploy.mlflow.words import utc
from headgate.deploy.outcome import ExitCode
from headgate.errors import HeadgateError
from tests.unit.deploy.mlflow.memory_world import NEW, OLD, MemoryClock, World
from tests.unit.deploy.mlflow.scene import goes_on, rolls_back, upgrades


def snapshot_time(world: World) -> str:
    """The time of the last upgrade's snapshot, as people write it."""
    last = read(world.text, "").last
    assert last is not None
    assert last.snapshot is not None
    return utc(last.snapshot.at)


def test_an_upgrade_goes_through_every_step() -> None:
    """Each is in the outcome with its seconds; no key is left, and nobody waits."""
    world = World()
    outcome = upgrades(world)
    assert (outcome.code, world.assert_whole()) == (ExitCode.DONE, NEW.place)
    steps = [each.step for each in outcome.phases]
    assert steps == [Step.CHECK, Step.VERIFY_BEFORE, *FORWARD[Kind.UPGRADE]]
    assert outcome.document()["parked_seconds"] > 0
    assert world.keys == set()


@pytest.mark.parametrize(
    ("world", "said"),
    [
        (World(migration_fails=True), "mlflow db upgrade failed: no such column"),
        (World(migration_fails=True, half_done=False), "mlflow db upgrade failed"),
        (World(bad={NEW.place}), "MLflow 3.17.2 does not pass verification: a step failed"),
        (World(broken={NEW.place}), "MLflow 3.17.2 does not start"),
        (World(deaf=False, stuck=3), "requests are in flight: gate-1 has 3"),
    ],
)
def test_what_fails_after_the_park_is_taken_back(world: World, said: str) -> None:
    """The old version runs on its database, and the exit code says so."""
    outcome = upgrades(world)
    assert (outcome.code, world.assert_whole()) == (ExitCode.ROLLED_BACK, OLD.place)
    assert said in outcome.summary
    assert world.keys == set()
    assert read(world.text, "").in_progress is None


def test_a_writer_that_comes_after_the_plan_is_noticed() -> None:
    """Nothing is saved or migrated beside it."""
    world = World()
    world.after = lambda _number, _seam, name: (
        world.strangers.append(Writer("a notebook")) if name == "stop" else None
    )
    outcome = upgrades(world)
    assert outcome.code is ExitCode.ROLLED_BACK
    assert "others are connected to the database: a notebook" in outcome.summary
    assert world.files == {}


def test_what_does_not_pass_before_is_not_touched() -> None:
    """Else a failure could not be told from one of the new version."""
    world = World(bad={OLD.place})
    with pytest.raises(RefusedError, match="what runs now does not pass verification"):
        upgrades(world)
    assert (world.text, world.park, world.keys) == (None, "", set())


def test_one_command_at_a_time() -> None:
    """By the lock of the folder, and by the park."""
    world = World(locked_by="bob@vm (process 7)")
    outcome = upgrades(world)
    assert outcome.code is ExitCode.BUSY
    assert "bob@vm (process 7)" in outcome.summary
    world = World(park="bobs")
    outcome = upgrades(world)
    assert outcome.code is ExitCode.BUSY
    assert "the upstream is parked already" in outcome.summary
    assert world.text is None
    world = World()
    world.before = lambda _number, _seam, name: (
        setattr(world, "park", "bobs") if name == "park" else None
    )
    outcome = upgrades(world)
    assert outcome.code is ExitCode.BUSY
    assert "bob has parked it" in outcome.summary
    assert (world.park, world.runs) == ("bobs", OLD.place)


def test_a_time_that_is_exceeded_is_taken_back() -> None:
    """The limit counts from the park; here the new version takes too long to respond."""
    world = World()
    world.before = lambda _number, _seam, name: (
        setattr(world, "time", world.time + 500) if name == "snapshot" else None
    )
    world.slow = 3
    outcome = upgrades(world, limits=Limits(maximum=240.0))
    assert (outcome.code, world.assert_whole()) == (ExitCode.ROLLED_BACK, OLD.place)
    assert "that was waited for in vain" in outcome.summary


def test_a_way_back_that_fails_keeps_the_clients_away_and_says_how_to_go_on() -> None:
    """When the cause is gone, a rollback ends it."""
    world = World(migration_fails=True)
    world.before = _fails_at(world, "restore")
    outcome = upgrades(world)
    assert outcome.code is ExitCode.FAILED
    assert "The way back to MLflow 3.14.0 stopped at 'restore': no room" in outcome.summary
    assert "headgate mlflow rollback" in outcome.advice
    assert world.park
    world.before = lambda *_: None
    assert rolls_back(world).code is ExitCode.ROLLED_BACK
    assert world.assert_whole() == OLD.place


def _fails_at(_world: World, call: str):  # type: ignore[no-untyped-def]
    def before(_number: int, _seam: object, name: str) -> None:
        if name == call:
            raise HeadgateError("no room")

    return before


def test_a_park_that_somebody_ends_is_noticed_and_nothing_is_restored() -> None:
    """Clients may have written to the new version, so the operator decides."""
    world = World(slow=3)
    world.before = lambda _number, _seam, name: (
        setattr(world, "park", "") if name == "start" else None
    )
    outcome = upgrades(world)
    assert outcome.code is ExitCode.FAILED
    assert "clients may have written to it since, so nothing was restored" in outcome.summary
    world.before = lambda *_: None
    world.client_writes()
    refused = rolls_back(world)
    assert refused.code is ExitCode.FAILED
    assert "Nothing was restored: bob has ended the park" in refused.summary
    assert world.assert_whole() == NEW.place


def test_a_rollback_needs_consent_that_names_the_time() -> None:
    """It says what would be lost; another time is no consent."""
    world = World()
    upgrades(world)
    world.client_writes()
    at = snapshot_time(world)
    with pytest.raises(RefusedError, match=r"loses what was written since: 1 runs \(the newest"):
        rolls_back(world)
    with pytest.raises(RefusedError, match="is not the time of the snapshot"):
        rolls_back(world, "2020-01-01T00:00:00Z")
    assert world.assert_whole() == NEW.place
    outcome = rolls_back(world, at)
    assert (outcome.code, world.head, world.runs) == (ExitCode.DONE, OLD.head, OLD.place)
    assert world.rows == {1, 2, 3}
    with pytest.raises(RefusedError, match="there is no upgrade to roll back"):
        rolls_back(world, at)


def test_a_rollback_that_fails_returns_to_the_new_version() -> None:
    """With every row that clients have written."""
    world = World()
    upgrades(world)
    world.client_writes()
    world.bad = {OLD.place}
    outcome = rolls_back(world, snapshot_time(world))
    assert (outcome.code, world.assert_whole()) == (ExitCode.ROLLED_BACK, NEW.place)


def test_what_is_in_progress_is_not_begun_again() -> None:
    """An upgrade refuses, with both ways out; the options have to be the same."""
    world = World(migration_fails=True)
    world.before = _fails_at(world, "restore")
    upgrades(world)
    world.before = lambda *_: None
    with pytest.raises(RefusedError, match=r"upgrade --continue; or return with: .* rollback"):
        upgrades(world)
    assert goes_on(world).code is ExitCode.ROLLED_BACK
    with pytest.raises(RefusedError, match="nothing is in progress"):
        goes_on(world)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[1]", '{"format": 1, "x": 1}'])
def test_a_journal_that_is_not_whole_is_never_replaced(text: str) -> None:
    """It may name the only way back."""
    world = World(text=text)
    with pytest.raises(JournalError, match="cannot be read"):
        upgrades(world)
    assert world.text == text


def test_a_snapshot_of_the_operators() -> None:
    """It is asked for once nothing writes; the way back needs the operator."""
    asked: list[str] = []

    def ask(database: str) -> str:
        assert not world.runs
        asked.append(database)
        return "snap-1"

    world = World()
    assert upgrades(world, ask=ask).code is ExitCode.DONE
    assert asked == ["a database in memory"]
    with pytest.raises(RefusedError, match=r"the snapshot snap-1 of .* is restored by you"):
        rolls_back(world, snapshot_time(world))
    world = World(migration_fails=True)
    outcome = upgrades(world, ask=ask)
    assert outcome.code is ExitCode.FAILED
    assert "restore the snapshot snap-1" in outcome.summary
    assert world.park
    world.head = OLD.head  # the operator has restored it
    assert rolls_back(world).code is ExitCode.ROLLED_BACK
    assert world.assert_whole() == OLD.place


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_ends_no_wait(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are of the monotonic clock; a rollback is asked for the time of the snapshot."""
    now, read_ = MemoryClock.now, iter(range(1_000))
    monkeypatch.setattr(MemoryClock, "now", lambda self: now(self) + jump * (next(read_) % 2))
    world = World(slow=3)
    assert upgrades(world).code is ExitCode.DONE
    assert world.assert_whole() == NEW.place
    assert rolls_back(world, snapshot_time(world)).code is ExitCode.DONE
