"""The upgrade of the key store, by a task of its own, before the service moves."""

from __future__ import annotations

from typing import Final

from headgate.deploy.ecs.errors import PlaneError
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.watching import POLL, Site, stopped_in_words
from headgate.deploy.outcome import FailedError

COMMAND: Final = ("db", "upgrade")
"""What the gate's container runs instead of ``serve``; its entry point is ``headgate``."""
TIMEOUT: Final = 600.0


def upgrade_store(site: Site, revision: str) -> str:
    """Run ``headgate db upgrade`` in a task of a revision; what happened, in words.

    Raises:
        FailedError: the task failed, or has not ended in time.
        PlaneError: AWS refuses.
        SupersededError: another operator took the service over.
    """
    task = site.plane.run_task(revision, COMMAND)
    deadline = site.clock.monotonic() + TIMEOUT
    while task.status != "STOPPED":
        if site.clock.monotonic() >= deadline:
            raise FailedError(
                f"headgate db upgrade has not ended after {TIMEOUT:.0f} s: task {short(task.arn)} "
                f"is {task.status}; look at its log, and stop it with: aws ecs stop-task"
            )
        site.reporter.status(f"task {short(task.arn)} is {task.status}")
        site.clock.sleep(POLL)
        site.holding.renew()
        try:
            task = site.plane.task(task.arn)
        except PlaneError as error:
            if not error.retryable:
                raise
    if task.exit_code != 0:
        raise FailedError(
            f"headgate db upgrade failed, so the key store may not fit the new version: "
            f"{stopped_in_words(task)}; its log says why"
        )
    return f"task {short(task.arn)} ended with exit code 0"
