"""What can go wrong between a command and AWS."""

from __future__ import annotations

from enum import Enum

from headgate.errors import HeadgateError


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
