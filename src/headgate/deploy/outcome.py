"""How a command ended: what is shown to the operator, and the failures on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, Final

from headgate.deploy.phases import Phase
from headgate.errors import HeadgateError


class ExitCode(IntEnum):
    """How ``headgate ecs`` and ``headgate mlflow`` end.

    ``NOTHING_DONE`` is also that of a mistyped option: nothing was changed.
    """

    DONE = 0
    FAILED = 1
    NOTHING_DONE = 2
    ROLLED_BACK = 3
    TIMED_OUT = 4
    BUSY = 5


@dataclass(frozen=True, slots=True)
class Verification:
    """What ``headgate verify`` found; ``summary`` is a sentence."""

    passed: bool
    summary: str


ON_REQUEST: Final = "stopped on request"
"""Why a command ends that was interrupted."""

Verify = Callable[[], Verification]
"""Verifies the service through its address."""


class FailedError(HeadgateError):
    """A deployment did not reach what it was to reach; the message is a sentence."""


class TimedOutError(FailedError):
    """The time of the operator's ran out."""


class BusyError(HeadgateError):
    """Another command, or another deployment, is at the service."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a command.

    Attributes:
        code: the exit code.
        summary: one sentence: where things stand.
        advice: what to do next, if anything.
        phases: what was done, with the seconds of each.
        facts: operator, revisions, deployment and the like, by name, for ``--json``.
    """

    code: ExitCode
    summary: str
    advice: str = ""
    phases: tuple[Phase, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long all phases took."""
        return sum(each.seconds for each in self.phases)

    @property
    def interrupted(self) -> bool:
        """Whether the operator stopped it."""
        return ON_REQUEST in self.summary

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "result": self.code.name.lower(),
            "exit_code": int(self.code),
            "summary": self.summary,
            "advice": self.advice,
            "seconds": round(self.seconds, 3),
            "phases": [
                asdict(each) | {"step": each.step.value, "seconds": round(each.seconds, 3)}
                for each in self.phases
            ],
            **self.facts,
        }
