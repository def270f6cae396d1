"""The lock of a service, so that one operator at a time deploys.

SSM can create a parameter only if there is none, but it can neither replace nor delete one only
if it still has a certain value.  It does number the versions of a parameter, one after the other,
and keeps the last hundred.  The lock is built on that: it is never deleted, and each new version
says after which version it was written (``after``).  A version counts only if that is the one
right before it; others were overtaken, and change nothing.  So of several that write together one
counts, and a command that wakes up after its lock was taken over cannot give back, or extend, what
is another's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.errors import HeadgateError

SKEW = 60.0
"""Seconds by which the clocks of two operators may differ: so much later a lock is taken over."""
LOOK_BACK = 50
"""How many overtaken versions in a row are looked through."""
ATTEMPTS = 8
"""How often a change is tried again after it was overtaken."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Who has the service.

    Attributes:
        holder: the ARN of the operator.
        host: where the command runs, with its process id.
        taken_at: seconds since the epoch.
        until: when the lease ends, in seconds since the epoch.  After it, and ``SKEW``, others
            may take the lock over.
        nonce: different for each command, which thereby knows its own lock.
        purpose: such as ``deploy``.
    """

    holder: str
    host: str
    taken_at: float
    until: float
    nonce: str
    purpose: str = ""

    def is_over(self, now: float) -> bool:
        """Whether another may take it over."""
        return now > self.until + SKEW

    def to_text(self) -> str:
        """For ``ControlPlane.acquire`` and ``release``."""
        return json.dumps(self.to_document())

    def to_document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "holder": self.holder,
            "host": self.host,
            "taken_at": self.taken_at,
            "until": self.until,
            "nonce": self.nonce,
            "purpose": self.purpose,
        }


class LockError(HeadgateError):
    """The lock cannot be read; the message says how to go on."""


class VersionedText(Protocol):
    """A text whose versions are numbered from 1, one after the other."""

    def read(self, version: int | None = None) -> tuple[str, int] | None:
        """The latest, or another version, with its number; None if there is none."""

    def create(self, text: str) -> bool:
        """Write version 1; False if there is a text already."""

    def write(self, text: str) -> int:
        """Write the next version; its number."""


def read_lock(text: str) -> Lock:
    """A lock of ``Lock.to_text``.

    Raises:
        LockError: it is none.
    """
    try:
        return _lock(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise LockError(f"this is not a lock of a service ({error})") from None


def acquire(at: VersionedText, name: str, mine: Lock, now: float) -> Lock | None:
    """Take the lock, or extend one's own.

    Args:
        at: the parameter.
        name: of the parameter, for messages.
        mine: what to take; the one held is one's own if its nonce is the same.
        now: seconds since the epoch.

    Returns:
        None if the lock now is ``mine``, else the lock that is in the way.

    Raises:
        LockError: the parameter has something else.
        PlaneError: others changed it all the time.
    """
    for _ in range(ATTEMPTS):
        held, latest = current(at, name)
        if held is not None and held.nonce != mine.nonce and not held.is_over(now):
            return held
        if held == mine:
            return None
        _write(at, mine, latest)
        held, _latest = current(at, name)
        if held == mine:
            return None
    raise _contended(name)


def release(at: VersionedText, name: str, nonce: str) -> None:
    """Give the lock back; nothing happens if it is another's by now.

    Raises:
        LockError: the parameter has something else.
        PlaneError: others changed it all the time.
    """
    for _ in range(ATTEMPTS):
        held, latest = current(at, name)
        if held is None or held.nonce != nonce:
            return
        _write(at, None, latest)
    raise _contended(name)


def current(at: VersionedText, name: str) -> tuple[Lock | None, int]:
    """The lock that is held, if any, and the number of the latest version.

    Raises:
        LockError: the parameter has something else.
    """
    found = at.read()
    if found is None:
        return None, 0
    latest = found[1]
    for _ in range(LOOK_BACK):
        text, version = found
        held, after = _entry(text, name)
        if after == version - 1:
            return held, latest
        if version == 1:
            break
        found = at.read(version - 1)
        if found is None:
            break
    raise LockError(_unreadable(name, "no version of it counts"))


def _write(at: VersionedText, held: Lock | None, latest: int) -> None:
    document = {"held": None if held is None else held.to_document(), "after": latest}
    text = json.dumps(document)
    if latest == 0:
        at.create(text)
    else:
        at.write(text)


def _entry(text: str, name: str) -> tuple[Lock | None, int]:
    try:
        document = json.loads(text)
        after = document["after"]
        if isinstance(after, bool) or not isinstance(after, int):
            raise ValueError("'after' is not a number")
        held = document["held"]
        return None if held is None else _lock(held), after
    except (ValueError, KeyError, TypeError) as error:
        raise LockError(_unreadable(name, str(error))) from None


def _lock(document: Any) -> Lock:
    lock = Lock(**document)
    for name in ("holder", "host", "nonce", "purpose"):
        if not isinstance(getattr(lock, name), str):
            raise ValueError(f"'{name}' is not a text")
    for name in ("taken_at", "until"):
        value = getattr(lock, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"'{name}' is not a number")
    return lock


def _unreadable(name: str, why: str) -> str:
    return (
        f"the lock in the SSM parameter {name} cannot be read ({why}): if nobody is deploying, "
        f"remove it with: aws ssm delete-parameter --name {name}"
    )


def _contended(name: str) -> PlaneError:
    return PlaneError(
        PlaneFailure.BUSY,
        f"others are taking the lock {name} again and again: repeat the command in a minute",
        retryable=True,
    )
