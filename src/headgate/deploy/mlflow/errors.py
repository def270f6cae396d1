"""What goes wrong with a host, a database or the parking; each message is a sentence."""

from __future__ import annotations

from headgate.errors import HeadgateError


class HostError(HeadgateError):
    """MLflow cannot be looked at, stopped or started; the message says what to do.

    ``retryable`` is whether the same call may succeed later.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class NoSuchVersionError(HostError):
    """The host has no such version of MLflow; the message says how to install it."""


class DatabaseError(HeadgateError):
    """The database cannot be reached, or does not do what was asked.

    ``retryable`` is whether the same call may succeed later.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class MigrationError(HeadgateError):
    """``mlflow db upgrade`` failed; the message has the last of what it said."""


class ParkingError(HeadgateError):
    """The gates do not do what was asked; the message says which, and why.

    ``retryable`` is whether the same call may succeed later.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class ParkedByOthersError(ParkingError):
    """Somebody else has parked the upstream: by whom and until when is in the message."""


class ParkLostError(ParkingError):
    """The park is not in force any more, so that clients may be writing."""
