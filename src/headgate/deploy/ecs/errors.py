"""What can go wrong between a command and AWS, and how a command ends."""

from __future__ import annotations

from enum import Enum, IntEnum

from headgate.errors import HeadgateError


class ExitCode(IntEnum):
    """How ``headgate ecs`` ends.

    ``NOTHING_DONE`` is also that of a mistyped option: nothing was changed.
    """

    DONE = 0
    FAILED = 1
    NOTHING_DONE = 2
    ROLLED_BACK = 3
    TIMED_OUT = 4
    BUSY = 5


class PlaneFailure(Enum):
    """Why AWS did not do what was asked."""

    ACCESS_DENIED = "access_denied"
    CREDENTIALS_EXPIRED = "credentials_expired"
    NO_CREDENTIALS = "no_credentials"
    NO_REGION = "no_region"
    UNREACHABLE = "unreachable"
    NOT_FOUND = "not_found"
    INACTIVE = "inactive"
    BUSY = "busy"
    THROTTLED = "throttled"
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    OTHER = "other"


class PlaneError(HeadgateError):
    """AWS refused, or could not be reached: a sentence that says what to do.

    ``retryable`` is whether the same call may succeed later.
    """

    def __init__(self, failure: PlaneFailure, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.failure = failure
        self.retryable = retryable
