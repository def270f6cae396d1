"""``headgate ecs rollback``: where to, and how."""

from __future__ import annotations

import pytest

from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.journal import JournalError
from headgate.deploy.ecs.phases import Step
from headgate.deploy.ecs.records import DeploymentState, Strategy
from headgate.deploy.ecs.rollback import NothingToReturnToError
from headgate.deploy.outcome import ExitCode, Outcome
from tests.unit.deploy.ecs.memory_plane import MemoryPlane, ProcessDied
from tests.unit.deploy.ecs.scene import CRASH, HANG, NEWER, UNFIT, Scene, at_call


def deployed_twice() -> Scene:
    """``gw:3`` runs, ``gw:2`` ran before it, and ``gw:1`` before that."""
    scene = Scene()
    assert scene.deploy(NEWER).code is ExitCode.DONE
    assert scene.deploy(NEWER).code is ExitCode.DONE
    return scene


def test_it_returns_to_the_good_revision_before_and_prints_the_phases() -> None:
    scene = deployed_twice()
    outcome = scene.rollback()
    assert outcome.code is ExitCode.DONE
    assert scene.running() == {"gw:2"}
    assert scene.good() == "gw:2"
    assert [each.step for each in outcome.phases] == [
        Step.CHECK,
        Step.LOCK,
        Step.RETURN,
        Step.RETURNED,
        Step.TASKS_BACK,
        Step.VERIFY_BACK,
        Step.ACCEPT,
    ]


def test_a_failed_revision_between_is_skipped() -> None:
    scene = Scene()
    scene.deploy(NEWER)
    scene.deploy(CRASH)  # gw:3, rolled back
    assert scene.deploy(NEWER).code is ExitCode.DONE  # gw:4
    scene.rollback()
    assert scene.running() == {"gw:2"}


def test_repeating_it_does_not_go_further_back() -> None:
    scene = deployed_twice()
    scene.rollback()
    with pytest.raises(NothingToReturnToError, match=r"rolled back already.*--to: gw:1"):
        scene.rollback()
    assert scene.running() == {"gw:2"}


def test_it_does_not_go_further_back_after_a_deploy_that_rolled_itself_back() -> None:
    scene = deployed_twice()
    assert scene.deploy(UNFIT).code is ExitCode.ROLLED_BACK
    with pytest.raises(NothingToReturnToError, match="rolled back already"):
        scene.rollback()
    assert scene.running() == {"gw:3"}


def test_a_deployment_in_progress_is_stopped() -> None:
    scene = deployed_twice()
    scene.world.begin(scene.world.add_revision(HANG).arn, scene.world.current)
    outcome = scene.rollback()
    assert outcome.code is ExitCode.DONE
    assert scene.running() == {"gw:3"}
    assert scene.world.moving[0].record.state is DeploymentState.ROLLBACK_SUCCESSFUL
    assert Step.RETURN not in [each.step for each in outcome.phases]


def test_the_lock_of_a_dead_deploy_is_taken_over() -> None:
    scene = deployed_twice()
    plane = MemoryPlane(scene.world, "ada")

    def die() -> None:
        def dead(_number: int, _name: str) -> None:
            raise ProcessDied

        plane.before_call = dead
        raise ProcessDied

    plane.before_call = at_call("deployment", die, 2)
    with pytest.raises(ProcessDied):
        scene.deploy(HANG, plane)
    assert scene.world.tags["headgate:deploying"].startswith("deploy by arn")
    outcome = scene.rollback(plane=MemoryPlane(scene.world, "bob"))
    assert outcome.code is ExitCode.DONE
    assert "user/ada" in next(each.note for each in outcome.phases if each.step is Step.LOCK)
    assert scene.running() == {"gw:3"}
    assert scene.world.held is None
    assert scene.world.tags == {"headgate:good": "gw:3"}


def test_a_deploy_waits_for_the_lease_of_a_dead_one_only() -> None:
    scene = deployed_twice()
    site = scene.site(MemoryPlane(scene.world))
    site.holding.take("deploy")
    assert scene.deploy(NEWER).code is ExitCode.BUSY
    scene.clock.time += 361
    assert scene.deploy(NEWER).code is ExitCode.DONE


