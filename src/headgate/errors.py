"""What the gate refuses with, and what stops it from starting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.reasons import Reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that the gate itself gives.

    ``message`` is one sentence for a person: who refused, why, and what to do.  It never holds
    a credential.  ``retry_after`` is seconds.  ``status``, ``error_code`` and ``phrase``, each a
    fixed text, override the reason's own.  ``detail`` is for the log alone: it may name internal
    addresses.
    """

    reason: Reason
    message: str
    retry_after: int | None = None
    status: int | None = None
    detail: str = ""
    challenge: bool = False
    allow: tuple[bytes, ...] = ()
    error_code: str = ""
    phrase: str = ""

    @property
    def code(self) -> int:
        """The HTTP status to send."""
        return self.status if self.status is not None else self.reason.status


class HeadgateError(Exception):
    """Something the operator must mend before Headgate can do what was asked.

    The message is one line that names the thing and the cure; the command line prints it and
    exits with 2.
    """


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration: where it stands, and what is wrong with it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ConfigError(HeadgateError):
    """The configuration has problems; all of them are in ``problems``."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))
