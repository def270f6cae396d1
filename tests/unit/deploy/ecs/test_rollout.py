"""``headgate ecs deploy``: what is done, and what each failure leads to."""

from __future__ import annotations

import pytest

from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.phases import Step
from headgate.deploy.ecs.records import Strategy
from headgate.deploy.outcome import ExitCode, FailedError, Verification
from headgate.deploy.phases import Source
from tests.unit.deploy.ecs.memory_plane import MemoryPlane
from tests.unit.deploy.ecs.scene import CRASH, HANG, NEWER, UNFIT, Scene, at_call


def test_a_good_image_runs_in_every_task_and_is_good_in_journal_and_tag() -> None:
    scene = Scene()
    outcome = scene.deploy(NEWER)
    assert outcome.code is ExitCode.DONE, outcome
    assert scene.running() == {"gw:2"}
    assert scene.good() == "gw:2"
    assert scene.journal().history[0].revision == scene.first
    assert scene.journal().in_progress is None
    assert scene.world.tags == {"headgate:good": "gw:2"}
    assert scene.world.held is None
    assert [each.step for each in outcome.phases] == [
        Step.CHECK,
        Step.LOCK,
        Step.VERIFY_BEFORE,
        Step.REGISTER,
        Step.MIGRATE,
        Step.TRAFFIC_BEFORE,
        Step.UPDATE,
        Step.DEPLOYMENT,
        Step.TASKS,
        Step.VERIFY,
        Step.WATCH,
        Step.ACCEPT,
    ]
    took = {each.step: each.seconds for each in outcome.phases}
    assert took[Step.DEPLOYMENT] >= 60
    assert took[Step.WATCH] == 120


def test_events_of_ecs_are_shown_once_and_old_ones_never() -> None:
    scene = Scene()
    scene.world.say("(service gateway) was steady long ago")
    scene.deploy(NEWER)
    lines = scene.notes.of(Source.ECS)
    assert len(lines) == len(set(lines)) == 2
    assert not any("long ago" in each for each in lines)


@pytest.mark.parametrize(
    ("image", "code", "said"),
    [
        (CRASH, ExitCode.ROLLED_BACK, "circuit breaker"),
        (UNFIT, ExitCode.ROLLED_BACK, "does not pass verification"),
        (HANG, ExitCode.TIMED_OUT, "has not ended in time"),
    ],
)
def test_a_bad_image_is_rolled_back(image: str, code: ExitCode, said: str) -> None:
    scene = Scene()
    outcome = scene.deploy(image)
    assert outcome.code is code, outcome
    assert said in outcome.summary
    assert scene.running() == {"gw:1"}
    assert scene.good() == "gw:1"
    assert scene.journal().in_progress is None
    assert scene.world.held is None
    assert outcome.phases[-1].step is Step.VERIFY_BACK


def test_the_reason_of_tasks_that_stop_is_shown_and_ends_the_sentence() -> None:
    scene = Scene()
    outcome = scene.deploy(CRASH)
    assert len(scene.notes.of(Source.TASK)) == 3
    assert "Essential container in task exited" in outcome.summary


def test_a_failed_upgrade_of_the_store_moves_nothing() -> None:
    scene = Scene()
    scene.world.one_off_exit = 2
    outcome = scene.deploy(NEWER)
    assert outcome.code is ExitCode.NOTHING_DONE
    assert "exited with 2" in outcome.summary
    assert "deregistered" in outcome.advice
    assert scene.running() == {"gw:1"}
    assert not scene.world.moving
    assert not scene.world.revisions[scene.first.replace("gw:1", "gw:2")].active
    assert scene.journal().in_progress is None
    assert scene.world.held is None


def test_a_revision_that_cannot_be_deregistered_is_named() -> None:
    scene = Scene()
    scene.world.one_off_exit = 1
    plane = MemoryPlane(scene.world)

    def refuse() -> None:
        raise PlaneError(PlaneFailure.ACCESS_DENIED, "not allowed")

    plane.before_call = at_call("deregister", refuse)
    outcome = scene.deploy(NEWER, plane)
    assert "deregister-task-definition --task-definition gw:2" in outcome.advice


def test_a_second_deploy_is_busy_and_says_who_has_the_lock() -> None:
    scene = Scene()
    second: list[object] = []
    plane = MemoryPlane(scene.world, "ada")

    def other() -> None:
        second.append(scene.deploy(NEWER, MemoryPlane(scene.world, "bob")))

    plane.before_call = at_call("run_task", other)
    outcome = scene.deploy(NEWER, plane)
    assert outcome.code is ExitCode.DONE
    (busy,) = second
    assert busy.code is ExitCode.BUSY  # type: ignore[attr-defined]
    assert "user/ada has been working" in busy.summary  # type: ignore[attr-defined]


