"""The MLflow of ``headgate up``, whose version is an environment below the data folder.

    headgate-data/mlflow/3.17.2/bin/python

The first MLflow of a data folder is that of Headgate's own environment.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from headgate.deploy.clock import Clock
from headgate.deploy.mlflow.errors import HostError, NoSuchVersionError
from headgate.deploy.mlflow.hosts.environments import Environments, python_of
from headgate.deploy.mlflow.hosts.local_processes import family_of, not_of
from headgate.deploy.mlflow.hosts.responding import problem_of
from headgate.deploy.mlflow.hosts.up_files import (
    MlflowState,
    WantedMlflow,
    read_state,
    read_wanted,
    write,
)
from headgate.deploy.mlflow.interpreter import migrate
from headgate.deploy.mlflow.records import Standing, Version, Writer
from headgate.errors import HeadgateError

ENVIRONMENTS: Final = "mlflow"
DATABASE: Final = "sqlite:///mlflow.db"
"""As ``headgate up`` has it: relative to the data folder."""
LOCK: Final = "up.lock"
GUARDED_SECONDS: Final = 900.0
"""For so long after a start the gate goes on if MLflow ends."""


class EmbeddedHost:
    """``Host`` for a ``headgate up``.

    Args:
        data: its data folder.
        clock: for the time until which an end of MLflow does not end the gate.
    """

    def __init__(self, data: Path, clock: Clock) -> None:
        self._data = data.absolute()
        self._clock = clock
        self._environments = Environments(self._data / ENVIRONMENTS)

    def name(self) -> str:
        """See ``Host``."""
        return f"headgate up in {self._data}"

    def gate(self) -> str:
        """The address of its gate.

        Raises:
            HostError: ``headgate up`` does not run.
        """
        return self._state().gate

    def current(self) -> Version:
        """See ``Host``."""
        return self._at(self._wanted().place)

    def find(self, wanted: str) -> Version:
        """See ``Host``."""
        if wanted == self._state().own:
            return self._at(wanted)
        try:
            return self._environments.find(wanted)
        except NoSuchVersionError:
            own = self._own()
            if own is None or own.number != wanted:
                raise
            return own

    def _own(self) -> Version | None:
        """The MLflow of Headgate's own environment."""
        try:
            return self._at(self._state().own)
        except NoSuchVersionError:
            return None

    def _at(self, place: str) -> Version:
        path = Path(place)
        python = path / "bin/python" if path.is_dir() else path
        return self._environments.at(python, place)

    def obstacles(self) -> Sequence[str]:
        """See ``Host``."""
        return ()

    def revisions(self, version: Version) -> Sequence[str]:
        """See ``Host``."""
        return self._environments.revisions(version)

    def look(self) -> Standing:
        """See ``Host``."""
        state, wanted = self._state(), self._wanted()
        processes = len(family_of(state.mlflow)) if state.mlflow else 0
        if state.request != wanted.request:
            note = "headgate up has not followed yet"
            return Standing(wanted.place, max(1, processes), healthy=False, note=note)
        if state.exit_code is not None:
            note = f"it exited with code {state.exit_code}; see {self._data / 'mlflow.log'}"
            return Standing(wanted.place, processes, healthy=False, failed=True, note=note)
        if not state.mlflow:
            return Standing(wanted.place, 0, healthy=False, note="it is stopped")
        problem = problem_of(state.url, self._at(wanted.place).number)
        return Standing(wanted.place, max(1, processes), not problem, note=problem)

    def stop(self) -> None:
        """See ``Host``."""
        wanted = self._wanted()
        if wanted.run or not wanted.request:
            self._ask(replace(wanted, run=False))

    def start(self, version: Version) -> None:
        """See ``Host``."""
        self._ask(replace(self._wanted(), place=version.place, run=True))

    def _ask(self, wanted: WantedMlflow) -> None:
        until = self._clock.now() + GUARDED_SECONDS
        try:
            write(self._data, replace(wanted, request=secrets.token_hex(8), guarded_until=until))
        except HeadgateError as error:
            raise HostError(str(error)) from None

    def others(self, writers: Sequence[Writer]) -> Sequence[Writer]:
        """See ``Host``."""
        state = self._state()
        return not_of(family_of(state.mlflow) if state.mlflow else (), writers)

    def migrate(self, version: Version, limit: float) -> str:
        """See ``Host``."""
        return migrate(python_of(version), version, DATABASE, limit, self._data)

    def _wanted(self) -> WantedMlflow:
        try:
            found = read_wanted(self._data)
        except HeadgateError as error:
            raise HostError(str(error)) from None
        return found or WantedMlflow("", self._state().own, run=True)

    def _state(self) -> MlflowState:
        if not _is_locked(self._data / LOCK):
            raise HostError(f"no headgate up runs with the data folder {self._data}: start it")
        try:
            found = read_state(self._data)
        except HeadgateError as error:
            raise HostError(str(error)) from None
        if found is None:
            raise HostError(f"headgate up has not started MLflow in {self._data} yet")
        return found


def _is_locked(file: Path) -> bool:
    """Whether a process holds the lock of a data folder."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