def test_two_rollbacks_do_not_fight() -> None:
    scene = deployed_twice()
    plane = MemoryPlane(scene.world, "ada")
    second: list[Outcome] = []

    def other() -> None:
        second.append(scene.rollback(plane=MemoryPlane(scene.world, "bob")))

    plane.before_call = at_call("update", other)
    assert scene.rollback(plane=plane).code is ExitCode.DONE
    assert second[0].code is ExitCode.BUSY
    assert "user/ada" in second[0].summary


def test_without_a_journal_it_says_what_it_needs_and_takes_a_revision() -> None:
    scene = Scene()
    second = scene.world.add_revision(NEWER).arn
    scene.world.begin(second, scene.first)
    for _ in range(2):
        scene.clock.time += 50
        scene.world.advance()
    with pytest.raises(NothingToReturnToError, match="no journal says which revision"):
        scene.rollback()
    outcome = scene.rollback("gw:1")
    assert outcome.code is ExitCode.DONE
    assert scene.running() == {"gw:1"}
    assert scene.good() == "gw:1"


def test_without_a_journal_a_deployment_in_progress_goes_back_to_where_it_came_from() -> None:
    scene = Scene()
    scene.world.begin(scene.world.add_revision(HANG).arn, scene.first)
    assert scene.rollback().code is ExitCode.DONE
    assert scene.running() == {"gw:1"}


def test_an_inactive_revision_is_refused_with_what_can_be_used() -> None:
    scene = deployed_twice()
    MemoryPlane(scene.world).deregister(scene.first.replace("gw:1", "gw:2"))
    with pytest.raises(
        NothingToReturnToError, match=r"gw:2 is INACTIVE.*can be named with --to: gw:3, gw:1"
    ):
        scene.rollback()


def test_an_unknown_revision_is_refused_with_what_can_be_used() -> None:
    scene = deployed_twice()
    with pytest.raises(NothingToReturnToError, match=r"no task definition gw:77.*--to: gw:3"):
        scene.rollback("gw:77")


def test_a_revision_whose_image_is_gone_is_refused() -> None:
    scene = deployed_twice()
    scene.world.gone_images.add(NEWER)
    with pytest.raises(NothingToReturnToError, match="no longer has"):
        scene.rollback()


def test_an_unreadable_journal_is_not_replaced_but_does_not_hinder() -> None:
    scene = deployed_twice()
    scene.world.journal = "{"
    with pytest.raises(JournalError, match="cannot be read"):
        scene.rollback()
    outcome = scene.rollback("gw:2")
    assert scene.running() == {"gw:2"}
    assert scene.world.journal == "{"
    assert outcome.code is ExitCode.DONE
    assert any("nothing is written into the journal" in text for _, text in scene.notes.lines)
    assert scene.world.tags == {"headgate:good": "gw:2"}


def test_a_deployment_that_cannot_be_stopped_is_replaced() -> None:
    scene = deployed_twice()
    scene.world.begin(scene.world.add_revision(HANG).arn, scene.world.current)
    plane = MemoryPlane(scene.world)

    def refuse() -> None:
        raise PlaneError(PlaneFailure.UNSUPPORTED, "no such thing")

    plane.before_call = at_call("stop", refuse)
    assert scene.rollback(plane=plane).code is ExitCode.DONE
    assert scene.running() == {"gw:3"}


def test_what_does_not_pass_verification_there_is_said() -> None:
    scene = Scene()
    scene.world.add_revision(UNFIT)
    outcome = scene.rollback("gw:2")
    assert outcome.code is ExitCode.FAILED
    assert "every task runs gw:2 again, but it does not pass verification" in outcome.summary


def test_the_way_back_of_a_blue_green_service_does_not_pause() -> None:
    scene = Scene(Strategy.BLUE_GREEN)
    scene.world.configuration = {
        "lifecycleHooks": [
            {"targetType": "PAUSE", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]},
            {"targetType": "AWS_LAMBDA", "hookTargetArn": "arn:aws:lambda:::f"},
        ]
    }
    scene.world.add_revision(NEWER)
    assert scene.rollback("gw:2").code is ExitCode.DONE
    assert scene.world.configuration["lifecycleHooks"] == [
        {"targetType": "AWS_LAMBDA", "hookTargetArn": "arn:aws:lambda:::f"}
    ]


def test_it_says_where_things_stand_when_time_runs_out() -> None:
    scene = Scene()
    scene.world.add_revision(HANG)
    outcome = scene.rollback("gw:2")
    assert outcome.code is ExitCode.TIMED_OUT
    assert "not safely back at gw:2" in outcome.summary
