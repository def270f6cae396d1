"""The steps of an upgrade or a rollback, forward and back, as tables.

Forward::

    park -> drain -> stop MLflow -> snapshot -> migrate (or: put back) -> start MLflow
         -> check health -> verify -> unpark

Each step may be repeated, and the journal names a step before it begins.  So a command that was
killed goes on with the step that the journal names, and one that gives up knows from the same name
what has to be taken back: ``BACK_FROM`` says where the way back begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a command does to MLflow."""

    UPGRADE = "upgrade"
    ROLLBACK = "rollback"


class Step(StrEnum):
    """One step."""

    CHECK = "check"
    VERIFY_BEFORE = "verify before"
    PARK = "park"
    DRAIN = "drain"
    STOP = "stop MLflow"
    SNAPSHOT = "snapshot"
    MIGRATE = "migrate"
    PUT_BACK = "put back"
    START = "start MLflow"
    HEALTH = "check health"
    VERIFY = "verify"
    UNPARK = "unpark"
    BACK_STOP = "back: stop MLflow"
    BACK_RESTORE = "back: restore"
    BACK_START = "back: start MLflow"
    BACK_HEALTH = "back: check health"
    BACK_VERIFY = "back: verify"
    BACK_UNPARK = "back: unpark"


FORWARD: Final[Mapping[Kind, Sequence[Step]]] = {
    kind: (
        Step.PARK,
        Step.DRAIN,
        Step.STOP,
        Step.SNAPSHOT,
        change,
        Step.START,
        Step.HEALTH,
        Step.VERIFY,
        Step.UNPARK,
    )
    for kind, change in ((Kind.UPGRADE, Step.MIGRATE), (Kind.ROLLBACK, Step.PUT_BACK))
}
BACK: Final[Sequence[Step]] = (
    Step.BACK_STOP,
    Step.BACK_RESTORE,
    Step.BACK_START,
    Step.BACK_HEALTH,
    Step.BACK_VERIFY,
    Step.BACK_UNPARK,
)
BACK_FROM: Final[Mapping[Step, Step]] = {
    # MLflow was not touched.
    Step.PARK: Step.BACK_UNPARK,
    Step.DRAIN: Step.BACK_UNPARK,
    # The database was not.
    Step.STOP: Step.BACK_START,
    Step.SNAPSHOT: Step.BACK_START,
    Step.MIGRATE: Step.BACK_STOP,
    Step.PUT_BACK: Step.BACK_STOP,
    Step.START: Step.BACK_STOP,
    Step.HEALTH: Step.BACK_STOP,
    Step.VERIFY: Step.BACK_STOP,
    Step.UNPARK: Step.BACK_STOP,
}
STARTED: Final = frozenset({Step.START, Step.HEALTH, Step.VERIFY, Step.UNPARK})
"""The new version may run, so that clients write to it if the park ended."""


def is_back(step: Step) -> bool:
    """Whether it belongs to the way back."""
    return step in BACK


def remaining(kind: Kind, step: Step) -> Sequence[Step]:
    """A step and those after it, on its own way."""
    way = BACK if is_back(step) else FORWARD[kind]
    return way[way.index(step) :]