def test_a_deployment_in_progress_that_has_no_lock_is_not_disturbed() -> None:
    scene = Scene()
    scene.world.begin(scene.world.add_revision(HANG).arn, scene.first)
    scene.world.current = scene.first
    outcome = scene.deploy(NEWER)
    assert outcome.code is ExitCode.BUSY
    assert "gw:2 is in progress" in outcome.summary
    assert len(scene.world.moving) == 1


def test_an_unsteady_service_is_not_deployed_to_unless_it_is_accepted() -> None:
    scene = Scene()
    scene.world.tasks.pop()
    outcome = scene.deploy(NEWER)
    assert outcome.code is ExitCode.NOTHING_DONE
    assert "1 of 2 tasks run" in outcome.summary
    assert scene.deploy(NEWER, accept_current=True).code is ExitCode.DONE


def test_what_runs_must_pass_verification_before_it_becomes_the_way_back() -> None:
    scene = Scene()
    scene.world.run(scene.world.add_revision(UNFIT).arn)
    outcome = scene.deploy(NEWER)
    assert outcome.code is ExitCode.NOTHING_DONE
    assert "which runs now, does not pass verification" in outcome.summary
    assert "--accept-current" in outcome.summary
    assert scene.world.journal is None


@pytest.mark.parametrize("worse", ["errors", "p99"])
def test_worse_traffic_rolls_back(worse: str) -> None:
    scene = Scene()
    if worse == "errors":
        scene.world.errors_after = 50
    else:
        scene.world.p99_after = 0.9
    outcome = scene.deploy(NEWER)
    assert outcome.code is ExitCode.ROLLED_BACK
    assert "the traffic is worse than before" in outcome.summary
    assert scene.running() == {"gw:1"}


def test_traffic_that_cannot_be_read_for_a_while_changes_nothing() -> None:
    scene = Scene()
    plane = MemoryPlane(scene.world)

    def fail(_number: int, name: str) -> None:
        if name == "traffic" and scene.world.moved_at is not None:
            raise PlaneError(PlaneFailure.THROTTLED, "throttled", retryable=True)

    plane.before_call = fail
    outcome = scene.deploy(NEWER, plane)
    assert outcome.code is ExitCode.DONE
    watch = next(each for each in outcome.phases if each.step is Step.WATCH)
    assert "not judged" in watch.note


def test_an_expired_session_leaves_a_journal_that_a_rollback_follows() -> None:
    scene = Scene()
    plane = MemoryPlane(scene.world)

    def expire(_number: int, _name: str) -> None:
        if scene.world.moved_at is not None:
            raise PlaneError(PlaneFailure.CREDENTIALS_EXPIRED, "the AWS session has expired")

    plane.before_call = expire
    outcome = scene.deploy(UNFIT, plane)
    assert outcome.code is ExitCode.FAILED
    assert "way back to gw:1 failed as well: the AWS session has expired" in outcome.summary
    assert "headgate ecs rollback" in outcome.advice
    in_progress = scene.journal().in_progress
    assert in_progress is not None
    assert in_progress.revision.endswith("gw:2")
    assert scene.rollback().code is ExitCode.DONE
    assert scene.running() == {"gw:1"}
    assert scene.journal().in_progress is None


def test_an_interrupt_while_the_deployment_goes_on_rolls_back() -> None:
    scene = Scene()
    plane = MemoryPlane(scene.world)

    def interrupt() -> None:
        raise KeyboardInterrupt

    plane.before_call = at_call("deployment", interrupt, 3)
    outcome = scene.deploy(NEWER, plane)
    assert outcome.code is ExitCode.ROLLED_BACK
    assert outcome.summary.startswith("stopped on request")
    assert scene.running() == {"gw:1"}


def test_the_rollback_of_another_operator_ends_a_deploy() -> None:
    scene = Scene()
    plane = MemoryPlane(scene.world, "ada")
    done: list[object] = []

    def other() -> None:
        done.append(scene.rollback(plane=MemoryPlane(scene.world, "bob")))

    plane.before_call = at_call("deployment", other, 3)
    outcome = scene.deploy(NEWER, plane)
    assert done[0].code is ExitCode.DONE  # type: ignore[attr-defined]
    assert outcome.code is ExitCode.ROLLED_BACK
    assert "by" in outcome.summary
    assert scene.running() == {"gw:1"}
    assert scene.journal().in_progress is None
    assert [each.record.target for each in scene.world.moving] == [
        scene.first.replace("gw:1", "gw:2")
    ]


