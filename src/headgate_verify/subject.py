"""What the steps share: the client, the names, and what has been made so far."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from headgate_verify.environment import LARGE_REQUEST_TIMEOUT, Credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME_PREFIX = "headgate-verify-"
_POLL_INTERVAL = 0.25
_POLL_LIMIT = 15.0


class MismatchError(Exception):
    """What was read back is not what was sent."""


def expect(what: str, actual: object, expected: object) -> None:
    """Compare what was read back with what was sent.

    Raises:
        MismatchError: when they differ.
    """
    if actual != expected:
        raise MismatchError(f"{what}: read back {actual!r}, expected {expected!r}")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Ask again and again, at most 15 seconds, for what MLflow may show a moment later.

    Raises:
        MismatchError: when the condition does not come true in time.
    """
    pause = threading.Event()
    deadline = time.monotonic() + _POLL_LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise MismatchError(f"{what} within {_POLL_LIMIT:.0f} s")
        pause.wait(_POLL_INTERVAL)


@contextmanager
def patience_for_large_requests() -> Iterator[None]:
    """Allow long silences: MLflow may copy a whole file to or from its store before it answers.

    MLflow's client reads its timeout from the environment at each request.
    """
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    usual = os.environ[name]
    os.environ[name] = str(LARGE_REQUEST_TIMEOUT)
    try:
        yield
    finally:
        os.environ[name] = usual


@dataclass
class Subject:
    """The server under test as the steps see it.

    ``size`` is bytes.  ``made`` maps a kind of thing to what it is called; a step enters what
    it is about to make before it makes it, so that a response lost on the way leaves no orphan.
    """

    url: str
    suffix: str
    folder: Path
    size: int
    credentials: Credentials
    client: MlflowClient
    made: dict[str, str] = field(default_factory=dict)
    experiment_id: str = ""
    run_id: str = ""
    logged_model_id: str = ""
    model_version: str = ""
    trace_id: str = ""
    artifacts: dict[str, int] = field(default_factory=dict)
    """Sizes in bytes of the artifacts that arrived, by path."""
    predictions: list[float] = field(default_factory=list)
    """What the model said before it was logged."""

    @property
    def name(self) -> str:
        """The name of the experiment, the run and the registered model."""
        return NAME_PREFIX + self.suffix
