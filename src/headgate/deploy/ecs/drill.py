"""``headgate ecs drill``: deploy, fault and rollback, rehearsed and timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headgate.deploy.ecs.faults import MEANING, Fault
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.records import Service
from headgate.deploy.outcome import ExitCode, Outcome
from headgate.errors import HeadgateError

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
    """One command of the drill; ``expected`` are the exit codes that it must end with."""

    name: str
    expected: Sequence[ExitCode]
    outcome: Outcome

    @property
    def passed(self) -> bool:
        """Whether it ended as it must."""
        return self.outcome.code in self.expected and not self.outcome.interrupted


@dataclass(frozen=True, slots=True)
class Performance:
    """What a drill found.

    Attributes:
        environment: the value of the service's tag ``headgate:environment``.
        before: MLflow's schema; None where it was not asked for.
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
        return ExitCode.FAILED if self.problem else ExitCode.DONE


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

        A step that does not end as it must ends the drill, so that nothing hides it.

        Raises:
            HeadgateError: nothing was done, for the reason that it says.
        """
        before = self._asked()
        acts: list[Act] = []
        after = before
        problem = ""
        for act in (self._good, self._faulty, self._back):
            acts.append(act(fault, service.revision))
            problem = _problem(acts[-1])
            after = self._asked()
            if before != after:
                problem = (
                    f"MLflow changed from {before} to {after} during the drill. The way back of "
                    "MLflow over a migrated schema is not covered by headgate ecs: restore "
                    "MLflow's database from its snapshot"
                )
            if problem:
                break
        return Performance(environment, fault, acts, before, after, problem)

    def _asked(self) -> Schema | None:
        return None if self._schema is None else self._schema()

    def _good(self, _fault: Fault, _first: str) -> Act:
        return Act("deploy the image", [ExitCode.DONE], self._deploy(None))

    def _faulty(self, fault: Fault, _first: str) -> Act:
        expected = [ExitCode.ROLLED_BACK]
        if fault is Fault.HANG:
            expected.append(ExitCode.TIMED_OUT)
        name = f"deploy with the fault {fault.value!r}: {MEANING[fault]}"
        return Act(name, expected, self._deploy(fault))

    def _back(self, _fault: Fault, first: str) -> Act:
        return Act(f"roll back to {short(first)}", [ExitCode.DONE], self._rollback(first))


def _problem(act: Act) -> str:
    if act.passed:
        return ""
    expected = " or ".join(each.name for each in act.expected)
    return (
        f"{act.name}: ended as {act.outcome.code.name} instead of {expected}: {act.outcome.summary}"
    )


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
                "passed": act.passed,
                **act.outcome.document(),
            }
            for act in found.acts
        ],
    }
