"""Runs the steps in order, explains each failure, and always cleans up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from headgate_verify.diagnosis import Symptom, diagnose
from headgate_verify.events import Events
from headgate_verify.exchange import Exchange
from headgate_verify.recorder import Recorder
from headgate_verify.subject import MismatchError, Subject

_TEXT_LIMIT = 500
_LOST = "the server stopped serving"


@dataclass(frozen=True, slots=True)
class Step:
    """One action whose result is read back.

    ``run`` returns a short description of the result, and raises if the result is wrong.
    ``needs`` names steps that must have passed.  ``removes`` is the kind of object
    (``Subject.made``) that a cleanup step removes.
    """

    name: str
    run: Callable[[Subject], str]
    needs: tuple[str, ...] = ()
    removes: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps: checks first, then the cleanup."""

    checks: tuple[Step, ...]
    removals: tuple[Step, ...]
    answers: Callable[[Subject], bool]
    """Whether the server responds at all; called after a failure."""


class Runner:
    """One run of a plan."""

    def __init__(self, plan: Plan, subject: Subject, recorder: Recorder, events: Events) -> None:
        self._plan = plan
        self._subject = subject
        self._recorder = recorder
        self._events = events
        self._passed: set[str] = set()
        self._failed = 0
        self._skipped = 0
        self._stopped = ""

    def run(self, *, keep: bool) -> bool:
        """Run the plan; return whether every step passed.  ``keep``: do not clean up."""
        began = time.monotonic()
        with self._recorder.installed():
            try:
                for step in self._plan.checks:
                    self._check(step)
            except KeyboardInterrupt:  # between two steps
                self._stopped = "interrupted"
            if not keep:
                self._remove()
        self._events.emit(
            "summary",
            passed=len(self._passed),
            failed=self._failed,
            skipped=self._skipped,
            seconds=round(time.monotonic() - began, 3),
            leftovers=[f"{kind} {name}" for kind, name in self._subject.made.items()],
        )
        return self._failed == 0 and self._skipped == 0

    def _check(self, step: Step) -> None:
        missing = next((need for need in step.needs if need not in self._passed), None)
        if self._events.abandoned:
            self._stopped = "the reader of the results has exited"
        if missing is not None:
            self._skip(step, f"needs {missing}")
        elif self._stopped:
            self._skip(step, self._stopped)
        elif not self._perform(step) and not self._stopped and self._lost():
            self._stopped = _LOST

    def _remove(self) -> None:
        lost = bool(self._subject.made) and bool(self._stopped) and self._lost()
        for step in self._plan.removals:
            if step.removes not in self._subject.made:
                self._skip(step, "nothing was created")
            elif lost:
                self._skip(step, _LOST)
            elif self._perform(step):
                del self._subject.made[step.removes]
            else:
                lost = self._lost()

    def _perform(self, step: Step) -> bool:
        self._events.emit("started", step=step.name)
        self._recorder.clear()
        began = time.monotonic()
        symptom: Symptom | None = None
        detail = ""
        try:
            detail = step.run(self._subject)
        except MismatchError as error:
            symptom = Symptom(self._recorder.last, str(error), mismatch=True)
        except KeyboardInterrupt:
            self._stopped = "interrupted"
            symptom = Symptom(None, "interrupted")
        except Exception as error:  # noqa: BLE001 - the supervisor: every exception of MLflow is a finding
            symptom = Symptom(self._recorder.last_failed, _text(error))
        seconds = round(time.monotonic() - began, 3)
        if symptom is None:
            self._passed.add(step.name)
            repeated = [
                f"{exchange} ({_outcome(exchange)})" for exchange in self._recorder.repeated
            ]
            self._events.emit(
                "passed", step=step.name, seconds=seconds, detail=detail, repeated=repeated
            )
            return True
        self._failed += 1
        diagnosis = asdict(diagnose(symptom, url=self._subject.url))
        self._events.emit("failed", step=step.name, seconds=seconds, failure=diagnosis)
        return False

    def _skip(self, step: Step, why: str) -> None:
        self._skipped += 1
        self._events.emit("skipped", step=step.name, why=why)

    def _lost(self) -> bool:
        """Whether the server responded at first, and no longer does."""
        return bool(self._passed) and not self._plan.answers(self._subject)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_TEXT_LIMIT]


def _outcome(exchange: Exchange) -> str:
    return str(exchange.status) if exchange.fault is None else exchange.fault.value
