"""``headgate ecs drill``: deploy, fault and rollback, rehearsed and timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from headgate.deploy.ecs.faults import MEANING, NOTICED, Fault
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.phases import WAY_BACK, Step
from headgate.deploy.ecs.records import Service
from headgate.deploy.outcome import ON_REQUEST, ExitCode, Outcome
from headgate.errors import HeadgateError

DEPLOY: Final = "deploy the image"
ENVIRONMENT_TAG: Final = "headgate:environment"
REHEARSED: Final = frozenset({"development", "staging"})


class DrillRefusedError(HeadgateError):
    """The service is not one to rehearse with."""


@dataclass(frozen=True, slots=True)
class Schema:
    """MLflow's database schema, as its server implies it.

    MLflow does not start on a database whose schema is not that of its version, so that the
    version tells the schema.

    Attributes:
        version: of the MLflow server.
        head: the revision of the schema, if an MLflow of this version is installed here.
    """

    version: str
    head: str = ""

    def __str__(self) -> str:
        head = f", schema {self.head}" if self.head else ""
        return f"MLflow {self.version}{head}"


@dataclass(frozen=True, slots=True)
class Act:
    """One command of the drill.

    Attributes:
        expected: the exit codes that it must end with.
        noticed: the phase that must have noticed the fault; None where there is none.
    """

    name: str
    expected: Sequence[ExitCode]
    outcome: Outcome
    noticed: Step | None = None

    @property
    def problem(self) -> str:
        """Why it did not end as it must; empty if it did."""
        if self.outcome.interrupted or self.outcome.code not in self.expected:
            expected = " or ".join(each.name for each in self.expected)
            return self._said(f"ended as {self.outcome.code.name} instead of {expected}")
        if self.noticed is None:
            return ""
        failed = [each.step for each in self.outcome.phases if not each.passed]
        if self.noticed not in failed:
            found = ", ".join(each.value for each in failed) or "no phase"
            return self._said(f"the fault was to fail the phase {self.noticed.value}, not {found}")
        if Step.TASKS_BACK not in [each.step for each in self.outcome.phases if each.passed]:
            return self._said("the tasks were not checked after the way back")
        return ""

    def _said(self, what: str) -> str:
        return f"{self.name}: {what}: {self.outcome.summary}"

    @property
    def seconds_back(self) -> float:
        """How long the way back took, with what ECS did of it by itself; 0 if there was none."""
        own = sum(each.seconds for each in self.outcome.phases if each.step in WAY_BACK)
        return own + float(self.outcome.facts.get("ecs_seconds_back", 0.0))


@dataclass(frozen=True, slots=True)
class Performance:
    """What a drill found.

    Attributes:
        environment: the value of the service's tag ``headgate:environment``.
        before: MLflow's schema; None where it was not asked for.
        after: likewise, after the last command; None also where it could not be asked for.
        problem: why the drill failed; empty if it passed.
    """

    environment: str
    fault: Fault
    acts: Sequence[Act]
    before: Schema | None
    after: Schema | None
    problem: str

    @property
    def code(self) -> ExitCode:
        """How the command ends."""
        if len(self.acts) == 1 and self.acts[0].outcome.code in _UNCHANGED:
            return self.acts[0].outcome.code
        return ExitCode.FAILED if self.problem else ExitCode.DONE


_UNCHANGED: Final = frozenset({ExitCode.NOTHING_DONE, ExitCode.BUSY})


def guarded(service: Service, anywhere: bool) -> str:
    """The environment of the service.

    Raises:
        DrillRefusedError: it is not tagged as one to rehearse in.
    """
    environment = service.tags.get(ENVIRONMENT_TAG, "")
    if environment in REHEARSED or anywhere:
        return environment or "not tagged"
    found = f"is {environment!r}" if environment else "is missing"
    raise DrillRefusedError(
        f"a drill deploys a revision that fails, and the tag {ENVIRONMENT_TAG} of this service "
        f"{found}: set it to development or staging, or add --i-know-this-is-not-a-test-service"
    )


class Drill:
    """One drill.

    Args:
        deploy: deploys the image, with a fault or without.
        rollback: returns to a revision.
        schema: asks for MLflow's schema; None if it cannot be asked.
    """

    def __init__(
        self,
        deploy: Callable[[Fault | None], Outcome],
        rollback: Callable[[str], Outcome],
        schema: Callable[[], Schema] | None,
    ) -> None:
        self._deploy = deploy
        self._rollback = rollback
        self._schema = schema

    def perform(self, service: Service, environment: str, fault: Fault) -> Performance:
        """Deploy, deploy with the fault, roll back to what ran at first.

        What does not end as it must is the drill's problem, which no later command hides.  The
        last command returns what the drill brought all the same, unless MLflow changed meanwhile,
        or another operator is at the service.

        Raises:
            HeadgateError: nothing was done, for the reason that it says.
        """
        before = self._asked()
        found = _Found(before)
        found.add(Act(DEPLOY, [ExitCode.DONE], self._deploy(None)))
        try:
            self._after_the_first(found, service.revision, fault)
        except KeyboardInterrupt:
            found.problem = found.problem or f"{ON_REQUEST} between two commands of the drill"
        return Performance(environment, fault, found.acts, before, found.after, found.problem)

    def _after_the_first(self, found: _Found, first: str, fault: Fault) -> None:
        self._compare(found)
        if found.acts[0].problem:
            return  # it went back by itself, or says what to do
        if not found.problem:
            found.add(self._faulty(fault))
            self._compare(found)
        if found.migrated or _is_anothers(found.acts[-1]):
            return
        back = _ended(lambda: self._rollback(first))
        found.add(Act(f"roll back to {short(first)}", [ExitCode.DONE], back))
        self._compare(found)

    def _faulty(self, fault: Fault) -> Act:
        expected = [ExitCode.ROLLED_BACK]
        if fault is Fault.HANG:
            expected.append(ExitCode.TIMED_OUT)
        name = f"deploy with the fault {fault.value!r}: {MEANING[fault]}"
        return Act(name, expected, _ended(lambda: self._deploy(fault)), NOTICED[fault])

    def _asked(self) -> Schema | None:
        return None if self._schema is None else self._schema()

    def _compare(self, found: _Found) -> None:
        """Ask for MLflow's schema again, after a command."""
        try:
            found.after = now = self._asked()
        except HeadgateError as error:
            found.after = None
            found.problem = found.problem or f"MLflow's schema could not be asked for: {error}"
            return
        if now != found.before and not found.migrated:
            found.migrated = True
            found.problem = (
                f"MLflow changed from {found.before} to {now} during the drill. The way back of "
                "MLflow over a migrated schema is not covered by headgate ecs: see headgate mlflow "
                "rollback, or restore MLflow's database from its snapshot"
            )


