"""The shared state of the steps: the client, the names, and the created objects."""

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
    """The data that was read back differs from the data sent."""


def expect(what: str, actual: object, expected: object) -> None:
    """Compare data that was read back with the data sent.

    Raises:
        MismatchError: they differ.
    """
    if actual != expected:
        raise MismatchError(f"{what}: read back {actual!r}, expected {expected!r}")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll for at most 15 seconds for a condition that MLflow may meet with a delay.

    Raises:
        MismatchError: the condition is not met in time.
    """
    pause = threading.Event()
    deadline = time.monotonic() + _POLL_LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise MismatchError(f"{what} within {_POLL_LIMIT:.0f} s")
        pause.wait(_POLL_INTERVAL)


@contextmanager
def patience_for_large_requests() -> Iterator[None]:
    """Use a long timeout: MLflow may copy a whole file to or from its store before it responds.

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

    ``size`` is in bytes.  ``made`` maps a kind of object to its name; a step adds an object before
    it creates it, so that the cleanup also finds objects whose response was lost.
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
    """The model's predictions before it was logged."""

    @property
    def name(self) -> str:
        """The name of the experiment, the run and the registered model."""
        return NAME_PREFIX + self.suffix
