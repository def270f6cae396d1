"""A drill: what it runs, when it passes, and that what happened is always reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from headgate.deploy.ecs.drill import Drill, DrillRefusedError, Performance, Schema, guarded
from headgate.deploy.ecs.faults import Fault
from headgate.deploy.ecs.phases import Step
from headgate.deploy.ecs.records import Service
from headgate.deploy.ecs.report import Circumstances, markdown
from headgate.deploy.outcome import ON_REQUEST, ExitCode, Outcome
from headgate.deploy.phases import Phase
from headgate.errors import HeadgateError

T = TypeVar("T")
FIRST = "arn:aws:ecs:eu-central-1:1:task-definition/gateway:1"
BEFORE, AFTER = Schema("2.22.5", "a1"), Schema("3.1.0", "b2")
BACK = (Phase(Step.RETURNED, 100.0, True), Phase(Step.TASKS_BACK, 1.0, True))
GOOD = Outcome(ExitCode.DONE, "every task runs gateway:2")
RETURNED = Outcome(ExitCode.DONE, "every task runs gateway:1", phases=BACK)


def back_after(failed: Step, code: ExitCode = ExitCode.ROLLED_BACK) -> Outcome:
    return Outcome(code, "went back", phases=(Phase(failed, 5.0, False), *BACK))


@dataclass
class Stage:
    """What the commands of a drill do; an exception is raised."""

    outcomes: Sequence[Outcome | BaseException]
    schemas: Sequence[Schema | HeadgateError] = ()
    done: list[str] = field(default_factory=list)

    def perform(self, fault: Fault = Fault.CRASH) -> Performance:
        """Run the drill."""
        schemas = iter(self.schemas)
        drill = Drill(
            lambda fault: self._next("deploy" if fault is None else fault.value),
            lambda to: self._next(f"rollback {to.rpartition('/')[2]}"),
            (lambda: raised(next(schemas))) if self.schemas else None,
        )
        return drill.perform(service(), "staging", fault)

    def _next(self, name: str) -> Outcome:
        self.done.append(name)
        return raised(self.outcomes[len(self.done) - 1])


def raised(found: T | BaseException) -> T:
    if isinstance(found, BaseException):
        raise found
    return found


def service(**tags: str) -> Service:
    named = {f"headgate:{name}": value for name, value in tags.items()}
    return Service("arn:service", FIRST, 2, 2, 0, tags=named)


@pytest.mark.parametrize(
    ("fault", "noticing", "code"),
    [
        (Fault.CRASH, Step.DEPLOYMENT, ExitCode.ROLLED_BACK),
        (Fault.HANG, Step.DEPLOYMENT, ExitCode.ROLLED_BACK),
        (Fault.HANG, Step.DEPLOYMENT, ExitCode.TIMED_OUT),
        (Fault.VERIFY, Step.VERIFY, ExitCode.ROLLED_BACK),
    ],
)
def test_a_drill_that_passes(fault: Fault, noticing: Step, code: ExitCode) -> None:
    stage = Stage([GOOD, back_after(noticing, code), RETURNED])
    found = stage.perform(fault)
    assert found.code is ExitCode.DONE, found.problem
    assert stage.done == ["deploy", fault.value, "rollback gateway:1"]
    assert [each.seconds_back for each in found.acts] == [0, 101, 101]


def test_a_fault_that_nothing_notices_is_left_and_said() -> None:
    stage = Stage([GOOD, GOOD, RETURNED])
    found = stage.perform(Fault.HANG)
    assert found.code is ExitCode.FAILED
    assert "ended as DONE instead of ROLLED_BACK or TIMED_OUT" in found.problem
    assert stage.done[-1] == "rollback gateway:1"


def test_a_fault_that_another_phase_notices_is_no_rehearsal_of_it() -> None:
    found = Stage([GOOD, back_after(Step.DEPLOYMENT), RETURNED]).perform(Fault.VERIFY)
    assert found.code is ExitCode.FAILED
    assert "was to fail the phase verify, not deployment" in found.problem


def test_another_operator_who_rolls_back_ends_the_drill() -> None:
    taken_over = Outcome(
        ExitCode.ROLLED_BACK, "rolled back by bob", phases=(Phase(Step.DEPLOYMENT, 1.0, False),)
    )
    stage = Stage([GOOD, taken_over])
    assert "the tasks were not checked" in stage.perform().problem
    assert stage.done == ["deploy", "crash"]


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (back_after(Step.VERIFY), ExitCode.FAILED),
        (Outcome(ExitCode.FAILED, "stranded"), ExitCode.FAILED),
        (Outcome(ExitCode.BUSY, "bob is at it"), ExitCode.BUSY),
        (Outcome(ExitCode.NOTHING_DONE, "not steady"), ExitCode.NOTHING_DONE),
        (Outcome(ExitCode.ROLLED_BACK, f"x: {ON_REQUEST}", phases=BACK), ExitCode.FAILED),
    ],
)
def test_a_first_deploy_that_fails_ends_the_drill(first: Outcome, code: ExitCode) -> None:
    stage = Stage([first])
    assert stage.perform().code is code
    assert stage.done == ["deploy"]


def test_what_is_raised_before_anything_was_done_is_raised() -> None:
    with pytest.raises(HeadgateError, match="expired"):
        Stage([HeadgateError("expired")]).perform()
    with pytest.raises(HeadgateError, match="status 503"):
        Stage([GOOD], [HeadgateError("status 503")]).perform()


@pytest.mark.parametrize("position", [1, 2])
def test_what_is_raised_later_is_in_the_report(position: int) -> None:
    outcomes: list[Outcome | BaseException] = [GOOD, back_after(Step.DEPLOYMENT), RETURNED]
    outcomes[position] = HeadgateError("the AWS session has expired")
    found = Stage(outcomes).perform()
    assert found.code is ExitCode.FAILED
    assert "the AWS session has expired" in report(found)
    assert len(found.acts) == 3


def test_ctrl_c_between_two_commands_is_in_the_report() -> None:
    found = Stage([GOOD, KeyboardInterrupt()]).perform()
    assert found.code is ExitCode.FAILED
    assert ON_REQUEST in report(found)
    assert "Deploy the image" in report(found)


def test_ctrl_c_within_a_command_ends_the_drill() -> None:
    stopped = Outcome(ExitCode.ROLLED_BACK, ON_REQUEST, phases=BACK)
    stage = Stage([GOOD, stopped])
    assert stage.perform().code is ExitCode.FAILED
    assert stage.done == ["deploy", "crash"]


@pytest.mark.parametrize(
    ("schemas", "done"),
    [([BEFORE, AFTER], 1), ([BEFORE, BEFORE, AFTER], 2), ([BEFORE, BEFORE, BEFORE, AFTER], 3)],
)
def test_a_migrated_schema_ends_the_drill_in_words(
    schemas: list[Schema | HeadgateError], done: int
) -> None:
    stage = Stage([GOOD, back_after(Step.DEPLOYMENT), RETURNED], schemas)
    found = stage.perform()
    assert len(stage.done) == done
    assert found.code is ExitCode.FAILED
    text = report(found)
    assert "from MLflow 2.22.5, schema a1 to MLflow 3.1.0, schema b2 during the drill" in text
    assert "is not covered by headgate ecs" in text
    assert "MLflow 2.22.5, schema a1 before, MLflow 3.1.0, schema b2 after" in text


def test_a_schema_that_cannot_be_asked_for_is_said_and_the_way_back_goes_on() -> None:
    stage = Stage(
        [GOOD, back_after(Step.DEPLOYMENT), RETURNED],
        [BEFORE, BEFORE, HeadgateError("status 503"), BEFORE],
    )
    found = stage.perform()
    assert stage.done[-1] == "rollback gateway:1"
    assert "could not be asked for: status 503" in found.problem


def test_the_report_has_each_phase_and_what_to_do_next() -> None:
    stranded = Outcome(ExitCode.FAILED, "a | b\nc", "run: headgate ecs rollback", BACK)
    text = report(Stage([GOOD, stranded, RETURNED]).perform())
    assert "| rollback: deployment | 100.0 s | passed |" in text
    assert "a \\| b c" in text
    assert "Next: run: headgate ecs rollback." in text
    assert "| Command | Ended as | Time | Of it the way back |" in text
    assert "failed, which it must not | 101.0 s | 101.0 s |" in text


@pytest.mark.parametrize("environment", ["development", "staging"])
def test_where_a_drill_may_run(environment: str) -> None:
    assert guarded(service(environment=environment), anywhere=False) == environment


@pytest.mark.parametrize("tags", [{}, {"environment": "production"}])
def test_where_it_may_not(tags: dict[str, str]) -> None:
    with pytest.raises(DrillRefusedError, match="headgate:environment"):
        guarded(service(**tags), anywhere=False)
    assert guarded(service(**tags), anywhere=True) == tags.get("environment", "not tagged")


def report(found: Performance) -> str:
    where = Circumstances(0.0, "ml", "gateway", "eu", "me", "image", "http://fake", "url", {})
    return markdown(where, found)
