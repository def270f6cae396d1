"""Whatever fails or dies, wherever: a second command leads to one version, whole, and unparked."""

from __future__ import annotations

import contextlib
import enum
import itertools
from collections.abc import Callable

import pytest

from headgate.deploy.mlflow.beginning import RefusedError
from headgate.deploy.mlflow.journal import read
from headgate.deploy.mlflow.phases import Step
from headgate.deploy.mlflow.words import utc
from headgate.deploy.outcome import ExitCode, Outcome
from headgate.errors import HeadgateError
from tests.unit.deploy.mlflow.memory_world import ERRORS, NEW, OLD, ProcessDied, Seam, World
from tests.unit.deploy.mlflow.scene import goes_on, rolls_back, upgrades


class Fault(enum.Enum):
    """What may happen at a call."""

    DIES = "dies"
    INTERRUPTED = "interrupted"
    FAILS = "fails"
    FAILS_FROM_NOW_ON = "fails from now on"


def strike(world: World, number: int, fault: Fault, *, after: bool) -> None:
    """Let the call of a number fail before, or after, it had its effect."""
    first = world.calls + number
    failing: list[Seam] = []

    def hit(called: int, seam: Seam, _name: str) -> None:
        if called == first:
            failing.append(seam)
        gone = fault is Fault.DIES and called > first
        lasting = fault is Fault.FAILS_FROM_NOW_ON and called > first and seam in failing
        if called != first and not gone and not lasting:
            return
        if fault is Fault.DIES:
            raise ProcessDied
        if fault is Fault.INTERRUPTED:
            if world.interruptible:
                raise KeyboardInterrupt
            return
        raise ERRORS[seam](f"{seam.value} fails")

    if after:
        world.after = hit
    else:
        world.before = hit


def ended(command: Callable[[], Outcome], world: World | None = None) -> Outcome | None:
    """The outcome; None if the process died, or did nothing, also because it was stopped."""
    before = None if world is None else world.text
    try:
        return command()
    except ProcessDied:
        return None
    except (KeyboardInterrupt, HeadgateError):
        assert world is None or world.text == before, "what was begun ends with an outcome"
        return None


def repaired(world: World) -> None:
    """Everything works again."""
    world.before = world.after = lambda *_: None
    world.migration_fails = False
    world.passes_time(1000)


def calls_of(command: Callable[[World], Outcome], make: Callable[[], World]) -> int:
    """How many calls a command makes that nothing disturbs."""
    world = make()
    before = world.calls
    command(world)
    return world.calls - before


def a_world() -> World:
    """MLflow runs, and nothing was ever upgraded."""
    return World()


def a_failing_world() -> World:
    """The migration fails and leaves its work half done."""
    return World(migration_fails=True)


def an_unfit_world() -> World:
    """The new version starts and does not pass verification."""
    return World(bad={NEW.place})


def an_upgraded_world() -> World:
    """The upgrade is done, and clients have written since."""
    world = World()
    assert upgrades(world).code is ExitCode.DONE
    world.client_writes()
    return world


def rollback_of_last(world: World) -> Outcome:
    """A rollback after the end, with the consent that it needs."""
    last = read(world.text, "").last
    if last is None or last.snapshot is None:
        raise HeadgateError("nothing to roll back")
    return rolls_back(world, utc(last.snapshot.at))


WORLDS = {"works": a_world, "migration fails": a_failing_world, "unfit": an_unfit_world}
SECOND: dict[str, Callable[[World], Outcome]] = {"continue": goes_on, "rollback": rolls_back}


def end_of(world: World, second: str) -> str:
    """What runs after a second command, which is needed only if something is in progress."""
    left = read(world.text, "").in_progress
    if left is not None:
        try:
            outcome = SECOND[second](world)
        except RefusedError:  # it had ended but for the journal, so that a rollback needs consent
            assert left.step is Step.UNPARK
            return world.assert_whole()
        assert outcome.code in {ExitCode.DONE, ExitCode.ROLLED_BACK}, outcome.summary
    return world.assert_whole()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("kind", WORLDS)
def test_any_call_of_an_upgrade_may_fail(
    kind: str, second: str, fault: Fault, *, after: bool
) -> None:
    """After one fault, wherever, a second command leaves one version whole."""
    make = WORLDS[kind]
    for number in range(1, calls_of(upgrades, make) + 1):
        world = make()
        strike(world, number, fault, after=after)
        outcome = ended(lambda world=world: upgrades(world), world)  # type: ignore[misc]
        repaired(world)
        if outcome is not None and outcome.code in {ExitCode.DONE, ExitCode.ROLLED_BACK}:
            world.assert_whole()
        over = read(world.text, "").in_progress is None
        runs = end_of(world, second)
        if over and outcome is not None and outcome.code is ExitCode.ROLLED_BACK:
            assert runs == OLD.place


@pytest.mark.parametrize("fault", [Fault.DIES, Fault.FAILS])
@pytest.mark.parametrize(("first", "second"), [*itertools.product(SECOND, SECOND)])
def test_the_second_command_may_fail_as_well(first: str, second: str, fault: Fault) -> None:
    """A command is killed, the next one too, and the third brings the end."""
    for number in range(1, calls_of(upgrades, a_world) + 1, 3):
        for again in range(1, 60, 5):
            world = a_world()
            strike(world, number, Fault.DIES, after=True)
            ended(lambda world=world: upgrades(world))  # type: ignore[misc]
            repaired(world)
            if read(world.text, "").in_progress is None:
                break
            strike(world, again, fault, after=again % 2 == 1)
            with contextlib.suppress(RefusedError):
                ended(lambda world=world: SECOND[first](world))  # type: ignore[misc]
            repaired(world)
            end_of(world, second)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("second", SECOND)
def test_any_call_of_a_rollback_may_fail(second: str, fault: Fault, *, after: bool) -> None:
    """A rollback ends wholly old, or leaves what was new with every row that clients wrote."""
    for number in range(1, calls_of(rollback_of_last, an_upgraded_world) + 1):
        world = an_upgraded_world()
        strike(world, number, fault, after=after)
        ended(lambda world=world: rollback_of_last(world), world)  # type: ignore[misc]
        repaired(world)
        if read(world.text, "").in_progress is not None:
            outcome = SECOND[second](world)
            assert outcome.code in {ExitCode.DONE, ExitCode.ROLLED_BACK}, outcome.summary
        if world.runs == OLD.place:  # since when?  what clients wrote to it stays
            world.acknowledged = set()  # the operator agreed to lose what was written since
        world.assert_whole()
