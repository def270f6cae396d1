"""What a command does to a service, phase by phase."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Step(StrEnum):
    """What a command does to a service, in the order in which it does it."""

    CHECK = "check"
    LOCK = "lock"
    VERIFY_BEFORE = "verify before"
    REGISTER = "register"
    MIGRATE = "upgrade the key store"
    TRAFFIC_BEFORE = "traffic before"
    UPDATE = "update"
    DEPLOYMENT = "deployment"
    TEST_TRAFFIC = "verify test traffic"
    TASKS = "check tasks"
    VERIFY = "verify"
    WATCH = "watch traffic"
    ACCEPT = "accept"
    STOP = "rollback: stop"
    RETURN = "rollback: update"
    RETURNED = "rollback: deployment"
    TASKS_BACK = "rollback: check tasks"
    VERIFY_BACK = "rollback: verify"


WAY_BACK: Final = frozenset(
    {Step.STOP, Step.RETURN, Step.RETURNED, Step.TASKS_BACK, Step.VERIFY_BACK}
)
"""The phases of the way back, of a deployment that failed and of ``rollback``."""