@dataclass(slots=True)
class _Found:
    """What a drill has found so far; ``problem`` is the first."""

    before: Schema | None
    acts: list[Act] = field(default_factory=list)
    problem: str = ""
    migrated: bool = False
    after: Schema | None = None

    def add(self, act: Act) -> None:
        """A command ended."""
        self.acts.append(act)
        self.problem = self.problem or act.problem


def _ended(command: Callable[[], Outcome]) -> Outcome:
    """How a command ended, also if it found that it could do nothing."""
    try:
        return command()
    except HeadgateError as error:
        return Outcome(ExitCode.NOTHING_DONE, str(error))


def _is_anothers(act: Act) -> bool:
    """Whether the operator, or another one, wants the drill to change nothing more."""
    outcome = act.outcome
    passed = [each.step for each in outcome.phases if each.passed]
    taken_over = outcome.code is ExitCode.ROLLED_BACK and Step.TASKS_BACK not in passed
    return outcome.interrupted or outcome.code is ExitCode.BUSY or taken_over


def document(found: Performance) -> Mapping[str, Any]:
    """For ``--json`` and the report."""
    return {
        "passed": not found.problem,
        "problem": found.problem,
        "environment": found.environment,
        "fault": found.fault.value,
        "mlflow_before": None if found.before is None else str(found.before),
        "mlflow_after": None if found.after is None else str(found.after),
        "acts": [
            {
                "name": act.name,
                "expected": [each.name.lower() for each in act.expected],
                "noticed_by": None if act.noticed is None else act.noticed.value,
                "passed": not act.problem,
                "seconds_back": round(act.seconds_back, 3),
                **act.outcome.document(),
            }
            for act in found.acts
        ],
    }
