"""Whatever fails, wherever: a rollback that follows always leads to the good revision."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.records import Strategy
from headgate.deploy.ecs.rollback import NothingToReturnToError
from headgate.deploy.outcome import ExitCode, Outcome
from headgate.errors import HeadgateError
from tests.unit.deploy.ecs.memory_plane import RETRYABLE, MemoryPlane, ProcessDied
from tests.unit.deploy.ecs.scene import CRASH, HANG, NEWER, UNFIT, Scene


class Kind(enum.Enum):
    """What may happen at a call."""

    DIES = "dies"
    INTERRUPTED = "interrupted"
    FAILS = "fails"
    FAILS_FROM_NOW_ON = "fails from now on"


def strike(
    plane: MemoryPlane, number: int, kind: Kind, failure: PlaneFailure, *, after: bool
) -> None:
    """Let a call of a plane fail before, or after, it did what it was asked."""

    def fault(called: int, _name: str) -> None:
        gone = kind in {Kind.DIES, Kind.FAILS_FROM_NOW_ON} and called > number
        if called != number and not gone:
            return
        if kind is Kind.DIES:
            raise ProcessDied
        if kind is Kind.INTERRUPTED:
            raise KeyboardInterrupt
        raise PlaneError(failure, failure.value, retryable=failure in RETRYABLE)

    if after:
        plane.after_call = fault
    else:
        plane.before_call = fault


def outcome_of(command: Callable[[], Outcome]) -> Outcome | None:
    """The outcome; None if the process died or was stopped before it began."""
    try:
        return command()
    except (ProcessDied, KeyboardInterrupt, HeadgateError):
        return None


def back_at(scene: Scene, good: str) -> None:
    """A rollback, after everything works again, leads to the good revision."""
    scene.clock.time += 30  # the operator notices
    before = scene.running()
    try:
        outcome = scene.rollback(plane=MemoryPlane(scene.world, "bob"))
    except NothingToReturnToError:
        assert before == {good}, "it refused although the service is elsewhere"
    else:
        assert outcome.code is ExitCode.DONE, outcome
    assert scene.running() == {good}
    assert scene.good() == good
    assert scene.journal().in_progress is None
    assert scene.world.held is None or scene.world.held.purpose == "deploy"


@settings(max_examples=400)
@given(
    image=st.sampled_from([NEWER, CRASH, HANG, UNFIT]),
    strategy=st.sampled_from([Strategy.ROLLING, Strategy.BLUE_GREEN]),
    number=st.integers(1, 130),
    kind=st.sampled_from(Kind),
    failure=st.sampled_from(PlaneFailure),
    after=st.booleans(),
)
def test_a_deploy_with_a_fault_anywhere_can_be_rolled_back(
    image: str, strategy: Strategy, number: int, kind: Kind, failure: PlaneFailure, after: bool
) -> None:
    scene = Scene(strategy)
    assert scene.deploy(NEWER, watch=0).code is ExitCode.DONE  # gw:2 is good, before it gw:1
    plane = MemoryPlane(scene.world, "ada")
    strike(plane, number, kind, failure, after=after)
    outcome = outcome_of(lambda: scene.deploy(image, plane, watch=30.0))
    if outcome is not None:
        said_is_so(scene, outcome)
    if outcome is None and not began(scene):
        return  # nothing was done
    if outcome is None or outcome.code is not ExitCode.NOTHING_DONE:
        back_at(scene, "gw:2")


def began(scene: Scene) -> bool:
    """Whether the deployment has written its entry, or has ended with another good revision."""
    found = scene.journal()
    return found.in_progress is not None or found.returned or scene.good() != "gw:2"


def said_is_so(scene: Scene, outcome: Outcome) -> None:
    """What an exit code promises is so."""
    if outcome.code is ExitCode.DONE:
        assert scene.running() == {"gw:3"}
        assert scene.good() == "gw:3"
    elif outcome.code is ExitCode.ROLLED_BACK:
        assert scene.running() == {"gw:2"}
        assert scene.journal().in_progress is None
    elif outcome.code in {ExitCode.NOTHING_DONE, ExitCode.BUSY}:
        assert scene.running() == {"gw:2"}


@settings(max_examples=300)
@given(
    number=st.integers(1, 60),
    kind=st.sampled_from(Kind),
    failure=st.sampled_from(PlaneFailure),
    after=st.booleans(),
    moving=st.booleans(),
)
def test_a_rollback_with_a_fault_anywhere_can_be_repeated(
    number: int, kind: Kind, failure: PlaneFailure, after: bool, moving: bool
) -> None:
    scene = Scene()
    assert scene.deploy(NEWER, watch=0).code is ExitCode.DONE
    good = "gw:1"
    if moving:
        scene.world.begin(scene.world.add_revision(HANG).arn, scene.world.current)
        good = "gw:2"
    plane = MemoryPlane(scene.world, "ada")
    strike(plane, number, kind, failure, after=after)
    outcome_of(lambda: scene.rollback(plane=plane))
    scene.clock.time += 700  # a lease of a rollback that died is over
    try:
        outcome = scene.rollback(plane=MemoryPlane(scene.world, "bob"))
        assert outcome.code is ExitCode.DONE, outcome
    except NothingToReturnToError:
        pass
    assert scene.running() == {good}
    assert scene.good() == good
    assert scene.journal().in_progress is None


@pytest.mark.parametrize("image", [NEWER, CRASH, UNFIT])
def test_a_deploy_after_one_that_died_anywhere_goes_on_or_says_what_to_do(image: str) -> None:
    for number in range(1, 140):
        scene = Scene()
        assert scene.deploy(NEWER, watch=0).code is ExitCode.DONE
        plane = MemoryPlane(scene.world, "ada")
        strike(plane, number, Kind.DIES, PlaneFailure.OTHER, after=False)
        outcome_of(lambda scene=scene, plane=plane: scene.deploy(image, plane, watch=0))  # type: ignore[misc]
        scene.clock.time += 1300  # ECS ended the deployment, and the lease is over
        outcome = scene.deploy(NEWER, watch=0)
        if outcome.code is not ExitCode.DONE:
            assert "headgate ecs rollback" in outcome.summary
            back_at(scene, "gw:2")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("strategy", [Strategy.ROLLING, Strategy.BLUE_GREEN])
def test_a_defect_of_the_command_leaves_no_service_half_moved(
    strategy: Strategy, after: bool
) -> None:
    """Wherever: what AWS responds that nobody has thought of, for example."""
    for number in range(1, 130):
        scene = Scene(strategy)
        scene.deploy(NEWER, watch=0)
        plane = MemoryPlane(scene.world, "ada")
        fault = Defect(number)
        if after:
            plane.after_call = fault
        else:
            plane.before_call = fault
        try:
            outcome: Outcome | None = scene.deploy(HANG if number % 2 else NEWER, plane, watch=30.0)
        except RuntimeError:
            outcome = None
        moves = [each for each in scene.world.moving if not each.record.state.is_final]
        where = f"after a defect at call {number}, {fault.name}"
        assert not moves, where
        if outcome is None:
            assert scene.running() == {"gw:2"}, where
        else:
            said_is_so(scene, outcome)
        if not fault.name:
            return


@pytest.mark.parametrize("after", [False, True])
def test_a_defect_of_a_rollback_says_where_things_stand(after: bool) -> None:
    for number in range(1, 60):
        scene = Scene(Strategy.ROLLING)
        scene.deploy(NEWER, watch=0)
        plane = MemoryPlane(scene.world, "ada")
        fault = Defect(number)
        if after:
            plane.after_call = fault
        else:
            plane.before_call = fault
        with contextlib.suppress(RuntimeError):
            outcome = scene.rollback(plane=plane)
            assert outcome.code in {ExitCode.DONE, ExitCode.FAILED}
            continue
        assert scene.journal().in_progress is None, f"at call {number}, {fault.name}"
        if not fault.name:
            return


class Defect:
    """A call that fails as nobody has thought of."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = ""

    def __call__(self, called: int, name: str) -> None:
        """See ``MemoryPlane``."""
        if called == self.number:
            self.name = name
            raise RuntimeError("a defect")