def test_a_rollback_that_still_runs_is_named_with_its_operator() -> None:
    scene = Scene()
    plane = MemoryPlane(scene.world, "ada")

    def other() -> None:
        bob = MemoryPlane(scene.world, "bob")

        def die(_number: int, name: str) -> None:
            if name == "stop":
                raise PlaneError(PlaneFailure.UNREACHABLE, "gone", retryable=True)

        bob.after_call = die
        site = scene.site(bob)
        site.holding.take_over("rollback")
        site.holding.begin("rollback", lambda kept: kept)

    plane.before_call = at_call("deployment", other, 3)
    outcome = scene.deploy(NEWER, plane)
    assert outcome.code is ExitCode.ROLLED_BACK
    assert outcome.summary == "rolled back by arn:aws:iam::123456789012:user/bob"


def test_the_next_deploy_verifies_what_a_dead_one_left() -> None:
    scene = Scene()
    scene.deploy(NEWER)
    written = scene.journal()
    third = scene.world.add_revision("registry/good@sha256:9").arn
    scene.world.run(third)
    scene.world.journal = written.to_text()
    outcome = scene.deploy(NEWER)
    assert outcome.code is ExitCode.DONE
    assert scene.journal().history[0].revision == third


def test_without_verification_what_the_journal_does_not_know_must_be_accepted() -> None:
    scene = Scene()
    scene.deploy(NEWER)
    scene.world.run(scene.world.add_revision(UNFIT).arn)
    outcome = scene.deploy(NEWER, unverified=True)
    assert outcome.code is ExitCode.NOTHING_DONE
    assert "nothing says that gw:3" in outcome.summary
    assert "headgate ecs rollback" in outcome.summary


class TestBlueGreen:
    """A service that keeps both revisions and shifts traffic."""

    def test_test_traffic_is_verified_in_the_pause(self) -> None:
        scene = Scene(Strategy.BLUE_GREEN)
        asked: list[bool] = []

        def verify_test() -> Verification:
            asked.append(scene.running() == {"gw:1"})
            return Verification(True, "all steps passed")

        outcome = scene.deploy(NEWER, verify_test=verify_test)
        assert outcome.code is ExitCode.DONE
        assert asked == [True]
        (hook,) = scene.world.configuration["lifecycleHooks"]
        assert hook["targetType"] == "PAUSE"
        assert hook["lifecycleStages"] == ["POST_TEST_TRAFFIC_SHIFT"]

    def test_bad_test_traffic_never_becomes_production_traffic(self) -> None:
        scene = Scene(Strategy.CANARY)
        outcome = scene.deploy(NEWER, verify_test=lambda: Verification(False, "1 step failed"))
        assert outcome.code is ExitCode.ROLLED_BACK
        assert "test traffic does not pass verification: 1 step failed" in outcome.summary
        failed = [each.step for each in outcome.phases if not each.passed]
        assert failed == [Step.TEST_TRAFFIC, Step.DEPLOYMENT]
        assert scene.world.moved_at is None
        assert scene.running() == {"gw:1"}

    def test_worse_traffic_in_the_bake_time_stops_the_deployment(self) -> None:
        scene = Scene(Strategy.BLUE_GREEN)
        scene.world.errors_after = 100
        outcome = scene.deploy(NEWER)
        assert outcome.code is ExitCode.ROLLED_BACK
        assert len(scene.world.moving) == 1, "ECS shifts back; no second deployment"

    def test_a_boto3_without_pause_hooks_is_said_and_changes_nothing(self) -> None:
        scene = Scene(Strategy.BLUE_GREEN)
        plane = MemoryPlane(scene.world)

        def refuse() -> None:
            raise PlaneError(PlaneFailure.INVALID, "Unknown parameter targetType")

        plane.before_call = at_call("update", refuse)
        outcome = scene.deploy(NEWER, plane, verify_test=lambda: Verification(True, ""))
        assert outcome.code is ExitCode.NOTHING_DONE
        assert "--upgrade boto3" in outcome.summary

    def test_a_rolling_service_has_no_test_traffic(self) -> None:
        with pytest.raises(FailedError, match="leave out --test-url"):
            Scene().deploy(NEWER, verify_test=lambda: Verification(True, ""))
